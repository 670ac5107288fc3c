//! The cases: one table. A new case is a row; a new kind of work is a variant of [`Work`] and its arm in `bed`.

use luna_client::MechanismType;
use luna_client::ck::*;
use luna_conformance::check::{Allow, matches};
use luna_conformance::keys::Family;

/// One thing that is measured.
#[derive(Debug)]
pub struct Case {
    /// `family/operation/size`.
    pub id: &'static str,
    /// What one operation is.
    pub title: &'static str,
    /// Measured again at each count of objects that is asked for.
    pub scales: bool,
    /// What is done.
    pub work: Work,
}

/// What one operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// `C_GetSessionInfo`.
    SessionInfo,
    /// `C_OpenSession`, `C_CloseSession`.
    OpenClose,
    /// `C_GenerateRandom` of so many bytes.
    Random(usize),
    /// `C_DigestInit`, `C_Digest` of so many bytes.
    Digest(MechanismType, usize),
    /// `C_SignInit`, `C_Sign`.
    Sign(Use),
    /// `C_VerifyInit`, `C_Verify` of a good signature.
    Verify(Use),
    /// `C_EncryptInit`, `C_Encrypt`.
    Encrypt(Use),
    /// `C_DecryptInit`, `C_Decrypt`.
    Decrypt(Use),
    /// `C_DeriveKey` by ECDH, and the key destroyed.
    Agree,
    /// `C_WrapKey` of an AES key under another.
    Wrap,
    /// `C_UnwrapKey` of it, and the key destroyed.
    Unwrap,
    /// `C_GenerateKey` of AES-256 and the key destroyed, on the token or not.
    Generate {
        /// `CKA_TOKEN`.
        token: bool,
    },
    /// `C_GenerateKeyPair`, and both destroyed.
    Pair(Family),
    /// `C_CreateObject` of a data object, `C_DestroyObject`, on the token or not.
    CreateDestroy {
        /// `CKA_TOKEN`.
        token: bool,
    },
    /// `C_GetAttributeValue` of three attributes, lengths first.
    Attributes,
    /// `C_SetAttributeValue` of the label.
    SetLabel,
    /// `C_FindObjectsInit`, `C_FindObjects`, `C_FindObjectsFinal`: one key by class and label.
    Find,
    /// What an application does for a request: a session, a key by its label, an HMAC, the session closed.
    Request,
}

/// A mechanism with its key, parameter and message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// The key.
    pub key: Family,
    /// `CKM_…`.
    pub mechanism: MechanismType,
    /// Shape of the parameter, as `luna_conformance::mechanism` knows them.
    pub parameter: &'static str,
    /// Bytes of the message.
    pub len: usize,
}

/// What a case needs of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// A mechanism with this function.
    pub mechanism: Option<(MechanismType, CK_FLAGS)>,
    /// What must be allowed.
    pub allow: Option<Allow>,
}

impl Work {
    /// What it needs, beside the keys that it makes.
    pub fn needs(self) -> Needs {
        let mechanism = match self {
            Self::Digest(mechanism, _) => Some((mechanism, CKF_DIGEST)),
            Self::Sign(it) => Some((it.mechanism, CKF_SIGN)),
            Self::Verify(it) => Some((it.mechanism, CKF_VERIFY)),
            Self::Encrypt(it) => Some((it.mechanism, CKF_ENCRYPT)),
            Self::Decrypt(it) => Some((it.mechanism, CKF_DECRYPT)),
            Self::Agree => Some((CKM_ECDH1_DERIVE, CKF_DERIVE)),
            Self::Wrap => Some((CKM_AES_KW, CKF_WRAP)),
            Self::Unwrap => Some((CKM_AES_KW, CKF_UNWRAP)),
            Self::Generate { .. } => Some((CKM_AES_KEY_GEN, CKF_GENERATE)),
            Self::Request => Some((CKM_SHA256_HMAC, CKF_SIGN)),
            _ => None,
        };
        let on_token =
            matches!(self, Self::Generate { token: true } | Self::CreateDestroy { token: true });
        Needs { mechanism, allow: on_token.then_some(Allow::TokenObjects) }
    }
}

const fn of(key: Family, mechanism: MechanismType, parameter: &'static str, len: usize) -> Use {
    Use { key, mechanism, parameter, len }
}

const fn hmac(len: usize) -> Use {
    of(Family::Generic, CKM_SHA256_HMAC, "", len)
}

const fn gcm(len: usize) -> Use {
    of(Family::Aes, CKM_AES_GCM, "gcm", len)
}

const fn cbc(len: usize) -> Use {
    of(Family::Aes, CKM_AES_CBC_PAD, "iv16", len)
}

const RSA: Use = of(Family::Rsa, CKM_SHA256_RSA_PKCS, "", 64);
const PSS: Use = of(Family::Rsa, CKM_SHA256_RSA_PKCS_PSS, "pss-sha256", 64);
const OAEP: Use = of(Family::Rsa, CKM_RSA_PKCS_OAEP, "oaep-sha256", 32);
const ECDSA: Use = of(Family::Ec, CKM_ECDSA, "", 32);
const ED25519: Use = of(Family::Ed25519, CKM_EDDSA, "", 64);
const ML_DSA: Use = of(Family::MlDsa, CKM_ML_DSA, "", 64);

