//! Accounts of the console: three roles, as in the real product (Documented in the administrator's guides; only the
//! System Administrator's part is in the integration guide).
//!
//! Of a password only a stretched digest is kept. An unknown name takes as long as a wrong password.

use std::fmt;
use std::num::NonZeroU32;

use serde::{Serialize, Serializer};

use super::Operation;
use crate::error::Error;
use crate::seal;
use crate::secret::Secret;
use crate::store::{AccountRecord, Store, StoreError};
use crate::texts::Cause;
use crate::vault::Vault;

/// Iterations at most: OWASP's advice for PBKDF2-HMAC-SHA-512. A server installed with fewer takes fewer.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(210_000).unwrap();

/// Longest name, characters. Assumed.
const LONGEST_NAME: usize = 64;

/// Shortest and longest password, characters. Assumed.
const PASSWORD: std::ops::RangeInclusive<usize> = 8..=128;

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// HSM, backups, settings, accounts, endpoints.
    SystemAdministrator,
    /// Endpoint groups, wallets, keys.
    KeyAdministrator,
    /// The audit trail.
    AuditManager,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] =
        [Self::SystemAdministrator, Self::KeyAdministrator, Self::AuditManager];

    /// As options have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SystemAdministrator => "system-administrator",
            Self::KeyAdministrator => "key-administrator",
            Self::AuditManager => "audit-manager",
        }
    }

    /// As the console shows it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::SystemAdministrator => "System Administrator",
            Self::KeyAdministrator => "Key Administrator",
            Self::AuditManager => "Audit Manager",
        }
    }

    /// The role of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Letters of any case are the same.
    pub name: String,
    /// At least one.
    pub roles: Vec<Role>,
    /// UTC, RFC 3339.
    pub created_at: String,
}

impl Account {
    /// Whether it has the role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    fn from_record(record: &AccountRecord) -> Self {
        Self {
            name: record.name.clone(),
            roles: record.roles.split(',').filter_map(Role::named).collect(),
            created_at: record.created_at.clone(),
        }
    }
}

fn failed(error: &StoreError) -> Error {
    Error::store(Operation::Account, error)
}

fn refuse(cause: Cause) -> Error {
    Error::new(Operation::Account, cause)
}

fn verifier(password: &Secret, salt: &[u8], iterations: NonZeroU32) -> Vec<u8> {
    let (_, verify) = seal::stretch(password.expose(), salt, iterations);
    seal::sha256(verify.as_slice()).to_vec()
}

fn stretched(name: &str, password: &Secret, store: &Store) -> Result<AccountRecord, Error> {
    let characters = String::from_utf8_lossy(password.expose()).chars().count();
    if !PASSWORD.contains(&characters) {
        return Err(refuse(Cause::PasswordUnusable));
    }
    let recovery = store.recovery().map_err(|error| failed(&error))?;
    let iterations = recovery.iterations.min(ITERATIONS);
    let salt = seal::random::<16>().map_err(|_| refuse(Cause::CryptoFailed))?.to_vec();
    let verifier = verifier(password, &salt, iterations);
    let (roles, created_at) = (String::new(), String::new());
    Ok(AccountRecord { name: name.to_owned(), salt, iterations, verifier, roles, created_at })
}

pub(crate) fn create_account(
    vault: &mut Vault,
    name: &str,
    password: &Secret,
    roles: &[Role],
) -> Result<Account, Error> {
    let usable = |letter: char| letter.is_ascii_alphanumeric() || "._-@".contains(letter);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(usable) {
        let detail = "an account's name has 1 to 64 of the letters, digits and . _ - @";
        return Err(refuse(Cause::OptionUnusable).with_detail(detail));
    }
    if roles.is_empty() {
        let detail = "an account needs at least one role";
        return Err(refuse(Cause::OptionUnusable).with_detail(detail));
    }
    let store = &vault.core.store;
    let mut record = stretched(name, password, store)?;
    record.roles = roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(",");
    let mut new = false;
    let made = store.change(|change| {
        new = change.add_account(&record)?;
        change.audit("create-account", if new { "success" } else { "AccountExists" })
    });
    made.map_err(|error| failed(&error))?;
    if !new {
        return Err(refuse(Cause::AccountExists).with_detail(name));
    }
    let made = store.account(name).map_err(|error| failed(&error))?;
    made.map(|record| Account::from_record(&record)).ok_or_else(|| refuse(Cause::AccountUnknown))
}

pub(crate) fn change_password(
    vault: &mut Vault,
    name: &str,
    password: &Secret,
) -> Result<(), Error> {
    let store = &vault.core.store;
    if store.account(name).map_err(|error| failed(&error))?.is_none() {
        return Err(refuse(Cause::AccountUnknown).with_detail(name));
    }
    let record = stretched(name, password, store)?;
    let changed = store.change(|change| {
        change.set_password(&record)?;
        change.audit("change-password", "success")
    });
    changed.map_err(|error| failed(&error))
}

pub(crate) fn delete_account(vault: &mut Vault, name: &str) -> Result<(), Error> {
    let accounts = list_accounts(&vault.core.store)?;
    let administrators = accounts.iter().filter(|account| account.has(Role::SystemAdministrator));
    let last = administrators.map(|account| &account.name).collect::<Vec<_>>();
    if matches!(last.as_slice(), [only] if only.eq_ignore_ascii_case(name)) {
        return Err(refuse(Cause::LastAdministrator));
    }
    let mut there = false;
    let removed = vault.core.store.change(|change| {
        there = change.remove_account(name)?;
        change.audit("delete-account", if there { "success" } else { "AccountUnknown" })
    });
    removed.map_err(|error| failed(&error))?;
    if there { Ok(()) } else { Err(refuse(Cause::AccountUnknown).with_detail(name)) }
}

pub(crate) fn list_accounts(store: &Store) -> Result<Vec<Account>, Error> {
    let records = store.accounts().map_err(|error| failed(&error))?;
    Ok(records.iter().map(Account::from_record).collect())
}

/// The account, if name and password are right. Asks for as much time when they are not.
pub(crate) fn check_password(
    store: &Store,
    name: &str,
    password: &Secret,
) -> Result<Account, Error> {
    let record = store.account(name).map_err(|error| failed(&error))?;
    let decoy = || {
        let iterations = store.recovery().map_or(ITERATIONS, |it| it.iterations.min(ITERATIONS));
        (vec![0; 16], iterations, Vec::new())
    };
    let (salt, iterations, expected) = match &record {
        Some(record) => (record.salt.clone(), record.iterations, record.verifier.clone()),
        None => decoy(),
    };
    let right = seal::same(&verifier(password, &salt, iterations), &expected);
    match record {
        Some(record) if right => Ok(Account::from_record(&record)),
        _ => Err(refuse(Cause::LoginRefused)),
    }
}
