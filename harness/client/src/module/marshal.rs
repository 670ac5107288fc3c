//! Owned attributes and mechanisms laid out as the module reads them.
//!
//! Each value here owns, or borrows, all memory it points to, so the C structure it hands out is good for as
//! long as the value lives. The module gets `*mut` pointers because the header has no `const`; the standard
//! lets it only read what it is given as input.

use std::marker::PhantomData;
use std::ptr;

use luna_ck::*;

use crate::attribute::{Attribute, Value};
use crate::{Error, Mechanism, Result};

/// A length or count on its way to the module: `usize` is no wider than `CK_ULONG` on Linux.
pub(super) fn ulong(n: usize) -> CK_ULONG {
    n as CK_ULONG
}

/// Input bytes as a pointer: null when there are none.
pub(super) fn input(bytes: &[u8]) -> CK_BYTE_PTR {
    if bytes.is_empty() { ptr::null_mut() } else { bytes.as_ptr().cast_mut() }
}

/// A template as an array of `CK_ATTRIBUTE` that points into the attributes it was made from.
pub(super) struct Template<'a> {
    array: Vec<CK_ATTRIBUTE>,
    /// Owns the arrays of nested templates; moving this vector does not move what they own.
    _nested: Vec<Template<'a>>,
    _attributes: PhantomData<&'a [Attribute]>,
}

impl<'a> Template<'a> {
    pub(super) fn of(function: &'static str, attributes: &'a [Attribute]) -> Result<Self> {
        if !attributes.iter().all(Attribute::is_well_formed) {
            let what = "an attribute that holds a template was given as bytes, or the reverse";
            return Err(Error::Refused { function, what });
        }
        Ok(Self::laid_out(attributes))
    }

    fn laid_out(attributes: &'a [Attribute]) -> Self {
        let mut nested = Vec::new();
        let array = attributes
            .iter()
            .map(|attribute| {
                let (value, len) = match &attribute.value {
                    Value::Bytes(bytes) => (input(bytes).cast(), bytes.len()),
                    Value::Template(inner) => {
                        let mut inner = Template::laid_out(inner);
                        let place = (inner.pointer().cast(), size_of_val(inner.array.as_slice()));
                        nested.push(inner);
                        place
                    }
                };
                CK_ATTRIBUTE { type_: attribute.kind, pValue: value, ulValueLen: ulong(len) }
            })
            .collect();
        Self { array, _nested: nested, _attributes: PhantomData }
    }

    pub(super) fn pointer(&mut self) -> *mut CK_ATTRIBUTE {
        if self.array.is_empty() { ptr::null_mut() } else { self.array.as_mut_ptr() }
    }

    pub(super) fn count(&self) -> CK_ULONG {
        ulong(self.array.len())
    }
}

/// The structure behind a mechanism's parameter.
enum Parameter {
    None,
    Ulong(CK_ULONG),
    Gcm(CK_GCM_PARAMS),
    Ctr(CK_AES_CTR_PARAMS),
    Pss(CK_RSA_PKCS_PSS_PARAMS),
    Oaep(CK_RSA_PKCS_OAEP_PARAMS),
    Ecdh1(CK_ECDH1_DERIVE_PARAMS),
    Pbkdf2(CK_PKCS5_PBKD2_PARAMS2),
    String(CK_KEY_DERIVATION_STRING_DATA),
    Cbc8(CK_DES_CBC_ENCRYPT_DATA_PARAMS),
    Cbc16(CK_AES_CBC_ENCRYPT_DATA_PARAMS),
    Eddsa(CK_EDDSA_PARAMS),
    Context(CK_SIGN_ADDITIONAL_CONTEXT),
    HashContext(CK_HASH_SIGN_ADDITIONAL_CONTEXT),
    Rc5Cbc(CK_RC5_CBC_PARAMS),
    Ecies(CK_ECIES_PARAMS),
}

