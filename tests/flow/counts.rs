//! Plans that the real terraform makes: our counts are those of its own last line, and its texts hold no surprise.

use infra_sdk::plan::{Plan, Summary, Veil};
use support::{Run, Scratch};

/// A folder of code with its state.
pub(crate) struct Folder {
    scratch: Scratch,
}

/// One plan, as terraform shows it in both ways.
pub(crate) struct Shown {
    pub(crate) json: String,
    pub(crate) text: String,
}

impl Folder {
    pub(crate) fn new(name: &str, code: &str) -> Self {
        let folder = Folder { scratch: Scratch::new(name) };
        folder.code(code);
        folder.terraform(&["init", "-input=false"], 0);
        folder
    }

    pub(crate) fn code(&self, code: &str) {
        self.scratch.write("main.tf", code);
    }

    pub(crate) fn terraform(&self, args: &[&str], code: i32) -> String {
        let run =
            Run::new("terraform", &self.scratch.join(".")).args(args.iter().take(1)).args(["-no-color"]);
        run.env("CHECKPOINT_DISABLE", "1").args(&args[1..]).reveals().finish().expect(code).stdout
    }

    pub(crate) fn apply(&self, flags: &[&str]) {
        self.terraform(&[&["apply", "-auto-approve", "-input=false"], flags].concat(), 0);
    }

    pub(crate) fn plan(&self, flags: &[&str]) -> Shown {
        self.terraform(&[&["plan", "-input=false", "-out=saved.plan"], flags].concat(), 0);
        let json = self.terraform(&["show", "-json", "saved.plan"], 0);
        Shown { json, text: self.terraform(&["show", "saved.plan"], 0) }
    }
}

/// Terraform's own line, as numbers: import, add, change, destroy.
fn line_of(text: &str) -> [usize; 4] {
    let Some(line) = text.lines().find(|line| line.starts_with("Plan: ")) else { return [0; 4] };
    let number = |what: &str| {
        let before = line.split(&format!(" to {what}")).next().filter(|before| *before != line)?;
        before.rsplit([' ', ',']).next()?.parse().ok()
    };
    ["import", "add", "change", "destroy"].map(|what| number(what).unwrap_or(0))
}

fn check(shown: &Shown, what: &str) -> Summary {
    let summary = Summary::of(&Plan::parse(shown.json.as_bytes()).unwrap()).unwrap();
    let counts = summary.counts;
    assert_eq!(
        [counts.import, counts.add, counts.change, counts.destroy],
        line_of(&shown.text),
        "{what}\n{}\n{summary}",
        shown.text
    );
    assert_eq!(summary.has_changes(), !shown.text.contains("No changes."), "{what}\n{}", shown.text);
    summary
}

const BASE: &str = r#"
variable "secret" {
  default   = "canary-of-the-plan"
  sensitive = true
}
resource "terraform_data" "plain" { input = "one" }
resource "terraform_data" "many" {
  for_each         = toset(["a", "b.c", "we\"ird/key", "ünï"])
  input            = { name = each.key, tags = ["x", "y"] }
  triggers_replace = 1
}
resource "terraform_data" "counted" {
  count = 3
  input = count.index
}
resource "terraform_data" "hidden" { input = var.secret }
resource "terraform_data" "first" { triggers_replace = "1" }
resource "terraform_data" "follows" {
  input = terraform_data.plain.id
  lifecycle { replace_triggered_by = [terraform_data.first] }
}
output "plain" { value = terraform_data.plain.output }
"#;

#[test]
fn counts_are_those_of_terraforms_own_line() {
    let folder = Folder::new("plan-counts", BASE);
    let first = check(&folder.plan(&[]), "everything is made");
    assert_eq!(first.counts.add, 11);
    folder.apply(&[]);
    let none = check(&folder.plan(&[]), "nothing changes");
    assert_eq!((none.counts.no_op, none.changes.len(), none.applyable), (11, 0, Some(false)));

    folder.code(&BASE.replace("\"one\"", "\"two\"").replace("triggers_replace = 1", "triggers_replace = 2"));
    let changed = check(&folder.plan(&[]), "an update, and replacements by their attribute");
    assert_eq!((changed.counts.replace, changed.counts.change), (4, 1));
    assert!(changed.changes.iter().any(|row| row.replace_paths == ["triggers_replace"]));

    folder.code(&BASE.replace("triggers_replace = \"1\"", "triggers_replace = \"2\""));
    let triggered = check(&folder.plan(&[]), "a replacement triggered by another");
    assert!(triggered.changes.iter().any(|row| row.reason.as_deref() == Some("replace_by_triggers")));

    folder.code(&BASE.replace("\"b.c\", ", "").replace("count = 3", "count = 1"));
    assert_eq!(check(&folder.plan(&[]), "instances go").counts.destroy, 3);
    check(&folder.plan(&["-destroy"]), "everything goes");
    check(&folder.plan(&["-refresh-only"]), "only a look");
    check(&folder.plan(&["-replace=terraform_data.plain"]), "one is replaced by request");
    let part = check(&folder.plan(&["-target=terraform_data.counted"]), "only a part");
    assert_eq!(part.complete, Some(false));

    folder.terraform(&["taint", "terraform_data.counted[0]"], 0);
    let tainted = check(&folder.plan(&[]), "one is damaged");
    assert!(tainted.changes.iter().any(|row| row.reason.as_deref() == Some("replace_because_tainted")));
}

#[test]
fn moves_imports_and_what_is_forgotten_are_counted_apart() {
    let folder = Folder::new("plan-moves", BASE);
    folder.apply(&[]);
    let moved = BASE
        .replace("\"plain\" {", "\"renamed\" {")
        .replace("terraform_data.plain", "terraform_data.renamed");
    folder.code(&format!(
        "{}\nmoved {{\n  from = terraform_data.plain\n  to   = terraform_data.renamed\n}}\n\
         import {{\n  to = terraform_data.taken\n  id = \"some-id\"\n}}\n\
         resource \"terraform_data\" \"taken\" {{}}\n\
         removed {{\n  from = terraform_data.counted\n  lifecycle {{ destroy = false }}\n}}\n",
        moved.replace("resource \"terraform_data\" \"counted\" {\n  count = 3\n  input = count.index\n}", "")
    ));
    let summary = check(&folder.plan(&[]), "a move, an import, three forgotten");
    let counts = summary.counts;
    assert_eq!((counts.moved, counts.import, counts.forget, counts.destroy), (1, 1, 3, 0), "{summary}");
}

#[test]
fn a_secret_that_terraform_shows_itself_is_hidden_by_its_value() {
    let folder = Folder::new("plan-leak", BASE);
    folder.apply(&[]);
    folder.code(&BASE.replace("canary-of-the-plan", "another-canary-of-the-plan"));
    let shown = folder.plan(&[]);
    // What went in as a sensitive input comes back as an output without a mark, in plain sight.
    assert!(shown.text.contains("canary-of-the-plan"), "{}", shown.text);
    let plan = Plan::parse(shown.json.as_bytes()).unwrap();
    let veil = Veil::of(&plan).unwrap();
    assert!(!veil.apply(&shown.text).contains("canary"), "{}", veil.apply(&shown.text));
}
