//! Public keys of BIP 32 as text: `xpub` and `tpub`.
//!
//! A key is written from its attributes and comes back as an object with the same: no HSM knows the form.
//! Source: BIP 32 "Serialization format". Assumed: which code is for what; a text's private key is
//! refused, the function being for public ones; what the text says, the template may only repeat.

use super::Library;
use crate::ck::*;
use crate::crypto::ec::{Curve, EcPublicKey};
use crate::crypto::hash::{self, Hash};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::{bip32, keys};
use crate::object::{Answer, Attribute, Template};

/// Bytes of a key before its checksum: version, depth, fingerprint, index, chain code, point.
const LEN: usize = 4 + 1 + 4 + 4 + 32 + 33;

/// Bytes of a checksum.
const CHECKSUM_LEN: usize = 4;

/// What is read of a key, in this order.
const PARTS: [CK_ATTRIBUTE_TYPE; 8] = [
    CKA_CLASS,
    CKA_KEY_TYPE,
    CKA_BIP32_VERSION_BYTES,
    CKA_BIP32_CHILD_DEPTH,
    CKA_BIP32_PARENT_FINGERPRINT,
    CKA_BIP32_CHILD_INDEX,
    CKA_BIP32_CHAIN_CODE,
    CKA_EC_POINT,
];

impl Library {
    /// `CA_Bip32ExportPublicKey`.
    ///
    /// # Errors
    /// `KeyTypeInconsistent` for another key, and those of reading attributes.
    pub fn export_extended_key(
        &self,
        session: SessionHandle,
        key: ObjectHandle,
    ) -> Result<Vec<u8>> {
        let mut told = Template::new();
        for (kind, answer) in PARTS.iter().zip(self.attributes(session, key, &PARTS)?) {
            if let Answer::Value(value) = answer {
                told.set(Attribute { kind: *kind, value });
            }
        }
        if told.number(CKA_KEY_TYPE) != Some(CKK_BIP32)
            || told.number(CKA_CLASS) != Some(CKO_PUBLIC_KEY)
        {
            return Err(Error::new(Cause::KeyTypeInconsistent, "a public key of BIP 32 is wanted"));
        }
        serialise(&told)
    }

    /// `CA_Bip32ImportPublicKey`.
    ///
    /// # Errors
    /// `DataInvalid`, `TemplateInconsistent`, and those of making objects.
    pub fn import_extended_key(
        &self,
        session: SessionHandle,
        text: &[u8],
        template: &Template,
    ) -> Result<ObjectHandle> {
        self.need_session(session)?;
        let mut whole = template.clone();
        for part in parse(text)?.0 {
            if template.find(part.kind).is_some_and(|given| *given != part) {
                return Err(Error::new(Cause::TemplateInconsistent, "the text says otherwise")
                    .about(part.kind));
            }
            whole.set(part);
        }
        self.create_object(session, &whole)
    }
}

fn broken() -> Error {
    Error::new(Cause::DataInvalid, "no public key of BIP 32 in text")
}

fn checksum(bytes: &[u8]) -> Result<Vec<u8>> {
    let failed = |_| Error::new(Cause::FunctionFailed, "no digest");
    let once = hash::digest(Hash::Sha256, bytes).map_err(failed)?;
    let mut twice = hash::digest(Hash::Sha256, &once).map_err(failed)?;
    twice.truncate(CHECKSUM_LEN);
    Ok(twice)
}

fn serialise(key: &Template) -> Result<Vec<u8>> {
    let bytes = |kind| key.bytes(kind).unwrap_or_default();
    let version = key.bytes(CKA_BIP32_VERSION_BYTES).and_then(bip32::version);
    let version = version.unwrap_or(CKG_BIP32_VERSION_MAINNET_PUB);
    let number = |number: CK_ULONG| u32::try_from(number).map_err(|_| broken());
    let depth = key.number(CKA_BIP32_CHILD_DEPTH).unwrap_or(0);
    let depth = u8::try_from(depth).map_err(|_| broken())?;
    let index = number(key.number(CKA_BIP32_CHILD_INDEX).unwrap_or(0))?;
    let parent = match bytes(CKA_BIP32_PARENT_FINGERPRINT) {
        [] => &[0; 4][..],
        given => given,
    };
    let point = keys::unwrap_point(Curve::Secp256k1, bytes(CKA_EC_POINT));
    let point = EcPublicKey::from_point(Curve::Secp256k1, point).and_then(|it| it.compressed());
    let mut whole = [
        &number(version)?.to_be_bytes()[..],
        &[depth],
        parent,
        &index.to_be_bytes(),
        bytes(CKA_BIP32_CHAIN_CODE),
        &point.map_err(|_| broken())?,
    ]
    .concat();
    whole.extend(checksum(&whole)?);
    Ok(bs58::encode(whole).into_vec())
}

