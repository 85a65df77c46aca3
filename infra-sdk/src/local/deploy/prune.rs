//! Which releases are forgotten when a new one was accepted.

use crate::deploy::{ReleaseId, Status};

/// What may be forgotten: good releases beyond `keep` past ones, and all failed ones but the newest, whose log
/// somebody may still want to read. Never the current one, the active one or the good one before.
pub(super) fn superseded(status: &Status, keep: u16) -> Vec<ReleaseId> {
    let before = status.before_current().map(|release| &release.id);
    let (mut good, mut failed) = (0, 0);
    let mut forgotten = Vec::new();
    for release in &status.releases {
        let id = Some(&release.id);
        if id == status.current.as_ref() || id == status.active.as_ref() {
            continue;
        }
        let (count, limit) = if release.accepted.is_some() { (&mut good, keep) } else { (&mut failed, 1) };
        *count += 1;
        if *count > limit && id != before {
            forgotten.push(release.id.clone());
        }
    }
    forgotten
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::deploy::Release;
    use crate::digest::Digest;
    use crate::time::Timestamp;

    fn status(accepted: &[bool], current: usize) -> Status {
        let releases: Vec<Release> = accepted
            .iter()
            .enumerate()
            .map(|(age, accepted)| Release {
                id: format!("r{age}").parse().unwrap(),
                project: "shop".parse().unwrap(),
                image: "app".parse().unwrap(),
                digest: Digest::of(b""),
                version: age.to_string(),
                by: "test".into(),
                created: Timestamp::from(std::time::UNIX_EPOCH + Duration::from_secs(100 - age as u64)),
                accepted: accepted.then(Timestamp::now),
                port: None,
                health: String::new(),
            })
            .collect();
        let current = Some(releases[current].id.clone());
        Status { active: current.clone(), current, url: None, releases }
    }

    fn forgotten(accepted: &[bool], current: usize, keep: u16) -> Vec<String> {
        superseded(&status(accepted, current), keep).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn old_releases_are_forgotten_but_never_the_way_back() {
        assert_eq!(forgotten(&[true; 5], 0, 2), ["r3", "r4"]);
        assert_eq!(forgotten(&[true; 4], 0, 0), ["r2", "r3"]);
        // After a rollback to r2 the way back is r3.
        assert_eq!(forgotten(&[true; 5], 2, 1), ["r1", "r4"]);
        // Of failed ones only the newest is kept.
        assert_eq!(forgotten(&[true, false, false, true], 0, 5), ["r2"]);
    }
}
