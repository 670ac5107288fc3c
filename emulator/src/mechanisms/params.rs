//! Mechanism parameters, owned, by shape. `abi::params` reads them from the caller's memory.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::ck::*;
use crate::object::Template;

/// How a mechanism's parameter lies in memory. A new shape adds one reader in `abi/params.rs`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Shape {
    /// No parameter: a pointer or a length is refused.
    None,
    /// Exactly so many bytes of initialisation vector.
    Iv(usize),
    /// Nothing, or an initialisation vector of one of these lengths.
    IvOf(&'static [usize]),
    /// One `CK_ULONG`: the length of a MAC.
    Length,
    /// The counter's bits, then its first block, which has so many bytes (`CK_AES_CTR_PARAMS`,
    /// `CK_DES_CTR_PARAMS`).
    Ctr(usize),
    /// `CK_AES_XTS_PARAMS` of the vendor: a second key, and the place of the data.
    Xts,
    /// Effective bits of RC2, and what stands beside them (`CK_RC2_PARAMS` and its kin).
    Rc2(Beside),
    /// Word and rounds of RC5, and what stands beside them (`CK_RC5_PARAMS` and its kin).
    Rc5(Beside),
    /// `CK_KEY_DERIVATION_STRING_DATA`: bytes to derive by.
    Data,
    /// An initialisation vector of so many bytes, then bytes to derive by
    /// (`CK_AES_CBC_ENCRYPT_DATA_PARAMS`).
    IvAndData(usize),
    /// `CK_ECDH1_DERIVE_PARAMS`.
    Ecdh,
    /// `CK_ECIES_PARAMS` of the vendor.
    Ecies,
    /// `CK_X9_42_DH1_DERIVE_PARAMS`.
    X942,
    /// `CK_X9_42_DH2_DERIVE_PARAMS`: with a second key.
    X942Hybrid,
    /// At least one byte and at most so many: the parameter itself.
    Bytes(usize),
    /// Nothing, or `CK_EDDSA_PARAMS`.
    Eddsa,
    /// Nothing, `CK_SIGN_ADDITIONAL_CONTEXT` or `CK_HASH_SIGN_ADDITIONAL_CONTEXT`.
    SignContext,
    /// `CK_AES_GCM_PARAMS`, with or without `ulIvBits`: 48 or 40 bytes.
    Gcm,
    /// A vector of 12 bytes, or what [`Shape::Gcm`] takes.
    Gmac,
    /// `CK_RSA_PKCS_PSS_PARAMS`.
    Pss,
    /// `CK_RSA_PKCS_OAEP_PARAMS`.
    Oaep,
    /// `CK_KDF_PRF_PARAMS` of the vendor.
    PrfKdf,
    /// `CK_PKCS5_PBKD2_PARAMS`.
    Pbkd2,
    /// `CK_PBE_PARAMS`.
    Pbe,
    /// `CK_SSL3_MASTER_KEY_DERIVE_PARAMS`.
    Ssl3Random,
    /// `CK_SSL3_KEY_MAT_PARAMS`.
    Ssl3KeyMaterial,
    /// The vendor's `CK_MILENAGE_SIGN_PARAMS`.
    Milenage,
    /// The vendor's `CK_BIP32_MASTER_DERIVE_PARAMS`: two templates.
    Bip32Master,
    /// The vendor's `CK_BIP32_CHILD_DERIVE_PARAMS`: two templates and a path.
    Bip32Child,
    /// The vendor's `CK_KEY_TRANSLATE_PARAMS`: two mechanisms, data and a key.
    Translate,
}

/// What stands in a parameter beside that which tunes the cipher.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Beside {
    /// Nothing.
    Nothing,
    /// An initialisation vector.
    Iv,
    /// The length of a MAC.
    Length,
}

/// The members of `CK_ECIES_PARAMS`; sizes are in bits.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Ecies {
    /// `CKDHP_` number of the agreement.
    pub primitive: CK_ULONG,
    /// `CKD_` number of the key derivation function.
    pub kdf: CK_EC_KDF_TYPE,
    /// Shared data of that function.
    pub shared: Vec<u8>,
    /// `CKES_` number of the encryption.
    pub scheme: CK_ULONG,
    /// Size of its key.
    pub key_bits: CK_ULONG,
    /// `CKMS_` number of the MAC.
    pub mac_scheme: CK_ULONG,
    /// Size of its key.
    pub mac_key_bits: CK_ULONG,
    /// Size of the MAC.
    pub mac_bits: CK_ULONG,
    /// Shared data behind the ciphertext in what the MAC is made of.
    pub mac_shared: Vec<u8>,
}

