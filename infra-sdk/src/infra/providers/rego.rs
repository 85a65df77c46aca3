//! Rules of one's own about plans, where they are compiled in.

use crate::error::Result;
use crate::infra::open::Infra;
use crate::infra::policy::RegoFindings;
use crate::plan::Plan;
use crate::plan::judge::PolicyTests;
#[cfg(feature = "policy")]
use crate::{
    error::Error,
    rego::{About, Evaluator, Policies},
};

/// The folder of cases, in that of the policies.
#[cfg(feature = "policy")]
const CASES: &str = "cases";

/// What the repo's own policies and those of the organisation find. Each is evaluated without the other: no file of the
/// repo can change what a rule of the organisation says.
#[cfg(feature = "policy")]
pub(in crate::infra) async fn judge(infra: &Infra, plan: &Plan<'_>) -> Result<RegoFindings> {
    let policy = &infra.settings().policy;
    let evaluator = evaluator(infra)?;
    let (about, mut found) = (about(infra), RegoFindings::default());
    if !policy.files.is_empty() {
        let policies = organisations(infra).await?;
        found.organisations = evaluator.judge(&policies, plan, &about).await?.findings;
    }
    if let Some(folder) = &policy.dir {
        let policies = Policies::read(infra.config().root(), folder)?;
        found.own = evaluator.judge(&policies, plan, &about).await?.findings;
    }
    Ok(found)
}

/// Runs the tests of the repo's own policies.
#[cfg(feature = "policy")]
pub(in crate::infra) async fn test(infra: &Infra) -> Result<PolicyTests> {
    let Some(folder) = &infra.settings().policy.dir else {
        return Err(Error::not_found("this repo has no policies")
            .hint("name the folder of its Rego files in infra.toml: `[policy]` with `dir = \"policy\"`"));
    };
    let policies = Policies::read(infra.config().root(), folder)?;
    let cases = infra.config().root().join(folder).join(CASES);
    evaluator(infra)?.test(&policies, &cases, &about(infra)).await
}

#[cfg(feature = "policy")]
fn evaluator(infra: &Infra) -> Result<Evaluator> {
    Ok(Evaluator::new(infra.env())?.cancel(infra.host().cancel.clone()))
}

/// Those of the repo that `extends` pins, at the locked commit.
#[cfg(feature = "policy")]
async fn organisations(infra: &Infra) -> Result<Policies> {
    let tag = infra.settings().extends.as_ref().map_or("", |extends| &extends.tag);
    let mut policies = Policies::default();
    for path in &infra.settings().policy.files {
        let text = infra.config().file_beside_extends(infra.env(), path).await?;
        policies.add(format!("{path}@{tag}"), text);
    }
    Ok(policies)
}

#[cfg(feature = "policy")]
fn about(infra: &Infra) -> About {
    let project = &infra.settings().project;
    About {
        org: project.org.to_string(),
        name: project.name.to_string(),
        kind: project.kind.as_str().to_owned(),
        env: infra.environment().to_string(),
    }
}

/// Evaluates policies if the arguments of this program ask for it.
#[cfg(feature = "policy")]
pub(in crate::infra) fn evaluate_if_asked() -> Option<std::process::ExitCode> {
    crate::rego::evaluate_if_asked(std::env::args_os())
}

#[cfg(not(feature = "policy"))]
pub(in crate::infra) fn evaluate_if_asked() -> Option<std::process::ExitCode> {
    None
}

#[cfg(not(feature = "policy"))]
pub(in crate::infra) async fn judge(_: &Infra, _: &Plan<'_>) -> Result<RegoFindings> {
    Err(absent())
}

#[cfg(not(feature = "policy"))]
pub(in crate::infra) async fn test(_: &Infra) -> Result<PolicyTests> {
    Err(absent())
}

#[cfg(not(feature = "policy"))]
fn absent() -> crate::error::Error {
    crate::error::Error::new(crate::error::ErrorKind::NotBuilt, "policies in Rego are not compiled in")
        .hint("add the feature `policy` to infra-sdk in xtask/Cargo.toml")
}

#[cfg(all(test, not(feature = "policy")))]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::env::Env;
    use crate::error::ErrorKind;
    use crate::infra::Host;

    #[tokio::test]
    async fn policies_that_are_not_compiled_in_are_an_error_that_names_the_feature() {
        let text = "[project]\nname = \"shop\"\nkind = \"api\"\norg = \"acme\"\n[policy]\ndir = \"policy\"\n";
        let config = Config::of_text(text, "/srv/shop", "local").unwrap();
        let infra = Infra::open(&Env::of([("INFRA_HOME", "/srv/home")], "/srv/shop"), config, Host::silent())
            .unwrap();
        for error in
            [infra.judge(&Plan::default()).await.unwrap_err(), infra.test_policies().await.unwrap_err()]
        {
            assert_eq!(error.kind(), ErrorKind::NotBuilt);
            assert!(error.hints()[0].contains("feature `policy`"), "{error:?}");
        }
    }
}
