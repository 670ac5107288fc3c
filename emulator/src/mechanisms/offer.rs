//! What a partition offers of a row: profile, policies and FIPS mode act here and nowhere else.

use bitflags::bitflags;

use crate::ck::*;
use crate::mechanisms::{Limits, Row};

bitflags! {
    /// Functions of a mechanism, with the numbers of the CKF_ flags they become.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub struct Functions: CK_FLAGS {
        /// `C_Encrypt`.
        const ENCRYPT = CKF_ENCRYPT;
        /// `C_Decrypt`.
        const DECRYPT = CKF_DECRYPT;
        /// `C_Digest`.
        const DIGEST = CKF_DIGEST;
        /// `C_Sign`.
        const SIGN = CKF_SIGN;
        /// `C_Verify`.
        const VERIFY = CKF_VERIFY;
        /// `C_GenerateKey`.
        const GENERATE = CKF_GENERATE;
        /// `C_GenerateKeyPair`.
        const GENERATE_PAIR = CKF_GENERATE_KEY_PAIR;
        /// `C_WrapKey`.
        const WRAP = CKF_WRAP;
        /// `C_UnwrapKey`.
        const UNWRAP = CKF_UNWRAP;
        /// `C_DeriveKey`.
        const DERIVE = CKF_DERIVE;
        /// `CA_EncapsulateKey`; `CKF_ENCAPSULATE` of PKCS#11 v3.2.
        const ENCAPSULATE = 0x1000_0000;
        /// `CA_DecapsulateKey`; `CKF_DECAPSULATE` of PKCS#11 v3.2.
        const DECAPSULATE = 0x2000_0000;
    }
}

impl Functions {
    /// Functions that look back at what was made before, for which FIPS mode allows smaller keys.
    const LEGACY: Self = Self::DECRYPT.union(Self::VERIFY).union(Self::UNWRAP);

    /// `encrypt|decrypt` as profiles write it; none for a word nobody knows.
    pub fn parse(words: &str) -> Option<Self> {
        words.split('|').filter(|word| !word.is_empty()).try_fold(Self::empty(), |so_far, word| {
            Some(so_far.union(match word {
                "encrypt" => Self::ENCRYPT,
                "decrypt" => Self::DECRYPT,
                "digest" => Self::DIGEST,
                "sign" => Self::SIGN,
                "verify" => Self::VERIFY,
                "generate" => Self::GENERATE,
                "generate_key_pair" => Self::GENERATE_PAIR,
                "wrap" => Self::WRAP,
                "unwrap" => Self::UNWRAP,
                "derive" => Self::DERIVE,
                "encapsulate" => Self::ENCAPSULATE,
                "decapsulate" => Self::DECAPSULATE,
                _ => return None,
            }))
        })
    }
}

/// Keys whose mechanisms tell their sizes in bytes.
///
/// Source: PKCS#11 v2.40 Current Mechanisms and Historical Mechanisms, the paragraph on
/// `CK_MECHANISM_INFO` of each section. It says bits for RC2 and RC4 and nothing for DES, which
/// tells bits here (Assumed); SM4 is not in it and tells bytes like its likes (Assumed).
const IN_BYTES: &[CK_KEY_TYPE] = &[CKK_AES, CKK_RC5, CKK_CAST5, CKK_ARIA, CKK_SM4];

/// A mechanism as a partition offers it now.
#[derive(Clone, Copy)]
pub struct Offer {
    /// What it does.
    pub row: &'static Row,
    /// What of that is left.
    pub functions: Functions,
    min_bits: u64,
    legacy_min_bits: u64,
    max_bits: u64,
    fips: bool,
    former: bool,
}

/// What a profile says of a mechanism.
#[derive(Clone, Copy, Debug)]
pub struct Datum {
    /// Functions the firmware has.
    pub functions: Functions,
    /// Functions left in FIPS mode; none: the mechanism vanishes.
    pub fips_functions: Option<Functions>,
    /// Smallest key in bits.
    pub min_bits: u64,
    /// Largest key in bits.
    pub max_bits: u64,
    /// Smallest key in FIPS mode.
    pub fips_min_bits: u64,
    /// Smallest key in FIPS mode for verifying and decrypting.
    pub fips_legacy_min_bits: u64,
    /// As [`Limits::former`].
    pub former: bool,
}

