//! Settings from outside the files: variables such as `INFRA_CONFIG__DEPLOY__PORT`, and flags.

use crate::config::layers::Setting;
use crate::env::{Env, INFRA_CONFIG};
use crate::error::{Error, Result};
use crate::names::quoted;
use crate::tree::{Node, Origin};

/// The settings that variables make: `__` separates keys, `_` stands for `-` as well, empty values count as unset.
pub(crate) fn of_env(env: &Env) -> Result<Vec<Setting>> {
    let mut settings = Vec::new();
    for (name, value) in env.vars() {
        let Some(name) = name.to_str() else { continue };
        let Some(keys) = name.strip_prefix(INFRA_CONFIG) else { continue };
        if value.is_empty() {
            continue;
        }
        let value = value.to_str().ok_or_else(|| {
            Error::invalid("variable is not UTF-8 text")
                .with("variable", quoted(name))
                .hint("set it to plain text, or unset it")
        })?;
        let keys: Vec<String> = keys.split("__").map(str::to_owned).collect();
        let form = "write it like `INFRA_CONFIG__DEPLOY__PORT=8080`";
        settings.push(setting(keys, value, Origin::named(name), form)?);
    }
    Ok(settings)
}

/// The settings that flags such as `--set deploy.port=8080` make.
pub(crate) fn of_flags(flags: &[String]) -> Result<Vec<Setting>> {
    let form = "write it like `--set deploy.port=8080`";
    let one = |flag: &String| {
        let (keys, value) = flag
            .split_once('=')
            .ok_or_else(|| Error::invalid(format!("{} sets nothing", quoted(flag))).hint(form))?;
        let origin = Origin::named(format!("--set {}", keys.escape_debug()));
        setting(keys.split('.').map(str::to_owned).collect(), value, origin, form)
    };
    flags.iter().map(one).collect()
}

fn setting(keys: Vec<String>, value: &str, origin: Origin, form: &str) -> Result<Setting> {
    let plain = |key: &String| {
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_/.".contains(c))
    };
    if !keys.iter().all(plain) {
        return Err(
            Error::invalid(format!("{} names no setting", quoted(origin.name()))).hint(form.to_owned())
        );
    }
    if keys[0].eq_ignore_ascii_case("extends") {
        // What is pinned is reviewed with the repo; a variable would slip past lock and review.
        return Err(Error::invalid(format!(
            "{} would change what infra.toml extends",
            quoted(origin.name())
        ))
        .hint("change `extends` in infra.toml instead"));
    }
    if keys[0].eq_ignore_ascii_case("env")
        && keys.last().is_some_and(|key| key.eq_ignore_ascii_case("protected"))
    {
        return Err(Error::invalid(format!("{} would change what is protected", quoted(origin.name())))
            .hint("change `protected` in infra.toml instead"));
    }
    Ok(Setting { keys, value: Node::loose(value, origin) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_or_flag_that_names_no_setting_is_refused() {
        for bad in [
            "INFRA_CONFIG__",
            "INFRA_CONFIG__A____B",
            "INFRA_CONFIG__EXTENDS__TAG",
            "INFRA_CONFIG__A B",
            "INFRA_CONFIG__ENV__LIVE__PROTECTED",
        ] {
            assert!(of_env(&Env::of([(bad, "x")], "/")).is_err(), "{bad}");
        }
        for bad in ["", "deploy.port", "=1", "a..b=1", "extends.tag=v1"] {
            assert!(of_flags(&[bad.to_owned()]).is_err(), "{bad}");
        }
        assert!(
            of_env(&Env::of([("INFRA_CONFIG__DEPLOY__PORT", ""), ("OTHER", "x")], "/")).unwrap().is_empty()
        );
        assert_eq!(of_flags(&["deploy.port=8=0".into()]).unwrap()[0].keys, ["deploy", "port"]);
    }
}
