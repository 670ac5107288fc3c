//! `CK_MECHANISM` to an owned mechanism, by the shape its parameter has.
//!
//! The registry says which shape; here is one reader per shape. Whether the values make sense
//! (an IV of that length, a hash that exists) is the mechanism's to say.

mod results;

pub(super) use self::results::Results;

use crate::abi::{ptr, template};
use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::mechanisms;
use crate::mechanisms::params::{Beside, Ecies, Mechanism, Params, Shape};
use crate::mechanisms::translate::MOST_DATA;
use crate::object::Template;

/// The most bytes that one piece of a parameter has (an IV, additional data, a label). A bound of
/// ours, far above what any mechanism of an HSM takes.
pub(super) const PIECE_BYTES_MAX: CK_ULONG = 16 << 20;

/// Bytes of the vector that is the whole parameter of GMAC.
const GMAC_IV: CK_ULONG = 12;

/// `CK_GCM_PARAMS` of PKCS#11 2.20 amendment 3 and early 2.40 headers, without `ulIvBits`.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_snake_case, reason = "the header's spelling")]
struct GcmWithoutBits {
    pIv: CK_BYTE_PTR,
    ulIvLen: CK_ULONG,
    pAAD: CK_BYTE_PTR,
    ulAADLen: CK_ULONG,
    ulTagBits: CK_ULONG,
}

/// `CK_KEY_TRANSLATE_PARAMS` of the vendor, which its published headers lack.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_snake_case, reason = "the header's spelling")]
struct KeyTranslateParams {
    flags: CK_FLAGS,
    wrapMech: CK_MECHANISM,
    unWrapMech: CK_MECHANISM,
    pData: CK_BYTE_PTR,
    ulDataLen: CK_ULONG,
    hUnwrapKey: CK_OBJECT_HANDLE,
}

const _: () = assert!(size_of::<KeyTranslateParams>() == 80);
const _: () = assert!(size_of::<GcmWithoutBits>() == 40);
const _: () = assert!(size_of::<CK_GCM_PARAMS>() == 48);

fn invalid(rule: &'static str) -> Error {
    Error::new(Cause::MechanismParamInvalid, rule)
}

/// The caller's mechanism, owned, and by the number it has today.
///
/// # Errors
/// `ArgumentsBad` when the pointer is null; `MechanismParamInvalid` when the parameter is not as
/// the mechanism's shape wants it, is null with a length, or has such a piece inside. A mechanism
/// nobody knows is no error here: its parameter stays unread.
///
/// # Safety
/// `at` is null or valid for reading a mechanism; its parameter is null or valid for reading its
/// length; every pointer inside the parameter is null or valid for reading the length beside it.
pub(super) unsafe fn read(at: *const CK_MECHANISM) -> Result<Mechanism> {
    // SAFETY: passed on.
    let given = unsafe { ptr::read(at, "the mechanism is null")? };
    let kind = mechanisms::current(given.mechanism);
    let params = match mechanisms::shape(kind) {
        None => Params::Unread,
        // SAFETY: passed on.
        Some(shape) => unsafe { read_shape(&given, shape)? },
    };
    Ok(Mechanism { kind, params })
}

