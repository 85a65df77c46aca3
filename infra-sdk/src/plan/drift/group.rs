//! The same drift on many resources, as one.

use std::fmt;

use serde::Serialize;

use crate::plan::drift::{Answer, Decision};
use crate::plan::plain::plain;

/// One kind of drift: an attribute of a type, or the end of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DriftGroup {
    /// The resource type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The attribute; `None` when the resource itself is gone or came.
    pub attribute: Option<String>,
    /// What happened.
    pub what: Kind,
    /// The resources.
    pub addresses: Vec<String>,
    /// From what to what, on the first of them, where that can be shown.
    pub values: Option<(String, String)>,
    /// Why it probably means nothing, if it does.
    pub noise: Option<Noise>,
    /// Whether it may be a reason for a change in the plan that told of it.
    pub relevant: bool,
    /// What was decided, if something was; it may have run out.
    pub answer: Option<Answer>,
    /// Whether somebody has to decide.
    pub open: bool,
}

/// What happened outside of Terraform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The resource is gone.
    Gone,
    /// An attribute has another value.
    Changed,
    /// A resource turned up.
    Came,
}

/// Why a drift probably means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Noise {
    /// Nothing became an empty value, or the other way round.
    ReadBack,
    /// The text means the same.
    SameMeaning,
    /// The members are the same in another order.
    Reordered,
    /// Nearly all resources of the type have it at once, as after an upgrade of the provider.
    Everywhere,
}

impl fmt::Display for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Noise::ReadBack => "read back as empty",
            Noise::SameMeaning => "written differently",
            Noise::Reordered => "in another order",
            Noise::Everywhere => "on all of its type, as after a provider upgrade",
        })
    }
}

impl fmt::Display for DriftGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match (self.open, self.what) {
            (false, _) => " ",
            (true, Kind::Gone) => "-",
            (true, Kind::Changed) => "~",
            (true, Kind::Came) => "+",
        };
        match &self.attribute {
            Some(attribute) => write!(f, "{sign} {}.{}", plain(&self.kind), plain(attribute))?,
            None => write!(
                f,
                "{sign} {} {}",
                plain(&self.kind),
                if self.what == Kind::Gone { "is gone" } else { "came" }
            )?,
        }
        let shown: Vec<_> = self.addresses.iter().take(3).map(|address| plain(address)).collect();
        write!(f, ": {}", shown.join(", "))?;
        if self.addresses.len() > shown.len() {
            write!(f, " and {} more", self.addresses.len() - shown.len())?;
        }
        if let Some((before, after)) = &self.values {
            let short = |text: &str| match text.char_indices().nth(60) {
                Some((end, _)) => format!("{}…", plain(&text[..end])),
                None => plain(text).into_owned(),
            };
            let first = if self.addresses.len() > 1 { " on the first" } else { "" };
            write!(f, ", {} → {}{first}", short(before), short(after))?;
        }
        if let Some(noise) = self.noise {
            write!(f, " ({noise})")?;
        }
        let Some(answer) = &self.answer else { return Ok(()) };
        let over = if self.open { ", which is over" } else { "" };
        let what = match answer.decision {
            Decision::Adopt => "the code is to be changed",
            Decision::Revert => "an apply is to change it back",
            Decision::Ignore => "ignored",
        };
        write!(f, "\n    {what} until {}{over}: {}", answer.until, plain(&answer.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_stays_on_its_line_and_turns_nothing_around() {
        let group = DriftGroup {
            kind: "t".into(),
            attribute: Some("tags[\"a\nb\"]".into()),
            what: Kind::Changed,
            addresses: vec!["t.n[\"\u{202e}x\u{200b}\"]".into()],
            values: None,
            noise: None,
            relevant: false,
            answer: None,
            open: true,
        };
        assert_eq!(group.to_string(), "~ t.tags[\"a\u{fffd}b\"]: t.n[\"\u{fffd}x\u{fffd}\"]");
    }
}
