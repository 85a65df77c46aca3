//! Reading parameters: by name in batches, below a path in pages; and telling which secret cannot be decrypted.

use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ssm::types::{Parameter as Theirs, ParameterType};

use crate::aws::fault::Call;
use crate::aws::lists::all_pages;
use crate::aws::meaning::KEY;
use crate::aws::parameters::{FAILURES, SsmParameters, ours};
use crate::aws::several::several;
use crate::aws::ssm::{client, fault};
use crate::aws::ssm_limits as limits;
use crate::error::{Error, ErrorKind, Result};
use crate::names::ParamPath;
use crate::refs::Parameter;

/// The parameters at these paths, in any order; ten with each request, several requests at a time. Without `decrypt`
/// values of secrets are not what was written, and need no key.
pub(super) async fn by_name(
    store: &SsmParameters,
    paths: &[ParamPath],
    decrypt: bool,
) -> Result<Vec<Parameter>> {
    let mut wanted = paths.to_vec();
    // AWS refuses a batch that names one twice.
    wanted.sort();
    wanted.dedup();
    let batches = wanted.chunks(limits::READ).map(|batch| batch_of(store, batch, decrypt)).collect();
    Ok(several(batches, limits::READS_AT_ONCE).await?.into_iter().flatten().collect())
}

/// One batch. AWS refuses all of it for one secret that cannot be decrypted and does not say which: they are asked for one
/// by one to name it.
async fn batch_of(store: &SsmParameters, batch: &[ParamPath], decrypt: bool) -> Result<Vec<Parameter>> {
    let refused = match ask(store, batch, decrypt).await {
        Err(error) if decrypt && batch.len() > 1 && error.kind() == ErrorKind::Denied => error,
        asked => return asked,
    };
    let mut bad: Option<Error> = None;
    let mut more = Vec::new();
    for path in batch {
        match ask(store, std::slice::from_ref(path), true).await {
            Err(error) if error.kind() == ErrorKind::Denied && bad.is_none() => bad = Some(error),
            Err(error) if error.kind() == ErrorKind::Denied => more.push(path.as_str()),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
    let error = bad.unwrap_or(refused);
    Err(if more.is_empty() { error } else { error.with("and", more.join(", ")) })
}

async fn ask(store: &SsmParameters, batch: &[ParamPath], decrypt: bool) -> Result<Vec<Parameter>> {
    let on = match batch {
        [only] => only.to_string(),
        [first, .., last] => format!("{first} to {last}"),
        [] => return Ok(Vec::new()),
    };
    let client = &client(&store.aws).await?;
    let answer = store
        .patiently(FAILURES, || async {
            let names = batch.iter().map(ToString::to_string).collect();
            let request = client.get_parameters().set_names(Some(names)).with_decryption(decrypt);
            request.send().await.map_err(|error| refused("ssm:GetParameters", &on, &error))
        })
        .await?;
    let mut found: Vec<Parameter> =
        answer.parameters.unwrap_or_default().into_iter().filter_map(ours).collect();
    // In any order, and nothing that was not asked for.
    found.retain(|parameter| batch.contains(&parameter.path));
    Ok(found)
}

/// Everything below a path, in the order of the paths.
pub(super) async fn under(store: &SsmParameters, path: &ParamPath) -> Result<Vec<Parameter>> {
    let listed = match pages(store, path, true).await {
        Err(error) if error.kind() == ErrorKind::Denied => {
            return Err(undecryptable(store, path, error).await);
        }
        listed => listed?,
    };
    let mut found: Vec<Parameter> = listed.into_iter().filter_map(ours).collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found.dedup_by(|a, b| a.path == b.path);
    Ok(found)
}

/// The error that names which of the secrets below a path cannot be decrypted; `refused` when that cannot be told.
async fn undecryptable(store: &SsmParameters, path: &ParamPath, refused: Error) -> Error {
    let Ok(listed) = pages(store, path, false).await else { return refused };
    let secrets = listed.into_iter().filter(|theirs| theirs.r#type == Some(ParameterType::SecureString));
    let secrets: Vec<ParamPath> = secrets.filter_map(|theirs| ParamPath::new(theirs.name?).ok()).collect();
    match by_name(store, &secrets, true).await {
        Err(error) if error.kind() == ErrorKind::Denied => error,
        _ => refused,
    }
}

async fn pages(store: &SsmParameters, path: &ParamPath, decrypt: bool) -> Result<Vec<Theirs>> {
    let client = &client(&store.aws).await?;
    all_pages(|next| {
        let request = client
            .get_parameters_by_path()
            .path(path.as_str())
            .recursive(true)
            .with_decryption(decrypt)
            .max_results(limits::PAGE as i32)
            .set_next_token(next);
        async move {
            let page = store.patiently(FAILURES, || async {
                let asked = request.clone().send().await;
                asked.map_err(|error| refused("ssm:GetParametersByPath", path.as_str(), &error))
            });
            page.await.map(|page| (page.parameters, page.next_token))
        }
    })
    .await
}

/// The names of all parameters, in order; AWS's own and those that are no path are left out.
pub(super) async fn names(store: &SsmParameters) -> Result<Vec<ParamPath>> {
    let client = &client(&store.aws).await?;
    let listed = all_pages(|next| {
        let request = client.describe_parameters().max_results(limits::DESCRIBED as i32).set_next_token(next);
        async move {
            let page = store.patiently(FAILURES, || async {
                let call = Call { action: "ssm:DescribeParameters", on: store.aws.region() };
                request.clone().send().await.map_err(|error| fault(call, &error).into())
            });
            page.await.map(|page| (page.parameters, page.next_token))
        }
    });
    let names = listed.await?.into_iter().filter_map(|theirs| theirs.name);
    let mut found: Vec<ParamPath> = names.filter_map(|name| ParamPath::new(name).ok()).collect();
    found.sort();
    found.dedup();
    Ok(found)
}

/// Why a read failed. One that could not decrypt lacks the permission for that and not the one of the read; Parameter Store
/// has no code for it, and says `AccessDeniedException` with a word about a ciphertext.
fn refused<E>(action: &'static str, on: &str, error: &SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let (code, message) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
    let of_a_key = KEY.contains(&code) || message.contains("kms:") || message.contains("iphertext");
    let action = if of_a_key { "kms:Decrypt" } else { action };
    fault(Call { action, on }, error).into()
}
