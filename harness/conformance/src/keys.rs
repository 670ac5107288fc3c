//! Keys for checks: one row a family, imported where the token allows it, else generated.

use luna_client::ck::*;
use luna_client::{Attribute, AttributeType, Mechanism, MechanismType, ObjectHandle, Session};
use serde::Deserialize;

use crate::check::{Finding, Outcome};
use crate::stage::Stage;

/// A family of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "each is the key type of its name")]
pub enum Family {
    Aes,
    Des,
    Des3,
    Rc2,
    Rc4,
    Rc5,
    Cast5,
    Aria,
    Sm4,
    Camellia,
    Seed,
    Generic,
    /// A generic secret of 20 bytes, as SSL 3.0 has it.
    Short,
    Rsa,
    Ec,
    Dsa,
    Ed25519,
    X25519,
    Sm2,
    MlDsa,
}

/// A key, or the halves of a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached {
    /// Encrypts, verifies, wraps.
    pub public: ObjectHandle,
    /// Decrypts, signs, unwraps, derives.
    pub private: ObjectHandle,
    /// The value, where it was imported.
    pub value: Option<Vec<u8>>,
}

/// How the keys of a family come about.
enum Making {
    /// Secret: key type, bytes, generating mechanism.
    Secret(CK_KEY_TYPE, usize, MechanismType),
    /// Pair: the mechanisms that make it, the first that is listed; what its public template says.
    Pair(&'static [MechanismType], fn() -> Vec<Attribute>),
}

/// OID 1.2.840.10045.3.1.7, DER.
pub const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// OID 1.3.101.112, DER.
pub const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
/// OID 1.3.101.110, DER.
pub const X25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x6e];
/// OID 1.2.156.10197.1.301, DER.
pub const SM2: &[u8] = &[0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d];

/// Those that make RSA pairs; FIPS 186 alone is left in FIPS mode.
pub const RSA_PAIRS: &[MechanismType] = &[
    CKM_RSA_PKCS_KEY_PAIR_GEN,
    CKM_RSA_FIPS_186_3_PRIME_KEY_PAIR_GEN,
    CKM_RSA_FIPS_186_3_AUX_PRIME_KEY_PAIR_GEN,
];

/// The public template of an RSA pair.
pub fn rsa_public(bits: CK_ULONG) -> Vec<Attribute> {
    vec![Attribute::ulong(CKA_MODULUS_BITS, bits), Attribute::bytes(CKA_PUBLIC_EXPONENT, [1, 0, 1])]
}

