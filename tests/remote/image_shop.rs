//! A product repo with images, for tests that type what a person types.

use serde_json::Value;
use support::{Finished, Run, Scratch};

/// The repo, its home, and the variables its commands get.
pub(crate) struct ImageShop {
    pub(crate) scratch: Scratch,
    env: Vec<(String, String)>,
}

impl ImageShop {
    /// A repo whose infra.toml says `settings` beside who it is, and has one image `app` of files, or what `image` says.
    pub(crate) fn new(name: &str, settings: &str, image: Option<&str>) -> Self {
        let shop = ImageShop { scratch: Scratch::new(name), env: Vec::new() };
        let image = image.unwrap_or("[image.app]\nfiles = \"dist\"\nentrypoint = [\"server\"]\n");
        let project = "[project]\nname = \"shop-api\"\nkind = \"api\"\norg = \"acme\"\n";
        shop.scratch.write("shop/infra.toml", format!("{project}{settings}\n{image}"));
        shop.files("one");
        shop
    }

    /// Makes the files of the image anew.
    pub(crate) fn files(&self, content: &str) {
        let server = self.scratch.write("shop/dist/server", content);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let runs = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&server, runs).expect("the file is ours");
        }
        drop(server);
    }

    /// Gives its commands a variable.
    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Gives its commands keys, and an address in place of AWS.
    pub(crate) fn aws(self, url: &str) -> Self {
        self.env("AWS_ENDPOINT_URL", url)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true")
    }

    /// Runs a task of an environment, confirmed, and expects an exit code.
    pub(crate) fn run(&self, environment: &str, args: &[&str], code: i32) -> Finished {
        let mut run = Run::new(env!("CARGO_BIN_EXE_product"), &self.scratch.join("shop"))
            .env("INFRA_HOME", self.scratch.join("home"))
            .env("HOME", self.scratch.path())
            .env("USER", "ada")
            .args(["--env", environment]);
        for (name, value) in &self.env {
            run = run.env(name, value);
        }
        let asks = ["image:push", "image:promote", "ecr:setup"].iter().any(|task| args[0].ends_with(task));
        if asks && environment != "local" && !args.contains(&"--dry-run") {
            run = run.args([format!("--yes={}", args[0])]);
        }
        run.args(args).finish().expect(code)
    }

    /// The same, for what it reports as JSON.
    pub(crate) fn json(&self, environment: &str, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--output", "json"]).collect();
        let done = self.run(environment, &args, 0);
        serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {}", done.stdout))
    }

    /// What the ledger says was done: action and subject.
    pub(crate) fn ledger(&self) -> Vec<String> {
        let shown = self.json("local", &["infra:ledger:show"]);
        let entries = shown["entries"].as_array().cloned().unwrap_or_default();
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        entries.iter().map(|entry| format!("{} {}", text(entry, "action"), text(entry, "subject"))).collect()
    }
}
