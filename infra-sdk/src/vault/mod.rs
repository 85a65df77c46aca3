//! The vault: values in the repo, encrypted with age, one a line.
