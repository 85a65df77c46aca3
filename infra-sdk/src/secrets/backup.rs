//! Encrypted copies of values and state, and the way back.
