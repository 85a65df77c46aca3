//! An `infra.toml` that says all it can say.

use crate::{shop, xtask};

const EVERYTHING: &str = r#"
[project]
name = "shop-api"
kind = "api"
org  = "acme"

[env.local]
[env.staging]
provider = "aws"
region   = "ap-northeast-2"
state    = { backend = "s3", bucket = "acme-terraform-state" }
[env.production]
provider  = "aws"
protected = true
[env.production.deploy]
keep = 20

[secrets.DATABASE_URL]
description = "Postgres connection string"
targets = ["github", "ssm"]
[secrets.SESSION_KEY]
generate = "random:32"
rotate   = "90d"

[refs]
network = "/infrastructure/network"
[exports]
"/shop-api/service" = { stack = "ecs-service" }

[stack.ecs-service]
dir  = "terraform/ecs-service"
envs = ["staging", "production"]

[image.app]
dockerfile = "Dockerfile"
[deploy]
target = "ecs"
"#;

#[test]
fn every_section_is_read_in_every_environment() {
    let scratch = shop(EVERYTHING);
    for env in ["local", "staging", "production"] {
        let shown = xtask(&scratch, &["infra:config:show", "--env", env]).finish().expect(0).stdout;
        for setting in ["secrets.SESSION_KEY.rotate", "image.app.dockerfile", "stack.ecs-service.dir"] {
            assert!(shown.contains(setting), "{shown}");
        }
        let keep = if env == "production" { "= 20 " } else { "= 5 " };
        let found = shown.lines().any(|line| line.starts_with("deploy.keep") && line.contains(keep));
        assert!(found, "{shown}");
    }
}

#[test]
fn every_value_has_its_origin() {
    let scratch = shop(EVERYTHING);
    let shown =
        xtask(&scratch, &["infra:config:show"]).env("INFRA_CONFIG__DEPLOY__PORT", "8080").finish().expect(0);
    let origin = |setting: &str, origin: &str| {
        let found =
            shown.stdout.lines().any(|line| line.starts_with(setting) && line.trim_end().ends_with(origin));
        assert!(found, "{setting} does not come from {origin}:\n{}", shown.stdout);
    };
    origin("project.name", "infra.toml:3:1");
    origin("deploy.port", "INFRA_CONFIG__DEPLOY__PORT");
    origin("deploy.health", "SDK default");
}