/// A parameter in the module's own memory.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Params {
    /// No parameter was given.
    None,
    /// Initialisation vector.
    Iv(Vec<u8>),
    /// Length of a MAC in bytes.
    Length(CK_ULONG),
    /// CTR.
    Ctr {
        /// How many bits at the end of the block count.
        counter_bits: CK_ULONG,
        /// The first counter block.
        block: Vec<u8>,
    },
    /// XTS.
    Xts {
        /// The key that encrypts the place.
        tweak_key: ObjectHandle,
        /// The place of the data: the number of a sector, little-endian.
        place: [u8; 16],
    },
    /// RC2. A MAC has a length, modes that chain have a vector; the others have neither.
    Rc2 {
        /// Bits of the key that count.
        effective_bits: CK_ULONG,
        /// Initialisation vector.
        iv: Option<Vec<u8>>,
        /// Length of a MAC in bytes.
        mac_len: Option<CK_ULONG>,
    },
    /// RC5, as RC2.
    Rc5 {
        /// Bytes of a word.
        word_bytes: CK_ULONG,
        /// Rounds.
        rounds: CK_ULONG,
        /// Initialisation vector.
        iv: Option<Vec<u8>>,
        /// Length of a MAC in bytes.
        mac_len: Option<CK_ULONG>,
    },
    /// Bytes to derive by, with an initialisation vector where the mechanism has one.
    Data {
        /// Empty where there is none.
        iv: Vec<u8>,
        /// What is encrypted, joined or mixed in.
        data: Vec<u8>,
    },
    /// Bytes, as the mechanism defines them.
    Bytes(Vec<u8>),
    /// ECDH, and the agreement of X9.42.
    Ecdh {
        /// `CKD_` number of the key derivation function.
        kdf: CK_EC_KDF_TYPE,
        /// Shared data of that function.
        shared: Vec<u8>,
        /// The other side's point, bare or in a DER OCTET STRING.
        public: Vec<u8>,
    },
    /// Two agreements of X9.42.
    X942Hybrid {
        /// `CKD_` number of the key derivation function.
        kdf: CK_EC_KDF_TYPE,
        /// Other information of that function.
        info: Vec<u8>,
        /// The other side's value for the key of the call.
        public: Vec<u8>,
        /// The second key.
        key: ObjectHandle,
        /// The other side's value for that.
        second_public: Vec<u8>,
    },
    /// ECIES.
    Ecies(Box<Ecies>),
    /// EdDSA with its parameter.
    Eddsa {
        /// The message is hashed before it is signed.
        prehash: bool,
        /// Context, empty when none.
        context: Vec<u8>,
    },
    /// ML-DSA with its parameter.
    SignContext {
        /// `CKH_` number: whether signatures may or must differ.
        hedge: CK_ULONG,
        /// Context, empty when none.
        context: Vec<u8>,
        /// `CKM_` number of the hash that made the digest, in the longer structure.
        hash: Option<CK_MECHANISM_TYPE>,
    },
    /// AES-GCM. `iv` is none when the caller gave a null pointer.
    Gcm {
        /// Null: the HSM makes one, as FIPS mode demands.
        iv: Option<Vec<u8>>,
        /// Additional authenticated data.
        aad: Vec<u8>,
        /// Tag length in bits.
        tag_bits: CK_ULONG,
    },
    /// RSA-PSS.
    Pss {
        /// `CKM_` number of the hash.
        hash: CK_MECHANISM_TYPE,
        /// `CKG_` number of the mask generation function.
        mgf: CK_RSA_PKCS_MGF_TYPE,
        /// Salt length in bytes.
        salt_len: CK_ULONG,
    },
    /// RSA-OAEP.
    Oaep {
        /// `CKM_` number of the hash.
        hash: CK_MECHANISM_TYPE,
        /// `CKG_` number of the mask generation function.
        mgf: CK_RSA_PKCS_MGF_TYPE,
        /// The label, empty when none.
        source: Vec<u8>,
    },
    /// Key derivation in counter mode.
    PrfKdf {
        /// The vendor's number of the pseudo-random function.
        prf: CK_ULONG,
        /// What the key is for.
        label: Vec<u8>,
        /// Whom the key is for.
        context: Vec<u8>,
        /// The first value of the counter.
        counter: CK_ULONG,
        /// The vendor's number of the order in which it all goes in.
        scheme: CK_ULONG,
    },
    /// PBKDF2.
    Pbkd2 {
        /// The salt.
        salt: Vec<u8>,
        /// How often the function is run.
        iterations: CK_ULONG,
        /// `CKP_PKCS5_PBKD2_` number of the pseudo-random function.
        prf: CK_ULONG,
        /// The password.
        password: Zeroizing<Vec<u8>>,
    },
    /// Password-based encryption. The vector of the structure is an output.
    Pbe {
        /// The password.
        password: Zeroizing<Vec<u8>>,
        /// The salt.
        salt: Vec<u8>,
        /// How often the function is run.
        iterations: CK_ULONG,
    },
    /// What both sides of a handshake of SSL 3.0 drew. The version of the structure is an output.
    Ssl3Random {
        /// The client's bytes.
        client: Vec<u8>,
        /// The server's bytes.
        server: Vec<u8>,
    },
    /// Keys for both directions of SSL 3.0; handles and vectors of the structure are outputs.
    Ssl3KeyMaterial {
        /// Bits of either key for MACs.
        mac_bits: CK_ULONG,
        /// Bits of either key for encryption.
        key_bits: CK_ULONG,
        /// Bits of either initialisation vector, 0 for none.
        iv_bits: CK_ULONG,
        /// Weakened, as laws on export had it.
        export: bool,
        /// As above.
        client: Vec<u8>,
        /// As above.
        server: Vec<u8>,
    },
    /// MILENAGE. Objects that the structure can name are left out with the flags that ask for them.
    Milenage {
        /// `LUNA_5G_` flags.
        flags: CK_ULONG,
        /// The subscriber's key, wrapped.
        subscriber_key: Vec<u8>,
        /// OP or OPc.
        operator: Zeroizing<Vec<u8>>,
        /// Sequence number.
        sqn: [u8; 6],
        /// Authentication management field.
        amf: [u8; 2],
    },
    /// Keys of BIP 32; handles and the index of the structures are outputs.
    Bip32 {
        /// The public key's template, none when no such key is wanted.
        public: Option<Template>,
        /// The private key's.
        private: Option<Template>,
        /// Steps from the base key down; none to the master key.
        path: Vec<CK_ULONG>,
    },
    /// What one key wrapped, wrapped by another.
    Translate {
        /// How it shall be wrapped, by the key of the call.
        wrap: Box<Mechanism>,
        /// How it was wrapped.
        unwrap: Box<Mechanism>,
        /// What was wrapped.
        data: Vec<u8>,
        /// By which key.
        unwrapping: ObjectHandle,
    },
    /// The registry does not know the mechanism, so nobody knew how to read its parameter.
    Unread,
}

