//! What ECR's scans say of an image, for both of its scanners.

use std::time::SystemTime;

use async_trait::async_trait;
use aws_sdk_ecr::types::{
    EnhancedImageScanFinding, ImageIdentifier, ImageScanFinding, ImageScanFindings, ScanStatus,
};

use crate::aws::ecr::client::{client, fault, repeated, says};
use crate::aws::ecr::place::Ecr;
use crate::aws::fault::Call;
use crate::aws::meaning::one_line;
use crate::aws::pages::next_page;
use crate::digest::Digest;
use crate::error::Result;
use crate::images::{Finding, Findings, ImageScanner, ScanStart, ScanState, Severity};
use crate::names::ImageName;
use crate::time::Timestamp;

/// How many findings a page may have
/// (<https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImageScanFindings.html>).
const PAGE: i32 = 1000;

/// Needs the permissions `ecr:DescribeImageScanFindings` and `ecr:StartImageScan`.
#[async_trait]
impl ImageScanner for Ecr {
    async fn look(&self, image: &ImageName, digest: &Digest) -> Result<ScanState> {
        let repository = self.repository(image)?;
        repeated(async |_| self.look_once(&repository, digest).await).await
    }

    async fn start(&self, image: &ImageName, digest: &Digest) -> Result<ScanStart> {
        let repository = self.repository(image)?;
        self.aws.before_write().await?;
        repeated(async |attempt| self.start_once(&repository, digest, attempt).await).await
    }
}

impl Ecr {
    async fn look_once(&self, on: &str, digest: &Digest) -> Result<ScanState> {
        let call = Call { action: "ecr:DescribeImageScanFindings", on };
        let (mut found, mut next) = (Findings::default(), None::<String>);
        loop {
            let page = client(&self.aws)
                .await?
                .describe_image_scan_findings()
                .set_registry_id(self.account().map(str::to_owned))
                .repository_name(on)
                .image_id(identifier(digest))
                .max_results(PAGE)
                .set_next_token(next.clone())
                .send()
                .await
                .map_err(|error| fault(call, &error));
            let page = match page {
                Err(fault) if says(&fault, "ScanNotFoundException") => return Ok(ScanState::Absent),
                page => page?,
            };
            let status = page.image_scan_status.as_ref();
            let why = status.and_then(|status| status.description()).map(one_line).unwrap_or_default();
            match status.and_then(|status| status.status()) {
                Some(ScanStatus::Complete | ScanStatus::Active) => {}
                other => return Ok(unfinished(other, why)),
            }
            // A scan that is said to be done and tells nothing is no image without findings.
            let Some(findings) = page.image_scan_findings else {
                return Ok(ScanState::Failed("ECR gave no findings, not even an empty list".into()));
            };
            read(&mut found, findings);
            next = next_page(next.as_deref(), page.next_token)?;
            if next.is_none() {
                found.sort();
                return Ok(ScanState::Done(found));
            }
        }
    }

    async fn start_once(&self, on: &str, digest: &Digest, attempt: u32) -> Result<ScanStart> {
        let call = Call { action: "ecr:StartImageScan", on };
        let request = client(&self.aws).await?.start_image_scan().repository_name(on);
        let request = request.set_registry_id(self.account().map(str::to_owned)).image_id(identifier(digest));
        match request.send().await.map_err(|error| fault(call, &error)) {
            Ok(_) => Ok(ScanStart::Started),
            // One a day; the answer to an earlier attempt may have been lost.
            Err(fault) if says(&fault, "LimitExceededException") && attempt > 1 => Ok(ScanStart::Started),
            Err(fault) if says(&fault, "LimitExceededException") => Ok(ScanStart::TooSoon),
            // Enhanced scanning takes no orders.
            Err(fault) if says(&fault, "ValidationException") => Ok(ScanStart::ByItself),
            Err(fault) if says(&fault, "UnsupportedImageTypeException") => {
                Ok(ScanStart::Impossible("ECR does not scan images of this type".into()))
            }
            Err(fault) => Err(fault.into()),
        }
    }
}

fn identifier(digest: &Digest) -> ImageIdentifier {
    ImageIdentifier::builder().image_digest(digest.as_str()).build()
}

/// <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageScanStatus.html>
fn unfinished(status: Option<&ScanStatus>, why: String) -> ScanState {
    let word = status.map_or("no status", ScanStatus::as_str);
    let told = if why.is_empty() { word.to_owned() } else { format!("{word}: {why}") };
    match status {
        Some(ScanStatus::InProgress | ScanStatus::Pending) => ScanState::Running,
        Some(
            ScanStatus::UnsupportedImage | ScanStatus::ScanEligibilityExpired | ScanStatus::ImageArchived,
        ) => ScanState::Impossible(told),
        _ => ScanState::Failed(told),
    }
}

fn read(found: &mut Findings, page: ImageScanFindings) {
    // The counts are of all pages, and stand on each.
    let finished = page.image_scan_completed_at.and_then(|time| SystemTime::try_from(time).ok());
    found.scanned = finished.map(Timestamp::from).or(found.scanned);
    found.counts.clear();
    for (severity, count) in page.finding_severity_counts.into_iter().flatten() {
        let sum = found.counts.entry(Severity::of_word(severity.as_str())).or_default();
        *sum += u64::try_from(count).unwrap_or_default();
    }
    found.findings.extend(page.findings.into_iter().flatten().map(basic));
    let open =
        |finding: &EnhancedImageScanFinding| !matches!(finding.status(), Some("SUPPRESSED" | "CLOSED"));
    found.findings.extend(page.enhanced_findings.into_iter().flatten().filter(open).map(enhanced));
}

fn basic(finding: ImageScanFinding) -> Finding {
    let attribute = |key: &str| {
        finding.attributes().iter().find(|attribute| attribute.key() == key).and_then(|found| found.value())
    };
    let package = attribute("package_name").map(|name| package(name, attribute("package_version")));
    Finding {
        severity: finding.severity().map_or(Severity::Critical, |word| Severity::of_word(word.as_str())),
        name: one_line(finding.name().unwrap_or("without a name")),
        package,
        fixed_in: None,
        url: finding.uri().map(one_line),
    }
}

fn enhanced(finding: EnhancedImageScanFinding) -> Finding {
    let details = finding.package_vulnerability_details();
    let vulnerable = details.and_then(|details| details.vulnerable_packages().first());
    let name = details.and_then(|details| details.vulnerability_id()).or(finding.title());
    let fixed = vulnerable.and_then(|package| package.fixed_in_version());
    Finding {
        severity: finding.severity().map_or(Severity::Critical, Severity::of_word),
        name: one_line(name.unwrap_or("without a name")),
        package: vulnerable.and_then(|found| Some(package(found.name()?, found.version()))),
        fixed_in: fixed.filter(|version| *version != "NotAvailable").map(one_line),
        url: details.and_then(|details| details.source_url()).map(one_line),
    }
}

fn package(name: &str, version: Option<&str>) -> String {
    one_line(&version.map_or_else(|| name.to_owned(), |version| format!("{name} {version}")))
}
