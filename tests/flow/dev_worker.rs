//! `infra:dev` with a Worker in the runtime it will be served by: the real `wrangler dev`, as the README starts it.

use std::time::Duration;

use support::wrangler::real_wrangler;

use crate::dev::{Dev, get, nothing_is_left, world};

const WORKER: &str = "export default { fetch(request, env) {\n\
    const name = new URL(request.url).searchParams.get(\"name\");\n\
    return new Response(name === null ? \"ok\" : `${env[name]}`);\n} };\n";

const RUN: &str = "[dev]\nrun = [\"sh\", \"-c\", \"CLOUDFLARE_INCLUDE_PROCESS_ENV=true exec node_modules/.bin/wrangler dev \
                   --ip 127.0.0.1 --port $PORT\"]\n";

#[test]
fn a_worker_in_wrangler_dev_has_its_references_and_secrets_and_ends_with_it() {
    let world = world("dev-worker", RUN);
    let repo = world.scratch.join("shop-api");
    real_wrangler(&repo);
    world.scratch.write("shop-api/src/index.js", WORKER);
    world.scratch.write(
        "shop-api/wrangler.toml",
        "name = \"shop\"\nmain = \"src/index.js\"\ncompatibility_date = \"2026-11-01\"\n[vars]\nREGION = \"eu\"\n",
    );
    let home = world.scratch.join("own");
    std::fs::create_dir(&home).expect("the scratch folder is writable");
    let home = home.display().to_string();
    // Nothing outside of this machine is asked.
    let set = [
        ("HOME", home.as_str()),
        ("XDG_CONFIG_HOME", home.as_str()),
        ("WRANGLER_SEND_METRICS", "false"),
        ("CLOUDFLARE_CF_FETCH_ENABLED", "false"),
    ];
    let dev = Dev::start(&world, &set);
    let url = dev.says_within("ready: ", Duration::from_secs(120));
    assert_eq!(get(&url, "/?name=REGION"), "eu");
    assert_eq!(get(&url, "/?name=NETWORK_VPC_NAME"), "vpc-main");
    assert_eq!(get(&url, "/?name=SESSION_KEY"), crate::world::SESSION_KEY[0]);
    assert_eq!(get(&url, "/?name=PEPPER").len(), 43, "a secret that stands in no file");
    assert_eq!(get(&url, "/?name=NOBODY"), "undefined");
    dev.interrupt();
    nothing_is_left(&world);
}
