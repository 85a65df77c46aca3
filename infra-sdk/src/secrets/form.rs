//! Whether a value has the form its declaration promises.
