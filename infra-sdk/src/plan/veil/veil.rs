//! The secrets of one or more plans, taken out of every text that is shown.

use std::borrow::Cow;
use std::fmt;

use crate::error::Result;
use crate::mask::{Masks, SecretSet, patterns};
use crate::plan::model::Plan;
use crate::plan::veil::decoded::unescaped;
use crate::plan::veil::grams::Grams;
use crate::plan::veil::learn;
use crate::secret::SecretValue;

/// Knows the sensitive values of a plan and hides them in texts.
///
/// The plan's own marks are not enough: what went in as a sensitive input comes back as an unmarked output, and
/// variables and error messages carry no marks at all. So each sensitive value, numbers included, is hidden wherever it
/// stands, also inside JSON, base64 and URLs. What has fewer than four characters is not: it would tear holes into every
/// text.
///
/// It can hold a hundred thousand values: a text is first asked which of them can stand in it at all, so hand over many
/// texts at once.
///
/// ```
/// use infra_sdk::plan::{Plan, Veil};
/// let json = br#"{"format_version": "1.2", "output_changes": {"password": {
///     "actions": ["create"], "after": "hunter2", "after_sensitive": true}}}"#;
/// let veil = Veil::of(&Plan::parse(json)?)?;
/// assert_eq!(veil.apply("login with hunter2"), "login with ***");
/// # Ok::<(), infra_sdk::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Veil {
    secrets: SecretSet,
}

/// What is shorter is not hidden, and holds nothing that is.
const SHORTEST: usize = 4;

/// How many texts inside of one are looked at.
const MOST_INNER: usize = 20_000;

/// The search is built anew for each batch, and as large as what it can find.
pub(super) const BATCH: usize = 4 << 20;

impl Veil {
    /// Learns the sensitive values of `plan`.
    ///
    /// # Errors
    /// As [`Value::of`](crate::plan::Value::of).
    pub fn of(plan: &Plan<'_>) -> Result<Self> {
        let mut veil = Veil::default();
        veil.learn(plan)?;
        Ok(veil)
    }

    /// Learns those of one more plan: what one of two plans marks, the other may show.
    ///
    /// # Errors
    /// As [`Value::of`](crate::plan::Value::of), and `Invalid` when the configuration does not tell which variables are
    /// sensitive.
    pub fn learn(&mut self, plan: &Plan<'_>) -> Result<()> {
        learn::secrets(plan, &mut |secret| self.add(&secret))
    }

    /// Hides one more value, the text that it is the base64 form of, and the values in either if it is a JSON text.
    pub fn add(&mut self, secret: &SecretValue) {
        // A JSON text may hold texts that are JSON again, or base64 of it: each is shorter than what it comes out of.
        let mut waiting = vec![secret.clone()];
        while let Some(secret) = waiting.pop() {
            if secret.expose().trim().len() >= SHORTEST && self.secrets.insert(secret.clone()) {
                learn::inside(secret.expose(), &mut |inner| waiting.push(inner));
            }
        }
    }

    /// The values it hides.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &SecretValue> {
        self.secrets.iter()
    }

    /// `text` without a secret in it.
    pub fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.secrets.len() == 0 {
            return Cow::Borrowed(text);
        }
        let inner = Nested::of(text);
        match self.masks_for([text].into_iter().chain(inner.texts.iter().map(String::as_str))) {
            Some(masks) => hidden_deep(&masks, text, &inner),
            None if inner.is_cut => Cow::Owned(HIDDEN.to_owned()),
            None => Cow::Borrowed(text),
        }
    }

    /// Takes the secrets out of many texts at once, which is much quicker than one after the other.
    ///
    /// ```
    /// use infra_sdk::SecretValue;
    /// use infra_sdk::plan::Veil;
    /// let mut veil = Veil::default();
    /// veil.add(&SecretValue::new("hunter2"));
    /// let mut texts = ["nothing".to_owned(), "aHVudGVyMg==".to_owned()];
    /// veil.cover(&mut texts.each_mut());
    /// assert_eq!(texts, ["nothing", "***"]);
    /// ```
    pub fn cover(&self, texts: &mut [&mut String]) {
        let mut rest = texts;
        while !rest.is_empty() {
            let mut bytes = 0;
            let mut within = |text: &&mut String| {
                bytes += text.len();
                bytes <= BATCH
            };
            let length = rest.iter().take_while(|text| within(text)).count().max(1);
            let (batch, later) = rest.split_at_mut(length);
            // What stands in documents inside of texts is looked for, too; without secrets nobody has to look.
            let inner: Vec<Nested> = match self.secrets.len() {
                0 => return,
                _ => batch.iter().map(|text| Nested::of(text)).collect(),
            };
            let deeper = inner.iter().flat_map(|inner| &inner.texts).map(String::as_str);
            let masks = self.masks_for(batch.iter().map(|text| text.as_str()).chain(deeper));
            for (text, inner) in batch.iter_mut().zip(&inner) {
                let hidden = match &masks {
                    Some(masks) => hidden_deep(masks, text, inner),
                    None if inner.is_cut => Cow::Owned(HIDDEN.to_owned()),
                    None => continue,
                };
                if let Cow::Owned(hidden) = hidden {
                    **text = hidden;
                }
            }
            rest = later;
        }
    }

    /// Finds the secrets that can stand in the texts; `None` when none can.
    fn masks_for<'t>(&self, texts: impl Iterator<Item = &'t str> + Clone) -> Option<Masks> {
        if self.secrets.len() == 0 {
            return None;
        }
        let grams = Grams::of(texts);
        let near = self.secrets.iter().filter(|secret| grams.may_hold(secret.expose()));
        let spelled = near.flat_map(patterns).filter(|pattern| grams.may_hold_exactly(pattern));
        let spelled: Vec<String> = spelled.collect();
        (!spelled.is_empty()).then(|| Masks::of_patterns(spelled))
    }
}

