//! Scanning an image in its registry: start a scan if there is none, wait for its end, take what it found.

use std::time::Duration;

use async_trait::async_trait;

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::images::findings::Findings;
use crate::names::ImageName;

/// A registry that looks for known weaknesses in its images.
///
/// # Contract
/// 1. `look` starts nothing; `start` starts one scan, or says that it cannot now.
/// 2. Findings are those of exactly the digest that was asked for.
#[async_trait]
pub trait ImageScanner: Send + Sync {
    /// How far the scan of an image is.
    ///
    /// # Errors
    /// `NotFound` when the image is not there; `Denied`, `Unavailable` or `TimedOut`.
    async fn look(&self, image: &ImageName, digest: &Digest) -> Result<ScanState>;

    /// Starts a scan.
    ///
    /// # Errors
    /// `NotFound` when the image is not there; `Denied`, `Unavailable` or `TimedOut`.
    async fn start(&self, image: &ImageName, digest: &Digest) -> Result<ScanStart>;
}

/// How far a scan is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScanState {
    /// None was ever started, or what it found is gone.
    Absent,
    /// It runs.
    Running,
    /// It ended.
    Done(Findings),
    /// It ended without a result, for this reason.
    Failed(String),
    /// This image can not be scanned, for this reason.
    Impossible(String),
}

/// What became of starting a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScanStart {
    /// It runs.
    Started,
    /// The image was scanned so lately that it cannot be scanned again now.
    TooSoon,
    /// The registry scans by itself, and takes no order.
    ByItself,
    /// This image can not be scanned, for this reason.
    Impossible(String),
}

/// How long a scan is waited for, and how often it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanWait {
    /// The longest time from the first look to the findings.
    pub limit: Duration,
    /// The pause between two looks.
    pub pause: Duration,
}

/// Ten minutes, with a look every five seconds: most scans take less than a minute.
impl Default for ScanWait {
    fn default() -> Self {
        ScanWait { limit: Duration::from_secs(600), pause: Duration::from_secs(5) }
    }
}

/// The findings of one image, and what to know of them.
///
/// Where there is no scan yet, one is started. Where the registry refuses because the image was scanned too lately, the
/// findings of that scan count. A scan that failed is started once more.
///
/// ```no_run
/// # async fn example(digest: infra_sdk::Digest) -> infra_sdk::Result<()> {
/// use infra_sdk::{Env, aws::{Aws, Ecr}, images::{self, ScanWait, Severity}};
/// let ecr = Ecr::new(Aws::connect(&Env::of_process()?, Some("eu-central-1"))?)?;
/// let (found, notes) = images::scan(&ecr, &"shop-api/app".parse()?, &digest, ScanWait::default()).await?;
/// println!("{} are high or worse {notes:?}", found.at_least(Severity::High));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Failed` when the scan failed, or the image cannot be scanned: nothing is said of such an image, so it does not pass;
/// `TimedOut` when it did not end in time; what the registry fails with.
pub async fn scan(
    scanner: &dyn ImageScanner,
    image: &ImageName,
    digest: &Digest,
    wait: ScanWait,
) -> Result<(Findings, Vec<String>)> {
    let begin = tokio::time::Instant::now();
    let (mut started, mut notes) = (false, Vec::new());
    loop {
        match scanner.look(image, digest).await? {
            ScanState::Done(findings) => return Ok((findings, notes)),
            ScanState::Impossible(why) => return Err(no_result(image, digest, &why)),
            ScanState::Failed(why) if started => return Err(no_result(image, digest, &why)),
            // A scan that was just started may not be seen yet.
            ScanState::Running => {}
            ScanState::Absent if started => {}
            ScanState::Absent | ScanState::Failed(_) => {
                started = true;
                match scanner.start(image, digest).await? {
                    ScanStart::Started | ScanStart::ByItself => {}
                    ScanStart::Impossible(why) => return Err(no_result(image, digest, &why)),
                    ScanStart::TooSoon => {
                        notes.push("this is what the last scan found: an image is scanned once a day".into());
                        continue;
                    }
                }
            }
        }
        if begin.elapsed() + wait.pause > wait.limit {
            return Err(Error::new(ErrorKind::TimedOut, "the scan did not end in time")
                .with("image", format!("{image}@{}", digest.short()))
                .with("limit", crate::time::human(wait.limit))
                .hint("run this again: the scan goes on meanwhile"));
        }
        tokio::time::sleep(wait.pause).await;
    }
}

