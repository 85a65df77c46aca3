//! What must hold between secrets, the stores they are synced to, and the vault.

use crate::config::check::Check;
use crate::config::stores::{SecretSpec, Store, StoreKind, Visibility};
use crate::config::{Settings, Shared};
use crate::names::{Label, SecretName, quoted};

/// What stands behind the name of a secret while a rotation is under way.
pub(crate) const PREVIOUS: &str = "_PREVIOUS";

impl Check<'_> {
    pub(super) fn secrets(&mut self, settings: &Settings) {
        for (name, secret) in &settings.secrets {
            self.environments(["secrets", name.as_str()], &secret.envs, settings);
            self.targets(name, secret, settings);
            self.owner(name, secret, settings);
            if ["PORT", "RELEASE"].contains(&name.as_str()) {
                self.refuse(
                    &["secrets", name.as_str()],
                    "is a variable that a rollout sets itself; use another name",
                );
            }
            let of_the_system = ["PATH", "HOME", "CI", "USER", "SHELL"].contains(&name.as_str());
            if of_the_system
                || ["INFRA_", "LD_", "DYLD_"].iter().any(|start| name.as_str().starts_with(start))
            {
                self.refuse(
                    &["secrets", name.as_str()],
                    "is a variable that programs need for themselves; use another name",
                );
            }
            if let Some(other) = name.as_str().strip_suffix(PREVIOUS)
                && settings.secrets.contains_key(other)
            {
                let message = format!(
                    "is where the previous value of {other} stands during a rotation; use another name"
                );
                self.refuse(&["secrets", name.as_str()], message);
            }
        }
        for (label, store) in &settings.store {
            self.store(label, store);
        }
        for (index, recipient) in settings.vault.recipients.iter().enumerate() {
            let plain = recipient.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
            if !recipient.starts_with("age1") || recipient.len() < 60 || !plain {
                let what = if recipient.to_ascii_uppercase().starts_with("AGE-SECRET-KEY") {
                    "a secret key; make a new one, and write its public half, which begins with `age1`".into()
                } else {
                    format!("{}; a recipient is a public key that begins with `age1`", quoted(recipient))
                };
                // The text itself may be somebody's secret key.
                self.refuse(&["vault", "recipients"], format!("number {} is {what}", index + 1));
            }
        }
    }

    fn targets(&mut self, name: &SecretName, secret: &SecretSpec, settings: &Settings) {
        for target in &secret.targets {
            if !settings.store.contains_key(target) && StoreKind::named(target.as_str()).is_none() {
                let stores = settings.store.keys().map(Label::as_str);
                let known = stores.chain(StoreKind::ALL.iter().map(|kind| kind.as_str()));
                self.unknown(&["secrets", name.as_str(), "targets"], "store", target.as_str(), known);
            }
        }
    }

    fn owner(&mut self, name: &SecretName, secret: &SecretSpec, settings: &Settings) {
        if secret.shared != Some(Shared::Org) {
            return;
        }
        let keys = ["secrets", name.as_str(), "shared"];
        if settings.extends.is_none() {
            self.refuse(
                &keys,
                "the organisation's vault is found through `extends`, which this repo does not have",
            );
        }
        if secret.generate.is_some() || secret.rotate.is_some() {
            self.refuse(
                &keys,
                "the organisation makes and rotates this value; remove `generate` and `rotate`",
            );
        }
    }

    fn store(&mut self, label: &Label, store: &Store) {
        let (kind, name) = (store.kind, label.as_str());
        if let Some(named) = StoreKind::named(name).filter(|named| *named != kind) {
            let message =
                format!("is called like the kind `{}` but is a `{}`", named.as_str(), kind.as_str());
            self.refuse(&["store", name, "kind"], message);
        }
        use StoreKind::{Github, GithubEnvironment, GithubOrg, SecretsManager, Ssm, Worker};
        let given: [(&str, bool, &[StoreKind]); 9] = [
            ("repo", store.repo.is_some(), &[Github, GithubEnvironment]),
            ("environment", store.environment.is_some(), &[GithubEnvironment]),
            ("org", store.org.is_some(), &[GithubOrg]),
            ("visibility", store.visibility.is_some(), &[GithubOrg]),
            ("repositories", !store.repositories.is_empty(), &[GithubOrg]),
            ("prefix", store.prefix.is_some(), &[Ssm, SecretsManager]),
            ("kms-key", store.kms_key.is_some(), &[Ssm, SecretsManager]),
            ("script", store.script.is_some(), &[Worker]),
            ("account", store.account.is_some(), &[Worker]),
        ];
        for (key, _, kinds) in given.iter().filter(|(_, given, kinds)| *given && !kinds.contains(&kind)) {
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
            let message = format!("means nothing to a `{}`, only to {}", kind.as_str(), kinds.join(" and "));
            self.refuse(&["store", name, key], message);
        }
        if (store.visibility == Some(Visibility::Selected)) == store.repositories.is_empty()
            && kind == GithubOrg
        {
            self.refuse(
                &["store", name, "repositories"],
                "goes with `visibility = \"selected\"`: give both or neither",
            );
        }
        if store.writes_per_second.is_some_and(|rate| !(0.01..=1000.0).contains(&rate)) {
            self.refuse(&["store", name, "writes-per-second"], "must be from 0.01 to 1000");
        }
        for (key, text) in store.texts() {
            if let Err(message) = placeholders(text) {
                self.refuse(&["store", name, key], message);
            }
        }
    }
}