/// # Safety
/// As [`read`].
unsafe fn read_shape(given: &CK_MECHANISM, shape: Shape) -> Result<Params> {
    match shape {
        Shape::None if given.pParameter.is_null() && given.ulParameterLen == 0 => Ok(Params::None),
        Shape::None => Err(invalid("this mechanism takes no parameter")),
        Shape::Iv(len) => {
            if usize::try_from(given.ulParameterLen) != Ok(len) {
                return Err(invalid("the initialisation vector has another length"));
            }
            // SAFETY: passed on.
            let iv = unsafe { piece(given.pParameter.cast(), given.ulParameterLen)? };
            Ok(Params::Iv(iv.to_vec()))
        }
        Shape::IvOf(lengths) => {
            let fits =
                usize::try_from(given.ulParameterLen).is_ok_and(|len| lengths.contains(&len));
            if !fits && given.ulParameterLen != 0 {
                return Err(invalid("the initialisation vector has another length"));
            }
            // SAFETY: passed on.
            let iv = unsafe { piece(given.pParameter.cast(), given.ulParameterLen)? };
            Ok(if iv.is_empty() { Params::None } else { Params::Iv(iv.to_vec()) })
        }
        // SAFETY: passed on.
        Shape::Length => Ok(Params::Length(unsafe { structure::<CK_ULONG>(given)? })),
        // SAFETY: passed on.
        Shape::Ctr(len) => unsafe { counter(given, len) },
        Shape::Xts => {
            // SAFETY: passed on.
            let CK_AES_XTS_PARAMS { hTweakKey, cb } = unsafe { structure(given)? };
            Ok(Params::Xts { tweak_key: ObjectHandle(hTweakKey), place: cb })
        }
        // SAFETY: passed on.
        Shape::Rc2(beside) => unsafe { rc2(given, beside) },
        // SAFETY: passed on.
        Shape::Rc5(beside) => unsafe { rc5(given, beside) },
        Shape::Data => {
            // SAFETY: passed on.
            let data: CK_KEY_DERIVATION_STRING_DATA = unsafe { structure(given)? };
            // SAFETY: passed on.
            let data = unsafe { piece(data.pData, data.ulLen)? };
            Ok(Params::Data { iv: Vec::new(), data: data.to_vec() })
        }
        // SAFETY: passed on.
        Shape::IvAndData(len) => unsafe { iv_and_data(given, len) },
        Shape::Ecdh => {
            // SAFETY: passed on.
            let ecdh: CK_ECDH1_DERIVE_PARAMS = unsafe { structure(given)? };
            // SAFETY: passed on.
            let (shared, public) = unsafe {
                (
                    piece(ecdh.pSharedData, ecdh.ulSharedDataLen)?,
                    piece(ecdh.pPublicData, ecdh.ulPublicDataLen)?,
                )
            };
            Ok(Params::Ecdh { kdf: ecdh.kdf, shared: shared.to_vec(), public: public.to_vec() })
        }
        // SAFETY: passed on.
        Shape::Ecies => unsafe { ecies(given) },
        Shape::X942 => {
            // SAFETY: passed on.
            let params: CK_X9_42_DH1_DERIVE_PARAMS = unsafe { structure(given)? };
            // SAFETY: passed on.
            let (shared, public) = unsafe {
                (
                    piece(params.pOtherInfo, params.ulOtherInfoLen)?,
                    piece(params.pPublicData, params.ulPublicDataLen)?,
                )
            };
            Ok(Params::Ecdh { kdf: params.kdf, shared: shared.to_vec(), public: public.to_vec() })
        }
        Shape::X942Hybrid => {
            // SAFETY: passed on.
            let params: CK_X9_42_DH2_DERIVE_PARAMS = unsafe { structure(given)? };
            // SAFETY: passed on.
            let (info, public, second_public) = unsafe {
                (
                    piece(params.pOtherInfo, params.ulOtherInfoLen)?.to_vec(),
                    piece(params.pPublicData, params.ulPublicDataLen)?.to_vec(),
                    piece(params.pPublicData2, params.ulPublicDataLen2)?.to_vec(),
                )
            };
            // `ulPrivateDataLen` says nothing of a handle, and is not looked at.
            let key = ObjectHandle(params.hPrivateData);
            Ok(Params::X942Hybrid { kdf: params.kdf, info, public, key, second_public })
        }
        Shape::Bytes(most) => {
            let fits = usize::try_from(given.ulParameterLen).is_ok_and(|len| len <= most);
            if !fits || given.ulParameterLen == 0 {
                return Err(invalid("the parameter has another length"));
            }
            // SAFETY: passed on.
            let bytes = unsafe { piece(given.pParameter.cast(), given.ulParameterLen)? };
            Ok(Params::Bytes(bytes.to_vec()))
        }
        Shape::Eddsa if given.pParameter.is_null() && given.ulParameterLen == 0 => Ok(Params::None),
        Shape::Eddsa => {
            // SAFETY: passed on.
            let eddsa: CK_EDDSA_PARAMS = unsafe { structure(given)? };
            // SAFETY: passed on.
            let context = unsafe { piece(eddsa.pContextData, eddsa.ulContextDataLen)? };
            Ok(Params::Eddsa { prehash: eddsa.phFlag != CK_FALSE, context: context.to_vec() })
        }
        // SAFETY: passed on.
        Shape::SignContext => unsafe { sign_context(given) },
        Shape::Ssl3Random => {
            // SAFETY: passed on.
            let params: CK_SSL3_MASTER_KEY_DERIVE_PARAMS = unsafe { structure(given)? };
            // SAFETY: passed on.
            let (client, server) = unsafe { randoms(&params.RandomInfo)? };
            Ok(Params::Ssl3Random { client, server })
        }
        // SAFETY: passed on.
        Shape::Ssl3KeyMaterial => unsafe { key_material(given) },
        Shape::Milenage => {
            // SAFETY: passed on.
            let params: CK_MILENAGE_SIGN_PARAMS = unsafe { structure(given)? };
            // SAFETY: passed on.
            let (subscriber_key, operator) = unsafe {
                (
                    piece(params.pEncKi, params.ulEncKiLen)?.to_vec(),
                    piece(params.pEncOPc, params.ulEncOPcLen)?.to_vec().into(),
                )
            };
            let (flags, sqn, amf) = (params.ulMilenageFlags, params.sqn, params.amf);
            Ok(Params::Milenage { flags, subscriber_key, operator, sqn, amf })
        }
        Shape::Bip32Master => {
            // SAFETY: passed on.
            let params: CK_BIP32_MASTER_DERIVE_PARAMS = unsafe { structure(given)? };
            // SAFETY: passed on.
            let (public, private) = unsafe {
                (
                    wanted(params.pPublicKeyTemplate, params.ulPublicKeyAttributeCount)?,
                    wanted(params.pPrivateKeyTemplate, params.ulPrivateKeyAttributeCount)?,
                )
            };
            Ok(Params::Bip32 { public, private, path: Vec::new() })
        }
        Shape::Bip32Child => {
            // SAFETY: passed on.
            let params: CK_BIP32_CHILD_DERIVE_PARAMS = unsafe { structure(given)? };
            // SAFETY: passed on.
            let (public, private, path) = unsafe {
                (
                    wanted(params.pPublicKeyTemplate, params.ulPublicKeyAttributeCount)?,
                    wanted(params.pPrivateKeyTemplate, params.ulPrivateKeyAttributeCount)?,
                    steps(params.pulPath, params.ulPathLen)?,
                )
            };
            Ok(Params::Bip32 { public, private, path })
        }
        // SAFETY: passed on.
        Shape::Translate => unsafe { translation(given) },
        // SAFETY: passed on.
        Shape::Gcm => unsafe { gcm(given) },
        Shape::Gmac if given.ulParameterLen == GMAC_IV => {
            // SAFETY: passed on.
            let iv = unsafe { piece(given.pParameter.cast(), given.ulParameterLen)? };
            Ok(Params::Iv(iv.to_vec()))
        }
        // SAFETY: passed on.
        Shape::Gmac => unsafe { gcm(given) },
        Shape::Pss => {
            // SAFETY: passed on.
            let pss: CK_RSA_PKCS_PSS_PARAMS = unsafe { structure(given)? };
            Ok(Params::Pss { hash: pss.hashAlg, mgf: pss.mgf, salt_len: pss.sLen })
        }
        // SAFETY: passed on.
        Shape::Oaep => unsafe { oaep(given) },
        Shape::PrfKdf => {
            // SAFETY: passed on.
            let kdf: CK_KDF_PRF_PARAMS = unsafe { structure(given)? };
            // SAFETY: passed on.
            let (label, context) = unsafe {
                (piece(kdf.pLabel, kdf.ulLabelLen)?, piece(kdf.pContext, kdf.ulContextLen)?)
            };
            Ok(Params::PrfKdf {
                prf: kdf.prfType,
                label: label.to_vec(),
                context: context.to_vec(),
                counter: kdf.ulCounter,
                scheme: kdf.ulEncodingScheme,
            })
        }
        // SAFETY: passed on.
        Shape::Pbkd2 => unsafe { pbkd2(given) },
        Shape::Pbe => {
            // SAFETY: passed on.
            let pbe: CK_PBE_PARAMS = unsafe { structure(given)? };
            // SAFETY: passed on.
            let (password, salt) = unsafe {
                (piece(pbe.pPassword, pbe.ulPasswordLen)?, piece(pbe.pSalt, pbe.ulSaltLen)?)
            };
            Ok(Params::Pbe {
                password: password.to_vec().into(),
                salt: salt.to_vec(),
                iterations: pbe.ulIteration,
            })
        }
    }
}

