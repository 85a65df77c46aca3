//! What is where, how old it is, and what is next, by name.