impl Family {
    /// Every family.
    pub const ALL: &'static [Self] = &[
        Self::Aes,
        Self::Des,
        Self::Des3,
        Self::Rc2,
        Self::Rc4,
        Self::Rc5,
        Self::Cast5,
        Self::Aria,
        Self::Sm4,
        Self::Camellia,
        Self::Seed,
        Self::Generic,
        Self::Short,
        Self::Rsa,
        Self::Ec,
        Self::Dsa,
        Self::Ed25519,
        Self::X25519,
        Self::Sm2,
        Self::MlDsa,
    ];

    fn making(self) -> Making {
        match self {
            Self::Aes => Making::Secret(CKK_AES, 32, CKM_AES_KEY_GEN),
            Self::Des => Making::Secret(CKK_DES, 8, CKM_DES_KEY_GEN),
            Self::Des3 => Making::Secret(CKK_DES3, 24, CKM_DES3_KEY_GEN),
            Self::Rc2 => Making::Secret(CKK_RC2, 16, CKM_RC2_KEY_GEN),
            Self::Rc4 => Making::Secret(CKK_RC4, 13, CKM_RC4_KEY_GEN),
            Self::Rc5 => Making::Secret(CKK_RC5, 16, CKM_RC5_KEY_GEN),
            Self::Cast5 => Making::Secret(CKK_CAST5, 16, CKM_CAST5_KEY_GEN),
            Self::Aria => Making::Secret(CKK_ARIA, 32, CKM_ARIA_KEY_GEN),
            Self::Sm4 => Making::Secret(CKK_SM4, 16, CKM_SM4_KEY_GEN),
            Self::Camellia => Making::Secret(CKK_CAMELLIA, 32, CKM_CAMELLIA_KEY_GEN),
            Self::Seed => Making::Secret(CKK_SEED, 16, CKM_SEED_KEY_GEN),
            Self::Generic => Making::Secret(CKK_GENERIC_SECRET, 48, CKM_GENERIC_SECRET_KEY_GEN),
            Self::Short => Making::Secret(CKK_GENERIC_SECRET, 20, CKM_GENERIC_SECRET_KEY_GEN),
            Self::Rsa => Making::Pair(RSA_PAIRS, || rsa_public(2048)),
            Self::Ec => {
                Making::Pair(&[CKM_EC_KEY_PAIR_GEN], || vec![Attribute::bytes(CKA_EC_PARAMS, P256)])
            }
            Self::Dsa => Making::Pair(&[CKM_DSA_KEY_PAIR_GEN], crate::groups::dsa_2048),
            Self::Ed25519 => Making::Pair(&[CKM_EC_EDWARDS_KEY_PAIR_GEN], || {
                vec![Attribute::bytes(CKA_EC_PARAMS, ED25519)]
            }),
            Self::X25519 => Making::Pair(&[CKM_EC_MONTGOMERY_KEY_PAIR_GEN], || {
                vec![Attribute::bytes(CKA_EC_PARAMS, X25519)]
            }),
            Self::Sm2 => {
                Making::Pair(&[CKM_SM2_KEY_PAIR_GEN], || vec![Attribute::bytes(CKA_EC_PARAMS, SM2)])
            }
            Self::MlDsa => Making::Pair(&[CKM_ML_DSA_KEY_PAIR_GEN], || {
                vec![Attribute::ulong(CKA_PARAMETER_SET, CKP_ML_DSA_44)]
            }),
        }
    }

    /// Whether a pair.
    pub fn is_pair(self) -> bool {
        matches!(self.making(), Making::Pair(..))
    }

    /// `CKK_…` of a secret key.
    pub fn key_type(self) -> Option<CK_KEY_TYPE> {
        match self.making() {
            Making::Secret(key_type, ..) => Some(key_type),
            Making::Pair(..) => None,
        }
    }

    /// The bytes of a secret key of this family, which are a good key of any type: each has odd parity and none
    /// is like its neighbours.
    pub fn value(self) -> Vec<u8> {
        let len = match self.making() {
            Making::Secret(_, len, _) => len,
            Making::Pair(..) => 0,
        };
        (1..=u8::MAX).filter(|byte| byte.count_ones() % 2 == 1).take(len).collect()
    }

    /// What keys of the family are used for: a secret key for the first, the halves of a pair for the second and
    /// the third.
    fn uses(self) -> [&'static [AttributeType]; 3] {
        const ALL: &[AttributeType] =
            &[CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP, CKA_DERIVE];
        match self {
            Self::Generic | Self::Short => [&[CKA_SIGN, CKA_VERIFY, CKA_DERIVE], &[], &[]],
            Self::Rsa => {
                [&[], &[CKA_ENCRYPT, CKA_VERIFY, CKA_WRAP], &[CKA_DECRYPT, CKA_SIGN, CKA_UNWRAP]]
            }
            Self::Ec => [&[], &[CKA_VERIFY], &[CKA_SIGN, CKA_DERIVE]],
            Self::X25519 => [&[], &[], &[CKA_DERIVE]],
            Self::Dsa | Self::Ed25519 | Self::Sm2 | Self::MlDsa => {
                [&[], &[CKA_VERIFY], &[CKA_SIGN]]
            }
            _ => [ALL, &[], &[]],
        }
    }

    /// Every use of a key of this family.
    pub fn all_uses(self) -> Vec<AttributeType> {
        self.uses().concat()
    }

    /// Makes a key as a session object, for these uses and no others.
    ///
    /// # Errors
    /// Not applicable where the token neither takes nor makes such a key.
    pub fn make(self, stage: &Stage, session: &Session, uses: &[AttributeType]) -> Outcome<Cached> {
        match self.making() {
            Making::Secret(key_type, len, mechanism) => {
                let template = self.secret(stage, key_type, uses);
                let mut imported = template.clone();
                imported.push(Attribute::class(CKO_SECRET_KEY));
                imported.push(Attribute::bytes(CKA_VALUE, self.value()));
                if let Ok(key) = session.create_object(&imported) {
                    return Ok(Cached { public: key, private: key, value: Some(self.value()) });
                }
                stage.wants(mechanism, CKF_GENERATE)?;
                let mut generated = template;
                generated.push(Attribute::ulong(CKA_VALUE_LEN, len as CK_ULONG));
                let key = session.generate_key(&Mechanism::Plain(mechanism), &generated)?;
                Ok(Cached { public: key, private: key, value: None })
            }
            Making::Pair(mechanisms, template) => {
                let mechanism = first_listed(stage, mechanisms)?;
                let (public, private) = self.pair_templates(stage, template(), uses);
                let mechanism = Mechanism::Plain(mechanism);
                let made = session.generate_key_pair(&mechanism, &public, &private);
                let (public, private) = made.map_err(|error| {
                    Finding::not_applicable(format!("the token makes no pair for it: {error}"))
                })?;
                Ok(Cached { public, private, value: None })
            }
        }
    }

    fn secret(
        self,
        stage: &Stage,
        key_type: CK_KEY_TYPE,
        uses: &[AttributeType],
    ) -> Vec<Attribute> {
        let mut template = stage.own(false);
        template.push(Attribute::key_type(key_type));
        template.push(Attribute::bool(CKA_SENSITIVE, true));
        template.push(Attribute::bool(CKA_EXTRACTABLE, true));
        let [all, ..] = self.uses();
        template.extend(all.iter().map(|it| Attribute::bool(*it, uses.contains(it))));
        template
    }

    fn pair_templates(
        self,
        stage: &Stage,
        mut public: Vec<Attribute>,
        uses: &[AttributeType],
    ) -> (Vec<Attribute>, Vec<Attribute>) {
        let [_, of_public, of_private] = self.uses();
        public.extend(stage.own(false));
        public.extend(of_public.iter().map(|it| Attribute::bool(*it, uses.contains(it))));
        let mut private = stage.own(false);
        private.push(Attribute::bool(CKA_SENSITIVE, true));
        private.push(Attribute::bool(CKA_EXTRACTABLE, true));
        private.extend(of_private.iter().map(|it| Attribute::bool(*it, uses.contains(it))));
        (public, private)
    }
}

/// The first of these that the token lists.
///
/// # Errors
/// Not applicable where it lists none.
pub fn first_listed(stage: &Stage, mechanisms: &[MechanismType]) -> Outcome<MechanismType> {
    for mechanism in mechanisms {
        if stage.lists(*mechanism)? {
            return Ok(*mechanism);
        }
    }
    let names: Vec<_> = mechanisms.iter().map(|it| names::ckm(*it)).collect();
    Err(Finding::not_applicable(format!("the token does not list {}", names.join(" or "))))
}

/// A secret key with this value as a session object of `session`.
///
/// # Errors
/// Not applicable where the token takes no keys in.
pub fn import(
    stage: &Stage,
    session: &Session,
    key_type: CK_KEY_TYPE,
    value: &[u8],
    more: &[Attribute],
) -> Outcome<ObjectHandle> {
    let mut template = stage.own(false);
    template.push(Attribute::class(CKO_SECRET_KEY));
    template.push(Attribute::key_type(key_type));
    template.push(Attribute::bytes(CKA_VALUE, value));
    template.extend_from_slice(more);
    session.create_object(&template).map_err(|error| {
        Finding::not_applicable(format!("the token takes no such key in: {error}"))
    })
}