/// The template of a key that a parameter asks for; null or empty asks for none.
///
/// Source: thalesdocs, `CKM_BIP32_MASTER_DERIVE` of ProtectToolkit (Documented).
///
/// # Safety
/// As `template::read`.
unsafe fn wanted(at: *const CK_ATTRIBUTE, count: CK_ULONG) -> Result<Option<Template>> {
    if at.is_null() || count == 0 {
        return Ok(None);
    }
    // SAFETY: passed on.
    unsafe { template::read(at, count) }.map(Some)
}

/// The steps of a path.
///
/// # Errors
/// `Bip32InvalidKeyPathLen` for more steps than a key can be deep, which are left unread.
///
/// # Safety
/// `at` is null or valid for reading `len` numbers.
unsafe fn steps(at: *const CK_ULONG, len: CK_ULONG) -> Result<Vec<CK_ULONG>> {
    if len > CKG_BIP32_MAX_PATH_LEN {
        return Err(Error::new(Cause::Bip32InvalidKeyPathLen, "a path has 255 steps at most"));
    }
    if at.is_null() && len > 0 {
        return Err(invalid("a path of some steps is null"));
    }
    let len = usize::try_from(len).unwrap_or(0);
    // SAFETY: not null, and the caller vouches for so many; they may be unaligned.
    Ok((0..len).map(|step| unsafe { at.add(step).read_unaligned() }).collect())
}

