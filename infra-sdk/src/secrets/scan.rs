//! Looking for real values where they must not be: files of the repo, what is staged, the history.
