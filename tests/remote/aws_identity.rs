//! Where credentials come from: AWS's standard chain, each link in a process of its own, for all of them read the process's
//! environment and the files of its home.

use infra_sdk::Env;
use infra_sdk::aws::Aws;
use serde_json::json;
use support::{Answer, Finished, Moto, Recorder, Request, Run, Scratch};

/// The variable that tells the child to ask whose credentials it found.
const CHILD: &str = "TEST_WHOSE_CREDENTIALS";

/// An STS that says who signed: the user is called like the access key.
fn sts() -> Recorder {
    Recorder::start(|request| {
        let form = String::from_utf8_lossy(&request.body).into_owned();
        if !form.contains("Action=GetCallerIdentity") {
            return Err(format!("nobody asks for {} {form}", request.path));
        }
        let signed = request.header("authorization").and_then(|text| text.split_once("Credential="));
        let key = signed.and_then(|(_, rest)| rest.split('/').next()).ok_or("it is not signed")?;
        let session = request.header("x-amz-security-token").unwrap_or("none");
        let body = format!(
            "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/{key}-{session}</Arn>\
             <UserId>{key}</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
        );
        Ok(Answer::Whole(200, vec![("content-type", "text/xml".into())], body))
    })
}

/// Runs this test again in a process whose home is `home`, where it asks whose credentials there are.
fn whose(test: &str, home: &Scratch, sts: &str, vars: &[(&str, &str)]) -> Finished {
    let this = Env::of_process().unwrap().program().expect("the platform tells").to_owned();
    let child = Run::new(this, home.path())
        .args(["--exact", &format!("aws_identity::{test}"), "--nocapture"])
        .env("HOME", home.path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL_STS", sts)
        .env(CHILD, "1");
    let finished = vars.iter().fold(child, |child, (name, value)| child.env(name, value)).finish().expect(0);
    assert!(finished.stdout.contains("1 passed"), "{}", finished.stdout);
    finished
}

/// In the child: whose credentials there are, or why there are none.
fn asked() -> bool {
    let env = Env::of_process().unwrap();
    if env.get(CHILD).is_none() {
        return false;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let aws = Aws::connect(&env, Some("eu-central-1")).unwrap();
    match runtime.block_on(aws.identity()) {
        Ok(identity) => println!("it is {identity}"),
        Err(error) => println!("{:?}: {}", error.kind(), error.report()),
    }
    true
}

fn is(finished: &Finished, key: &str) {
    let wanted = format!("it is arn:aws:iam::123456789012:user/{key} in account 123456789012");
    assert!(finished.stdout.contains(&wanted), "{}", finished.stdout);
}

#[test]
fn a_profile_of_the_files_that_variables_name_is_used() {
    if asked() {
        return;
    }
    let (home, sts) = (Scratch::new("profile"), sts());
    let config = home.write("elsewhere/config", "[profile acme]\nregion = us-east-1\n");
    let keys = "[default]\naws_access_key_id = AKIDDEFAULT\naws_secret_access_key = canary-default\n\
                [acme]\naws_access_key_id = AKIDACME\naws_secret_access_key = canary-acme\n";
    let keys = home.write("elsewhere/credentials", keys);
    let files = [
        ("AWS_CONFIG_FILE", config.to_str().unwrap()),
        ("AWS_SHARED_CREDENTIALS_FILE", keys.to_str().unwrap()),
    ];
    let test = "a_profile_of_the_files_that_variables_name_is_used";
    is(&whose(test, &home, &sts.url(), &files), "AKIDDEFAULT-none");
    is(&whose(test, &home, &sts.url(), &[&files[..], &[("AWS_PROFILE", "acme")]].concat()), "AKIDACME-none");
    let missing = whose(test, &home, &sts.url(), &[&files[..], &[("AWS_PROFILE", "nobody")]].concat());
    assert!(missing.stdout.contains("Denied: there are no credentials for AWS"), "{}", missing.stdout);
    assert!(
        missing.stdout.contains("nobody") && missing.stdout.contains("AWS_PROFILE"),
        "{}",
        missing.stdout
    );
    // Where there are no files at all, AWS's SDK does not say that it looked for a profile.
    let nowhere = whose(test, &home, &sts.url(), &[("AWS_PROFILE", "nobody")]);
    assert!(nowhere.stdout.contains("Denied: there are no credentials for AWS"), "{}", nowhere.stdout);
    assert!(nowhere.stdout.contains("AWS_PROFILE: `nobody`"), "{}", nowhere.stdout);
    assert!(nowhere.stdout.contains("aws configure list-profiles"), "{}", nowhere.stdout);
}

#[test]
fn keys_in_the_environment_go_before_a_profile() {
    if asked() {
        return;
    }
    let (home, sts) = (Scratch::new("env-keys"), sts());
    home.write(
        ".aws/credentials",
        "[default]\naws_access_key_id = AKIDFILE\naws_secret_access_key = canary-file\n",
    );
    let test = "keys_in_the_environment_go_before_a_profile";
    is(&whose(test, &home, &sts.url(), &[]), "AKIDFILE-none");
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIDENV"),
        ("AWS_SECRET_ACCESS_KEY", "canary-env"),
        ("AWS_SESSION_TOKEN", "SESSION"),
    ];
    is(&whose(test, &home, &sts.url(), &keys), "AKIDENV-SESSION");
}

#[test]
fn a_credential_process_is_asked() {
    if asked() {
        return;
    }
    let (home, sts) = (Scratch::new("process"), sts());
    let answer = json!({ "Version": 1, "AccessKeyId": "AKIDPROCESS", "SecretAccessKey": "canary-process",
                         "SessionToken": "SESSION", "Expiration": "2999-01-01T00:00:00Z" });
    let file = home.write("answer.json", answer.to_string());
    home.write(".aws/config", format!("[default]\ncredential_process = cat {}\n", file.display()));
    let test = "a_credential_process_is_asked";
    is(&whose(test, &home, &sts.url(), &[]), "AKIDPROCESS-SESSION");
    home.write(".aws/config", "[default]\ncredential_process = false\n");
    let failed = whose(test, &home, &sts.url(), &[]);
    assert!(failed.stdout.contains("Denied: there are no credentials for AWS"), "{}", failed.stdout);
}

/// As in a GitHub workflow: a token in a file becomes a session of a role, against the emulator's STS.
#[test]
fn a_web_identity_becomes_a_role() {
    if asked() {
        return;
    }
    let (home, moto) = (Scratch::new("web-identity"), Moto::shared());
    let token = home.write("token", "a.web.token");
    let vars = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/deployer"),
        ("AWS_ROLE_SESSION_NAME", "ci"),
    ];
    let finished = whose("a_web_identity_becomes_a_role", &home, &moto.url(), &vars);
    let wanted = "it is arn:aws:sts::123456789012:assumed-role/deployer/ci in account 123456789012";
    assert!(finished.stdout.contains(wanted), "{}", finished.stdout);
}