/// `CK_ECIES_PARAMS`.
///
/// # Safety
/// As [`read`].
unsafe fn ecies(given: &CK_MECHANISM) -> Result<Params> {
    // SAFETY: passed on.
    let params: CK_ECIES_PARAMS = unsafe { structure(given)? };
    // SAFETY: passed on.
    let (shared, mac_shared) = unsafe {
        (
            piece(params.pSharedData1, params.ulSharedDataLen1)?.to_vec(),
            piece(params.pSharedData2, params.ulSharedDataLen2)?.to_vec(),
        )
    };
    Ok(Params::Ecies(Box::new(Ecies {
        primitive: params.dhPrimitive,
        kdf: params.kdf,
        shared,
        scheme: params.encScheme,
        key_bits: params.ulEncKeyLenInBits,
        mac_scheme: params.macScheme,
        mac_key_bits: params.ulMacKeyLenInBits,
        mac_bits: params.ulMacLenInBits,
        mac_shared,
    })))
}

/// `CK_SSL3_RANDOM_DATA`: the client's and the server's.
///
/// # Safety
/// As [`read`].
unsafe fn randoms(given: &CK_SSL3_RANDOM_DATA) -> Result<(Vec<u8>, Vec<u8>)> {
    // SAFETY: passed on.
    let (client, server) = unsafe {
        (
            piece(given.pClientRandom, given.ulClientRandomLen)?,
            piece(given.pServerRandom, given.ulServerRandomLen)?,
        )
    };
    Ok((client.to_vec(), server.to_vec()))
}

/// `CK_SSL3_KEY_MAT_PARAMS`, less its results.
///
/// # Safety
/// As [`read`].
unsafe fn key_material(given: &CK_MECHANISM) -> Result<Params> {
    // SAFETY: passed on.
    let params: CK_SSL3_KEY_MAT_PARAMS = unsafe { structure(given)? };
    // SAFETY: passed on.
    let (client, server) = unsafe { randoms(&params.RandomInfo)? };
    Ok(Params::Ssl3KeyMaterial {
        mac_bits: params.ulMacSizeInBits,
        key_bits: params.ulKeySizeInBits,
        iv_bits: params.ulIVSizeInBits,
        export: params.bIsExport != CK_FALSE,
        client,
        server,
    })
}

