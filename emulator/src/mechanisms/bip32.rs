//! Keys of BIP 32: a tree of keys on secp256k1, of which each node gives the next.
//!
//! Both halves of a node come back at once, or the one for which there is a template. Public keys
//! give the public halves of steps that are not hardened.
//!
//! Source: BIP 32 for what is computed; thalesdocs "BIP32 Mechanism Support and Implementation" and,
//! for the codes, the same mechanisms in ProtectToolkit (Documented); the vendor's sample of SLIP-10
//! for the parameter, whose firmware takes a curve in the templates since 7.8.7 (Documented). Here
//! that curve is secp256k1, where both proposals give the same keys. Assumed: a template in the call
//! itself is refused; version bytes are a number and those of the network of the base key, or of the
//! main one; the private half asked of a public key is `CKR_KEY_TYPE_INCONSISTENT`.

use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::CryptoError;
use crate::crypto::ec::{Curve, EcPrivateKey, EcPublicKey};
use crate::crypto::hash::Hash;
use crate::crypto::hmac::HmacKey;
use crate::error::{Cause, Error, Result};
use crate::mechanisms::derive::impose;
use crate::mechanisms::keys::FINGERPRINT_LEN;
use crate::mechanisms::{
    Made, NOTHING, Params, Row, Shape, Use, Yield, Yielded, broken, keys, wrong_params,
};
use crate::object::held::Object;
use crate::object::rules::Class;
use crate::object::{Attribute, Template};

/// The master key of a seed, and what comes of it.
pub static ROWS: &[Row] = &[
    Row {
        kind: CKM_BIP32_MASTER_DERIVE,
        shape: Shape::Bip32Master,
        derives: Some(master),
        ..NOTHING
    },
    Row {
        kind: CKM_BIP32_CHILD_DERIVE,
        key: Some(CKK_BIP32),
        shape: Shape::Bip32Child,
        derives: Some(child),
        from_public: true,
        ..NOTHING
    },
];

/// What the first key is made with.
const MASTER: &[u8] = b"Bitcoin seed";

/// Bytes of a seed.
const SEED: std::ops::RangeInclusive<usize> = 16..=64;

/// The deepest node: its depth is written in a byte.
const DEEPEST: CK_ULONG = CKG_BIP32_MAX_PATH_LEN;

/// The two halves, each with its number on the main network and on the test network.
const PUBLIC: (CK_OBJECT_CLASS, [CK_ULONG; 2]) =
    (CKO_PUBLIC_KEY, [CKG_BIP32_VERSION_MAINNET_PUB, CKG_BIP32_VERSION_TESTNET_PUB]);
const PRIVATE: (CK_OBJECT_CLASS, [CK_ULONG; 2]) =
    (CKO_PRIVATE_KEY, [CKG_BIP32_VERSION_MAINNET_PRIV, CKG_BIP32_VERSION_TESTNET_PRIV]);

/// One key of the tree.
struct Node {
    /// None in a tree of public keys.
    private: Option<EcPrivateKey>,
    public: EcPublicKey,
    chain_code: Zeroizing<Vec<u8>>,
    depth: CK_ULONG,
    index: CK_ULONG,
    parent: Vec<u8>,
    testnet: bool,
}

type Bytes = Zeroizing<Vec<u8>>;

/// Key and chain code out of 64 bytes.
fn halves(key: &[u8], data: &[u8]) -> Result<(Bytes, Bytes)> {
    let key = HmacKey::new(Hash::Sha512, key).map_err(broken)?;
    let all = Zeroizing::new(key.sign(data).map_err(broken)?);
    let (left, right) = all.split_at_checked(32).unwrap_or_default();
    Ok((Zeroizing::new(left.to_vec()), Zeroizing::new(right.to_vec())))
}

impl Node {
    fn master(seed: &[u8]) -> Result<Self> {
        let (left, chain_code) = halves(MASTER, seed)?;
        let private = EcPrivateKey::from_scalar(Curve::Secp256k1, &left)
            .map_err(|_| Error::new(Cause::Bip32MasterSeedInvalid, "the seed gives no key"))?;
        Ok(Self {
            public: private.public().map_err(broken)?,
            private: Some(private),
            chain_code,
            depth: 0,
            index: 0,
            parent: vec![0; FINGERPRINT_LEN],
            testnet: false,
        })
    }