fn no_result(image: &ImageName, digest: &Digest, why: &str) -> Error {
    Error::new(ErrorKind::Failed, "the image was not scanned, so it does not pass")
        .with("image", format!("{image}@{}", digest.short()))
        .with("why", why)
        .hint("look at the image in the registry's console, and push it again when what stands in the way is gone")
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use super::*;

    /// Says what it was told to, in order; the last state again and again.
    struct Script {
        looks: Mutex<VecDeque<ScanState>>,
        starts: Mutex<VecDeque<ScanStart>>,
    }

    #[async_trait]
    impl ImageScanner for Script {
        async fn look(&self, _: &ImageName, _: &Digest) -> Result<ScanState> {
            let mut looks = self.looks.lock().unwrap();
            Ok(if looks.len() > 1 { looks.pop_front().unwrap() } else { looks[0].clone() })
        }

        async fn start(&self, _: &ImageName, _: &Digest) -> Result<ScanStart> {
            Ok(self.starts.lock().unwrap().pop_front().expect("no scan more was expected"))
        }
    }

    async fn ends(looks: Vec<ScanState>, starts: Vec<ScanStart>) -> Result<(Findings, Vec<String>)> {
        let script = Script { looks: Mutex::new(looks.into()), starts: Mutex::new(starts.into()) };
        let name = ImageName::new("shop-api/app").unwrap();
        let done = scan(&script, &name, &Digest::of(b"x"), ScanWait::default()).await;
        assert!(script.starts.lock().unwrap().is_empty(), "a scan was not started");
        done
    }

    fn done() -> ScanState {
        ScanState::Done(Findings::default())
    }

    #[tokio::test(start_paused = true)]
    async fn a_scan_is_started_only_where_there_is_none() {
        use ScanState::{Absent, Running};
        ends(vec![done()], vec![]).await.unwrap();
        ends(vec![Running, Running, done()], vec![]).await.unwrap();
        ends(vec![Absent, Absent, Running, done()], vec![ScanStart::Started]).await.unwrap();
        ends(vec![Absent, Absent, done()], vec![ScanStart::ByItself]).await.unwrap();
        ends(vec![ScanState::Failed("x".into()), Running, done()], vec![ScanStart::Started]).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_scanned_today_has_the_findings_of_today() {
        let (_, notes) = ends(vec![ScanState::Absent, done()], vec![ScanStart::TooSoon]).await.unwrap();
        assert!(notes[0].contains("once a day"), "{notes:?}");
        // The scan of a push that was made just now counts for its day before it can be seen.
        let late = vec![ScanState::Absent, ScanState::Absent, ScanState::Running, done()];
        ends(late, vec![ScanStart::TooSoon]).await.unwrap();
        let failed = vec![ScanState::Failed("x".into())];
        assert_eq!(ends(failed, vec![ScanStart::TooSoon]).await.unwrap_err().kind(), ErrorKind::Failed);
    }

    #[tokio::test(start_paused = true)]
    async fn no_result_is_never_a_good_one() {
        let failed = || ScanState::Failed("UnsupportedImageError".into());
        let error = ends(vec![failed(), failed()], vec![ScanStart::Started]).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Failed && error.to_string().contains("UnsupportedImageError"));
        ends(vec![ScanState::Impossible("x".into())], vec![]).await.unwrap_err();
        ends(vec![ScanState::Absent], vec![ScanStart::Impossible("x".into())]).await.unwrap_err();
        let error = ends(vec![ScanState::Running], vec![]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let error = ends(vec![ScanState::Absent], vec![ScanStart::Started]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}