/// A mechanism as `CK_MECHANISM`, its parameter on the heap so that this value may be moved.
pub(super) struct Laid<'a> {
    mechanism: CK_MECHANISM,
    _parameter: Box<Parameter>,
    _source: PhantomData<&'a Mechanism>,
}

impl<'a> Laid<'a> {
    pub(super) fn of(function: &'static str, mechanism: &'a Mechanism) -> Result<Self> {
        if !mechanism.is_well_formed() {
            let what =
                "this mechanism's parameter may hold pointers, which the bytes given are not";
            return Err(Error::Refused { function, what });
        }
        let mut parameter = Box::new(parameter(mechanism));
        let (place, len): (CK_VOID_PTR, usize) = match (mechanism, parameter.as_mut()) {
            (Mechanism::Bytes(_, bytes), _) => (input(bytes).cast(), bytes.len()),
            (_, Parameter::None) => (ptr::null_mut(), 0),
            (_, Parameter::Ulong(value)) => place(value),
            (_, Parameter::Gcm(value)) => place(value),
            (_, Parameter::Ctr(value)) => place(value),
            (_, Parameter::Pss(value)) => place(value),
            (_, Parameter::Oaep(value)) => place(value),
            (_, Parameter::Ecdh1(value)) => place(value),
            (_, Parameter::Pbkdf2(value)) => place(value),
            (_, Parameter::String(value)) => place(value),
            (_, Parameter::Cbc8(value)) => place(value),
            (_, Parameter::Cbc16(value)) => place(value),
            (_, Parameter::Eddsa(value)) => place(value),
            (_, Parameter::Context(value)) => place(value),
            (_, Parameter::HashContext(value)) => place(value),
            (_, Parameter::Rc5Cbc(value)) => place(value),
            (_, Parameter::Ecies(value)) => place(value),
        };
        let mechanism = CK_MECHANISM {
            mechanism: mechanism.kind(),
            pParameter: place,
            ulParameterLen: ulong(len),
        };
        Ok(Self { mechanism, _parameter: parameter, _source: PhantomData })
    }

    pub(super) fn pointer(&mut self) -> *mut CK_MECHANISM {
        &raw mut self.mechanism
    }
}

fn place<T>(value: &mut T) -> (CK_VOID_PTR, usize) {
    (ptr::from_mut(value).cast(), size_of::<T>())
}