    fn of(key: &Object) -> Result<Self> {
        let attributes = key.attributes();
        let private = if key.class().class == CKO_PRIVATE_KEY {
            let value = Zeroizing::new(attributes.bytes(CKA_VALUE).unwrap_or_default().to_vec());
            Some(EcPrivateKey::from_scalar(Curve::Secp256k1, &value).map_err(broken)?)
        } else {
            None
        };
        let public = match &private {
            Some(private) => private.public().map_err(broken)?,
            None => {
                let point = attributes.bytes(CKA_EC_POINT).unwrap_or_default();
                let point = keys::unwrap_point(Curve::Secp256k1, point);
                EcPublicKey::from_point(Curve::Secp256k1, point).map_err(broken)?
            }
        };
        let version = attributes.bytes(CKA_BIP32_VERSION_BYTES).and_then(version);
        let testnet = [PUBLIC, PRIVATE].iter().any(|(_, [_, test])| version == Some(*test));
        Ok(Self {
            private,
            public,
            chain_code: Zeroizing::new(
                attributes.bytes(CKA_BIP32_CHAIN_CODE).unwrap_or_default().to_vec(),
            ),
            depth: attributes.number(CKA_BIP32_CHILD_DEPTH).unwrap_or(0),
            index: attributes.number(CKA_BIP32_CHILD_INDEX).unwrap_or(0),
            parent: Vec::new(),
            testnet,
        })
    }

    /// The node one step down.
    fn child(&self, index: CK_ULONG) -> Result<Self> {
        let invalid = |rule| Error::new(Cause::Bip32ChildIndexInvalid, rule);
        let step = u32::try_from(index).map_err(|_| invalid("an index has 32 bits"))?;
        let start = match &self.private {
            Some(private) if index & CKF_BIP32_HARDENED != 0 => {
                Zeroizing::new([&[0], private.scalar().map_err(broken)?.as_slice()].concat())
            }
            None if index & CKF_BIP32_HARDENED != 0 => {
                return Err(Error::new(
                    Cause::Bip32InvalidHardenedDerivation,
                    "a hardened step wants the private key",
                ));
            }
            _ => Zeroizing::new(self.public.compressed().map_err(broken)?),
        };
        let data = Zeroizing::new([start.as_slice(), &step.to_be_bytes()].concat());
        let (left, chain_code) = halves(&self.chain_code, &data)?;
        let no_key = |error| match error {
            CryptoError::Key => invalid("the index gives no key: take the next"),
            other => broken(other),
        };
        let private =
            self.private.as_ref().map(|own| own.plus(&left)).transpose().map_err(no_key)?;
        let public = match &private {
            Some(private) => private.public().map_err(broken)?,
            None => self.public.plus(&left).map_err(no_key)?,
        };
        let mut parent = keys::identifier(&self.public)?;
        parent.truncate(FINGERPRINT_LEN);
        let (depth, testnet) = (self.depth.saturating_add(1), self.testnet);
        Ok(Self { private, public, chain_code, depth, index, parent, testnet })
    }

    /// One half as a key, under the caller's template.
    fn half(
        &self,
        (class, versions): (CK_OBJECT_CLASS, [CK_ULONG; 2]),
        own: Attribute,
        template: &Template,
        using: &Use,
    ) -> Result<Yielded> {
        let mut template = template.clone();
        check_curve(&template, using)?;
        impose(
            &mut template,
            &[Attribute::number(CKA_CLASS, class), Attribute::number(CKA_KEY_TYPE, CKK_BIP32)],
        )?;
        let [main, test] = versions;
        let version = if self.testnet { test } else { main };
        template.set_default(Attribute::number(CKA_BIP32_VERSION_BYTES, version));
        let parts = Template::from_iter([
            own,
            Attribute::bytes(CKA_EC_PARAMS, Curve::Secp256k1.params_der().to_vec()),
            Attribute::bytes(CKA_BIP32_CHAIN_CODE, self.chain_code.to_vec()),
            Attribute::number(CKA_BIP32_CHILD_INDEX, self.index),
            Attribute::number(CKA_BIP32_CHILD_DEPTH, self.depth),
            Attribute::bytes(CKA_BIP32_PARENT_FINGERPRINT, self.parent.clone()),
        ]);
        let class = Class { class, key_type: Some(CKK_BIP32) };
        Ok(Yielded { template, made: Made::Half(class, parts) })
    }

