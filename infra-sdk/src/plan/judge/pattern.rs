//! Names with `*` for any text: types and addresses that a rule is about.

use crate::plan::glob::matches;
use crate::plan::model::ResourceChange;

/// A type such as `aws_kms_*`, or an address such as `aws_s3_bucket.state`; `*` stands for any text, also none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern<'p>(&'p str);

impl<'p> Pattern<'p> {
    pub(super) fn new(pattern: &'p str) -> Self {
        Pattern(pattern.trim())
    }

    /// Whether it names a type, and so holds wherever a resource moves to.
    pub(super) fn is_type(&self) -> bool {
        !self.0.contains(['.', '['])
    }

    /// Whether it is about the resource, read widely, as a guard is: an address holds for every instance, and
    /// `TYPE.NAME` in every module.
    pub(super) fn covers(&self, resource: &ResourceChange<'_>) -> bool {
        if self.is_type() {
            return matches(self.0, &resource.kind);
        }
        let plain = format!("{}.{}", resource.kind, resource.name);
        matches(self.0, &plain) || self.names(resource) || self.named(&resource.address)
    }

    /// Whether it is about the resource, read narrowly, as an exception is: an address holds for every instance, but
    /// only in its own module.
    pub(super) fn names(&self, resource: &ResourceChange<'_>) -> bool {
        if self.is_type() {
            return matches(self.0, &resource.kind);
        }
        let plain = match resource.module_address.as_deref() {
            Some(module) => format!("{module}.{}.{}", resource.kind, resource.name),
            None => format!("{}.{}", resource.kind, resource.name),
        };
        matches(self.0, &plain) || matches(self.0, &resource.address)
    }

    /// Whether it is about an address of which nothing else is known: the one a resource had before it was moved. Read
    /// as widely as [`covers`](Pattern::covers): for every instance, also of the modules around it, and in every module.
    pub(super) fn named(&self, address: &str) -> bool {
        // Before a move across types, the type was another one as well.
        let bare = without_keys(address);
        let name = bare.rfind('.').unwrap_or(0);
        let kind = bare[..name].rfind('.').map_or(0, |dot| dot + 1);
        if self.is_type() {
            return matches(self.0, &bare[kind..name]);
        }
        // The instance may have a key and the modules theirs: what remains begins the address as it stands.
        let instance = address.strip_suffix(']').and_then(|_| last_key(address)).map(|at| &address[..at]);
        matches(self.0, address)
            || instance.is_some_and(|block| matches(self.0, block))
            || matches(self.0, &bare)
            || matches(self.0, &bare[kind..])
    }
}

/// The address without the keys of instances. A key is a number, or a text in quotes with `\"` and `\\` in it.
fn without_keys(address: &str) -> String {
    let mut bare = String::with_capacity(address.len());
    let mut from = 0;
    for (begin, end) in keys(address) {
        bare.push_str(&address[from..begin]);
        from = end;
    }
    bare.push_str(&address[from..]);
    bare
}

/// Where the last key begins, if there is one.
fn last_key(address: &str) -> Option<usize> {
    keys(address).last().map(|(begin, _)| *begin)
}

/// From where to where the keys stand, with their brackets.
fn keys(address: &str) -> Vec<(usize, usize)> {
    let (mut keys, mut begin) = (Vec::new(), None);
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in address.bytes().enumerate() {
        match (begin, byte) {
            (None, b'[') => begin = Some(at),
            (None, _) => {}
            _ if escaped => escaped = false,
            (_, b'\\') if quoted => escaped = true,
            (_, b'"') => quoted = !quoted,
            (Some(from), b']') if !quoted => {
                keys.push((from, at + 1));
                begin = None;
            }
            _ => {}
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    #[test]
    fn a_guard_reads_an_address_widely_and_an_exception_narrowly() {
        let json = br#"{"format_version": "1.2", "resource_changes": [
            {"address": "module.m[\"a.b\"].aws_s3_bucket.state[\"]x.y[\"]", "module_address": "module.m[\"a.b\"]",
             "type": "aws_s3_bucket", "name": "state", "index": "]x.y[", "change": {"actions": ["delete"]}}]}"#;
        let plan = Plan::parse(json).unwrap();
        let resource = &plan.resource_changes[0];
        let of = |pattern: &str| {
            let pattern = Pattern::new(pattern);
            (pattern.covers(resource), pattern.names(resource))
        };
        assert_eq!(of("aws_s3_bucket"), (true, true));
        assert_eq!(of("aws_s3_bucket.state"), (true, false));
        assert_eq!(of("aws_s3_bucket.stat"), (false, false));
        assert_eq!(of("module.m[\"a.b\"].aws_s3_bucket.state"), (true, true));
        assert_eq!(of("module.m*"), (true, true));
    }

    #[test]
    fn an_address_alone_is_read_as_widely_without_taking_a_key_for_a_name() {
        let old = "module.a[\"x.aws_x.key\"].module.b[0].aws_x.main[\"]\\\".aws_x.other[\"]";
        for (pattern, expected) in [
            ("aws_x.main", true),
            ("module.a.module.b.aws_x.main", true),
            ("module.a[\"x.aws_x.key\"].module.b[0].aws_x.main", true),
            (old, true),
            ("aws_x", true),
            ("aws_*", true),
            ("aws_x.key", false),
            ("aws_x.other", false),
            ("module.b.aws_x.main", false),
            ("aws_x.mai", false),
            ("module", false),
        ] {
            assert_eq!(Pattern::new(pattern).named(old), expected, "{pattern}");
        }
        assert!(Pattern::new("aws_x.a").named("aws_x.a[0]") && !Pattern::new("aws_x.a").named("aws_x.ab[0]"));
        // What is no address is no panic.
        for odd in ["", ".", "[", "]", "a[\"", "é.ü[\"\\", "a]"] {
            assert!(!Pattern::new("aws_x.a").named(odd), "{odd}");
        }
    }
}
