//! Whether git holds files of secrets: a line in `.gitignore` does nothing for what is tracked already.

use std::time::Duration;

use crate::infra::open::Infra;

/// How long git may take to say so.
const DEADLINE: Duration = Duration::from_secs(10);

impl Infra {
    /// The `.env` files of this repo that git tracks; none outside of git. `.env.example` holds no values.
    pub async fn tracked_secret_files(&self) -> Vec<String> {
        let listed = self.git(&["ls-files", "-z", "--", ".env", ".env.*"]).deadline(DEADLINE).read().await;
        let listed = listed.unwrap_or_default();
        let files = listed.split('\0').filter(|file| !file.is_empty() && !file.ends_with(".env.example"));
        files.map(str::to_owned).collect()
    }
}
