//! rustls wants its cryptography chosen once in a process.

use std::sync::Once;

/// Chooses ring; who chose before, chose well.
pub(crate) fn install_tls() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
