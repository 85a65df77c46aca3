//! The system's keychain, through the program that the system has for it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::env::Env;
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::names::OrgName;
use crate::process::Cmd;
use crate::secret::SecretValue;

/// One entry of a keychain: service `infra-sdk`, and the organisation as the account.
#[derive(Clone, Debug)]
pub(super) struct Keychain {
    system: System,
    program: Option<PathBuf>,
    account: OrgName,
}

/// The systems whose keychain is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum System {
    /// `secret-tool` of libsecret, for GNOME's keyring and KDE's wallet:
    /// <https://manpages.debian.org/stable/libsecret-tools/secret-tool.1.en.html>.
    Linux,
    /// `security` of macOS: `man security`.
    MacOs,
    Other,
}

const SERVICE: &str = "infra-sdk";

/// A person may have to unlock it.
const PATIENCE: Duration = Duration::from_secs(300);

/// What `security` exits with when there is no such entry: the low byte of `errSecItemNotFound`.
const MACOS_NOT_FOUND: i32 = 44;

impl Keychain {
    pub(super) fn of_system(env: &Env, org: &OrgName) -> Self {
        let system = match std::env::consts::OS {
            "linux" => System::Linux,
            "macos" => System::MacOs,
            _ => System::Other,
        };
        let program = system.program().and_then(|program| env.which(program));
        Keychain { system, program, account: org.clone() }
    }

    /// The text that is kept, or `None`.
    ///
    /// # Errors
    /// `NotFound` when the program is not there; `Unavailable` when it fails; `TimedOut` when nobody unlocks.
    pub(super) async fn look_up(&self) -> Result<Option<SecretValue>> {
        let account = self.account.as_str();
        let args: &[&str] = match self.system {
            System::Linux => &["lookup", "service", SERVICE, "account", account],
            System::MacOs => &["find-generic-password", "-s", SERVICE, "-a", account, "-w"],
            System::Other => return Err(self.unknown()),
        };
        let done =
            self.program()?.args(args).output().await.context("ask the system's keychain for the age key")?;
        let text = done.stdout.trim_end_matches(['\r', '\n']);
        match (self.system, done.code) {
            (_, Some(0)) if !text.is_empty() => Ok(Some(SecretValue::new(text))),
            (System::Linux, Some(0 | 1)) if done.stderr.trim().is_empty() => Ok(None),
            (System::MacOs, Some(MACOS_NOT_FOUND)) => Ok(None),
            _ => Err(self.failed("the system's keychain did not answer", &done.stderr)),
        }
    }

    /// Keeps a text that is not there yet.
    ///
    /// # Errors
    /// As [`look_up`](Self::look_up); `Invalid` where the text cannot be given to the program in secret.
    pub(super) async fn store(&self, text: &SecretValue) -> Result<()> {
        self.check_writable()?;
        let account = self.account.as_str();
        let label = format!("--label=age key of infra-sdk for {account}");
        let args = ["store", &label, "service", SERVICE, "account", account];
        let done = self.program()?.args(args).stdin_secret(text).output().await;
        let done = done.context("give the age key to the system's keychain")?;
        match done.code {
            Some(0) => Ok(()),
            _ => Err(self.failed("the system's keychain did not take the age key", &done.stderr)),
        }
    }

    /// Refuses, before a key is made, a keychain that none can be given to.
    pub(super) fn check_writable(&self) -> Result<()> {
        match self.system {
            System::Linux => self.program().map(drop),
            System::Other => Err(self.unknown()),
            // Its program takes a password as an argument, which everybody sees, or from a person.
            System::MacOs => Err(Error::invalid("the keychain of macOS takes a key from a person only")
                .with("account", &self.account)
                .hint(format!(
                    "make a key with `age-keygen`, run `security add-generic-password -s {SERVICE} -a {} -w`, and \
                     paste the line that starts with AGE-SECRET-KEY-1",
                    self.account
                ))),
        }
    }

    fn program(&self) -> Result<Cmd> {
        let program = self.program.as_ref().ok_or_else(|| {
            Error::not_found("the program for the system's keychain is not there")
                .with("program", self.system.program().unwrap_or_default())
                .hint("install it (Debian and Ubuntu: `apt install libsecret-tools`)")
                .hint("or set `key = \"file\"` in `[vault]`, or give the key in INFRA_AGE_KEY")
        })?;
        Ok(Cmd::new(program).deadline(PATIENCE))
    }

