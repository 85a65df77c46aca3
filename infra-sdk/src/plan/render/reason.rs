//! Why something happens to a resource, in plain words.

use crate::plan::model::Actions;
use crate::plan::render::entry::Entry;

/// A piece of a sentence: words of ours, or something out of the plan that a renderer sets apart and escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Words(&'static str),
    Code(String),
}

use Piece::{Code, Words};

/// What is done to a resource and why: "must be replaced: `cidr_block` cannot be changed in place". The reasons are those
/// of Terraform 1.11 (`internal/command/jsonplan/resource.go`); one that is not known is shown as it is.
pub(super) fn sentence(entry: &Entry<'_>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let actions = &entry.source.change.actions;
    match (actions, entry.reason.as_deref()) {
        (_, None) | (Actions::Forget, Some("delete_because_no_resource_config")) => done(entry, &mut pieces),
        (_, Some("replace_because_cannot_update")) if !entry.replace_paths.is_empty() => {
            pieces.push(Words("must be replaced: "));
            for (index, path) in entry.replace_paths.iter().enumerate() {
                let separator = if index + 1 == entry.replace_paths.len() { " and " } else { ", " };
                pieces.extend((index > 0).then_some(Words(separator)));
                pieces.push(Code(path.clone()));
            }
            pieces.push(Words(" cannot be changed in place"));
        }
        (_, Some(reason)) => match known(reason) {
            Some(words) => pieces.push(Words(words)),
            None => {
                done(entry, &mut pieces);
                pieces.extend([Words(", because of "), Code(reason.to_owned())]);
            }
        },
    }
    if let Some(deposed) = &entry.deposed {
        pieces.extend([Words("; an old object that a replacement left behind, "), Code(deposed.clone())]);
    }
    if !actions.is_no_op() {
        if let Some(from) = &entry.moved_from {
            pieces.extend([Words("; moved from "), Code(from.clone())]);
        }
        if entry.source.importing().is_some() {
            pieces.push(Words("; imported"));
            pieces.extend(entry.import_id.iter().flat_map(|id| [Words(" as "), Code(id.clone())]));
        }
    }
    pieces
}

fn known(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "replace_because_tainted" => "is replaced, because it is tainted: an earlier apply failed halfway",
        "replace_because_cannot_update" => "must be replaced: it cannot be changed in place",
        "replace_by_request" => "is replaced, because the plan was asked to with `-replace`",
        "replace_by_triggers" => "is replaced, because something in its `replace_triggered_by` changes",
        "delete_because_no_resource_config" => "is destroyed, because it is no longer in the code",
        "delete_because_wrong_repetition" => {
            "is destroyed, because its block gained or lost `count` or `for_each`"
        }
        "delete_because_count_index" => "is destroyed, because its number is beyond `count`",
        "delete_because_each_key" => "is destroyed, because its key is no longer in `for_each`",
        "delete_because_no_module" => "is destroyed, because its module is no longer in the code",
        "delete_because_no_move_target" => {
            "is destroyed, because the address it is moved to is not in the code"
        }
        "read_because_config_unknown" => "is read during the apply, because its arguments are not known yet",
        "read_because_dependency_pending" => {
            "is read during the apply, because something it depends on changes first"
        }
        "read_because_check_nested" => "is read during the apply, because a check asks for it",
        _ => return None,
    })
}

/// What is done, where nobody says why.
fn done(entry: &Entry<'_>, pieces: &mut Vec<Piece>) {
    match &entry.source.change.actions {
        Actions::NoOp => {
            if let Some(from) = &entry.moved_from {
                pieces.extend([Words("is moved from "), Code(from.clone())]);
            }
            if entry.source.importing().is_some() {
                pieces.extend((!pieces.is_empty()).then_some(Words(" and ")));
                pieces.push(Words("is imported"));
                pieces.extend(entry.import_id.iter().flat_map(|id| [Words(" as "), Code(id.clone())]));
            }
            if pieces.is_empty() {
                pieces.push(Words("stays as it is"));
            }
        }
        Actions::Create => pieces.push(Words("is created")),
        Actions::Read => pieces.push(Words("is read during the apply")),
        Actions::Update => pieces.push(Words("is changed in place")),
        Actions::Delete => pieces.push(Words("is destroyed")),
        Actions::Forget => pieces.push(Words("stays, and is no longer managed")),
        Actions::DeleteThenCreate => pieces.push(Words("is replaced: destroyed first, then made anew")),
        Actions::CreateThenDelete => {
            pieces.push(Words("is replaced: made anew first, then the old one is destroyed"))
        }
        Actions::CreateThenForget => {
            pieces.push(Words("is replaced, and the old one stays without being managed"))
        }
        Actions::Other(_) => {
            pieces.push(Words("has actions this version does not know: "));
            pieces.push(Code(entry.other_actions.join(", ")));
        }
    }
}
