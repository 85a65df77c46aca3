//! Images in any registry that speaks OCI's distribution protocol.
