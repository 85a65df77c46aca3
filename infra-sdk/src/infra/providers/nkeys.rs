//! Whether a JWT of NATS is signed by whom it names, where that can be told.

use crate::manifests::PublicJwt;

/// Whether the signature is that of the issuer. Without the feature `nats` every one passes: the server looks at it, too.
#[cfg(feature = "nats")]
pub(in crate::infra) fn is_signed(jwt: &PublicJwt) -> bool {
    let (signed, signature, issuer) = jwt.signed();
    crate::nats::is_signed_by(issuer, signed.as_bytes(), &signature)
}

#[cfg(not(feature = "nats"))]
pub(in crate::infra) fn is_signed(_: &PublicJwt) -> bool {
    true
}
