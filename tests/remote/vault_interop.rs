//! The vault and another implementation of the age format, `age-encryption` for JavaScript, read each other.

use std::path::PathBuf;

use infra_sdk::ErrorKind;
use infra_sdk::secrets::{Sealer, SecretSource};
use support::{Run, Scratch, repo};

use crate::vault::{CANARY, World, name, put, write};

/// `node` in the folder where provisioning puts what npm has.
fn node() -> PathBuf {
    let folder = repo().join("target/tools/node");
    let ready =
        folder.join("node_modules/age-encryption/package.json").exists() && folder.join("node").exists();
    assert!(ready, "age-encryption is not there: run `cargo xtask provision`");
    folder
}

/// Runs a script with the files it names.
fn javascript(script: &str, files: &[PathBuf]) -> String {
    let folder = node();
    let imports = "import { Encrypter, Decrypter, generateIdentity, identityToRecipient } from 'age-encryption';\n\
                   import { readFileSync, writeFileSync } from 'node:fs';\n\
                   const files = process.argv.slice(1);\n";
    let run = Run::new(folder.join("node"), &folder)
        .reveals()
        .args(["--input-type=module", "-e", &format!("{imports}{script}"), "--"])
        .args(files);
    run.finish().expect(0).stdout
}

/// Opens a file with a key, or one in base64 when there is a third argument.
const OPEN: &str = "const d = new Decrypter();\n\
    const key = readFileSync(files[0], 'utf8').split('\\n').find(line => line.startsWith('AGE-SECRET-KEY-1'));\n\
    d.addIdentity(key);\n\
    const bytes = readFileSync(files[1]);\n\
    const file = files[2] ? Buffer.from(bytes.toString(), 'base64') : bytes;\n\
    process.stdout.write(await d.decrypt(new Uint8Array(file), 'text'));\n";

#[tokio::test]
async fn what_the_vault_seals_another_implementation_opens_for_each_recipient() {
    let world = World::new();
    let scratch = Scratch::new("interop");
    let vault = world.vault("ada", &["ada", "bob"]).await;
    let sealed = scratch.write("sealed", vault.seal("кан-\n-canary".as_bytes()).unwrap());
    write(&vault, &[put("TOKEN", CANARY)]).await;
    let text = world.text();
    let line = text.lines().find(|line| line.starts_with("TOKEN ")).unwrap();
    let line = scratch.write("line", line.rsplit(' ').next().unwrap());
    for person in ["ada", "bob"] {
        let key = world.root().join("keys").join(person);
        assert_eq!(javascript(OPEN, &[key.clone(), sealed.clone()]), "кан-\n-canary");
        let plain: serde_json::Value =
            serde_json::from_str(&javascript(OPEN, &[key, line.clone(), "base64".into()])).unwrap();
        assert_eq!((&plain["value"], &plain["name"]), (&CANARY.into(), &"TOKEN".into()));
        assert_eq!((&plain["env"], &plain["project"]), (&"staging".into(), &"shop".into()));
    }
}

#[tokio::test]
async fn keys_and_files_of_another_implementation_work_here() {
    let world = World::new();
    let scratch = Scratch::new("interop");
    let key = world.root().join("keys/eve");
    std::fs::create_dir_all(key.parent().unwrap()).unwrap();
    let make = "const key = await generateIdentity();\n\
        const recipient = await identityToRecipient(key);\n\
        writeFileSync(files[0], `# public key: ${recipient}\\n${key}\\n`, { mode: 0o600 });\n\
        const e = new Encrypter();\n\
        e.addRecipient(recipient);\n\
        writeFileSync(files[1], await e.encrypt('from elsewhere'));\n\
        process.stdout.write(recipient);\n";
    let sealed = scratch.join("sealed");
    let recipient = javascript(make, &[key, sealed.clone()]);
    assert_eq!(world.public("eve").await, recipient, "the public key of a foreign key is another one here");
    let eve = world.vault("eve", &["ada", "eve"]).await;
    let bytes = std::fs::read(&sealed).unwrap();
    assert_eq!(eve.unseal(&bytes).unwrap().expose(), b"from elsewhere");
    let ada = world.vault("ada", &["ada", "eve"]).await;
    assert_eq!(ada.unseal(&bytes).unwrap_err().kind(), ErrorKind::Denied);
    write(&ada, &[put("TOKEN", "for eve")]).await;
    assert_eq!(eve.get(&name("TOKEN")).await.unwrap().unwrap().expose(), "for eve");
}
