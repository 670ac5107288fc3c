//! Keys derived in counter mode (SP 800-108): the vendor's own mechanisms.
//!
//! Source: thalesdocs, CKM_NIST_PRF_KDF, for functions, schemes and the widths of their fields
//! (Documented), and the client's header for their numbers. That the length is that of the wanted key
//! in bits is SP 800-108's. Assumed: a counter of one byte where the page gives no width; that HMAC
//! takes any secret key; that `CKM_PRF_KDF`, which FIPS mode has not, takes the same parameter with the
//! functions of the other name and those the header names without NIST. Not served: SEED and
//! RIPEMD-160, which the token has not either.

use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::block::Algorithm;
use crate::crypto::hash::Hash;
use crate::error::{Cause, Error, Result};
use crate::mechanisms::{NOTHING, Params, Row, Shape, Use, broken, keys, wrong_params};

/// The mechanism that FIPS mode keeps, and the one that has functions beside NIST's.
pub static ROWS: &[Row] = &[
    Row { kind: CKM_NIST_PRF_KDF, shape: Shape::PrfKdf, derive: Some(derive_by_nist), ..NOTHING },
    Row { kind: CKM_PRF_KDF, shape: Shape::PrfKdf, derive: Some(derive), ..NOTHING },
];

/// A pseudo-random function.
#[derive(Clone, Copy)]
enum Prf {
    AesCmac,
    /// Of a block cipher, with keys of these types.
    Cmac(Algorithm, &'static [CK_KEY_TYPE]),
    Hmac(Hash),
}

/// Functions that are not NIST's.
static OTHERS: &[CK_ULONG] = &[CK_PRF_KDF_ARIA_CMAC];

static PRFS: &[(CK_ULONG, Prf)] = &[
    (CK_NIST_PRF_KDF_DES3_CMAC, Prf::Cmac(Algorithm::TripleDes, &[CKK_DES2, CKK_DES3])),
    (CK_NIST_PRF_KDF_AES_CMAC, Prf::AesCmac),
    (CK_PRF_KDF_ARIA_CMAC, Prf::Cmac(Algorithm::Aria, &[CKK_ARIA])),
    (CK_NIST_PRF_KDF_HMAC_SHA1, Prf::Hmac(Hash::Sha1)),
    (CK_NIST_PRF_KDF_HMAC_SHA224, Prf::Hmac(Hash::Sha224)),
    (CK_NIST_PRF_KDF_HMAC_SHA256, Prf::Hmac(Hash::Sha256)),
    (CK_NIST_PRF_KDF_HMAC_SHA384, Prf::Hmac(Hash::Sha384)),
    (CK_NIST_PRF_KDF_HMAC_SHA512, Prf::Hmac(Hash::Sha512)),
    (CK_NIST_PRF_KDF_HMAC_SHA3_224, Prf::Hmac(Hash::Sha3_224)),
    (CK_NIST_PRF_KDF_HMAC_SHA3_256, Prf::Hmac(Hash::Sha3_256)),
    (CK_NIST_PRF_KDF_HMAC_SHA3_384, Prf::Hmac(Hash::Sha3_384)),
    (CK_NIST_PRF_KDF_HMAC_SHA3_512, Prf::Hmac(Hash::Sha3_512)),
];

/// What goes into the function, in which order.
#[derive(Clone, Copy)]
enum Field {
    /// The counter, in so many bytes.
    Counter(usize),
    Label,
    Context,
    /// A zero byte.
    Separator,
    /// The length of the key in bits, in so many bytes.
    Length(usize),
}

use Field::{Context, Counter, Label, Length, Separator};

static SCHEMES: &[(CK_ULONG, &[Field])] = &[
    (LUNA_PRF_KDF_ENCODING_SCHEME_1, &[Counter(4), Context, Separator, Label, Length(4)]),
    (LUNA_PRF_KDF_ENCODING_SCHEME_2, &[Counter(4), Context, Label]),
    (LUNA_PRF_KDF_ENCODING_SCHEME_3, &[Counter(4), Label, Separator, Context, Length(4)]),
    (LUNA_PRF_KDF_ENCODING_SCHEME_4, &[Counter(4), Label, Context]),
    (LUNA_PRF_KDF_ENCODING_SCHEME_SCP03, &[Label, Separator, Length(2), Counter(1), Context]),
    (LUNA_PRF_KDF_ENCODING_SCHEME_HID_KD, &[Counter(1), Label, Separator, Context, Length(2)]),
];

fn row_of<T: Copy>(table: &[(CK_ULONG, T)], number: CK_ULONG, rule: &'static str) -> Result<T> {
    table
        .iter()
        .find(|(own, _)| *own == number)
        .map(|(_, it)| *it)
        .ok_or_else(|| wrong_params(rule))
}

fn derive_by_nist(using: &Use, wanted: Option<usize>) -> Result<Zeroizing<Vec<u8>>> {
    if let Params::PrfKdf { prf, .. } = &using.params
        && OTHERS.contains(prf)
    {
        return Err(wrong_params("the function is none of NIST's"));
    }
    derive(using, wanted)
}

fn derive(using: &Use, wanted: Option<usize>) -> Result<Zeroizing<Vec<u8>>> {
    let Params::PrfKdf { prf, label, context, counter, scheme } = &using.params else {
        return Err(wrong_params("the function, label and context are wanted"));
    };
    let prf = row_of(PRFS, *prf, "no such pseudo-random function is served")?;
    let fields = row_of(SCHEMES, *scheme, "no such encoding scheme")?;
    using.limits.check(keys::bits(&using.key)?)?;
    let len = wanted.ok_or_else(|| {
        Error::new(Cause::TemplateIncomplete, "the length of the key is wanted")
            .about(CKA_VALUE_LEN)
    })?;
    let mut out = Zeroizing::new(Vec::new());
    for counter in *counter..=CK_ULONG::MAX {
        if out.len() >= len {
            break;
        }
        let mut input = Vec::new();
        for field in fields {
            match field {
                Counter(width) => input.extend(number(counter, *width)?),
                Label => input.extend_from_slice(label),
                Context => input.extend_from_slice(context),
                Separator => input.push(0),
                Length(width) => input.extend(number(len as u64 * 8, *width)?),
            }
        }
        out.extend_from_slice(&prf.run(using, &input)?);
    }
    out.truncate(len);
    Ok(out)
}

/// A number in so many bytes, big-endian.
fn number(number: u64, width: usize) -> Result<Vec<u8>> {
    let bytes = number.to_be_bytes();
    let (above, own) = bytes.split_at(bytes.len() - width);
    if above.iter().any(|byte| *byte != 0) {
        return Err(Error::new(
            Cause::KeySizeRange,
            "counter or length outgrow their place in the encoding scheme",
        ));
    }
    Ok(own.to_vec())
}

impl Prf {
    fn run(self, using: &Use, input: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let output = match self {
            Self::AesCmac if using.key.class().key_type == Some(CKK_AES) => {
                keys::cmac(&using.key)?.sign(input)
            }
            Self::AesCmac => {
                return Err(Error::new(Cause::KeyTypeInconsistent, "AES-CMAC wants an AES key"));
            }
            Self::Cmac(algorithm, types) => {
                let key_type = using.key.class().key_type;
                if !types.iter().any(|own| Some(*own) == key_type) {
                    return Err(Error::new(
                        Cause::KeyTypeInconsistent,
                        "the function wants a key of its cipher",
                    ));
                }
                let mut cmac = keys::block(&using.key, algorithm)?.cmac();
                cmac.update(input);
                return Ok(Zeroizing::new(cmac.finish()));
            }
            Self::Hmac(hash) => keys::hmac(&using.key, hash)?.sign(input),
        };
        output.map(Zeroizing::new).map_err(broken)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::mechanisms::Limits;
    use crate::object::held::Object;
    use crate::object::rules::Class;
    use crate::object::{Attribute, Template};

    fn using(key_type: CK_KEY_TYPE, prf: CK_ULONG, counter: CK_ULONG, scheme: CK_ULONG) -> Use {
        let class = Class { class: CKO_SECRET_KEY, key_type: Some(key_type) };
        let attributes = Template::from_iter([Attribute::bytes(CKA_VALUE, [7; 16])]);
        Use {
            key: Arc::new(Object::new(class, attributes)),
            others: Vec::new(),
            params: Params::PrfKdf {
                prf,
                label: b"label".to_vec(),
                context: Vec::new(),
                counter,
                scheme,
            },
            limits: Limits { min_bits: 112, max_bits: 4096, fips: true, former: false },
            forward: false,
        }
    }

    #[test]
    fn counters_begin_where_the_caller_says_and_must_fit() {
        let of = |counter, scheme, len| {
            derive(&using(CKK_AES, CK_NIST_PRF_KDF_AES_CMAC, counter, scheme), Some(len))
        };
        let long = of(1, LUNA_PRF_KDF_ENCODING_SCHEME_2, 48).unwrap();
        let later = of(2, LUNA_PRF_KDF_ENCODING_SCHEME_2, 32).unwrap();
        assert_eq!(long[16..], later[..]);
        assert!(of(255, LUNA_PRF_KDF_ENCODING_SCHEME_SCP03, 16).is_ok());
        for (counter, scheme, len) in [
            (255, LUNA_PRF_KDF_ENCODING_SCHEME_SCP03, 17),
            (1, LUNA_PRF_KDF_ENCODING_SCHEME_HID_KD, 8192),
            (CK_ULONG::MAX, LUNA_PRF_KDF_ENCODING_SCHEME_1, 16),
        ] {
            let cause = of(counter, scheme, len).unwrap_err().cause();
            assert_eq!(cause, Cause::KeySizeRange, "{counter} {scheme} {len}");
        }
    }

    #[test]
    fn what_is_not_served_is_refused() {
        let cause = |key_type, prf, scheme, wanted| {
            derive(&using(key_type, prf, 1, scheme), wanted).unwrap_err().cause()
        };
        let cmac = CK_NIST_PRF_KDF_AES_CMAC;
        assert_eq!(cause(CKK_AES, 0, 0, Some(16)), Cause::MechanismParamInvalid);
        assert_eq!(cause(CKK_AES, cmac, 6, Some(16)), Cause::MechanismParamInvalid);
        assert_eq!(cause(CKK_AES, cmac, 0, None), Cause::TemplateIncomplete);
        assert_eq!(cause(CKK_GENERIC_SECRET, cmac, 0, Some(16)), Cause::KeyTypeInconsistent);
    }
}
