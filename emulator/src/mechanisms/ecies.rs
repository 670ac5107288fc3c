//! ECIES: encryption to the holder of a key on a curve, as SEC 1 and X9.63 have it and as 5G networks
//! conceal who subscribes (SUCI).
//!
//! What comes out is the ephemeral public key, the ciphertext and the MAC, one behind the other.
//! The key derivation function gives the key of the encryption and then the MAC's.
//!
//! Source: SEC 1 section 5.1, 3GPP TS 33.501 annex C; thalesdocs "ECIES general" and "ECIES for 5G"
//! for the parameter, for vectors of zeros, and for the counter block of CTR: derived between both
//! keys and counting in 32 bits since firmware 7.7.2, zeros before it, which took no compressed
//! point either (Documented); the vendor's HA bench for the uncompressed point in front
//! (Documented). Assumed: a key of X25519 goes in front as its 32 bytes; shared data is taken as it
//! is given, nothing added; the agreement with and without the cofactor are one, since it is 1; a
//! null key derivation function, the MACs that are no HMAC, and encryption that needs more of a
//! parameter (GCM, key wrap) are refused.

use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::CryptoError;
use crate::crypto::aes::{AesKey, BLOCK_LEN, CtrState};
use crate::crypto::block::{Algorithm, BlockCipher, BlockKey, Padding};
use crate::crypto::curve25519::{KEY_LEN, X25519PrivateKey};
use crate::crypto::ec::{EcPrivateKey, EcPublicKey};
use crate::crypto::hash::Hash;
use crate::crypto::hmac::{HmacKey, same};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::ecdh::{self, Function};
use crate::mechanisms::params::Ecies;
use crate::mechanisms::stream::Collect;
use crate::mechanisms::{
    Cipher, NOTHING, Params, Row, Shape, Stream, Use, broken, keys, wrong_params,
};

struct Scheme;

/// ECIES.
pub static ROWS: &[Row] = &[Row {
    kind: CKM_ECIES,
    key: Some(CKK_EC),
    also: &[CKK_EC_MONTGOMERY, CKK_BIP32],
    shape: Shape::Ecies,
    cipher: Some(&Scheme),
    ..NOTHING
}];

static MACS: &[(CK_ULONG, Hash)] = &[
    (CKMS_HMAC_SHA1, Hash::Sha1),
    (CKMS_HMAC_SHA224, Hash::Sha224),
    (CKMS_HMAC_SHA256, Hash::Sha256),
    (CKMS_HMAC_SHA384, Hash::Sha384),
    (CKMS_HMAC_SHA512, Hash::Sha512),
];

/// How the message itself is encrypted.
#[derive(Clone, Copy)]
enum Inner {
    /// With as many derived bytes as it has.
    Xor,
    /// In CBC with a vector of zeros, padded or not.
    Chained { triple_des: bool, padding: Option<Padding> },
    /// In CTR from a derived block, or from a block of zeros.
    Counter { derived: bool },
}

/// The parameter, understood; sizes are in bytes.
struct Plan<'a> {
    function: Function,
    inner: Inner,
    key_len: usize,
    hash: Hash,
    mac_key_len: usize,
    mac_len: usize,
    params: &'a Ecies,
    /// Points may come compressed.
    compressed: bool,
}

/// What the key derivation function gave.
struct Derived {
    key: Zeroizing<Vec<u8>>,
    counter: [u8; BLOCK_LEN],
    mac_key: Zeroizing<Vec<u8>>,
}

fn whole_bytes(bits: CK_ULONG) -> Result<usize> {
    usize::try_from(bits / 8)
        .ok()
        .filter(|_| bits.is_multiple_of(8))
        .ok_or_else(|| wrong_params("sizes are in bits, of whole bytes"))
}

fn plan(using: &Use) -> Result<Plan<'_>> {
    let Params::Ecies(params) = &using.params else {
        return Err(wrong_params("ECIES wants its parameter"));
    };
    if ![CKDHP_STANDARD, CKDHP_ECDH1].contains(&params.primitive) {
        return Err(wrong_params("no such agreement is served"));
    }
    let padded = |padding: bool| padding.then_some(Padding::Pkcs7);
    let (inner, lengths): (_, &[usize]) = match params.scheme {
        CKES_XOR => (Inner::Xor, &[]),
        CKES_DES3_CBC | CKES_DES3_CBC_PAD => {
            let padding = padded(params.scheme == CKES_DES3_CBC_PAD);
            (Inner::Chained { triple_des: true, padding }, &[16, 24])
        }
        CKES_AES_CBC | CKES_AES_CBC_PAD => {
            let padding = padded(params.scheme == CKES_AES_CBC_PAD);
            (Inner::Chained { triple_des: false, padding }, &[16, 24, 32])
        }
        CKES_AES_CTR => (Inner::Counter { derived: !using.limits.former }, &[16, 24, 32]),
        _ => return Err(wrong_params("no such encryption is served inside ECIES")),
    };
    let key_len = whole_bytes(params.key_bits)?;
    if !matches!(inner, Inner::Xor) && !lengths.contains(&key_len) {
        return Err(wrong_params("the encryption has no keys of that size"));
    }
    let hash = MACS
        .iter()
        .find(|(number, _)| *number == params.mac_scheme)
        .map(|(_, hash)| *hash)
        .ok_or_else(|| wrong_params("no such MAC is served"))?;
    let (mac_key_len, mac_len) = (whole_bytes(params.mac_key_bits)?, whole_bytes(params.mac_bits)?);
    if !(1..=MOST_KEY).contains(&mac_key_len) {
        return Err(wrong_params("the MAC has no keys of that size"));
    }
    if !(1..=hash.len()).contains(&mac_len) {
        return Err(wrong_params("a MAC has at least one byte and at most all of them"));
    }
    let function = ecdh::function(params.kdf)?;
    let compressed = !using.limits.former;
    Ok(Plan { function, inner, key_len, hash, mac_key_len, mac_len, params, compressed })
}