    /// The halves for which there is a template, the public one first.
    fn keys(
        &self,
        (public, private): (Option<&Template>, Option<&Template>),
        using: &Use,
    ) -> Result<Yield> {
        let mut made = Vec::new();
        if let Some(template) = public {
            let point = keys::wrap_point(&self.public.point().map_err(broken)?);
            made.push(self.half(PUBLIC, Attribute::bytes(CKA_EC_POINT, point), template, using)?);
        }
        if let Some(template) = private {
            let own = self.private.as_ref().ok_or_else(|| {
                Error::new(Cause::KeyTypeInconsistent, "a public key gives no private one")
            })?;
            let value = Attribute::bytes(CKA_VALUE, own.scalar().map_err(broken)?.to_vec());
            made.push(self.half(PRIVATE, value, template, using)?);
        }
        if made.is_empty() {
            return Err(wrong_params("a template for one half at least is wanted"));
        }
        Ok(Yield { keys: made, told: Vec::new() })
    }
}

/// Version bytes as the number they are, from four bytes or a `CK_ULONG`.
fn version(bytes: &[u8]) -> Option<CK_ULONG> {
    let number = bytes.try_into().map(CK_ULONG::from_ne_bytes);
    number.ok().or_else(|| bytes.try_into().map(|four| u32::from_be_bytes(four).into()).ok())
}

/// # Errors
/// `TemplateInconsistent` for a curve where the firmware wants none, `CurveNotSupported`.
fn check_curve(template: &Template, using: &Use) -> Result<()> {
    let Some(curve) = template.bytes(CKA_EC_PARAMS) else { return Ok(()) };
    let (cause, rule) = match Curve::from_params_der(curve) {
        _ if using.limits.former => (Cause::TemplateInconsistent, "no template names a curve"),
        Some(Curve::Secp256k1) => return Ok(()),
        _ => (Cause::CurveNotSupported, "keys are derived on secp256k1"),
    };
    Err(Error::new(cause, rule).about(CKA_EC_PARAMS))
}

type Templates<'a> = (Option<&'a Template>, Option<&'a Template>);

fn params<'a>(using: &'a Use, template: &Template) -> Result<(Templates<'a>, &'a [CK_ULONG])> {
    let Params::Bip32 { public, private, path } = &using.params else {
        return Err(wrong_params("BIP 32 wants its parameter"));
    };
    if !template.0.is_empty() {
        return Err(Error::new(
            Cause::TemplateInconsistent,
            "the templates of both keys stand in the parameter",
        ));
    }
    Ok(((public.as_ref(), private.as_ref()), path))
}

fn master(using: &Use, template: &Template) -> Result<Yield> {
    let (templates, _) = params(using, template)?;
    if using.key.class().key_type != Some(CKK_GENERIC_SECRET) {
        return Err(Error::new(Cause::KeyTypeInconsistent, "a seed is a generic secret"));
    }
    let seed = keys::value(&using.key)?;
    if !SEED.contains(&seed.len()) {
        return Err(Error::new(
            Cause::Bip32MasterSeedLenInvalid,
            format!("{} bytes; a seed has 16 to 64", seed.len()),
        ));
    }
    Node::master(seed)?.keys(templates, using)
}

fn child(using: &Use, template: &Template) -> Result<Yield> {
    let (templates, path) = params(using, template)?;
    let mut node = Node::of(&using.key)?;
    let deepest = node.depth.saturating_add(path.len() as CK_ULONG);
    if path.is_empty() || deepest > DEEPEST {
        return Err(Error::new(
            Cause::Bip32InvalidKeyPathLen,
            format!("a path has a step, and no key is deeper than {DEEPEST}"),
        ));
    }
    for index in path {
        node = node.child(*index)?;
    }
    node.keys(templates, using)
}

#[cfg(test)]
mod tests;