#[test]
fn a_container_gives_credentials_to_its_task() {
    if asked() {
        return;
    }
    let (home, sts) = (Scratch::new("container"), sts());
    let container = Recorder::start(|request: &Request| {
        if request.path != "/credentials" || request.header("authorization") != Some("the-tasks-token") {
            return Err(format!("{:?}", request.headers));
        }
        Ok(Answer::json(
            200,
            &json!({ "AccessKeyId": "AKIDTASK", "SecretAccessKey": "canary-task", "Token": "SESSION",
                     "Expiration": "2999-01-01T00:00:00Z", "RoleArn": "arn:aws:iam::123456789012:role/task" }),
        ))
    });
    let url = format!("{}/credentials", container.url());
    let vars = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*url),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "the-tasks-token"),
    ];
    is(&whose("a_container_gives_credentials_to_its_task", &home, &sts.url(), &vars), "AKIDTASK-SESSION");
}

const SSO: &str = "[default]\nsso_session = acme\nsso_account_id = 123456789012\nsso_role_name = deployer\n\
                   [sso-session acme]\nsso_region = eu-central-1\nsso_start_url = https://acme.example/start\n";

/// Where AWS's programs keep the token of the session `acme`: by the SHA-1 of its name.
const TOKEN: &str = ".aws/sso/cache/293abb6b76d7791c0732cc517d38c4b5c734b87f.json";

fn sso_token(expires: &str) -> String {
    json!({ "accessToken": "canary-sso", "expiresAt": expires, "region": "eu-central-1",
            "startUrl": "https://acme.example/start" })
    .to_string()
}

#[test]
fn a_session_of_sso_is_used_and_one_that_has_expired_says_how_to_sign_in() {
    if asked() {
        return;
    }
    let test = "a_session_of_sso_is_used_and_one_that_has_expired_says_how_to_sign_in";
    let (home, sts) = (Scratch::new("sso"), sts());
    let portal = Recorder::start(|request: &Request| {
        let session = request.header("x-amz-sso_bearer_token") == Some("canary-sso");
        if request.path != "/federation/credentials" || !session {
            return Err(format!("{:?}", request.headers));
        }
        Ok(Answer::json(
            200,
            &json!({ "roleCredentials": { "accessKeyId": "AKIDSSO", "secretAccessKey": "canary-key",
                     "sessionToken": "SESSION", "expiration": 32_503_680_000_000_u64 } }),
        ))
    });
    home.write(".aws/config", SSO);
    let vars = [("AWS_ENDPOINT_URL_SSO", &*portal.url())].map(|(name, value)| (name, value.to_owned()));
    let vars: Vec<(&str, &str)> = vars.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let no_session = |finished: &Finished| {
        assert!(finished.stdout.contains("Denied: there are no credentials for AWS"), "{}", finished.stdout);
        assert!(finished.stdout.contains("next: sign in with `aws sso login`"), "{}", finished.stdout);
    };
    no_session(&whose(test, &home, &sts.url(), &vars));
    home.write(TOKEN, sso_token("2020-01-01T00:00:00Z"));
    no_session(&whose(test, &home, &sts.url(), &vars));
    home.write(TOKEN, sso_token("2999-01-01T00:00:00Z"));
    is(&whose(test, &home, &sts.url(), &vars), "AKIDSSO-SESSION");
}