/// The vendor's `CK_KEY_TRANSLATE_PARAMS`, with a parameter in it for each of two mechanisms.
///
/// Source: thalesdocs, Luna Key Translation (Documented).
///
/// # Safety
/// As [`read`], for both mechanisms in it too.
unsafe fn translation(given: &CK_MECHANISM) -> Result<Params> {
    // SAFETY: passed on.
    let params: KeyTranslateParams = unsafe { structure(given)? };
    if params.flags != 0 {
        return Err(invalid("the flags are reserved, and zero"));
    }
    for inner in [&params.wrapMech, &params.unWrapMech] {
        let shape = mechanisms::shape(mechanisms::current(inner.mechanism));
        if shape == Some(Shape::Translate) {
            return Err(invalid("a translation by a translation"));
        }
    }
    if usize::try_from(params.ulDataLen).map_or(true, |len| len > MOST_DATA) {
        return Err(invalid("more was wrapped than is translated"));
    }
    // SAFETY: passed on.
    let (wrap, unwrap, data) = unsafe {
        (
            read(&raw const params.wrapMech)?,
            read(&raw const params.unWrapMech)?,
            piece(params.pData, params.ulDataLen)?.to_vec(),
        )
    };
    let unwrapping = ObjectHandle(params.hUnwrapKey);
    Ok(Params::Translate { wrap: Box::new(wrap), unwrap: Box::new(unwrap), data, unwrapping })
}

/// `CK_AES_CTR_PARAMS` and `CK_DES_CTR_PARAMS`: the block lies in the structure itself.
///
/// # Safety
/// As [`read`].
unsafe fn counter(given: &CK_MECHANISM, len: usize) -> Result<Params> {
    let (counter_bits, block) = match len {
        16 => {
            // SAFETY: passed on.
            let ctr: CK_AES_CTR_PARAMS = unsafe { structure(given)? };
            (ctr.ulCounterBits, ctr.cb.to_vec())
        }
        8 => {
            // SAFETY: passed on.
            let ctr: CK_DES_CTR_PARAMS = unsafe { structure(given)? };
            (ctr.ulCounterBits, ctr.cb.to_vec())
        }
        _ => return Err(invalid("no such structure with a block of that length")),
    };
    Ok(Params::Ctr { counter_bits, block })
}

/// `CK_RC2_PARAMS`, `CK_RC2_CBC_PARAMS`, `CK_RC2_MAC_GENERAL_PARAMS`.
///
/// # Safety
/// As [`read`].
unsafe fn rc2(given: &CK_MECHANISM, beside: Beside) -> Result<Params> {
    let (effective_bits, iv, mac_len) = match beside {
        // SAFETY: passed on.
        Beside::Nothing => (unsafe { structure::<CK_ULONG>(given)? }, None, None),
        Beside::Iv => {
            // SAFETY: passed on.
            let rc2: CK_RC2_CBC_PARAMS = unsafe { structure(given)? };
            (rc2.ulEffectiveBits, Some(rc2.iv.to_vec()), None)
        }
        Beside::Length => {
            // SAFETY: passed on.
            let rc2: CK_RC2_MAC_GENERAL_PARAMS = unsafe { structure(given)? };
            (rc2.ulEffectiveBits, None, Some(rc2.ulMacLength))
        }
    };
    Ok(Params::Rc2 { effective_bits, iv, mac_len })
}

/// `CK_RC5_PARAMS`, `CK_RC5_CBC_PARAMS`, `CK_RC5_MAC_GENERAL_PARAMS`.
///
/// # Safety
/// As [`read`].
unsafe fn rc5(given: &CK_MECHANISM, beside: Beside) -> Result<Params> {
    Ok(match beside {
        Beside::Nothing => {
            // SAFETY: passed on.
            let CK_RC5_PARAMS { ulWordsize, ulRounds } = unsafe { structure(given)? };
            Params::Rc5 { word_bytes: ulWordsize, rounds: ulRounds, iv: None, mac_len: None }
        }
        Beside::Iv => {
            // SAFETY: passed on.
            let rc5: CK_RC5_CBC_PARAMS = unsafe { structure(given)? };
            // SAFETY: passed on.
            let iv = unsafe { piece(rc5.pIv, rc5.ulIvLen)? }.to_vec();
            let (word_bytes, rounds) = (rc5.ulWordsize, rc5.ulRounds);
            Params::Rc5 { word_bytes, rounds, iv: Some(iv), mac_len: None }
        }
        Beside::Length => {
            // SAFETY: passed on.
            let rc5: CK_RC5_MAC_GENERAL_PARAMS = unsafe { structure(given)? };
            let (word_bytes, rounds) = (rc5.ulWordsize, rc5.ulRounds);
            Params::Rc5 { word_bytes, rounds, iv: None, mac_len: Some(rc5.ulMacLength) }
        }
    })
}

