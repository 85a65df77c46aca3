//! Colour, where the caller wants it.

/// Whether a text for the terminal is coloured. The caller knows whether it goes to a terminal, and what `NO_COLOR` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Without escape sequences.
    #[default]
    Plain,
    /// With ANSI colours.
    Ansi,
}

/// What a colour means.
#[derive(Clone, Copy)]
pub(super) enum Tint {
    Good,
    Change,
    Bad,
    Quiet,
    Strong,
}

impl Style {
    pub(super) fn paint(self, tint: Tint, text: &str) -> String {
        if self == Style::Plain || text.is_empty() {
            return text.to_owned();
        }
        let code = match tint {
            Tint::Good => "32",
            Tint::Change => "33",
            Tint::Bad => "31",
            Tint::Quiet => "2",
            Tint::Strong => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// The tint of a sign such as `-/+`.
    pub(super) fn of_sign(sign: &str) -> Tint {
        match sign {
            "+" => Tint::Good,
            sign if sign.contains('-') && sign != "<-" && sign != "->" => Tint::Bad,
            "~" | "?" | "." | "+/." => Tint::Change,
            _ => Tint::Quiet,
        }
    }
}
