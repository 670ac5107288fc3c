//! A token for one test, and what a test says about answers.

use std::fmt::Debug;

use luna_ck::*;
use luna_client::{Access, Context, Pin, Result, Rv, Session, SlotId, UserType};
use luna_tests::{CRYPTO_OFFICER, Instance, first_slot};

pub(crate) const PARTITION_SO: &str = "partition-so";
pub(crate) const CRYPTO_USER: &str = "crypto-user";

/// Which token a test is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// One partition, all algorithms.
    Plain,
    /// One partition in FIPS mode.
    Fips,
    /// A group of two partitions in FIPS mode, listed alone.
    Group,
    /// One partition of the newest firmware, all algorithms.
    Newest,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::Fips, Self::Group];

    pub(crate) fn is_fips(self) -> bool {
        matches!(self, Self::Fips | Self::Group)
    }
}

/// A token with the Crypto Officer logged in, or nobody. The fields are dropped in this order.
pub(crate) struct Token {
    pub(crate) session: Session,
    pub(crate) slot: SlotId,
    pub(crate) context: Context,
    pub(crate) instance: Instance,
}

impl Token {
    /// The Crypto Officer is logged in.
    #[track_caller]
    pub(crate) fn up(kind: Kind) -> Self {
        let token = Self::nobody(match kind {
            Kind::Plain => &[],
            Kind::Fips => &["--fips", "on"],
            Kind::Newest => &["--profile", "luna-7.9.0"],
            Kind::Group => &["--fips", "on", "--ha", "LUNAHA=OKV,OKV", "--ha-only"],
        });
        token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
        token
    }

    /// With these options, and nobody logged in.
    #[track_caller]
    pub(crate) fn nobody(options: &[&str]) -> Self {
        Self::of(Instance::up(options))
    }

    /// The token of an instance, and nobody logged in.
    #[track_caller]
    pub(crate) fn of(instance: Instance) -> Self {
        let context = instance.context();
        let slot = first_slot(&context);
        let session = context.open_session(slot, Access::ReadWrite).unwrap();
        Self { session, slot, context, instance }
    }

    pub(crate) fn login(&self, user: UserType, password: &str) -> Result<()> {
        self.session.login(user, &Pin::from(password))
    }

    /// Another read-write session.
    #[track_caller]
    pub(crate) fn open(&self) -> Session {
        self.context.open_session(self.slot, Access::ReadWrite).unwrap()
    }

    /// A read-only session.
    #[track_caller]
    pub(crate) fn open_read_only(&self) -> Session {
        self.context.open_session(self.slot, Access::ReadOnly).unwrap()
    }

    /// Another role instead of the one that is logged in.
    #[track_caller]
    pub(crate) fn change_role(&self, user: UserType, password: &str) {
        self.session.logout().unwrap();
        self.login(user, password).unwrap();
    }

    /// Everything closed and finalised, and opened anew by a Crypto Officer.
    #[track_caller]
    pub(crate) fn restart(self) -> Self {
        let Self { session, context, instance, .. } = self;
        session.close().unwrap();
        context.finalize().unwrap();
        let token = Self::of(instance);
        token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
        token
    }
}

/// Fails unless the call was refused with this code.
#[track_caller]
pub(crate) fn refused<T: Debug>(answer: Result<T>, code: CK_RV) {
    refused_as(answer, code, &"");
}

/// As [`refused`], naming the case of a table.
#[track_caller]
pub(crate) fn refused_as<T: Debug>(answer: Result<T>, code: CK_RV, case: &dyn Debug) {
    match answer {
        Err(error) if error.is(code) => {}
        other => panic!("{case:?}: wanted {:?}, got {other:?}", Rv(code)),
    }
}

/// The code of an answer, for tables.
pub(crate) fn code<T>(answer: Result<T>) -> Rv {
    match answer {
        Ok(_) => Rv(CKR_OK),
        Err(error) => error.rv().unwrap_or_else(|| panic!("{error}")),
    }
}

/// Bytes from hexadecimal digits; blanks are passed over.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let value = |digit: u8| (digit as char).to_digit(16).expect("a hexadecimal digit") as u8;
    digits.chunks(2).map(|pair| value(pair[0]) << 4 | value(pair[1])).collect()
}