impl Params {
    /// Keys that the parameter names besides the key of the call, in the mechanism's order.
    pub fn others(&self) -> &[ObjectHandle] {
        match self {
            Self::Xts { tweak_key: key, .. }
            | Self::X942Hybrid { key, .. }
            | Self::Translate { unwrapping: key, .. } => std::slice::from_ref(key),
            _ => &[],
        }
    }

    fn others_mut(&mut self) -> &mut [ObjectHandle] {
        match self {
            Self::Xts { tweak_key: key, .. }
            | Self::X942Hybrid { key, .. }
            | Self::Translate { unwrapping: key, .. } => std::slice::from_mut(key),
            _ => &mut [],
        }
    }

    /// The initialisation vector of a mode that has one.
    pub fn iv(&self) -> Option<&[u8]> {
        match self {
            Self::Iv(iv) => Some(iv),
            Self::Rc2 { iv, .. } | Self::Rc5 { iv, .. } => iv.as_deref(),
            _ => None,
        }
    }

    /// The length of a MAC that is asked for, in bytes.
    pub fn mac_len(&self) -> Option<CK_ULONG> {
        match self {
            Self::Length(len) => Some(*len),
            Self::Rc2 { mac_len, .. } | Self::Rc5 { mac_len, .. } => *mac_len,
            _ => None,
        }
    }
}

/// A mechanism as a caller names it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Mechanism {
    /// `CKM_` number.
    pub kind: CK_MECHANISM_TYPE,
    /// Its parameter.
    pub params: Params,
}

impl Mechanism {
    /// The same with other handles of the objects in its parameter; borrows where there are none.
    ///
    /// # Errors
    /// Those of `object`, for a handle it does not know.
    pub fn addressed<E>(
        &self,
        object: &dyn Fn(ObjectHandle) -> Result<ObjectHandle, E>,
    ) -> Result<Cow<'_, Self>, E> {
        let mut own = Cow::Borrowed(self);
        if !self.params.others().is_empty() {
            for key in own.to_mut().params.others_mut() {
                *key = object(*key)?;
            }
        }
        Ok(own)
    }
}
