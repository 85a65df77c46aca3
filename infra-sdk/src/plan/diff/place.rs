//! What is known about a place in a value: whether a list there is a set, and which part of an IAM policy it is.

use crate::plan::json::{Value, canonical};
use crate::plan::meaning::{account, action, scalar};

/// A place that a walk has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing is known: a list may be a set.
    Plain,
    /// A list here is a set.
    Set,
    /// A policy.
    Policy,
    /// Its statements: a list, or one that stands alone.
    Statements,
    /// One of them.
    Statement,
    /// The names of actions.
    Actions,
    /// Names that are a set: resources, services.
    Names,
    /// Who: everybody, or an object.
    Principal,
    /// Names of accounts, roles and users.
    Accounts,
    /// The operators of a condition.
    Conditions,
    /// The keys of an operator.
    Operator,
    /// The values of a key.
    Values,
}

impl Place {
    /// The place of the member `key`.
    pub(super) fn member(self, key: &str) -> Place {
        match (self, key) {
            (Place::Policy, "Statement") => Place::Statements,
            (Place::Statement, "Action" | "NotAction") => Place::Actions,
            (Place::Statement, "Resource" | "NotResource") => Place::Names,
            (Place::Statement, "Principal" | "NotPrincipal") => Place::Principal,
            (Place::Statement, "Condition") => Place::Conditions,
            (Place::Principal, "AWS") => Place::Accounts,
            (Place::Principal, _) => Place::Names,
            (Place::Conditions, _) => Place::Operator,
            (Place::Operator, _) => Place::Values,
            _ => Place::Plain,
        }
    }

    /// The place of an item of a list here.
    pub(super) fn item(self) -> Place {
        if self == Place::Statements { Place::Statement } else { Place::Plain }
    }

    /// Whether the order of a list here says nothing.
    pub(super) fn is_set(self) -> bool {
        self == Place::Set || self.takes_lone()
    }

    /// Whether a value here that is no list means a list of it alone.
    pub(super) fn takes_lone(self) -> bool {
        matches!(self, Place::Statements | Place::Actions | Place::Names | Place::Accounts | Place::Values)
    }

    /// The same text for all items of a list here that mean the same.
    pub(super) fn key(self, item: &Value<'_>) -> String {
        match self {
            Place::Actions => action(item),
            Place::Accounts => account(item),
            Place::Values => scalar(item),
            _ => canonical(item),
        }
    }
}
