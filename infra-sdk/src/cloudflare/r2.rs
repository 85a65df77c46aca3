//! One bucket of R2: what Cloudflare's API says of it, and making it.

use serde::{Deserialize, Serialize};

use crate::cloudflare::client::Cloudflare;
use crate::cloudflare::permissions::Permission;
use crate::config::{Jurisdiction, Location};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Call, Method};
use crate::names::quoted;

/// What tells the jurisdiction: without it a bucket of another one is not seen.
const JURISDICTION: &str = "cf-r2-jurisdiction";

/// Lists that are read of one jurisdiction, of up to 1,000 buckets each.
const PAGES: usize = 50;

/// A bucket of R2, as it is meant to be.
#[derive(Clone, Debug)]
pub struct R2Bucket {
    cloudflare: Cloudflare,
    account: String,
    pub(super) name: String,
    jurisdiction: Option<Jurisdiction>,
    location: Option<Location>,
}

/// What Cloudflare says of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct R2Found {
    /// Its name.
    pub name: String,
    /// Where it lies, such as `WEUR`.
    #[serde(default)]
    pub location: Option<String>,
    /// Its jurisdiction; `default` is none.
    #[serde(default)]
    pub jurisdiction: Option<String>,
}

#[derive(Deserialize)]
struct Buckets {
    #[serde(default)]
    buckets: Vec<R2Found>,
}

/// Where a list goes on.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Page {
    result_info: Option<PageInfo>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PageInfo {
    cursor: Option<String>,
}

#[derive(Serialize)]
struct Wanted<'a> {
    name: &'a str,
    #[serde(rename = "locationHint", skip_serializing_if = "Option::is_none")]
    location: Option<&'static str>,
}

impl Cloudflare {
    /// The bucket `name` of R2 in `account`; makes no request.
    ///
    /// # Errors
    /// `Invalid` for what cannot be an account or a bucket's name, and for a jurisdiction and a location at once.
    pub fn r2_bucket(
        &self,
        account: &str,
        name: &str,
        jurisdiction: Option<Jurisdiction>,
        location: Option<Location>,
    ) -> Result<R2Bucket> {
        if jurisdiction.is_some() && location.is_some() {
            return Err(Error::invalid("a bucket of R2 has a jurisdiction or a location, not both")
                .hint("leave out `location`: the jurisdiction says where it lies"));
        }
        let account = self.account(Some(account))?.to_owned();
        Ok(R2Bucket { cloudflare: self.clone(), account, name: checked(name)?, jurisdiction, location })
    }
}

impl R2Bucket {
    /// What is there, if anything.
    ///
    /// # Errors
    /// `Conflict` when a bucket of this name is in another jurisdiction; `Denied` naming the permission, `Unavailable` or
    /// `TimedOut`.
    pub async fn look(&self) -> Result<Option<R2Found>> {
        if let Some(found) = self.found_in(self.jurisdiction).await? {
            return Ok(Some(found));
        }
        for other in [None, Some(Jurisdiction::Eu), Some(Jurisdiction::Fedramp)] {
            if other == self.jurisdiction {
                continue;
            }
            match self.found_in(other).await {
                Ok(None) => {}
                Ok(Some(_)) => return Err(self.elsewhere(other)),
                // Not every account has every jurisdiction.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Denied | ErrorKind::Invalid | ErrorKind::NotFound
                    ) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Why a bucket that is there is not where it is meant to be. R2 takes a location as a hint, and nothing of it can be
    /// changed later: a reason to say so, and none to stop.
    pub fn mismatch(&self, found: &R2Found) -> Option<Error> {
        let wanted = self.location?.as_str();
        let lies = found.location.as_deref().filter(|lies| !lies.eq_ignore_ascii_case(wanted))?;
        let lies = lies.to_ascii_lowercase();
        Some(
            Error::invalid("the bucket is in another location")
                .with("bucket", self)
                .with("location", quoted(&lies))
                .with("wanted", wanted)
                .hint("correct or leave out `location` of `state` in infra.toml: where a bucket lies is not changed later")
                .hint("if it must lie elsewhere, choose another name"),
        )
    }

    /// Makes it, and looks where it came to lie: two may make it at once, and a location is no more than a hint.
    ///
    /// # Errors
    /// As [`look`](R2Bucket::look); `Conflict` when somebody else has this name.
    pub async fn create(&self) -> Result<R2Found> {
        let body = Wanted { name: &self.name, location: self.location.map(Location::as_str) };
        let call = self.cloudflare.call(Method::Post, &self.path())?;
        let call = in_jurisdiction(call, self.jurisdiction).json(&body);
        let made = self.cloudflare.permitted::<serde::de::IgnoredAny>(call, Permission::R2).await;
        match made {
            Ok(_) => {
                // It is there for certain, even if no list shows it yet, and where it lies.
                let jurisdiction = self.jurisdiction.map(|jurisdiction| jurisdiction.as_str().to_owned());
                let unseen = R2Found { name: self.name.clone(), location: None, jurisdiction };
                Ok(self.look().await?.unwrap_or(unseen))
            }
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let found = self.look().await?;
                found.ok_or_else(|| error.with("bucket", self).hint("choose another name"))
            }
            Err(error) => Err(error.with("bucket", self)),
        }
    }

    /// Where a bucket that is made now comes to lie, in words.
    pub fn wanted_place(&self) -> String {
        match (self.jurisdiction, self.location) {
            (Some(jurisdiction), _) => format!("the jurisdiction {}", jurisdiction.as_str()),
            (None, Some(location)) => location.as_str().to_owned(),
            (None, None) => "the location that Cloudflare chooses".into(),
        }
    }

    fn path(&self) -> [&str; 4] {
        ["accounts", &self.account, "r2", "buckets"]
    }

    async fn found_in(&self, jurisdiction: Option<Jurisdiction>) -> Result<Option<R2Found>> {
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES {
            let call = self.cloudflare.call(Method::Get, &self.path())?;
            let mut call = in_jurisdiction(call, jurisdiction).query("per_page", 1000);
            call = call.query("name_contains", &self.name);
            if let Some(cursor) = &cursor {
                call = call.query("cursor", cursor);
            }
            let (listed, answer) = self.cloudflare.permitted::<Buckets>(call, Permission::R2).await?;
            if let Some(found) = listed.buckets.into_iter().find(|bucket| bucket.name == self.name) {
                return Ok(Some(found));
            }
            let next = answer.json::<Page>()?.result_info.and_then(|info| info.cursor);
            match next.filter(|next| !next.is_empty() && cursor.as_ref() != Some(next)) {
                Some(next) => cursor = Some(next),
                None => return Ok(None),
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "the list of buckets in R2 does not end")
            .with("bucket", self)
            .with("read", PAGES * 1000)
            .hint("check CLOUDFLARE_API_BASE_URL"))
    }

    fn elsewhere(&self, other: Option<Jurisdiction>) -> Error {
        let word = |jurisdiction: Option<Jurisdiction>| jurisdiction.map_or("none", Jurisdiction::as_str);
        let error = Error::new(ErrorKind::Conflict, "the bucket is in another jurisdiction")
            .with("bucket", self)
            .with("jurisdiction", word(other))
            .with("wanted", word(self.jurisdiction));
        error
            .hint(match other {
                Some(other) => {
                    format!("write `jurisdiction = \"{}\"` into `state` in infra.toml", other.as_str())
                }
                None => "leave `jurisdiction` out of `state` in infra.toml".into(),
            })
            .hint("or choose another name: a bucket never changes its jurisdiction")
    }
}

/// As people find it in the dashboard.
impl std::fmt::Display for R2Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "r2://{}", self.name)
    }
}

