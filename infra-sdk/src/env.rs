//! The process environment, read once; every variable this crate knows stands here with its meaning.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Where the local provider keeps its files; default: the platform's data folder. One sub-folder per organisation.
pub const INFRA_HOME: &str = "INFRA_HOME";
/// The environment to work on when `--env` is not given; default `local`.
pub const INFRA_ENV: &str = "INFRA_ENV";
/// Tasks that may run at the same time when `--jobs` is not given; default: the number of CPUs.
pub const INFRA_JOBS: &str = "INFRA_JOBS";
/// A person's or a machine's age key itself, as text; comes before every other place of a key.
pub const INFRA_AGE_KEY: &str = "INFRA_AGE_KEY";
/// The file of the age key; comes before the place that `[vault]` names.
pub const INFRA_AGE_KEY_FILE: &str = "INFRA_AGE_KEY_FILE";
/// Set in a process that this program started to evaluate policies; not meant for people.
pub const INFRA_POLICY_PROCESS: &str = "INFRA_POLICY_PROCESS";
/// The run that this deploy is part of; set by `infra:deploy:agent`.
pub const INFRA_RUN: &str = "INFRA_RUN";
/// Which attempt of that run this deploy is, counted from 1; set by `infra:deploy:agent`.
pub const INFRA_ATTEMPT: &str = "INFRA_ATTEMPT";
/// Set by `infra:deploy:agent`, not meant for people: the file that this deploy locks for as long as it runs. It also ends
/// when its standard input does, which is when its agent is gone.
pub const INFRA_RUN_GUARD: &str = "INFRA_RUN_GUARD";
/// Set by `infra:deploy:agent`, not meant for people: the milliseconds after which this deploy ends if its standard input
/// brings nothing, which is when its agent stands still.
pub const INFRA_RUN_SILENCE: &str = "INFRA_RUN_SILENCE";
/// Set by `infra:deploy:agent`, not meant for people: which attempt a program belongs to, so that what a killed deploy left
/// running can be found.
pub const INFRA_RUN_MARK: &str = "INFRA_RUN_MARK";
/// Set by `infra:deploy:agent`, not meant for people: the organisation whose repo this deploy is to be of.
pub const INFRA_RUN_ORG: &str = "INFRA_RUN_ORG";
/// A folder or URL that stands in for the release servers of Terraform and OpenTofu.
pub const INFRA_TOOLS_MIRROR: &str = "INFRA_TOOLS_MIRROR";
/// The prefix of variables that override `infra.toml`: `INFRA_CONFIG__DEPLOY__PORT=8080` sets `deploy.port`.
pub const INFRA_CONFIG: &str = "INFRA_CONFIG__";
/// Set by CI systems; then nothing is asked and nothing may be skipped.
pub const CI: &str = "CI";
/// Set by GitHub Actions; then output uses groups and annotations.
pub const GITHUB_ACTIONS: &str = "GITHUB_ACTIONS";
/// The file whose variables GitHub Actions sets for the steps that follow.
pub const GITHUB_ENV: &str = "GITHUB_ENV";
/// The file GitHub Actions shows on the run's page.
pub const GITHUB_STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";
/// Set in everything that `infra:dev` started, to know it by; not meant for people.
pub const INFRA_DEV: &str = "INFRA_DEV";
/// The token for GitHub's API, as `gh` reads it; before `GITHUB_TOKEN`.
pub const GH_TOKEN: &str = "GH_TOKEN";
/// The token for GitHub's API. The one that a workflow gets by itself cannot write secrets.
pub const GITHUB_TOKEN: &str = "GITHUB_TOKEN";
/// Where GitHub's API is; default `https://api.github.com`. GitHub Actions sets it.
pub const GITHUB_API_URL: &str = "GITHUB_API_URL";
/// The number of the run on GitHub Actions; stands in locks.
pub const GITHUB_RUN_ID: &str = "GITHUB_RUN_ID";
/// The repository a run on GitHub Actions belongs to, as `owner/name`.
pub const GITHUB_REPOSITORY: &str = "GITHUB_REPOSITORY";
/// Who started the run on GitHub Actions; stands in the ledger.
pub const GITHUB_ACTOR: &str = "GITHUB_ACTOR";
/// The person's name on Unix; stands in the ledger.
pub const USER: &str = "USER";
/// The person's name where `USER` is not set.
pub const LOGNAME: &str = "LOGNAME";
/// The person's name on Windows.
pub const USERNAME: &str = "USERNAME";
/// The token requests to Cloudflare are made with, and from which the keys for R2 are derived; it needs the permission
/// `Workers Scripts: Edit` for Workers, and `Workers R2 Storage: Edit` for R2.
pub const CLOUDFLARE_API_TOKEN: &str = "CLOUDFLARE_API_TOKEN";
/// The account whose Workers are meant where no other is named.
pub const CLOUDFLARE_ACCOUNT_ID: &str = "CLOUDFLARE_ACCOUNT_ID";
/// Where Cloudflare's API is; default `https://api.cloudflare.com/client/v4`.
pub const CLOUDFLARE_API_BASE_URL: &str = "CLOUDFLARE_API_BASE_URL";
/// The folder of Docker's settings, with the passwords of registries; default: `.docker` in the home folder.
pub const DOCKER_CONFIG: &str = "DOCKER_CONFIG";
/// Any non-empty value switches colour off (<https://no-color.org>).
pub const NO_COLOR: &str = "NO_COLOR";
/// The region of AWS to work in, such as `eu-central-1`, unless a setting names one.
pub const AWS_REGION: &str = "AWS_REGION";
/// The region where `AWS_REGION` is not set.
pub const AWS_DEFAULT_REGION: &str = "AWS_DEFAULT_REGION";
/// The profile in AWS's own files that gives credentials.
pub const AWS_PROFILE: &str = "AWS_PROFILE";
/// With `AWS_SECRET_ACCESS_KEY`: credentials of AWS; they go before every other way to find some.
pub const AWS_ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
/// The secret half of `AWS_ACCESS_KEY_ID`.
pub const AWS_SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
/// What credentials of AWS that expire need besides.
pub const AWS_SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
/// An address that stands in for every service of AWS; one with the service's name behind it, such as
/// `AWS_ENDPOINT_URL_SSM` or `AWS_ENDPOINT_URL_S3`, stands in for that one.
pub const AWS_ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";
/// Whether checksums are sent unasked; set for Terraform where the store is not S3.
pub const AWS_REQUEST_CHECKSUM_CALCULATION: &str = "AWS_REQUEST_CHECKSUM_CALCULATION";
/// Whether checksums are expected unasked; set for Terraform where the store is not S3.
pub const AWS_RESPONSE_CHECKSUM_VALIDATION: &str = "AWS_RESPONSE_CHECKSUM_VALIDATION";
/// With `R2_SECRET_ACCESS_KEY`: the keys of an R2 API token, for Terraform state in R2; before those that are derived from
/// `CLOUDFLARE_API_TOKEN`.
pub const R2_ACCESS_KEY_ID: &str = "R2_ACCESS_KEY_ID";
/// The secret half of `R2_ACCESS_KEY_ID`.
pub const R2_SECRET_ACCESS_KEY: &str = "R2_SECRET_ACCESS_KEY";
/// An address that stands in for R2's own, `https://ACCOUNT.r2.cloudflarestorage.com`, or that of a jurisdiction.
pub const R2_ENDPOINT_URL: &str = "R2_ENDPOINT_URL";
/// Whether such addresses are ignored.
pub const AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";
/// The servers of NATS, separated by commas, as the `nats` command line reads it; before what `infra.toml` names.
pub const NATS_URL: &str = "NATS_URL";
/// The context of the `nats` command line to take what is not set otherwise from.
pub const NATS_CONTEXT: &str = "NATS_CONTEXT";
/// The credentials file of a user of NATS.
pub const NATS_CREDS: &str = "NATS_CREDS";
/// The file of an nkey's seed.
pub const NATS_NKEY: &str = "NATS_NKEY";
/// The user of NATS; without `NATS_PASSWORD` it is a token.
pub const NATS_USER: &str = "NATS_USER";
/// The password of `NATS_USER`.
pub const NATS_PASSWORD: &str = "NATS_PASSWORD";
/// A token for NATS.
pub const NATS_TOKEN: &str = "NATS_TOKEN";
/// The certificates that the server of NATS is checked against.
pub const NATS_CA: &str = "NATS_CA";
/// The client's certificate for NATS.
pub const NATS_CERT: &str = "NATS_CERT";
/// The private key of `NATS_CERT`.
pub const NATS_KEY: &str = "NATS_KEY";

