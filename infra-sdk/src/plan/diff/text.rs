//! Texts: documents inside them, several lines, base64.

use crate::plan::diff::lines::lines;
use crate::plan::diff::place::Place;
use crate::plan::diff::walk::{Node, Walk};
use crate::plan::diff::{Difference, SensitiveChange};
use crate::plan::json::Value;
use crate::plan::meaning::{canonical_value, document, is_policy};
use crate::plan::veil::readable;

/// Documents in texts in documents: deeper is shown as text.
const DEEPEST: usize = 3;

/// What is shorter and looks like base64 is rather a name.
const SHORTEST: usize = 16;

impl<'a> Walk<'_, 'a> {
    /// Tells how two texts without marks, which are not equal, differ.
    pub(super) fn text(&mut self, before: &str, after: &str) {
        if self.documents < DEEPEST {
            if let (Some(old), Some(new)) = (document(before), document(after)) {
                return self.document(&old, &new, [before, after]);
            }
            if let (Some(old), Some(new)) = (decoded(before), decoded(after)) {
                let walk = |walk: &mut Walk<'_, '_>| walk.text(&old, &new);
                self.inside(" → base64", walk);
                return;
            }
        }
        if before.contains('\n') || after.contains('\n') {
            // Asked of the whole texts: a few lines of a secret are not recognised any more.
            if self.rules.hidden.is_in_text(before) || self.rules.hidden.is_in_text(after) {
                return self.tell(Difference::Sensitive(SensitiveChange::Changed));
            }
            let lines = lines(before, after, &mut self.budget);
            return self.tell(Difference::Lines(lines));
        }
        self.changed(before, after);
    }

    fn document(&mut self, old: &Value<'_>, new: &Value<'_>, [before, after]: [&str; 2]) {
        if canonical_value(old) == canonical_value(new) {
            return self.tell(Difference::Reformatted);
        }
        let place = if is_policy(old) && is_policy(new) { Place::Policy } else { Place::Plain };
        let found = self.inside(" →", |walk| {
            // The copies live as long as the walk inside.
            walk.node(Node::unmarked(old, new), place);
        });
        // Whatever the walk takes for equal: that the meaning differs must not be lost.
        if !found {
            self.changed(before, after);
        }
    }

    fn changed(&mut self, before: &str, after: &str) {
        let text = |text: &str| Value::String(text.to_owned().into());
        self.tell(Difference::Changed { before: text(before), after: text(after) });
    }
}

/// The readable text that `text` is the base64 form of. Ids that happen to be made of the same letters do not decode to
/// anything readable.
fn decoded(text: &str) -> Option<String> {
    if text.len() < SHORTEST || !text.len().is_multiple_of(4) || text.contains(['-', '_']) {
        return None;
    }
    // What is decoded here and is secret, a veil knows too: both decode alike.
    readable(text)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn only_what_decodes_to_readable_text_is_base64() {
        assert_eq!(decoded(&STANDARD.encode("#!/bin/sh\necho ü\n")).as_deref(), Some("#!/bin/sh\necho ü\n"));
        for text in [
            "aGVsbG8=",
            "vpc0123456789abc",
            "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed",
            "not base64 at all",
            &STANDARD.encode([0_u8; 32]),
            &STANDARD.encode([0xff_u8; 32]),
        ] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }
}
