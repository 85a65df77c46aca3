//! Bringing what changes together with who reads it.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Export;
use crate::error::Result;
use crate::names::{Label, ParamPath, RepoName};
use crate::plan::impact::effect::Effects;
use crate::plan::impact::readers::Lookup;
use crate::plan::impact::report::{Impact, Index, PathImpact};
use crate::plan::impact::{Effect, Readers, outputs, parameters};
use crate::plan::model::Plan;
use crate::plan::veil::Veil;
use crate::time::Timestamp;

/// The exported values that a plan changes, and who is known to read them.
///
/// Exported values are the `aws_ssm_parameter` of the plan and, where `stack` names the stack the plan is of, those of its
/// outputs that `exports` publishes. `readers` is the index of who reads what; without one, or with an empty one, the report
/// says so: that nobody is known to read a value is not that nobody does.
///
/// # Errors
/// As [`Value::of`](crate::plan::Value::of).
pub fn of(
    plan: &Plan<'_>,
    exports: &BTreeMap<ParamPath, Export>,
    stack: Option<&Label>,
    readers: Option<&Readers>,
) -> Result<Impact> {
    let mut effects = Effects::default();
    parameters::add(plan, &mut effects)?;
    if let Some(stack) = stack {
        outputs::add(plan, exports, stack, &mut effects)?;
    }
    let lookup = Lookup::of(readers.map(|index| index.readers.as_slice()).unwrap_or_default());
    let mut paths = Vec::new();
    let mut repos: BTreeSet<RepoName> = BTreeSet::new();
    for (path, touched) in effects.by_path {
        let readers: Vec<_> = lookup.find(&path, touched.below).into_iter().cloned().collect();
        // What is only added breaks nobody; who reads it already has been waiting for it.
        if touched.effect != Effect::Added {
            repos.extend(readers.iter().map(|reader| reader.repo.clone()));
        }
        paths.push(PathImpact { path, effect: touched.effect, sources: touched.sources, readers });
    }
    // What is shown holds no secret; readers were looked up by what it was. All at once: each look at a text asks every
    // secret whether it can stand there.
    let mut unnamed = effects.unnamed;
    let mut texts: Vec<&mut String> = unnamed.iter_mut().collect();
    for touched in &mut paths {
        texts.push(&mut touched.path);
        texts.extend(&mut touched.sources);
        if let Effect::Renamed { to } = &mut touched.effect {
            texts.push(to);
        }
    }
    Veil::of(plan)?.cover(&mut texts);
    // What breaks the most stands first.
    paths.sort_by(|a, b| b.effect.cmp(&a.effect).then(b.readers.len().cmp(&a.readers.len())));
    let index = readers.map(|index| Index {
        date: index.date,
        age_days: index.date.age(Timestamp::now()).as_secs() / 86_400,
        readers: index.readers.len(),
        repos: index.repos().len(),
    });
    Ok(Impact { paths, repos: repos.into_iter().collect(), unnamed, index })
}