fn parameter(mechanism: &Mechanism) -> Parameter {
    match mechanism {
        Mechanism::Plain(_) | Mechanism::Bytes(..) => Parameter::None,
        Mechanism::Key(_, key) => Parameter::Ulong(key.0),
        Mechanism::AesGcm { iv, iv_bits, aad, tag_bits } => Parameter::Gcm(CK_GCM_PARAMS {
            pIv: input(iv),
            ulIvLen: ulong(iv.len()),
            ulIvBits: *iv_bits,
            pAAD: input(aad),
            ulAADLen: ulong(aad.len()),
            ulTagBits: *tag_bits,
        }),
        Mechanism::AesGmac { iv, tag_bits } => Parameter::Gcm(CK_GCM_PARAMS {
            pIv: input(iv),
            ulIvLen: ulong(iv.len()),
            ulIvBits: ulong(iv.len() * 8),
            pAAD: ptr::null_mut(),
            ulAADLen: 0,
            ulTagBits: *tag_bits,
        }),
        Mechanism::SignContext { hedge, context, hash: None, .. } => {
            Parameter::Context(CK_SIGN_ADDITIONAL_CONTEXT {
                hedgeVariant: *hedge,
                pContext: input(context),
                ulContextLen: ulong(context.len()),
            })
        }
        Mechanism::SignContext { hedge, context, hash: Some(hash), .. } => {
            Parameter::HashContext(CK_HASH_SIGN_ADDITIONAL_CONTEXT {
                hedgeVariant: *hedge,
                pContext: input(context),
                ulContextLen: ulong(context.len()),
                hash: *hash,
            })
        }
        Mechanism::Eddsa { prehash, context } => Parameter::Eddsa(CK_EDDSA_PARAMS {
            phFlag: CK_BBOOL::from(*prehash),
            ulContextDataLen: ulong(context.len()),
            pContextData: input(context),
        }),
        Mechanism::Ecies { kdf, shared, encryption, mac } => Parameter::Ecies(CK_ECIES_PARAMS {
            dhPrimitive: CKDHP_STANDARD,
            kdf: *kdf,
            ulSharedDataLen1: ulong(shared.len()),
            pSharedData1: input(shared),
            encScheme: encryption.0,
            ulEncKeyLenInBits: encryption.1,
            macScheme: mac.0,
            ulMacKeyLenInBits: mac.1,
            ulMacLenInBits: mac.2,
            ulSharedDataLen2: 0,
            pSharedData2: ptr::null_mut(),
        }),
        Mechanism::AesCtr { counter_bits, block } => {
            Parameter::Ctr(CK_AES_CTR_PARAMS { ulCounterBits: *counter_bits, cb: *block })
        }
        Mechanism::RsaPss { hash, mgf, salt_len, .. } => {
            Parameter::Pss(CK_RSA_PKCS_PSS_PARAMS { hashAlg: *hash, mgf: *mgf, sLen: *salt_len })
        }
        Mechanism::RsaOaep { hash, mgf, source } => Parameter::Oaep(CK_RSA_PKCS_OAEP_PARAMS {
            hashAlg: *hash,
            mgf: *mgf,
            source: CKZ_DATA_SPECIFIED,
            pSourceData: input(source).cast(),
            ulSourceDataLen: ulong(source.len()),
        }),
        Mechanism::Pbkdf2 { prf, salt, iterations, password } => {
            Parameter::Pbkdf2(CK_PKCS5_PBKD2_PARAMS2 {
                saltSource: CKZ_SALT_SPECIFIED,
                pSaltSourceData: input(salt).cast(),
                ulSaltSourceDataLen: ulong(salt.len()),
                iterations: *iterations,
                prf: *prf,
                pPrfData: ptr::null_mut(),
                ulPrfDataLen: 0,
                pPassword: input(password),
                ulPasswordLen: ulong(password.len()),
            })
        }
        Mechanism::StringData { data, .. } => Parameter::String(CK_KEY_DERIVATION_STRING_DATA {
            pData: input(data),
            ulLen: ulong(data.len()),
        }),
        Mechanism::CbcEncryptData { iv, data, .. } => cbc_encrypt_data(iv, data),
        Mechanism::Ecdh1 { kdf, shared, public, .. } => Parameter::Ecdh1(CK_ECDH1_DERIVE_PARAMS {
            kdf: *kdf,
            ulSharedDataLen: ulong(shared.len()),
            pSharedData: input(shared),
            ulPublicDataLen: ulong(public.len()),
            pPublicData: input(public),
        }),
        Mechanism::Rc5Cbc { word_bytes, rounds, iv, .. } => Parameter::Rc5Cbc(CK_RC5_CBC_PARAMS {
            ulWordsize: *word_bytes,
            ulRounds: *rounds,
            pIv: input(iv),
            ulIvLen: ulong(iv.len()),
        }),
    }
}

/// The IV is a part of the structure, which is why there is one for each length of it.
fn cbc_encrypt_data(iv: &[u8], data: &[u8]) -> Parameter {
    let (data, length) = (input(data), ulong(data.len()));
    if let Ok(iv) = iv.try_into() {
        return Parameter::Cbc8(CK_DES_CBC_ENCRYPT_DATA_PARAMS { iv, pData: data, length });
    }
    let mut block = [0; 16];
    block.iter_mut().zip(iv).for_each(|(to, from)| *to = *from);
    Parameter::Cbc16(CK_AES_CBC_ENCRYPT_DATA_PARAMS { iv: block, pData: data, length })
}
