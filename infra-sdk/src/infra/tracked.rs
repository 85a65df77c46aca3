//! Whether git holds files of secrets: a line in `.gitignore` does nothing for what is tracked already.

use std::time::Duration;

use crate::error::{ErrorKind, Result};
use crate::infra::open::Infra;

/// How long git may take to say so.
const DEADLINE: Duration = Duration::from_secs(10);

impl Infra {
    /// The `.env` files of this repo that git tracks; none outside of git. `.env.example` holds no values.
    ///
    /// # Errors
    /// What git fails with.
    pub async fn tracked_secret_files(&self) -> Result<Vec<String>> {
        let inside = self.git(&["rev-parse", "--is-inside-work-tree"]).deadline(DEADLINE).output().await;
        let inside = match inside {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            inside => inside?,
        };
        if inside.stderr.contains("not a git repository") {
            return Ok(Vec::new());
        }
        let paths = ["ls-files", "-z", "--", ":(glob)**/.env", ":(glob)**/.env.*"];
        let listed = self.git(&paths).deadline(DEADLINE).read().await?;
        let files = listed.split('\0').filter(|file| !file.is_empty() && !file.ends_with(".env.example"));
        Ok(files.map(str::to_owned).collect())
    }
}