    fn unknown(&self) -> Error {
        Error::not_found("the keychain of this system is not known")
            .with("system", std::env::consts::OS)
            .hint("set `key = \"file\"` in `[vault]`, or give the key in INFRA_AGE_KEY or INFRA_AGE_KEY_FILE")
    }

    /// What the program says about itself is shown, its output never.
    fn failed(&self, what: &str, stderr: &str) -> Error {
        let last = stderr.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it says nothing");
        Error::new(ErrorKind::Unavailable, what)
            .with("program", self.system.program().unwrap_or_default())
            .because(last.chars().take(300).collect::<String>())
            .hint("unlock the keychain and try again; without a desktop, give the key in INFRA_AGE_KEY_FILE")
    }
}

impl System {
    fn program(self) -> Option<&'static str> {
        match self {
            System::Linux => Some("secret-tool"),
            System::MacOs => Some("security"),
            System::Other => None,
        }
    }
}

impl fmt::Display for Keychain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the system's keychain (service {SERVICE}, account {})", self.account)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    /// A keychain's program that keeps what it is given in a file beside it, and fails on every other question.
    fn program(folder: &Path, script: &str) -> PathBuf {
        fs::create_dir_all(folder).unwrap();
        let path = folder.join("program");
        fs::write(&path, format!("#!/bin/sh\ncd \"$(dirname \"$0\")\"\n{script}\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn keychain(system: System, program: PathBuf) -> Keychain {
        Keychain { system, program: Some(program), account: "acme".parse().unwrap() }
    }

    fn folder() -> PathBuf {
        std::env::temp_dir().join(format!("infra-sdk-keychain-{}", crate::id::short().unwrap()))
    }

    #[tokio::test]
    async fn a_key_goes_in_by_standard_input_and_comes_back() {
        let folder = folder();
        let script = "case \"$*\" in\n\
            'lookup service infra-sdk account acme') [ -f kept ] || exit 1; cat kept;;\n\
            'store --label=age key of infra-sdk for acme service infra-sdk account acme') cat > kept;;\n\
            *) echo \"unexpected: $*\" >&2; exit 9;; esac";
        let keychain = keychain(System::Linux, program(&folder, script));
        assert!(keychain.look_up().await.unwrap().is_none());
        keychain.store(&SecretValue::new("canary")).await.unwrap();
        assert_eq!(keychain.look_up().await.unwrap().unwrap().expose(), "canary");
        fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn a_keychain_that_is_locked_or_broken_is_not_taken_for_an_empty_one() {
        let folder = folder();
        let locked = program(&folder, "echo canary; echo 'Cannot autolaunch D-Bus' >&2; exit 1");
        for system in [System::Linux, System::MacOs] {
            let error = keychain(system, locked.clone()).look_up().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            let shown = format!("{error:?}");
            assert!(shown.contains("D-Bus") && !shown.contains("canary"), "{shown}");
        }
        let script = "[ \"$*\" = 'find-generic-password -s infra-sdk -a acme -w' ] || exit 9\n\
            echo 'could not be found' >&2; exit 44";
        let none = keychain(System::MacOs, program(&folder, script));
        assert!(none.look_up().await.unwrap().is_none());
        fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn without_a_known_keychain_or_its_program_there_is_a_way_out() {
        let account: OrgName = "acme".parse().unwrap();
        for system in [System::Linux, System::MacOs, System::Other] {
            let keychain = Keychain { system, program: None, account: account.clone() };
            let error = keychain.look_up().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(error.hints().iter().any(|hint| hint.contains("key = \"file\"")), "{error:?}");
            let error = keychain.store(&SecretValue::new("canary")).await.unwrap_err();
            assert!(!format!("{error:?}").contains("canary"));
        }
        let by_hand = keychain(System::MacOs, "security".into()).check_writable().unwrap_err();
        assert!(by_hand.hints()[0].contains("security add-generic-password -s infra-sdk -a acme -w"));
    }
}
