//! Plan against plan: whether what was approved still covers what would be done now.
//!
//! [`compare`] holds an approved plan against a re-plan of the same stack; an [`Approval`] keeps of the approved plan what
//! that takes, as keyed digests, so that neither the plan nor any of its values has to be stored. Both go through the same
//! rules and say the same.
//!
//! Entries are paired by address and deposed key, and moves are followed in both directions. What does not count: the
//! order of lists of entries, timestamps, versions, `relevant_attributes`, drift, what of the configuration is not named below, and
//! entries nothing is done to. Values are equal by meaning: numbers by value, `null` as absent, JSON and IAM policies as documents,
//! in which numbers count as they are written and `null` as something, but for the elements of a policy.
//!
//! | what the re-plan says of a resource | weight |
//! | --- | --- |
//! | a change, move or import that was not approved | wider |
//! | a more severe action ([`Severity`](crate::plan::Severity)), or one that makes what nobody wanted made | wider |
//! | another order of a replacement | narrower when it creates first, else wider |
//! | a replacement of which the old half is gone already; a deposed object that is the old one of an approved replacement | narrower |
//! | a replacement that became an update, a removal that only forgets | narrower, *trap* |
//! | an interrupted apply left it damaged (tainted), which was not approved | wider |
//! | an attribute: other value, known before and unknown now, changes and was not to change | wider |
//! | an attribute: unknown before, known now; a list with unknown items that has as many, or fewer where all were unknown, but some, and all the known ones (in any place where it is sorted as a set) | resolved |
//! | an attribute: is already what was approved | narrower |
//! | an attribute: is not what it was at the review, whoever changed it | wider |
//! | the same, where the re-plan keeps it (or it is unknown in both) and it holds a point in time, as `latest_restorable_time` does | same, listed |
//! | an attribute that was sensitive is not marked so any more | wider |
//! | more attributes force the replacement, another provider, another id to import | wider |
//! | fewer attributes force it | narrower |
//! | another `action_reason` alone | same, listed |
//!
//! | an approved change that the re-plan lacks | weight |
//! | --- | --- |
//! | a data source that was to be read | resolved |
//! | the present values are what was approved: it was applied | narrower |
//! | an update that only waited for unknown values, which came out as they were | narrower |
//! | destroyed or forgotten, and not there any more | narrower |
//! | a replacement: the known values are there, and an attribute that forces it is among them, or a value that was to become known is another one, no point in time, while no name of the object that was to become known (`id`, `arn`, `self_link`, `uid`, `uuid`, `*_id`) is the old one | narrower |
//! | anything else: it vanished and was not carried out | narrower, *trap* |
//!
//! Outputs: not approved, another value, unknown now or not marked sensitive any more is wider; known now is resolved; gone is
//! narrower. Checks: one that fails now, or in more places, is wider. The plan: an error is wider; newly deferred changes, a
//! plan of a part (`-target`) and one that only refreshes are traps; more invoked actions are wider.
//!
//! | what the code has done beside | weight |
//! | --- | --- |
//! | `provider_config`: another one for a provider, a provider more or less | wider |
//! | `provisioners` of a resource, in any module: others, more or none | wider |
//! | a variable of the root module that a provider of the root or a provisioner there names, another value | wider |
//! | the same, where the variable is declared sensitive: tokens change from plan to plan | not looked at |
//!
//! A *trap* is a change that is smaller than approved for a bad reason. The known one: with `replace_triggered_by`, applying
//! the trigger alone makes the planned replacement disappear, and no later plan brings it back. So a comparison with a trap
//! [does not allow an apply](Comparison::allows_apply), whatever its verdict.
//!
//! What is out of reach: which actions are invoked (only their number is read); what an OpenTofu plan with `-target` leaves
//! out, for it does not say that it is a part; an output that stops being sensitive, where Terraform marks both sides; and
//! whatever of a provider or provisioner is no constant, for a plan tells only the names in it. [`Untold`] says whether
//! there is such, and who applies then compares the code itself: `Infra::apply_saved` does.

mod approval;
mod attribute;
mod code;
mod comparison;
mod entry;
mod key;
mod lost;
mod outline;
mod output;
mod pair;
mod pairing;
mod print;
mod probe;
#[expect(clippy::module_inception, reason = "the file is named after its type, `Verdict`")]
mod verdict;

#[cfg(test)]
mod hole_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod whole_tests;

pub use approval::Approval;
pub use code::Untold;
pub use comparison::{Comparison, Reason};
pub use key::ApprovalKey;
pub use pairing::compare;
pub use verdict::{Verdict, Weight};
