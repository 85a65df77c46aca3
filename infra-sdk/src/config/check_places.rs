//! What must hold for the places an environment names: regions, accounts, registries, buckets, platforms.

use crate::config::check::Check;
use crate::config::{Ecr, Environment, Image, Provider, StateKind};
use crate::names::quoted;
use crate::tree::ProblemKind;

/// What a key template may hold between braces.
const IN_KEYS: [&str; 4] = ["{owner}", "{repo}", "{env}", "{stack}"];

/// `[env.NAME]`.
pub(super) fn environment(check: &mut Check<'_>, name: &str, environment: &Environment) {
    let of_cloud = [("account", environment.account.is_some()), ("regions", !environment.regions.is_empty())];
    for (key, _) in of_cloud.iter().filter(|(_, is_set)| *is_set && environment.provider == Provider::Local) {
        check.refuse(
            &["env", name, key],
            "means nothing without `provider = \"aws\"`: this environment is local",
        );
    }
    for region in environment.regions.iter().filter(|region| !is_region(region)) {
        let message = format!("{} is not a region; write it like `eu-central-1`", quoted(region));
        check.refuse(&["env", name, "regions"], message);
    }
    if environment.region.as_ref().is_some_and(|region| environment.regions.contains(region)) {
        check.refuse(
            &["env", name, "regions"],
            "names the region of the environment again; list the others only",
        );
    }
    if environment.account.as_ref().is_some_and(|account| !is_account(account)) {
        check.refuse(&["env", name, "account"], "must be an account of AWS as 12 digits, between quotes");
    }
    if let Some(registry) = environment.registry.as_ref().filter(|registry| !is_registry(registry)) {
        let message = format!("{} is not a registry; write it like `ghcr.io/acme`", quoted(registry));
        check.refuse(&["env", name, "registry"], message);
    }
    for zone in environment.zones.iter().filter(|zone| !is_zone(zone)) {
        let message = format!("{} is not a zone; write its name like `example.com`", quoted(zone));
        check.refuse(&["env", name, "zones"], message);
    }
    let Some(state) = &environment.state else { return };
    for (key, is_set) in
        [("jurisdiction", state.jurisdiction.is_some()), ("location", state.location.is_some())]
    {
        if is_set && state.backend != StateKind::R2 {
            check.refuse(&["env", name, "state", key], "is for `backend = \"r2\"` only");
        }
    }
    if state.jurisdiction.is_some() && state.location.is_some() {
        let message = "cannot stand beside `jurisdiction`: a bucket is made with the one or the other";
        check.refuse(&["env", name, "state", "location"], message);
    }
    if state.backend != StateKind::Local && state.bucket.is_none() {
        check.problem(&["env", name, "state", "bucket"], ProblemKind::Missing);
    }
    if state.backend == StateKind::R2 && state.account.is_none() {
        check.problem(&["env", name, "state", "account"], ProblemKind::Missing);
    }
    let hex = |text: &str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if state.account.as_ref().is_some_and(|account| !hex(account)) {
        let message = "must be the 32 hexadecimal digits that Cloudflare's dashboard shows as account id";
        check.refuse(&["env", name, "state", "account"], message);
    }
    if let Some(why) = state.key.as_deref().and_then(wrong_key) {
        check.refuse(&["env", name, "state", "key"], why);
    }
}

/// `[ecr]`.
pub(super) fn ecr(check: &mut Check<'_>, ecr: &Ecr) {
    if let Some(account) = ecr.pull_accounts.iter().find(|account| !is_account(account)) {
        let message = format!("{} is not an account of AWS; write its 12 digits", quoted(account));
        check.refuse(&["ecr", "pull_accounts"], message);
    }
    if ecr.keep == 0 {
        check.refuse(&["ecr", "keep"], "must be at least 1, or no image is kept");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || ":/_-".contains(c);
    if ecr.kms_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > 256 || !key.chars().all(plain)) {
        check.refuse(
            &["ecr", "kms_key"],
            "must be the id, the ARN or the alias of a key, such as `alias/shop`",
        );
    }
    let seconds = ecr.keep_untagged.0.as_secs();
    if seconds == 0 || !seconds.is_multiple_of(86_400) {
        check.refuse(&["ecr", "keep_untagged"], "must be whole days, such as `14d`");
    }
}