macro_rules! cases {
    ($($id:literal, $title:literal, $work:expr $(, $scales:ident)?;)+) => {
        &[$(Case { id: $id, title: $title, scales: cases!(@ $($scales)?), work: $work }),+]
    };
    (@) => { false };
    (@ scales) => { true };
}

/// All cases, in the order they are measured in.
pub static CASES: &[Case] = cases! {
    "session/info", "tells of a session", Work::SessionInfo;
    "session/open-close", "a session opened and closed", Work::OpenClose;
    "random/generate/32", "32 random bytes", Work::Random(32);
    "random/generate/4096", "4 KiB of random bytes", Work::Random(4096);
    "sha256/digest/64", "SHA-256 of 64 bytes", Work::Digest(CKM_SHA256, 64);
    "sha256/digest/16384", "SHA-256 of 16 KiB", Work::Digest(CKM_SHA256, 16_384);
    "hmac-sha256/sign/64", "HMAC-SHA-256 of 64 bytes", Work::Sign(hmac(64));
    "hmac-sha256/verify/64", "HMAC-SHA-256 of 64 bytes verified", Work::Verify(hmac(64));
    "aes-gcm/encrypt/64", "AES-256-GCM of 64 bytes", Work::Encrypt(gcm(64)), scales;
    "aes-gcm/decrypt/64", "AES-256-GCM of 64 bytes opened", Work::Decrypt(gcm(64));
    "aes-gcm/encrypt/16384", "AES-256-GCM of 16 KiB", Work::Encrypt(gcm(16_384));
    "aes-cbc-pad/encrypt/64", "AES-256-CBC of 64 bytes", Work::Encrypt(cbc(64));
    "aes-cbc-pad/decrypt/64", "AES-256-CBC of 64 bytes opened", Work::Decrypt(cbc(64));
    "aes-cbc-pad/encrypt/16384", "AES-256-CBC of 16 KiB", Work::Encrypt(cbc(16_384));
    "rsa-pkcs/sign/2048", "RSA-2048 signature, PKCS #1 v1.5", Work::Sign(RSA);
    "rsa-pkcs/verify/2048", "RSA-2048 signature verified", Work::Verify(RSA);
    "rsa-pss/sign/2048", "RSA-2048 signature, PSS", Work::Sign(PSS);
    "rsa-oaep/decrypt/2048", "RSA-2048 decryption, OAEP", Work::Decrypt(OAEP);
    "ecdsa/sign/p256", "ECDSA signature on P-256", Work::Sign(ECDSA);
    "ecdsa/verify/p256", "ECDSA signature verified", Work::Verify(ECDSA);
    "eddsa/sign/ed25519", "Ed25519 signature", Work::Sign(ED25519);
    "ml-dsa/sign/44", "ML-DSA-44 signature", Work::Sign(ML_DSA);
    "ecdh/derive/p256", "ECDH on P-256, the key destroyed", Work::Agree;
    "aes-kw/wrap/256", "an AES key wrapped", Work::Wrap;
    "aes-kw/unwrap/256", "an AES key unwrapped and destroyed", Work::Unwrap;
    "generate/aes-256/session", "an AES key made and destroyed", Work::Generate { token: false };
    "generate/aes-256/token", "an AES key made on the token and destroyed", Work::Generate { token: true }, scales;
    "generate/ec-p256/session", "a P-256 pair made and destroyed", Work::Pair(Family::Ec);
    "generate/rsa-2048/session", "an RSA-2048 pair made and destroyed", Work::Pair(Family::Rsa);
    "object/create-destroy/session", "a data object made and destroyed", Work::CreateDestroy { token: false };
    "object/create-destroy/token", "a data object made on the token and destroyed", Work::CreateDestroy { token: true }, scales;
    "object/attributes/3", "three attributes of a key", Work::Attributes;
    "object/set/label", "a key's label set", Work::SetLabel;
    "object/find/label", "one key found by class and label", Work::Find, scales;
    "application/request", "session, key by label, HMAC, session closed", Work::Request, scales;
};

/// The cases whose id fits one of the patterns, in order; all without a pattern.
pub fn chosen(filters: &[String]) -> Vec<&'static Case> {
    let wanted = |id: &str| filters.is_empty() || filters.iter().any(|filter| matches(filter, id));
    CASES.iter().filter(|case| wanted(case.id)).collect()
}

/// The case of this id.
pub fn find(id: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_found() {
        let mut ids: Vec<_> = CASES.iter().map(|case| case.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), CASES.len());
        assert!(CASES.iter().all(|case| find(case.id).is_some()));
        assert_eq!(chosen(&["rsa-*".into()]).len(), 4);
        assert_eq!(chosen(&[]).len(), CASES.len());
    }

    #[test]
    fn what_stays_on_a_token_must_be_allowed() {
        for case in CASES {
            let on_token = case.id.ends_with("/token");
            assert_eq!(case.work.needs().allow.is_some(), on_token, "{}", case.id);
        }
    }
}
