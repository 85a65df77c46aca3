//! One step of the way back.

use std::fmt;

use serde::Serialize;

use crate::plan::plain::plain;

/// What undoes one change, and how far it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The resource.
    pub address: String,
    /// What is to be done.
    pub undo: Undo,
    /// Whether everything is as before then.
    pub certainty: Certainty,
    /// What is lost, or to be known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The attributes that go back, by name; for an update.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
}

/// What is to be done to undo a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "action")]
pub enum Undo {
    /// Destroy what was made.
    Destroy,
    /// Change it back in place.
    Update,
    /// Make it again.
    Create,
    /// Replace it by one like the old one.
    Replace,
    /// Take it into the state again.
    Import {
        /// The id, where it is known.
        id: Option<String>,
    },
    /// Let it go from the state; it stays.
    Forget,
    /// Give it its old address again.
    Move {
        /// The old address.
        to: String,
    },
}

/// How far a step undoes a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// Everything is as before.
    Whole,
    /// The resource is as its code says; ids and the like are new ones.
    Partly,
    /// What is lost stays lost.
    Not,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.certainty {
            Certainty::Whole => "  ",
            Certainty::Partly => " ~",
            Certainty::Not => " !",
        };
        write!(f, "{mark} {}: ", plain(&self.address))?;
        match &self.undo {
            Undo::Destroy => f.write_str("destroy it")?,
            Undo::Update if self.attributes.is_empty() => f.write_str("change it back")?,
            Undo::Update => write!(f, "change back {}", plain(&self.attributes.join(", ")))?,
            Undo::Create => f.write_str("make it again")?,
            Undo::Replace => f.write_str("replace it by one like the old one")?,
            Undo::Import { id: Some(id) } => write!(f, "import it again, id {}", plain(id))?,
            Undo::Import { id: None } => f.write_str("import it again")?,
            Undo::Forget => f.write_str("let it go from the state")?,
            Undo::Move { to } => write!(f, "move it back to {}", plain(to))?,
        }
        match &self.why {
            Some(why) => write!(f, " ({})", plain(why)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_stays_on_its_line_and_turns_nothing_around() {
        let step = Step {
            address: "a.b[\"\n\"]".into(),
            undo: Undo::Move { to: "a.c[\"\u{202e}\"]".into() },
            certainty: Certainty::Whole,
            why: Some("x\u{2028}y".into()),
            attributes: Vec::new(),
        };
        assert_eq!(step.to_string(), "   a.b[\"\u{fffd}\"]: move it back to a.c[\"\u{fffd}\"] (x\u{fffd}y)");
    }
}