/// `CK_AES_CBC_ENCRYPT_DATA_PARAMS` (ARIA has the same) and `CK_DES_CBC_ENCRYPT_DATA_PARAMS`: the
/// vector lies in the structure itself.
///
/// # Safety
/// As [`read`].
unsafe fn iv_and_data(given: &CK_MECHANISM, len: usize) -> Result<Params> {
    let (iv, at, len) = match len {
        16 => {
            // SAFETY: passed on.
            let params: CK_AES_CBC_ENCRYPT_DATA_PARAMS = unsafe { structure(given)? };
            (params.iv.to_vec(), params.pData, params.length)
        }
        8 => {
            // SAFETY: passed on.
            let params: CK_DES_CBC_ENCRYPT_DATA_PARAMS = unsafe { structure(given)? };
            (params.iv.to_vec(), params.pData, params.length)
        }
        _ => return Err(invalid("no such structure with a vector of that length")),
    };
    // SAFETY: passed on.
    let data = unsafe { piece(at, len)? };
    Ok(Params::Data { iv, data: data.to_vec() })
}

/// The parameter as a structure of exactly its length.
///
/// # Safety
/// The parameter is null or valid for reading its length; `T` is a C structure of numbers and
/// pointers.
unsafe fn structure<T: Copy>(given: &CK_MECHANISM) -> Result<T> {
    if usize::try_from(given.ulParameterLen) != Ok(size_of::<T>()) {
        return Err(invalid("the parameter has another length than its structure"));
    }
    if given.pParameter.is_null() {
        return Err(invalid("the parameter is null"));
    }
    // SAFETY: not null, and as long as a `T`.
    Ok(unsafe { given.pParameter.cast::<T>().read_unaligned() })
}

/// Bytes that a parameter points to.
///
/// # Safety
/// `at` is null or valid for reading `len` bytes for the length of the call.
unsafe fn piece<'a>(at: *const CK_BYTE, len: CK_ULONG) -> Result<&'a [u8]> {
    if len > PIECE_BYTES_MAX {
        return Err(invalid("a length inside the parameter is longer than any mechanism takes"));
    }
    // SAFETY: passed on.
    unsafe { ptr::bytes(at, len) }
        .map_err(|error| error.recast(Cause::ArgumentsBad, Cause::MechanismParamInvalid))
}

/// Both structures, told apart by their lengths: the vendor's samples pass the longer one where the
/// shorter would do.
///
/// Source: `ThalesGroup/luna-samples:C_Samples/pqc` (Documented).
///
/// # Safety
/// As [`read`].
unsafe fn sign_context(given: &CK_MECHANISM) -> Result<Params> {
    if given.pParameter.is_null() && given.ulParameterLen == 0 {
        return Ok(Params::None);
    }
    let longer = size_of::<CK_HASH_SIGN_ADDITIONAL_CONTEXT>();
    let (hedge, at, len, hash) = if usize::try_from(given.ulParameterLen) == Ok(longer) {
        // SAFETY: passed on.
        let CK_HASH_SIGN_ADDITIONAL_CONTEXT { hedgeVariant, pContext, ulContextLen, hash } =
            unsafe { structure(given)? };
        (hedgeVariant, pContext, ulContextLen, Some(hash))
    } else {
        // SAFETY: passed on.
        let CK_SIGN_ADDITIONAL_CONTEXT { hedgeVariant, pContext, ulContextLen } =
            unsafe { structure(given)? };
        (hedgeVariant, pContext, ulContextLen, None)
    };
    // SAFETY: passed on.
    let context = unsafe { piece(at, len)? };
    Ok(Params::SignContext { hedge, context: context.to_vec(), hash })
}

