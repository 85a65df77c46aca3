//! Stores behind a network, each against its real counterpart on the loopback interface.

mod dotenv_readers;
#[path = "../contract/contracts.rs"]
mod contracts;
#[path = "../contract/deploy.rs"]
mod deploy;
#[path = "../contract/events.rs"]
mod events;
#[path = "../contract/images.rs"]
mod images;
#[path = "../contract/ledger.rs"]
mod ledger;
#[path = "../contract/refs.rs"]
mod refs;
#[path = "../contract/runs.rs"]
mod runs;
#[path = "../contract/runs_leases.rs"]
mod runs_leases;
#[path = "../contract/secrets.rs"]
mod secrets;
#[path = "../contract/state.rs"]
mod state;
#[path = "../contract/state_locks.rs"]
mod state_locks;
#[path = "../contract/types.rs"]
mod types;

mod aws;
mod aws_ecr;
mod aws_ecr_refusals;
mod aws_ecs;
mod aws_ecs_failures;
mod aws_ecs_moto;
mod aws_ecs_others;
mod aws_ecs_tasks;
mod aws_ecs_way_back;
mod aws_identity;
mod aws_refs;
mod aws_refs_refusals;
mod aws_refs_tasks;
mod aws_refusals;
mod aws_state;
mod aws_state_refusals;
mod aws_state_requests;
mod aws_state_setup;
mod backup;
mod cloudflare;
mod cloudflare_described;
mod cloudflare_health;
mod cloudflare_health_workers;
mod cloudflare_r2;
mod cloudflare_tasks;
mod cloudflare_worker;
mod cloudflare_worker_containers;
mod cloudflare_worker_failures;
mod cloudflare_worker_parity;
mod cloudflare_worker_real;
#[cfg(unix)]
mod dockerfiles;
mod github;
mod image_shop;
mod image_tasks;
mod journey;
mod nats_runs;
mod nats_runs_kills;
mod nats_bootstrap;
mod nats_events;
mod nats_leaf;
mod nats_ledger;
mod nats_permissions;
mod nats_health;
mod nats_health_faults;
mod nats_health_tasks;
mod nats_health_users;
mod nats_target;
mod plans;
mod registry;
mod registry_auth;
mod registry_faults;
mod registry_images;
mod shared;
mod stopped;
mod terraform_s3;
mod terraform_s3_tasks;
mod vault;
mod vault_git;
mod vault_interop;