/// Variables that hold secrets: what children print of them is hidden from when an environment is opened.
pub(crate) const SECRET: [&str; 9] = [
    INFRA_AGE_KEY,
    GH_TOKEN,
    GITHUB_TOKEN,
    CLOUDFLARE_API_TOKEN,
    AWS_SECRET_ACCESS_KEY,
    AWS_SESSION_TOKEN,
    R2_SECRET_ACCESS_KEY,
    NATS_PASSWORD,
    NATS_TOKEN,
];

/// A snapshot of the environment: variables, working folder, terminals, this program.
///
/// ```
/// use infra_sdk::Env;
/// let env = Env::of([("CI", "true")], "/srv/shop");
/// assert!(env.flag("CI"));
/// ```
#[derive(Clone, Debug)]
pub struct Env {
    vars: BTreeMap<OsString, OsString>,
    cwd: PathBuf,
    program: Option<PathBuf>,
    stdin_is_terminal: bool,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
}

impl Env {
    /// The environment of this process.
    ///
    /// # Errors
    /// `Io` when the working folder is gone.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_process() -> Result<Self> {
        let cwd = std::env::current_dir()
            .map_err(|error| Error::from(error).hint("change into a folder that exists and try again"))?;
        Ok(Env {
            vars: std::env::vars_os().collect(),
            cwd,
            program: std::env::current_exe().ok(),
            stdin_is_terminal: std::io::stdin().is_terminal(),
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
        })
    }

    /// An environment made of exactly these variables, without terminals: for tests and tools.
    pub fn of<K: Into<OsString>, V: Into<OsString>>(
        vars: impl IntoIterator<Item = (K, V)>,
        cwd: impl Into<PathBuf>,
    ) -> Self {
        Env {
            vars: vars.into_iter().map(|(k, v)| (k.into(), v.into())).collect(),
            cwd: cwd.into(),
            program: None,
            stdin_is_terminal: false,
            stdout_is_terminal: false,
            stderr_is_terminal: false,
        }
    }

    /// A variable as text; unset, empty and non-Unicode are all `None`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.vars.get(std::ffi::OsStr::new(name))?.to_str().filter(|value| !value.is_empty())
    }

    /// A variable as a path; unset and empty are `None`.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.vars.get(std::ffi::OsStr::new(name)).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// Whether a variable is set to something other than empty, `0` or `false`.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
    }

    /// All variables.
    pub fn vars(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.vars.iter()
    }

    /// The working folder of the process.
    pub fn cwd(&self) -> &Path {
        &self.cwd
    }

    /// The path of the running program, where the platform tells.
    pub fn program(&self) -> Option<&Path> {
        self.program.as_deref()
    }

    /// Whether questions can be asked: a person is at both ends and this is not CI.
    pub fn can_ask(&self) -> bool {
        self.stdin_is_terminal && self.stderr_is_terminal && !self.flag(CI)
    }

    /// Whether standard input is a terminal.
    pub fn stdin_is_terminal(&self) -> bool {
        self.stdin_is_terminal
    }

    /// Whether standard output is a terminal.
    pub fn stdout_is_terminal(&self) -> bool {
        self.stdout_is_terminal
    }

    /// Whether standard error is a terminal.
    pub fn stderr_is_terminal(&self) -> bool {
        self.stderr_is_terminal
    }

    /// Finds a program on `PATH`.
    pub fn which(&self, program: &str) -> Option<PathBuf> {
        let path = self.vars.get(std::ffi::OsStr::new("PATH"))?;
        std::env::split_paths(path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(format!("{program}{}", std::env::consts::EXE_SUFFIX)))
            .find(|file| is_executable(file))
    }

    /// The same, with programs looked for in these folders before those of `PATH`.
    pub(crate) fn looking_first_in(&self, folders: impl IntoIterator<Item = PathBuf>) -> Self {
        let path = self.vars.get(std::ffi::OsStr::new("PATH")).cloned().unwrap_or_default();
        let all = folders.into_iter().chain(std::env::split_paths(&path));
        let mut env = self.clone();
        // A folder whose name cannot stand in a list of folders is one that nothing is found in.
        if let Ok(path) = std::env::join_paths(all) {
            env.vars.insert("PATH".into(), path);
        }
        env
    }

    /// The folder of the local provider: `INFRA_HOME`, or `infra-sdk` in the platform's data folder.
    ///
    /// # Errors
    /// `NotFound` when neither `INFRA_HOME` nor a home folder is set; `Invalid` when it is relative.
    pub fn infra_home(&self) -> Result<PathBuf> {
        if let Some(home) = self.path(INFRA_HOME) {
            if home.is_absolute() {
                return Ok(home);
            }
            return Err(Error::invalid("INFRA_HOME is not an absolute path")
                .with("INFRA_HOME", home.display())
                .hint("set it to a path that starts at the root, so that every repo means the same folder"));
        }
        let data = if cfg!(windows) {
            self.path("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            self.path("HOME").map(|home| home.join("Library/Application Support"))
        } else {
            self.path("XDG_DATA_HOME")
                .filter(|data| data.is_absolute())
                .or_else(|| self.path("HOME").map(|home| home.join(".local/share")))
        };
        data.map(|data| data.join("infra-sdk")).ok_or_else(|| {
            Error::not_found("no folder for the local provider").hint("set INFRA_HOME to a folder you own")
        })
    }

    /// Where a person's own settings are: `infra-sdk` in the platform's configuration folder.
    ///
    /// # Errors
    /// `NotFound` when no home folder is set.
    pub fn config_home(&self) -> Result<PathBuf> {
        let config = if cfg!(windows) {
            self.path("APPDATA")
        } else if cfg!(target_os = "macos") {
            self.path("HOME").map(|home| home.join("Library/Application Support"))
        } else {
            self.path("XDG_CONFIG_HOME")
                .filter(|config| config.is_absolute())
                .or_else(|| self.path("HOME").map(|home| home.join(".config")))
        };
        config
            .map(|config| config.join("infra-sdk"))
            .ok_or_else(|| Error::not_found("no folder for a person's settings").hint("set HOME"))
    }
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infra_home_prefers_the_variable_and_refuses_a_relative_one() {
        let home = |vars: &[(&str, &str)]| Env::of(vars.iter().copied(), "/").infra_home();
        assert_eq!(home(&[("INFRA_HOME", "/x"), ("HOME", "/h")]).unwrap(), Path::new("/x"));
        assert!(home(&[("INFRA_HOME", "x")]).unwrap_err().to_string().contains("absolute"));
        assert!(home(&[]).unwrap_err().hints()[0].contains("INFRA_HOME"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn settings_of_a_person_are_in_the_configuration_folder() {
        let home = |vars: &[(&str, &str)]| Env::of(vars.iter().copied(), "/").config_home();
        assert_eq!(home(&[("XDG_CONFIG_HOME", "/c"), ("HOME", "/h")]).unwrap(), Path::new("/c/infra-sdk"));
        assert_eq!(
            home(&[("XDG_CONFIG_HOME", "c"), ("HOME", "/h")]).unwrap(),
            Path::new("/h/.config/infra-sdk")
        );
        assert!(home(&[]).unwrap_err().hints()[0].contains("HOME"));
    }

    #[test]
    fn a_flag_set_to_false_is_not_set() {
        assert!(!Env::of([("CI", "false")], "/").flag("CI"));
        assert!(Env::of([("CI", "1")], "/").flag("CI"));
    }
}
