//! Probe 2: whose credentials these are and when they end, read without asking anybody.

use std::time::{Duration, SystemTime};

use crate::health::{Probe, State};
use crate::nats::auth::Auth;
use crate::nats::claims::Claims;
use crate::nats::target::Target;
use crate::time::{Timestamp, human};

const NAME: &str = "credential";
const RENEW: &str = "fetch new credentials from who made the user, and name them in `creds`";

/// Fails credentials that are damaged, not yet or no longer good, or end before a run of that length does.
pub(super) fn probe(target: &Target, planned: Duration) -> Probe {
    let auth = &target.auth.value;
    match auth {
        Auth::Jwt { jwt, seed } => match Claims::read(jwt) {
            Ok(claims) => of_user(&claims, nkeys::KeyPair::from_seed(seed.expose()).ok(), planned),
            Err(error) => {
                let probe = Probe::new(NAME, State::Failed, error.to_string());
                error.hints().iter().fold(probe, |probe, hint| probe.hint(hint))
            }
        },
        Auth::Anonymous => Probe::new(NAME, State::Ok, "none is named"),
        other => Probe::new(NAME, State::Ok, format!("{}, which tells no end", other.as_str())),
    }
}

fn of_user(claims: &Claims, pair: Option<nkeys::KeyPair>, planned: Duration) -> Probe {
    let now = SystemTime::now();
    let at = |seconds: u64| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    let ends = Some(claims.exp).filter(|exp| *exp > 0).and_then(at);
    let begins = Some(claims.nbf).filter(|nbf| *nbf > 0).and_then(at);
    let told = |probe: Probe| {
        let probe = probe
            .with("user", if claims.name.is_empty() { &claims.sub } else { &claims.name })
            .with("account", claims.account())
            .with("may publish", claims.nats.publish.told())
            .with("may subscribe", claims.nats.subscribe.told());
        match ends {
            Some(ends) => probe.with("ends", Timestamp::from(ends)),
            None => probe,
        }
    };
    let failed = |saw: String| told(Probe::new(NAME, State::Failed, saw));
    if pair.is_some_and(|pair| pair.public_key() != claims.sub) {
        return failed("the seed is not that of the JWT's user".to_owned())
            .hint("copy the credentials file again as a whole: its two parts belong together");
    }
    if let Some(begins) = begins.filter(|begins| *begins > now) {
        return failed(format!("not good before {}", Timestamp::from(begins)))
            .hint("wait, or set this machine's clock");
    }
    match ends.map(|ends| ends.duration_since(now)) {
        Some(Err(past)) => failed(format!("ended {} ago", human(past.duration()))).hint(RENEW),
        Some(Ok(left)) if left < planned => {
            failed(format!("ends in {}, before a run of {} does", human(left), human(planned)))
                .hint(RENEW)
                .hint("or say with `--planned` that the run is shorter")
        }
        Some(Ok(left)) => told(Probe::new(NAME, State::Ok, format!("good for {}", human(left)))),
        None => told(Probe::new(NAME, State::Ok, "good without an end")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(exp: i64) -> Claims {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        Claims { name: "ada".into(), exp: now.saturating_add_signed(exp), ..Claims::default() }
    }

    #[test]
    fn a_credential_has_to_last_as_long_as_the_run() {
        let hour = Duration::from_secs(3600);
        for (exp, planned, state, says) in [
            (7200, hour, State::Ok, "good for"),
            (1800, hour, State::Failed, "before a run of"),
            (-60, Duration::ZERO, State::Failed, "ago"),
        ] {
            let probe = of_user(&claims(exp), None, planned);
            assert_eq!(probe.state, state, "{probe:?}");
            assert!(probe.saw.contains(says), "{probe:?}");
            assert_eq!(probe.hints.is_empty(), state == State::Ok);
        }
        assert_eq!(of_user(&Claims::default(), None, hour).state, State::Ok);
        let later = Claims { nbf: claims(60).exp, ..Claims::default() };
        assert_eq!(of_user(&later, None, hour).state, State::Failed);
    }

    #[test]
    fn a_seed_of_another_user_is_noticed() {
        let pair = nkeys::KeyPair::new_user();
        let own = Claims { sub: pair.public_key(), ..Claims::default() };
        assert_eq!(
            of_user(&own, nkeys::KeyPair::from_seed(&pair.seed().unwrap()).ok(), Duration::ZERO).state,
            State::Ok
        );
        let probe = of_user(&own, Some(nkeys::KeyPair::new_user()), Duration::ZERO);
        assert!(probe.state == State::Failed && probe.saw.contains("seed"), "{probe:?}");
    }
}
