//! Who may do what: the table of roles and rights.
//!
//! Source: roles.md section 2 (Documented but for the rows it marks); the admin partition's column:
//! pycryptoki's functional tests, whose SO session makes and uses keys there (Documented), the
//! Administrator's Assumed from his name.

use crate::ck::Role;
use crate::error::{Cause, Error, Result};

/// What is asked of a role.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Right {
    /// Make, change or destroy what is public and no key.
    ManagePublic,
    /// Make a private object, or a key with something to guard.
    Make,
    /// Change or destroy one.
    Change,
    /// Use a private key.
    UsePrivate,
    /// Change the partition's policies, make or reset its Crypto Officer.
    AdministerPartition,
    /// Make or reset Limited Crypto Officer and Crypto User.
    MakeUsers,
    /// Change the HSM's policies, make and delete partitions.
    AdministerHsm,
    /// Configure, verify and move the audit log.
    Audit,
}

use Role::{
    Administrator, Auditor, CryptoOfficer, CryptoUser, HsmSo, LimitedCryptoOfficer, PartitionSo,
};

/// Each right, and the roles that have it.
const RIGHTS: &[(Right, &[Role])] = &[
    (Right::ManagePublic, &[CryptoOfficer, LimitedCryptoOfficer, CryptoUser, HsmSo, Administrator]),
    (Right::Make, &[CryptoOfficer, LimitedCryptoOfficer, HsmSo, Administrator]),
    (Right::Change, &[CryptoOfficer, LimitedCryptoOfficer, HsmSo, Administrator]),
    (Right::UsePrivate, &[CryptoOfficer, LimitedCryptoOfficer, CryptoUser, HsmSo, Administrator]),
    (Right::AdministerPartition, &[PartitionSo]),
    (Right::MakeUsers, &[CryptoOfficer]),
    (Right::AdministerHsm, &[HsmSo]),
    (Right::Audit, &[Auditor]),
];

/// Rights that nobody needs to log in for.
const FREE: &[Right] = &[Right::ManagePublic];

/// Whether a role, or nobody, has a right.
///
/// # Errors
/// `UserNotLoggedIn` without a role, `UserNotAuthorized` for one that lacks the right.
pub(super) fn check(role: Option<Role>, right: Right) -> Result<()> {
    let mut rows = RIGHTS.iter().filter(|(row, _)| *row == right);
    let allowed = match role {
        Some(role) => rows.any(|(_, roles)| roles.contains(&role)),
        None => FREE.contains(&right),
    };
    match role {
        _ if allowed => Ok(()),
        Some(role) => Err(Error::new(
            Cause::UserNotAuthorized,
            format!("the {} may not ({right:?})", role.name()),
        )),
        None => Err(Error::new(Cause::UserNotLoggedIn, format!("this wants a login ({right:?})"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_right_has_one_row() {
        for (right, roles) in RIGHTS {
            assert_eq!(RIGHTS.iter().filter(|(row, _)| row == right).count(), 1, "{right:?}");
            assert!(!roles.is_empty(), "{right:?}");
        }
    }

    #[test]
    fn the_matrix_of_rights() {
        for (role, right, answer) in [
            (Some(CryptoOfficer), Right::Make, None),
            (Some(CryptoOfficer), Right::UsePrivate, None),
            (Some(LimitedCryptoOfficer), Right::Make, None),
            (Some(LimitedCryptoOfficer), Right::MakeUsers, Some(Cause::UserNotAuthorized)),
            (Some(CryptoUser), Right::UsePrivate, None),
            (Some(CryptoUser), Right::ManagePublic, None),
            (Some(CryptoUser), Right::Change, Some(Cause::UserNotAuthorized)),
            (Some(PartitionSo), Right::ManagePublic, Some(Cause::UserNotAuthorized)),
            (Some(PartitionSo), Right::UsePrivate, Some(Cause::UserNotAuthorized)),
            (Some(Auditor), Right::ManagePublic, Some(Cause::UserNotAuthorized)),
            (Some(Auditor), Right::AdministerHsm, Some(Cause::UserNotAuthorized)),
            (None, Right::ManagePublic, None),
            (None, Right::Make, Some(Cause::UserNotLoggedIn)),
            (None, Right::UsePrivate, Some(Cause::UserNotLoggedIn)),
            (None, Right::Audit, Some(Cause::UserNotLoggedIn)),
        ] {
            let got = check(role, right).err().map(|error| error.cause());
            assert_eq!(got, answer, "{role:?} {right:?}");
        }
    }
}