/// Refuses braces that stand for nothing, so that a typo does not become part of a path.
fn placeholders(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > 512 || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("must be a text of 1 to 512 characters without white space".into());
    }
    let bare =
        ["{org}", "{project}", "{env}"].iter().fold(text.to_owned(), |text, known| text.replace(known, ""));
    match bare.contains(['{', '}']) {
        true => Err("may hold `{org}`, `{project}` and `{env}`, and no other braces".into()),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn refused(more: &str) -> String {
        let text = format!("[project]\nname = \"shop\"\nkind = \"api\"\norg = \"acme\"\n{more}");
        Config::of_text(&text, "/repo", "local").map(drop).unwrap_err().report().to_string()
    }

    #[test]
    fn a_target_is_a_store_of_this_file_or_a_kind() {
        let shown = refused("[secrets.A]\ntargets = [\"githup\"]\n");
        assert!(shown.contains("there is no store `githup`; did you mean `github`?"), "{shown}");
        let good = "[project]\nname = \"shop\"\nkind = \"api\"\norg = \"acme\"\n[secrets.A]\ntargets = [\"own\", \"ssm\"]\n[store.own]\nkind = \"worker\"\n";
        Config::of_text(good, "/repo", "local").unwrap();
    }

    #[test]
    fn settings_that_mean_nothing_to_a_store_are_refused() {
        let shown = refused(
            "[store.a]\nkind = \"ssm\"\nrepo = \"a/b\"\nprefix = \"/{proj}/\"\n[store.b]\nkind = \"github-org\"\nvisibility = \"selected\"\n[store.ssm]\nkind = \"github\"\nwrites-per-second = 0\n",
        );
        for part in [
            "`store.a.repo`: means nothing to a `ssm`, only to github and github-environment",
            "`store.a.prefix`: may hold `{org}`, `{project}` and `{env}`",
            "goes with `visibility = \"selected\"`",
            "is called like the kind `ssm` but is a `github`",
            "must be from 0.01 to 1000",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
    }

    #[test]
    fn a_secret_key_among_the_recipients_is_refused_without_being_shown() {
        let shown = refused("[vault]\nrecipients = [\"AGE-SECRET-KEY-1CANARY\"]\n");
        assert!(shown.contains("number 1 is a secret key") && !shown.contains("CANARY"), "{shown}");
    }

    #[test]
    fn the_organisations_secrets_need_extends_and_the_name_of_a_previous_value_is_taken() {
        let shown = refused("[secrets.A]\nshared = \"org\"\nrotate = \"9d\"\n[secrets.A_PREVIOUS]\n");
        assert!(
            shown.contains("found through `extends`") && shown.contains("remove `generate` and `rotate`"),
            "{shown}"
        );
        assert!(shown.contains("where the previous value of A stands"), "{shown}");
    }
}