/// The most bytes of a MAC's key: a block of the widest hash (Assumed).
const MOST_KEY: usize = 128;

impl Inner {
    fn block(self) -> usize {
        match self {
            Self::Chained { triple_des: true, .. } => 8,
            _ => BLOCK_LEN,
        }
    }

    /// Bytes of ciphertext for so many of a message.
    fn sealed_len(self, len: usize) -> usize {
        match self {
            Self::Chained { padding: Some(_), .. } => {
                (len / self.block() + 1).saturating_mul(self.block())
            }
            _ => len,
        }
    }

    fn chain(self, key: &[u8], data: &mut [u8], forward: bool) -> Result<(), CryptoError> {
        let zeros = &mut [0; BLOCK_LEN];
        let iv = zeros.get_mut(..self.block()).unwrap_or_default();
        match self {
            Self::Chained { triple_des: true, .. } => {
                BlockKey::new(Algorithm::TripleDes, key)?.cbc(iv, data, forward)
            }
            _ => BlockCipher::cbc(&AesKey::new(key)?, iv, data, forward),
        }
    }

    fn seal(self, with: &Derived, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut data = message.to_vec();
        match self {
            Self::Chained { padding, .. } => {
                if let Some(padding) = padding {
                    padding.pad(&mut data, self.block());
                }
                self.chain(&with.key, &mut data, true)?;
            }
            _ => self.stream(with, &mut data)?,
        }
        Ok(data)
    }

    fn open(self, with: &Derived, sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut data = sealed.to_vec();
        match self {
            Self::Chained { padding, .. } => {
                self.chain(&with.key, &mut data, false)?;
                if let Some(padding) = padding {
                    data.truncate(padding.unpadded_len(&data, self.block())?);
                }
            }
            _ => self.stream(with, &mut data)?,
        }
        Ok(data)
    }

    fn stream(self, with: &Derived, data: &mut [u8]) -> Result<(), CryptoError> {
        if let Self::Counter { .. } = self {
            return count(&AesKey::new(&with.key)?, with.counter, data);
        }
        data.iter_mut().zip(with.key.iter()).for_each(|(byte, key)| *byte ^= key);
        Ok(())
    }
}

/// CTR whose last 32 bits count, and begin at zero again without a carry.
fn count(key: &AesKey, block: [u8; BLOCK_LEN], data: &mut [u8]) -> Result<(), CryptoError> {
    let [fixed @ .., a, b, c, d] = block;
    let left = (1_u64 << 32) - u64::from(u32::from_be_bytes([a, b, c, d]));
    let left = usize::try_from(left).unwrap_or(usize::MAX).saturating_mul(BLOCK_LEN);
    let (first, rest) = data.split_at_mut(left.min(data.len()));
    key.ctr(&mut CtrState::new(block), first)?;
    let mut again = [0; BLOCK_LEN];
    again.iter_mut().zip(fixed).for_each(|(to, from)| *to = from);
    key.ctr(&mut CtrState::new(again), rest)
}

