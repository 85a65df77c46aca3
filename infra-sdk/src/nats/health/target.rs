//! Probe 1: which servers, as whom, and who said so.

use crate::health::{Probe, State};
use crate::nats::setting::Setting;
use crate::nats::target::Target;

/// Names every setting with its origin; degraded where others on this machine may read a secret.
pub(super) fn probe(target: &Target) -> Probe {
    let (identity, servers) = (target.identity(), &target.servers);
    let saw = format!("{} as {}", target.address(), identity.value);
    let mut probe = Probe::new("target", State::Ok, saw)
        .with("servers", &servers.origin)
        .with("identity", &identity.origin);
    let texts = [
        ("inbox prefix", &target.inbox_prefix),
        ("JetStream domain", &target.domain),
        ("JetStream API", &target.api_prefix),
    ];
    for (name, setting) in texts {
        if let Some(Setting { value, origin }) = setting {
            probe = probe.with(name, format!("{value} ({origin})"));
        }
    }
    if target.tls_first.value {
        probe = probe.with("TLS first", &target.tls_first.origin);
    }
    if let Some(Setting { value, origin }) = &target.ca {
        probe = probe.with("authority", format!("{} ({origin})", value.display()));
    }
    if let Some(Setting { value, origin }) = &target.cert {
        probe = probe.with("certificate", format!("{} ({origin})", value.0.display()));
    }
    let open: Vec<String> = target.open_files.iter().map(|file| file.display().to_string()).collect();
    if !open.is_empty() {
        let files = open.join(" ");
        probe.state = State::Degraded;
        probe = probe
            .with("open to others", &files)
            .hint(format!("chmod 600 {files}: others on this machine may read it, or change it"));
    }
    probe
}
