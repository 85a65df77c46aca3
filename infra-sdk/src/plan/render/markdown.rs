//! A page as markdown for a comment or a job summary: one page, whatever the size of the plans.

use crate::error::{Error, Result};
use crate::names::quoted;
use crate::plan::render::escape::cell;
use crate::plan::render::page::{Page, View};
use crate::plan::render::section::{body, weight};
use crate::plan::render::text::{number_of, shortened, visible};
use crate::plan::summary::Counts;

/// What fits a comment: GitHub takes 65,536 characters. Limits here are bytes of UTF-8, of which every way to count
/// characters finds at most as many; the rest is room for what others put around the page.
pub const COMMENT_LIMIT: usize = 65_000;

/// What fits the summary of a step: GitHub takes 1 MiB, and shows nothing at all of a larger one.
const SUMMARY_LIMIT: usize = 1_000_000;

/// Marker, head and total of a page fit it.
const SMALLEST: usize = 500;

impl Page<'_> {
    /// Markdown of at most `limit` bytes, for a comment on GitHub.
    ///
    /// The counts of every stack always stand there, exactly. What hurts most comes first and with its attributes; what
    /// does not fit is counted: "and 412 more updates". The first line is a comment that nobody sees,
    /// `<!-- infra-sdk:plan:KEY -->`, see [`marker`](Page::marker).
    ///
    /// # Errors
    /// `Invalid` for a key that could leave the marker and for a limit below 500; as
    /// [`Value::of`](crate::plan::Value::of), for the values that are looked into.
    pub fn markdown(&self, key: &str, limit: usize) -> Result<String> {
        let marker = Self::marker(key)?;
        if limit < SMALLEST {
            return Err(Error::invalid("the limit is too small for a page").with("limit", limit).hint(
                format!("allow at least {SMALLEST} bytes; a comment on GitHub takes {COMMENT_LIMIT}"),
            ));
        }
        self.compose(format!("{marker}\n"), limit)
    }

    /// Markdown for the file that `GITHUB_STEP_SUMMARY` names: as [`markdown`](Page::markdown), with room for 1 MB.
    ///
    /// # Errors
    /// As [`Value::of`](crate::plan::Value::of), for the values that are looked into.
    pub fn step_summary(&self) -> Result<String> {
        self.compose(String::new(), SUMMARY_LIMIT)
    }

    /// The first line of a comment, by which it is found again and updated. A `key` names what the comment is about, such
    /// as the stacks: 1 to 64 of `A-Z a-z 0-9 . _ + ,` and single `-`.
    ///
    /// ```
    /// use infra_sdk::plan::Page;
    /// assert_eq!(Page::marker("network+db")?, "<!-- infra-sdk:plan:network+db -->");
    /// assert!(Page::marker("x --> @everyone").is_err());
    /// # Ok::<(), infra_sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` for any other key.
    pub fn marker(key: &str) -> Result<String> {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._+,".contains(&byte);
        if !(1..=64).contains(&key.len()) || !key.bytes().all(is_good) || key.contains("--") {
            return Err(Error::invalid(format!("the key of a comment cannot be {}", quoted(key)))
                .hint("use 1 to 64 letters, digits and `.`, `_`, `+`, `,`, single `-`"));
        }
        Ok(format!("<!-- infra-sdk:plan:{key} -->"))
    }

    fn compose(&self, mut text: String, limit: usize) -> Result<String> {
        text.push_str("### Terraform plan\n\n");
        let loud: Vec<&View<'_>> = self.stacks.iter().filter(|view| !view.is_quiet()).collect();
        let reserved = left_out(loud.len()).len();
        let for_table = (limit / 2).max(text.len() + 420).min(limit - reserved);
        self.table(&mut text, for_table);
        if loud.is_empty() {
            text.push_str("\nNo changes.\n");
            return Ok(text);
        }
        // The smallest first: what they leave is shared among the larger ones.
        let mut order: Vec<usize> = (0..loud.len()).collect();
        order.sort_by_key(|place| weight(loud[*place]));
        let mut room = limit - text.len() - reserved;
        let mut bodies = vec![None; loud.len()];
        for (done, place) in order.into_iter().enumerate() {
            let share = room / (loud.len() - done);
            bodies[place] = body(self, loud[place], share)?;
            room -= bodies[place].as_ref().map_or(0, String::len);
        }
        let missing = bodies.iter().filter(|body| body.is_none()).count();
        text.extend(bodies.into_iter().flatten());
        if missing > 0 {
            text.push_str(&left_out(missing));
        }
        Ok(text)
    }

    /// The counts of every stack, and of all together, in at most `room` bytes.
    fn table(&self, text: &mut String, room: usize) {
        text.push_str("| stack | add | change | destroy | replace | import | move | forget | read |\n");
        text.push_str("| :-- | --: | --: | --: | --: | --: | --: | --: | --: |\n");
        let all = match self.stacks.len() {
            1 => String::new(),
            count => row(&format!("**{}**", number_of(count, "stack")), &self.counts()),
        };
        let more = |count: usize| format!("| and {} | | | | | | | | |\n", number_of(count, "more stack"));
        let name = if room < 2000 { 20 } else { 60 };
        for (index, view) in self.stacks.iter().enumerate() {
            let shown = row(&cell(&shortened(&visible(&view.name), name)), &view.counts);
            let left = self.stacks.len() - index;
            let is_last = left == 1;
            let needed = shown.len() + all.len() + if is_last { 0 } else { more(left).len() };
            if text.len() + needed > room && self.stacks.len() > 1 {
                text.push_str(&more(left));
                break;
            }
            text.push_str(&shown);
        }
        text.push_str(&all);
    }
}

fn row(name: &str, counts: &Counts) -> String {
    let Counts { add, change, destroy, replace, import, moved, forget, read, .. } = counts;
    format!(
        "| {name} | {add} | {change} | {destroy} | {replace} | {import} | {moved} | {forget} | {read} |\n"
    )
}

fn left_out(stacks: usize) -> String {
    format!(
        "\nWhat {} in detail does not fit here.\n",
        if stacks == 1 { "1 stack does".to_owned() } else { format!("{stacks} stacks do") }
    )
}