fn in_jurisdiction(call: Call<'_>, jurisdiction: Option<Jurisdiction>) -> Call<'_> {
    match jurisdiction {
        Some(jurisdiction) => call.header(JURISDICTION, jurisdiction.as_str()),
        None => call,
    }
}

/// A bucket's name (<https://developers.cloudflare.com/r2/buckets/create-buckets/#bucket-names>).
fn checked(name: &str) -> Result<String> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let good = (3..=63).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if good {
        return Ok(name.to_owned());
    }
    Err(Error::invalid(format!("{} is not the name of a bucket in R2", quoted(name)))
        .hint("use 3 to 63 of `a-z`, `0-9` and `-`, and begin and end with a letter or digit"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{CLOUDFLARE_API_TOKEN, Env};

    const ACCOUNT: &str = "023e105f4ecef8ad9ca31a8372d0c353";

    fn bucket(name: &str, location: Option<Location>) -> Result<R2Bucket> {
        let cloudflare = Cloudflare::new(&Env::of([(CLOUDFLARE_API_TOKEN, "x")], "/")).unwrap();
        cloudflare.r2_bucket(ACCOUNT, name, None, location)
    }

    #[test]
    fn what_cannot_be_a_bucket_of_r2_is_refused() {
        for good in ["acme-terraform-state", "123", &"a".repeat(63)] {
            assert!(bucket(good, None).is_ok(), "{good}");
        }
        for bad in
            ["", "ab", "Acme", "a.b", "-acme", "acme-", "a/b", "../../user", "a b", "é-é", &"a".repeat(64)]
        {
            assert!(!bucket(bad, None).unwrap_err().hints().is_empty(), "{bad}");
        }
        let cloudflare = Cloudflare::new(&Env::of([(CLOUDFLARE_API_TOKEN, "x")], "/")).unwrap();
        let both = cloudflare.r2_bucket(ACCOUNT, "abc", Some(Jurisdiction::Eu), Some(Location::Weur));
        assert_eq!(both.unwrap_err().kind(), ErrorKind::Invalid);
        assert!(cloudflare.r2_bucket("../x", "abc", None, None).is_err());
    }

    #[test]
    fn a_bucket_somewhere_else_is_told_and_one_without_a_place_is_not() {
        let wanted = bucket("abc", Some(Location::Weur)).unwrap();
        let found = |location: Option<&str>| R2Found {
            name: "abc".into(),
            location: location.map(str::to_owned),
            jurisdiction: None,
        };
        assert!(wanted.mismatch(&found(Some("WEUR"))).is_none() && wanted.mismatch(&found(None)).is_none());
        let error = wanted.mismatch(&found(Some("ENAM"))).unwrap();
        assert!(error.to_string().contains("enam") && !error.hints().is_empty(), "{error}");
        assert!(bucket("abc", None).unwrap().mismatch(&found(Some("ENAM"))).is_none());
    }
}