/// What stands for a text that is hidden whole.
const HIDDEN: &str = "***";

/// The texts inside of a text: those in it if it is a document or base64, itself without a layer of escapes, and those
/// in these. A secret in them is escaped more than once.
struct Nested {
    texts: Vec<String>,
    /// Whether there are more of them than are looked at.
    is_cut: bool,
}

impl Nested {
    fn of(text: &str) -> Self {
        let mut texts = Vec::new();
        inside(text, &mut texts);
        let mut at = 0;
        // Each is shorter than what it comes out of, so this ends.
        while at < texts.len() {
            if texts.len() >= MOST_INNER {
                return Nested { texts, is_cut: true };
            }
            let text = texts[at].clone();
            inside(&text, &mut texts);
            at += 1;
        }
        Nested { texts, is_cut: false }
    }
}

fn inside(text: &str, found: &mut Vec<String>) {
    let before = found.len();
    let mut keep = |inner: &str| {
        // Shorter than any secret that is hidden.
        if inner.len() >= SHORTEST {
            found.push(inner.to_owned());
        }
    };
    learn::inside(text, &mut |inner| keep(inner.expose()));
    // A document gives its texts without their escapes; another text, such as a script, may hold one that does not.
    if found.len() == before {
        found.extend(unescaped(text));
    }
}

/// The text without a secret in it. One that stays in a text inside of it takes the whole text with it, and so do more
/// texts inside than anybody looks at: nobody reads a document of so many.
fn hidden_deep<'t>(masks: &Masks, text: &'t str, inner: &Nested) -> Cow<'t, str> {
    if inner.is_cut {
        return Cow::Owned(HIDDEN.to_owned());
    }
    let shown = hidden(masks, text);
    let is_left = |inner: &String| matches!(hidden(masks, inner), Cow::Owned(_));
    if !inner.texts.is_empty() && Nested::of(&shown).texts.iter().any(is_left) {
        return Cow::Owned(HIDDEN.to_owned());
    }
    shown
}

/// The text without secrets. Neighbouring masks become one: as many as a secret has lines would tell how long it is.
fn hidden<'t>(masks: &Masks, text: &'t str) -> Cow<'t, str> {
    let Cow::Owned(masked) = masks.apply(text) else { return Cow::Borrowed(text) };
    if !masked.contains(['\n', '\r']) {
        return Cow::Owned(masked);
    }
    let mut joined = String::with_capacity(masked.len());
    let mut parts = masked.split("***").peekable();
    while let Some(part) = parts.next() {
        let is_between = !joined.is_empty() && parts.peek().is_some();
        if !(is_between && joined.ends_with("***") && part.chars().all(|c| matches!(c, '\n' | '\r'))) {
            joined.push_str(part);
        }
        if parts.peek().is_some() && !joined.ends_with("***") {
            joined.push_str("***");
        }
    }
    Cow::Owned(joined)
}

/// Tells only how many values there are.
impl fmt::Debug for Veil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Veil({} values)", self.secrets.len())
    }
}