/// `platforms` of one `[image.NAME]`.
pub(super) fn platforms(check: &mut Check<'_>, name: &str, image: &Image) {
    let part = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    for platform in &image.platforms {
        if !platform.split_once('/').is_some_and(|(os, machine)| part(os) && part(machine)) {
            let message = format!("{} is not a platform; write it like `linux/arm64`", quoted(platform));
            check.refuse(&["image", name, "platforms"], message);
        }
    }
    let placed = image.files.as_ref().is_none_or(|files| files.contains("{os}") || files.contains("{arch}"));
    if image.platforms.len() > 1 && !placed {
        let message = "must hold `{os}` or `{arch}`: each platform has files of its own";
        check.refuse(&["image", name, "files"], message);
    }
    if image.context.is_some() && image.dockerfile.is_none() {
        check.refuse(&["image", name, "context"], "is for a Dockerfile, and there is none");
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_region(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(plain)
}

/// A name of the DNS with a dot in it, in lower case; one that is not ASCII as it is written there, `xn--…`.
fn is_zone(text: &str) -> bool {
    let label = |label: &str| {
        let byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(byte)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(label)
}

/// `host[:port][/prefix]`, without a scheme: what is not this machine is spoken to in secret.
fn is_registry(text: &str) -> bool {
    let (host, prefix) = text.split_once('/').map_or((text, None), |(host, prefix)| (host, Some(prefix)));
    let (host, port) = host.rsplit_once(':').map_or((host, None), |(host, port)| (host, Some(port)));
    let host_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let prefix_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
    let good_part =
        |part: &str| part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.bytes().all(prefix_byte);
    (1..=255).contains(&text.len())
        && host.starts_with(|c: char| c.is_ascii_alphanumeric())
        && host.bytes().all(host_byte)
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
        && prefix.is_none_or(|prefix| prefix.split('/').all(good_part))
}

/// Why a template can make no keys that are safe and different for each stack.
fn wrong_key(template: &str) -> Option<&'static str> {
    let plain = IN_KEYS.iter().fold(template.to_owned(), |text, name| text.replace(name, "x"));
    let byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte);
    if plain.contains(['{', '}']) {
        return Some("may hold only `{owner}`, `{repo}`, `{env}` and `{stack}` between braces");
    }
    if plain.is_empty() || plain.len() > 512 || !plain.bytes().all(byte) {
        return Some("must be a path of letters, digits, `-`, `_`, `.` and `/`, at most 512 characters");
    }
    if plain.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        return Some("has an empty part, `.` or `..` in it");
    }
    if template.split('/').any(|part| part.matches('{').count() > 1) {
        return Some("has two names in one part; their border could not be told, so put a `/` between them");
    }
    if !template.contains("{repo}") || !template.contains("{env}") {
        return Some("must hold `{repo}` and `{env}`, or repos and environments would share one state");
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn told(text: &str) -> String {
        let project = "[project]\nname = \"shop\"\nkind = \"api\"\norg = \"acme\"\n";
        match Config::of_text(&format!("{project}{text}"), "/srv", "local") {
            Ok(_) => String::new(),
            Err(error) => format!("{error:?}"),
        }
    }

    #[test]
    fn places_that_cannot_be_are_refused_where_they_stand() {
        for (setting, says) in [
            ("regions = [\"EU\"]", "is not a region"),
            ("region = \"eu-central-1\"\nregions = [\"eu-central-1\"]", "list the others only"),
            ("account = \"123\"", "12 digits"),
            ("registry = \"https://ghcr.io\"", "is not a registry"),
            ("registry = \"ghcr.io/../x\"", "is not a registry"),
            ("state = { backend = \"r2\", bucket = \"b\" }", "state.account"),
            ("state = { backend = \"s3\", bucket = \"b\", location = \"weur\" }", "r2"),
            (
                "state = { backend = \"r2\", bucket = \"b\", account = \"0123456789abcdef0123456789abcdef\", \
                 jurisdiction = \"eu\", location = \"weur\" }",
                "the one or the other",
            ),
            ("state = { backend = \"r2\", bucket = \"b\", jurisdiction = \"mars\" }", "jurisdiction"),
            ("zones = [\"https://example.com\"]", "is not a zone"),
            ("zones = [\"example.com/../x\"]", "is not a zone"),
            ("zones = [\"Example\"]", "is not a zone"),
            ("state = { backend = \"s3\", bucket = \"b\", key = \"{repo}/x\" }", "{env}"),
            ("state = { backend = \"s3\", bucket = \"b\", key = \"../{repo}/{env}\" }", "`..`"),
            ("state = { backend = \"s3\", bucket = \"b\", key = \"{repo}/{env}/{team}\" }", "between braces"),
            (
                "state = { backend = \"s3\", bucket = \"b\", key = \"{repo}-{env}/x\" }",
                "two names in one part",
            ),
        ] {
            let told = told(&format!("[env.staging]\nprovider = \"aws\"\n{setting}\n"));
            assert!(told.contains(says), "{setting}: {told}");
        }
        let good = "[env.staging]\nprovider = \"aws\"\nregion = \"a-1\"\nregions = [\"b-2\"]\n\
                    registry = \"127.0.0.1:5000/acme\"\naccount = \"123456789012\"\n\
                    state = { backend = \"s3\", bucket = \"b\", key = \"{repo}/{env}/terraform.tfstate\" }\n";
        assert_eq!(told(good), "");
    }

    #[test]
    fn what_means_nothing_to_files_on_this_machine_is_refused() {
        for setting in ["account = \"123456789012\"", "regions = [\"us-east-1\"]"] {
            assert!(told(&format!("[env.staging]\n{setting}\n")).contains("without `provider = \"aws\"`"));
        }
    }

    #[test]
    fn what_ecr_cannot_keep_is_refused() {
        assert!(told("[ecr]\npull_accounts = [\"1\"]\n").contains("is not an account"));
        assert!(told("[ecr]\nkms_key = \"a key\"\n").contains("alias/shop"));
        assert!(told("[ecr]\nkeep = 0\n").contains("at least 1"));
        assert!(told("[ecr]\nkeep_untagged = \"1h\"\n").contains("whole days"));
    }

    #[test]
    fn several_platforms_have_files_of_their_own() {
        let image = |files: &str, platforms: &str| {
            format!("[image.app]\nfiles = \"{files}\"\nentrypoint = [\"x\"]\nplatforms = {platforms}\n")
        };
        let both = "[\"linux/amd64\", \"linux/arm64\"]";
        assert_eq!(told(&image("dist/{arch}", both)), "");
        assert!(told(&image("dist", both)).contains("{arch}"));
        assert!(told(&image("dist", "[\"arm\"]")).contains("is not a platform"));
    }
}
