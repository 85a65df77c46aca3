//! This repo's own tasks.
fn main() {}