impl Plan<'_> {
    fn derive(&self, secret: &[u8], message_len: usize) -> Result<Derived> {
        let key_len = if let Inner::Xor = self.inner { message_len } else { self.key_len };
        let counter_len = match self.inner {
            Inner::Counter { derived: true } => BLOCK_LEN,
            _ => 0,
        };
        let len = key_len.saturating_add(counter_len).saturating_add(self.mac_key_len);
        let all = ecdh::stretch(self.function, secret, &self.params.shared, len)?;
        let (key, rest) = all.split_at_checked(key_len).unwrap_or_default();
        let (block, mac_key) = rest.split_at_checked(counter_len).unwrap_or_default();
        let mut counter = [0; BLOCK_LEN];
        counter.iter_mut().zip(block).for_each(|(to, from)| *to = *from);
        Ok(Derived {
            key: Zeroizing::new(key.to_vec()),
            counter,
            mac_key: Zeroizing::new(mac_key.to_vec()),
        })
    }

    fn mac(&self, with: &Derived, sealed: &[u8]) -> Result<Vec<u8>> {
        let key = HmacKey::new(self.hash, &with.mac_key).map_err(broken)?;
        let mut mac = key.sign(&[sealed, &self.params.mac_shared].concat()).map_err(broken)?;
        mac.truncate(self.mac_len);
        Ok(mac)
    }

    fn encrypt(&self, using: &Use, message: &[u8]) -> Result<Vec<u8>> {
        let (point, secret) = ephemeral(using)?;
        let with = self.derive(&secret, message.len())?;
        let sealed = self.inner.seal(&with, message).map_err(|error| match error {
            CryptoError::Length => Error::new(Cause::DataLenRange, "whole blocks are wanted"),
            other => broken(other),
        })?;
        let mac = self.mac(&with, &sealed)?;
        Ok([point, sealed, mac].concat())
    }

    fn decrypt(&self, using: &Use, input: &[u8]) -> Result<Vec<u8>> {
        let short = || Error::new(Cause::EncryptedDataLenRange, "a point and a MAC are wanted");
        let forms = points(using)?;
        let len = match input.first() {
            Some(2 | 3) if self.compressed => forms.least,
            _ => forms.most,
        };
        let (point, rest) = input.split_at_checked(len).ok_or_else(short)?;
        let sealed_len = rest.len().checked_sub(self.mac_len).ok_or_else(short)?;
        let (sealed, mac) = rest.split_at_checked(sealed_len).ok_or_else(short)?;
        let with = self.derive(&agreed(using, point)?, sealed.len())?;
        if !same(&self.mac(&with, sealed)?, mac) {
            return Err(undecryptable());
        }
        self.inner.open(&with, sealed).map_err(|_| undecryptable())
    }
}

/// All failures are one, so that nothing can be probed.
fn undecryptable() -> Error {
    Error::new(Cause::EncryptedDataInvalid, "the data does not decrypt")
}

fn is_montgomery(using: &Use) -> bool {
    using.key.class().key_type == Some(CKK_EC_MONTGOMERY)
}

/// Bytes of a public key in front of the ciphertext: compressed, and not.
struct Points {
    least: usize,
    most: usize,
}

fn points(using: &Use) -> Result<Points> {
    if is_montgomery(using) {
        return Ok(Points { least: KEY_LEN, most: KEY_LEN });
    }
    let field = keys::curve(using.key.attributes())?.field_len();
    Ok(Points { least: 1 + field, most: 1 + 2 * field })
}

/// A fresh public key, and the secret shared with the holder of the key of the use.
fn ephemeral(using: &Use) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>)> {
    if is_montgomery(using) {
        let peer = using.key.attributes().bytes(CKA_EC_POINT).unwrap_or_default();
        let own = X25519PrivateKey::generate().map_err(broken)?;
        let secret = own
            .agree(keys::bare(peer))
            .map_err(|_| Error::new(Cause::EccPointInvalid, "the public key is of low order"))?;
        return Ok((own.public().to_vec(), secret));
    }
    let peer = keys::ec_public(&using.key)?;
    let own = EcPrivateKey::generate(peer.curve()).map_err(broken)?;
    let point = own.public().and_then(|public| public.point()).map_err(broken)?;
    Ok((point, own.ecdh(&peer).map_err(broken)?))
}

/// The secret shared with whoever made that point.
fn agreed(using: &Use, point: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    if is_montgomery(using) {
        return keys::x25519_private(&using.key)?.agree(point).map_err(|_| undecryptable());
    }
    let key = keys::ec_private(&using.key)?;
    let peer = EcPublicKey::from_point(key.curve(), point).map_err(|_| undecryptable())?;
    key.ecdh(&peer).map_err(broken)
}

impl Cipher for Scheme {
    fn prepare(&self, using: &Use) -> Result<()> {
        plan(using)?;
        using.limits.check(keys::bits(&using.key)?)
    }

    fn bounds(&self, using: &Use, input: usize) -> Result<(usize, usize)> {
        let (plan, points) = (plan(using)?, points(using)?);
        if using.forward {
            let around = points.most + plan.mac_len;
            let len = plan.inner.sealed_len(input).saturating_add(around);
            return Ok((len, len));
        }
        let padding = match plan.inner {
            Inner::Chained { padding: Some(_), .. } => plan.inner.block(),
            _ => 0,
        };
        let least = input.saturating_sub(points.most + plan.mac_len + padding);
        let shortest = if plan.compressed { points.least } else { points.most };
        Ok((least, input.saturating_sub(shortest + plan.mac_len)))
    }

    fn once(&self, using: &Use, input: &[u8]) -> Result<Vec<u8>> {
        let plan = plan(using)?;
        if using.forward { plan.encrypt(using, input) } else { plan.decrypt(using, input) }
    }

    fn start(&'static self, using: Use) -> Result<Box<dyn Stream>> {
        Ok(Collect::stream(self, using))
    }
}

#[cfg(test)]
mod tests;