fn parse(text: &[u8]) -> Result<Template> {
    // A caller may count the end of its string too.
    let text = text.strip_suffix(&[0]).unwrap_or(text);
    if text.len() as CK_ULONG > CKG_BIP32_MAX_SERIALIZED_LEN {
        return Err(broken());
    }
    let bytes = bs58::decode(text).into_vec().map_err(|_| broken())?;
    let (bytes, sum) = bytes.split_at_checked(LEN).ok_or_else(broken)?;
    if checksum(bytes)? != sum {
        return Err(Error::new(Cause::DataInvalid, "the checksum is wrong"));
    }
    let (version, rest) = bytes.split_first_chunk::<4>().ok_or_else(broken)?;
    let (depth, rest) = rest.split_first().ok_or_else(broken)?;
    let (parent, rest) = rest.split_first_chunk::<4>().ok_or_else(broken)?;
    let (index, rest) = rest.split_first_chunk::<4>().ok_or_else(broken)?;
    let (chain_code, point) = rest.split_first_chunk::<32>().ok_or_else(broken)?;
    let version = CK_ULONG::from(u32::from_be_bytes(*version));
    if ![CKG_BIP32_VERSION_MAINNET_PUB, CKG_BIP32_VERSION_TESTNET_PUB].contains(&version) {
        return Err(Error::new(Cause::DataInvalid, "the text is of no public key"));
    }
    Ok(Template::from_iter([
        Attribute::number(CKA_CLASS, CKO_PUBLIC_KEY),
        Attribute::number(CKA_KEY_TYPE, CKK_BIP32),
        Attribute::bytes(CKA_EC_PARAMS, Curve::Secp256k1.params_der().to_vec()),
        Attribute::bytes(CKA_BIP32_VERSION_BYTES, version.to_ne_bytes().to_vec()),
        Attribute::number(CKA_BIP32_CHILD_DEPTH, (*depth).into()),
        Attribute::bytes(CKA_BIP32_PARENT_FINGERPRINT, parent.to_vec()),
        Attribute::number(CKA_BIP32_CHILD_INDEX, u32::from_be_bytes(*index).into()),
        Attribute::bytes(CKA_BIP32_CHAIN_CODE, chain_code.to_vec()),
        Attribute::bytes(CKA_EC_POINT, keys::wrap_point(point)),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BIP 32, test vector 1, chain m/0H.
    const XPUB: &str = "xpub68Gmy5EdvgibQVfPdqkBBCHxA5htiqg55crXYuXoQRKfDBFA1WEjWgP6LHhwBZeNK1VTsfTFUHCdrfp1bgwQ9xv5ski8PX9rL2dZXvgGDnw";

    #[test]
    fn what_was_read_is_written_again() {
        let key = parse(XPUB.as_bytes()).unwrap();
        assert_eq!(key.number(CKA_BIP32_CHILD_DEPTH), Some(1));
        assert_eq!(key.number(CKA_BIP32_CHILD_INDEX), Some(CKF_BIP32_HARDENED));
        assert_eq!(key.bytes(CKA_BIP32_PARENT_FINGERPRINT), Some(&[0x34, 0x42, 0x19, 0x3e][..]));
        assert_eq!(serialise(&key).unwrap(), XPUB.as_bytes());
    }

    #[test]
    fn a_wrong_letter_is_noticed() {
        for wrong in [XPUB.replace("Gmy", "Gmz"), XPUB.replace('w', "0"), String::new()] {
            assert_eq!(parse(wrong.as_bytes()).unwrap_err().cause(), Cause::DataInvalid);
        }
    }
}