/// Both layouts; `ulIvBits` is not looked at, since callers leave it 0 as often as not.
///
/// Source: abi.md sections 9 and 12 of the fact pack, 48 bytes on Luna (Documented); the layout of
/// 40 bytes from headers of other vendors (Observed).
///
/// # Safety
/// As [`read`].
unsafe fn gcm(given: &CK_MECHANISM) -> Result<Params> {
    let params = if usize::try_from(given.ulParameterLen) == Ok(size_of::<GcmWithoutBits>()) {
        // SAFETY: passed on.
        unsafe { structure::<GcmWithoutBits>(given)? }
    } else {
        // SAFETY: passed on.
        let CK_GCM_PARAMS { pIv, ulIvLen, ulIvBits: _, pAAD, ulAADLen, ulTagBits } =
            unsafe { structure(given)? };
        GcmWithoutBits { pIv, ulIvLen, pAAD, ulAADLen, ulTagBits }
    };
    // SAFETY: passed on.
    let (iv, aad) =
        unsafe { (piece(params.pIv, params.ulIvLen)?, piece(params.pAAD, params.ulAADLen)?) };
    let iv = (!params.pIv.is_null()).then(|| iv.to_vec());
    Ok(Params::Gcm { iv, aad: aad.to_vec(), tag_bits: params.ulTagBits })
}

/// A source of type 0 with no data is an empty label: callers that have none leave it so.
///
/// # Safety
/// As [`read`].
unsafe fn oaep(given: &CK_MECHANISM) -> Result<Params> {
    // SAFETY: passed on.
    let oaep: CK_RSA_PKCS_OAEP_PARAMS = unsafe { structure(given)? };
    // SAFETY: passed on.
    let source = unsafe { piece(oaep.pSourceData.cast(), oaep.ulSourceDataLen)? };
    match oaep.source {
        CKZ_DATA_SPECIFIED => {}
        0 if source.is_empty() => {}
        _ => return Err(invalid("the source of the label is neither absent nor data")),
    }
    Ok(Params::Oaep { hash: oaep.hashAlg, mgf: oaep.mgf, source: source.to_vec() })
}

/// Writes the vector that a password-based mechanism made where its parameter points, unless it
/// points nowhere.
///
/// Source: PKCS#11 v2.40, `CK_PBE_PARAMS`: `pInitVector` receives 8 bytes.
///
/// # Safety
/// As [`read`], of the same mechanism; `pInitVector` is null or valid for writing 8 bytes.
pub(super) unsafe fn give_iv(at: *const CK_MECHANISM, iv: &[u8]) -> Result<()> {
    // SAFETY: passed on.
    let pbe: CK_PBE_PARAMS = unsafe { structure(&ptr::read(at, "the mechanism is null")?)? };
    if !pbe.pInitVector.is_null() {
        // SAFETY: not null, so valid for the 8 bytes a vector has.
        unsafe { pbe.pInitVector.copy_from_nonoverlapping(iv.as_ptr(), iv.len()) };
    }
    Ok(())
}

/// The length of the password stands in the member that the standard's header declares as a pointer
/// to it; a number too large for a length is refused and never followed.
///
/// Source: vendor sample CKM_PKCS5_PBKD2_demo.c (Documented).
///
/// # Safety
/// As [`read`].
unsafe fn pbkd2(given: &CK_MECHANISM) -> Result<Params> {
    // SAFETY: passed on.
    let params: CK_PKCS5_PBKD2_PARAMS = unsafe { structure(given)? };
    if params.saltSource != CKZ_SALT_SPECIFIED {
        return Err(invalid("the source of the salt is not the salt itself"));
    }
    if !params.pPrfData.is_null() || params.ulPrfDataLen != 0 {
        return Err(invalid("the pseudo-random function takes no data"));
    }
    let password_len = params.ulPasswordLen.addr() as CK_ULONG;
    // SAFETY: passed on.
    let (salt, password) = unsafe {
        (
            piece(params.pSaltSourceData.cast(), params.ulSaltSourceDataLen)?,
            piece(params.pPassword, password_len)?,
        )
    };
    Ok(Params::Pbkd2 {
        salt: salt.to_vec(),
        iterations: params.iterations,
        prf: params.prf,
        password: password.to_vec().into(),
    })
}

#[cfg(test)]
mod tests;
