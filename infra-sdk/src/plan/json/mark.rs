//! What a plan says beside values: which are unknown, which are sensitive.

use crate::plan::json::Value;

/// A node of `after_unknown`, `before_sensitive` or `after_sensitive`, walked along with the value it is about.
///
/// `true` marks the whole subtree, `false`, `{}` and nothing mark none of it. Lists are padded with `false`, maps
/// are not: a key without a mark is missing.
#[derive(Clone, Copy, Debug)]
pub struct Mark<'v>(Kind<'v>);

#[derive(Clone, Copy, Debug)]
enum Kind<'v> {
    None,
    Whole,
    Below(&'v Value<'v>),
}

impl<'v> Mark<'v> {
    /// No mark at all.
    pub const NONE: Mark<'static> = Mark(Kind::None);

    /// A mark of everything.
    pub(in crate::plan) const WHOLE: Mark<'static> = Mark(Kind::Whole);

    /// The mark that `value` is.
    pub fn of(value: &'v Value<'v>) -> Self {
        match value {
            Value::Bool(true) => Mark(Kind::Whole),
            Value::Array(_) | Value::Object(_) => Mark(Kind::Below(value)),
            _ => Mark(Kind::None),
        }
    }

    /// Whether everything here is marked.
    pub fn is_whole(self) -> bool {
        matches!(self.0, Kind::Whole)
    }

    /// Whether anything here or below is marked.
    pub fn is_any(self) -> bool {
        match self.0 {
            Kind::None => false,
            Kind::Whole => true,
            Kind::Below(value) => any(value),
        }
    }

    /// Whether what is marked below can be found along `value`. A mark of another shape must be taken for one of
    /// everything, or it would hide nothing.
    pub(in crate::plan) fn fits(self, value: &Value<'_>) -> bool {
        match (self.0, value) {
            (Kind::Below(Value::Array(_)), Value::Array(_)) => true,
            (Kind::Below(Value::Object(_)), Value::Object(_)) => true,
            (Kind::Below(mark), _) => !any(mark),
            _ => true,
        }
    }

    /// The mark of the member `key`.
    pub fn key(self, key: &str) -> Self {
        match self.0 {
            Kind::Below(value) => value.get(key).map_or(Mark(Kind::None), Mark::of),
            _ => self,
        }
    }

    /// The mark of the item at `index`.
    pub fn index(self, index: usize) -> Self {
        match self.0 {
            Kind::Below(Value::Array(items)) => items.get(index).map_or(Mark(Kind::None), Mark::of),
            Kind::Below(_) => Mark(Kind::None),
            _ => self,
        }
    }

    /// The keys that have a mark of their own, for members that the value itself does not show.
    pub fn keys(self) -> impl Iterator<Item = &'v str> {
        let object = match self.0 {
            Kind::Below(value) => value.as_object(),
            _ => None,
        };
        object.into_iter().flat_map(|object| object.iter().map(|(key, _)| key))
    }
}

fn any(value: &Value<'_>) -> bool {
    match value {
        Value::Bool(set) => *set,
        Value::Array(items) => items.iter().any(any),
        Value::Object(object) => object.iter().any(|(_, value)| any(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_along_the_value() {
        let value = Value::parse(r#"{"ids":[true,false,{"a":true}],"none":{},"all":true}"#).unwrap();
        let mark = Mark::of(&value);
        assert!(mark.is_any() && !mark.is_whole());
        assert!(mark.key("ids").index(0).is_whole() && !mark.key("ids").index(1).is_any());
        assert!(mark.key("ids").index(2).key("a").is_whole() && !mark.key("ids").index(2).key("b").is_any());
        assert!(
            !mark.key("none").is_any() && !mark.key("missing").is_any() && !mark.key("ids").index(9).is_any()
        );
        assert!(mark.key("all").key("below").index(3).is_whole());
        assert_eq!(mark.keys().collect::<Vec<_>>(), ["all", "ids", "none"]);
        assert!(!Mark::of(&Value::Null).is_any() && !Mark::NONE.is_any());
        assert!(mark.fits(&value) && !mark.fits(&Value::Array(Vec::new())) && Mark::NONE.fits(&value));
    }
}
