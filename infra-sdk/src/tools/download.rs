//! Getting one file from a release server or a mirror, by the downloader that the machine has.
//!
//! An HTTP client with TLS would be more code than all the rest of this crate in every product repo, for something
//! that happens once a machine and version. curl is part of macOS, Windows and most Linux images, python3 of most others.
//! wget is not used: it follows a redirect from HTTPS to plain HTTP.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::env::Env;
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::process::Cmd;
use crate::tools::release::Place;

/// How long one file may take.
const DEADLINE: Duration = Duration::from_secs(15 * 60);

/// The whole of python3's part: address, file and limit come as arguments.
const PYTHON: &str = r#"
import sys, urllib.request
url, path, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
class Same(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, new):
        if url.startswith("https:") and not new.startswith("https:"):
            sys.exit("redirected away from https")
        return super().redirect_request(req, fp, code, msg, headers, new)
try:
    with urllib.request.build_opener(Same).open(url, timeout=60) as answer, open(path, "wb") as out:
        total = 0
        while piece := answer.read(65536):
            total += len(piece)
            if total > limit:
                sys.exit("larger than %d bytes" % limit)
            out.write(piece)
except OSError as error:
    sys.exit("%s: %s" % (url, error))
"#;

/// How files are fetched.
#[derive(Clone, Copy)]
pub(super) struct Fetch<'a> {
    /// Where downloaders are looked for.
    pub(super) env: &'a Env,
    /// Begins the downloader's command.
    pub(super) start: &'a (dyn Fn(&Path) -> Cmd + Send + Sync),
    /// Hears once a second how many bytes there are.
    pub(super) progress: &'a (dyn Fn(u64) + Send + Sync),
}

impl Fetch<'_> {
    /// Copies the file at `place` to `to`, at most `limit` bytes.
    ///
    /// # Errors
    /// `NotFound` when it is not there or no downloader is; `Unavailable` when the server cannot be reached; `Invalid`
    /// when the file is too large; `TimedOut`, `Cancelled`, `Io`.
    pub(super) async fn file(self, place: &Place, to: &Path, limit: u64) -> Result<()> {
        match place {
            Place::File(from) => copy(from, to, limit)?,
            Place::Url(url) => self.watched(self.download(url, to, limit), to).await?,
        }
        let length = fs::metadata(to).context(format!("read {}", to.display()))?.len();
        (self.progress)(length);
        if length > limit { Err(too_large(place, limit)) } else { Ok(()) }
    }

    async fn watched(self, download: impl Future<Output = Result<()>>, to: &Path) -> Result<()> {
        let mut download = std::pin::pin!(download);
        loop {
            tokio::select! {
                done = &mut download => return done,
                () = tokio::time::sleep(Duration::from_secs(1)) => {
                    (self.progress)(fs::metadata(to).map_or(0, |file| file.len()));
                }
            }
        }
    }

    async fn download(self, url: &str, to: &Path, limit: u64) -> Result<()> {
        let cmd = if let Some(curl) = self.env.which("curl") {
            // A settings file of the user could switch off certificates, so it is not read.
            let scheme = if url.starts_with("https:") { "=https" } else { "=http" };
            (self.start)(&curl)
                .args(["--disable", "--fail", "--location", "--silent", "--show-error", "--retry", "2"])
                .args(["--connect-timeout", "20", "--proto", scheme, "--proto-redir", scheme])
                .args(["--max-filesize", &limit.to_string()])
                .arg("--output")
                .arg(to)
                .arg(url)
        } else if let Some(python) = self.env.which("python3") {
            (self.start)(&python).args(["-I", "-c", PYTHON, url]).arg(to).arg(limit.to_string())
        } else {
            return Err(Error::not_found("no program to download with")
                .with("url", url)
                .hint("install curl or python3")
                .hint(by_hand(url)));
        };
        cmd.deadline(DEADLINE).run().await.map_err(|error| {
            if error.kind() != ErrorKind::Failed {
                return error;
            }
            Error::new(ErrorKind::Unavailable, "download a file")
                .with("url", url)
                .because(error)
                .hint("check the network, the version and the proxy settings, then run the task again")
                .hint(by_hand(url))
                .retryable()
        })
    }
}

fn copy(from: &Path, to: &Path, limit: u64) -> Result<()> {
    let missing = |error: std::io::Error| {
        let kind = Error::from(std::io::Error::from(error.kind())).kind();
        Error::new(kind, "read a file of the tools mirror")
            .with("path", from.display())
            .because(error)
            .hint("put the publisher's file there: INFRA_TOOLS_MIRROR holds <tool>/<version>/<archive>")
    };
    let length = fs::metadata(from).map_err(missing)?.len();
    if length > limit {
        return Err(too_large(&Place::File(from.to_owned()), limit));
    }
    fs::copy(from, to).map(drop).map_err(missing)
}

fn too_large(place: &Place, limit: u64) -> Error {
    Error::invalid(format!("the file is larger than {} MB", limit / 1_000_000))
        .with("from", place)
        .hint("check that the mirror or release server gives the publisher's own file")
}

fn by_hand(url: &str) -> String {
    let file = url.rsplit('/').next().unwrap_or_default();
    let mut parts = file.splitn(3, '_');
    let folder = match (parts.next(), parts.next()) {
        (Some(tool), Some(version)) => format!("{tool}/{version}"),
        _ => "TOOL/VERSION".into(),
    };
    let also = if file.ends_with("SHA256SUMS") {
        "this platform's archive beside it"
    } else {
        "the SHA256SUMS file beside it"
    };
    format!(
        "or get {url} and {also} on another machine, put both into DIR/{folder}/, and set INFRA_TOOLS_MIRROR=DIR"
    )
}