impl Offer {
    /// What is left of a row, none when it is not offered at all.
    pub fn of(
        row: &'static Row,
        datum: &Datum,
        fips: bool,
        policy_allows: impl Fn(u32) -> bool,
    ) -> Option<Self> {
        if row.policy.is_some_and(|policy| !policy_allows(policy)) {
            return None;
        }
        let firmware = if fips { datum.fips_functions? } else { datum.functions };
        let functions = row.functions() & firmware;
        if functions.is_empty() {
            return None;
        }
        let (min_bits, legacy_min_bits) = if fips {
            (datum.fips_min_bits, datum.fips_legacy_min_bits)
        } else {
            (datum.min_bits, datum.min_bits)
        };
        Some(Self {
            row,
            functions,
            min_bits,
            legacy_min_bits,
            max_bits: datum.max_bits,
            fips,
            former: datum.former,
        })
    }

    /// Sizes allowed for one function.
    pub fn limits(&self, function: Functions) -> Limits {
        let legacy = Functions::LEGACY.contains(function);
        let min_bits = if legacy { self.legacy_min_bits } else { self.min_bits };
        Limits { min_bits, max_bits: self.max_bits, fips: self.fips, former: self.former }
    }

    /// `CK_MECHANISM_INFO`: bytes for the keys of `IN_BYTES`, bits for the others; every mechanism
    /// runs in hardware.
    ///
    /// Source: CKF_HW from Mastercard/pkcs11-tools PR 90 (Observed).
    pub fn info(&self) -> (CK_ULONG, CK_ULONG, CK_FLAGS) {
        let in_bytes = self.row.key.is_some_and(|key_type| IN_BYTES.contains(&key_type));
        let unit = if in_bytes { 8 } else { 1 };
        (self.min_bits / unit, self.max_bits / unit, self.functions.bits() | CKF_HW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mechanisms::find;

    const DATUM: Datum = Datum {
        functions: Functions::SIGN.union(Functions::VERIFY).union(Functions::WRAP),
        fips_functions: Some(Functions::VERIFY),
        min_bits: 256,
        max_bits: 8192,
        fips_min_bits: 2048,
        fips_legacy_min_bits: 1024,
        former: false,
    };

    #[test]
    fn fips_takes_functions_away_and_raises_sizes() {
        let row = find(CKM_SHA1_RSA_PKCS).unwrap();
        let open = Offer::of(row, &DATUM, false, |_| true).unwrap();
        assert_eq!(open.functions, Functions::SIGN | Functions::VERIFY);
        assert!(open.limits(Functions::SIGN).check(512).is_ok());
        let fips = Offer::of(row, &DATUM, true, |_| true).unwrap();
        assert_eq!(fips.functions, Functions::VERIFY);
        assert!(fips.limits(Functions::VERIFY).check(1024).is_ok());
        assert!(fips.limits(Functions::SIGN).check(1024).is_err());
        let gone = Datum { fips_functions: None, ..DATUM };
        assert!(Offer::of(row, &gone, true, |_| true).is_none());
    }

    #[test]
    fn sizes_are_told_in_the_unit_of_the_standard() {
        let told = |kind, min_bits, max_bits| {
            let datum = Datum { functions: Functions::all(), min_bits, max_bits, ..DATUM };
            let offer = Offer::of(find(kind).unwrap(), &datum, false, |_| true).unwrap();
            let (least, most, _) = offer.info();
            (least, most)
        };
        assert_eq!(told(CKM_AES_CBC, 128, 256), (16, 32));
        assert_eq!(told(CKM_ARIA_CBC, 128, 256), (16, 32));
        assert_eq!(told(CKM_CAST5_CBC, 8, 128), (1, 16));
        assert_eq!(told(CKM_RC5_CBC, 8, 2040), (1, 255));
        assert_eq!(told(CKM_RC2_CBC, 8, 1024), (8, 1024));
        assert_eq!(told(CKM_RC4, 8, 2048), (8, 2048));
        assert_eq!(told(CKM_DES3_CBC, 128, 192), (128, 192));
    }

    #[test]
    fn a_policy_switches_a_row_off() {
        let row = find(CKM_RSA_PKCS).unwrap();
        assert!(Offer::of(row, &DATUM, false, |policy| policy != 33).is_none());
    }
}
