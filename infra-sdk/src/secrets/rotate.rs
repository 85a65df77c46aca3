//! Replacing a secret without a moment in which no value is accepted.
