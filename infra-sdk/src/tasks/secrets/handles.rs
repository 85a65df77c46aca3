//! The handles of `infra:secrets:*`, and their registration.

use crate::app::{Pack, TaskRef};
use crate::tasks::secrets::{backup, files, hand_over, rotate, scan, setup, sync};

/// The handles of `infra:secrets:*`.
#[derive(Clone, Copy, Debug)]
pub struct SecretsTasks {
    /// Makes `.env.example` and an empty `.env`.
    pub init: TaskRef<()>,
    /// Brings every needed value to where this environment keeps them.
    pub setup: TaskRef<()>,
    /// Says which lines of `.env` other programs read differently.
    pub lint: TaskRef<()>,
    /// Says which values are missing.
    pub test: TaskRef<()>,
    /// Brings the values to the stores that `targets` names.
    pub sync: TaskRef<()>,
    /// What is where, how old, and what is next.
    pub status: TaskRef<()>,
    /// A new value, everywhere, with the old one kept until it is finished.
    pub rotate: TaskRef<()>,
    /// Runs a program with the values in its environment.
    pub exec: TaskRef<()>,
    /// Writes the values in another program's format.
    pub export: TaskRef<()>,
    /// Looks for real values in the repo and its history.
    pub scan: TaskRef<()>,
    /// Makes a person's key for the vault.
    pub key: TaskRef<()>,
    /// Encrypts the vault for those who are its recipients now.
    pub rekey: TaskRef<()>,
    /// An encrypted copy of values and state.
    pub backup: TaskRef<()>,
    /// Back from such a copy.
    pub restore: TaskRef<()>,
}

pub(in crate::tasks) fn register(pack: &mut Pack<'_>) -> SecretsTasks {
    // In the order in which they are listed, which is that of a secret's life.
    let (init, setup, test) = setup::register(pack);
    let lint = files::register(pack);
    let (sync, status) = sync::register(pack);
    let rotate = rotate::register(pack);
    let (exec, export) = hand_over::register(pack);
    let scan = scan::register(pack);
    let (backup, restore, key, rekey) = backup::register(pack);
    SecretsTasks {
        init,
        setup,
        lint,
        test,
        sync,
        status,
        rotate,
        exec,
        export,
        scan,
        key,
        rekey,
        backup,
        restore,
    }
}
