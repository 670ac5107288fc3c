//! Identities of applications, and what is asked about them.
//!
//! Source: vendor page "Shared Login State and Application IDs" (Documented: 64 bits, from firmware 7.7
//! on 128; the older calls fill 8 bytes and leave the rest zero, abi.md section 4). Which of the eight
//! bytes holds what is not published: the upper word comes first, its highest byte foremost (Assumed).

use serde::{Deserialize, Serialize};

use crate::ck::Role;
use crate::wire::{ApplicationId, SessionHandle};

/// Bits of one of the two words of an older identity.
const WORD_BITS: u32 = 32;

impl ApplicationId {
    /// What a process has that names none.
    pub fn of_process(pid: u32) -> Self {
        Self { major: u64::from(pid), minor: 0, named: false }
    }

    /// The two words of the older calls; none where one has more than 32 bits.
    pub fn of_words(high: u64, low: u64) -> Option<Self> {
        let (high, low) = (u32::try_from(high).ok()?, u32::try_from(low).ok()?);
        Some(Self { major: (u64::from(high) << WORD_BITS) | u64::from(low), minor: 0, named: true })
    }

    /// The sixteen bytes of the newer calls.
    pub fn of_bytes(bytes: [u8; 16]) -> Self {
        let all = u128::from_be_bytes(bytes);
        let half = |number: u128| u64::try_from(number & u128::from(u64::MAX)).unwrap_or(0);
        Self { major: half(all >> u64::BITS), minor: half(all), named: true }
    }

    /// The sixteen bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        ((u128::from(self.major) << u64::BITS) | u128::from(self.minor)).to_be_bytes()
    }

    /// The two words of the older calls; what comes behind them is not told.
    pub fn words(self) -> (u64, u64) {
        (self.major >> WORD_BITS, self.major & u64::from(u32::MAX))
    }
}

/// Applications that share their login, and whom a session belongs to.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Sharing {
    /// `CA_OpenApplicationID`: the identity lasts without sessions.
    Open(ApplicationId),
    /// `CA_CloseApplicationID`: it does so no longer.
    Close(ApplicationId),
    /// `CA_GetSessionInfo`.
    Belonging(SessionHandle),
}

/// The answer to [`Sharing::Belonging`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Belonging {
    /// Whose session it is.
    pub application: ApplicationId,
    /// Who is logged in.
    pub role: Option<Role>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_first_eight_of_the_sixteen_bytes() {
        let id = ApplicationId::of_words(0x0102_0304, 0x0506_0708).unwrap();
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(id.to_bytes(), bytes);
        assert_eq!(ApplicationId::of_bytes(bytes), id);
        assert_eq!(id.words(), (0x0102_0304, 0x0506_0708));
        assert!(ApplicationId::of_words(1 << 32, 0).is_none());
        let long = ApplicationId::of_bytes([9; 16]);
        assert_eq!(long.to_bytes(), [9; 16]);
    }

    #[test]
    fn no_process_has_an_identity_that_was_named() {
        assert_ne!(Some(ApplicationId::of_process(7)), ApplicationId::of_words(0, 7));
    }
}
