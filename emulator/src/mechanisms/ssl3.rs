//! Handshake and MACs of SSL 3.0, which nobody should use (RFC 7568) and old applications do.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, section 2.39 (SSL), for parameters, results and the
//! attributes of keys; RFC 6101 sections 5.2.3.1 and 6 for what is computed. Where the two are
//! silent: a MAC may have any length up to the hash's, since the standard's "4 to 8 bytes" would
//! rule out the MACs of SSL 3.0 itself, random data is 32 bytes a side, and sizes are those of its
//! suites (Assumed).

use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::hash::{self, Digest, Hash};
use crate::crypto::random;
use crate::error::{Cause, Error, Result};
use crate::mechanisms::derive::{impose, presume};
use crate::mechanisms::hmac::{compare, mac_len};
use crate::mechanisms::{
    Feed, Limits, Made, NOTHING, Params, Row, Shape, Signature, Use, Yield, Yielded, broken, keys,
    wrong_params,
};
use crate::object::{Attribute, Template};

/// Bytes of a pre-master and of a master secret.
const SECRET_LEN: usize = 48;

/// Bytes that each side draws.
const RANDOM_LEN: usize = 32;

/// Bytes of a version.
const VERSION_LEN: usize = 2;

/// The most bytes of a vector: a block of any cipher.
const MOST_OF_IV: usize = 16;

/// The most bytes that one handshake gives: as many labels as the alphabet has letters.
const MOST_OF_BLOCK: usize = 26 * 16;

type Bytes = Zeroizing<Vec<u8>>;

const fn mac(kind: CK_MECHANISM_TYPE, signature: &'static SslMac) -> Row {
    Row {
        kind,
        key: Some(CKK_GENERIC_SECRET),
        shape: Shape::Length,
        signature: Some(signature),
        ..NOTHING
    }
}

/// Handshake and MACs.
pub static ROWS: &[Row] = &[
    Row {
        kind: CKM_SSL3_PRE_MASTER_KEY_GEN,
        key: Some(CKK_GENERIC_SECRET),
        shape: Shape::Bytes(VERSION_LEN),
        generate: Some(pre_master),
        ..NOTHING
    },
    Row {
        kind: CKM_SSL3_MASTER_KEY_DERIVE,
        key: Some(CKK_GENERIC_SECRET),
        shape: Shape::Ssl3Random,
        derives: Some(master),
        ..NOTHING
    },
    Row {
        kind: CKM_SSL3_KEY_AND_MAC_DERIVE,
        key: Some(CKK_GENERIC_SECRET),
        shape: Shape::Ssl3KeyMaterial,
        derives: Some(key_material),
        ..NOTHING
    },
    mac(CKM_SSL3_MD5_MAC, &SslMac { hash: Hash::Md5, filling: 48 }),
    mac(CKM_SSL3_SHA1_MAC, &SslMac { hash: Hash::Sha1, filling: 40 }),
];

/// The version the client asked for, then bytes by chance.
fn pre_master(template: &Template, params: &Params, limits: Limits) -> Result<Template> {
    let version = match params {
        Params::Bytes(version) if version.len() == VERSION_LEN => version,
        _ => return Err(wrong_params("the client's version, 2 bytes, is wanted")),
    };
    limits.check(SECRET_LEN as u64 * 8)?;
    impose(&mut template.clone(), &[Attribute::number(CKA_VALUE_LEN, SECRET_LEN as u64)])?;
    let drawn = random::bytes(SECRET_LEN - VERSION_LEN).map_err(broken)?;
    Ok(keys::secret::attributes(&Zeroizing::new([version.as_slice(), &drawn].concat())))
}

/// The secret of a key of SSL 3.0.
fn secret(using: &Use) -> Result<&[u8]> {
    let value = keys::value(&using.key)?;
    if value.len() == SECRET_LEN {
        return Ok(value);
    }
    Err(Error::new(Cause::KeySizeRange, format!("a secret of SSL has {SECRET_LEN} bytes")))
}

fn check_random(client: &[u8], server: &[u8]) -> Result<()> {
    if client.len() == RANDOM_LEN && server.len() == RANDOM_LEN {
        return Ok(());
    }
    Err(wrong_params("each side draws 32 bytes"))
}

fn joined(hash: Hash, parts: &[&[u8]]) -> Result<Bytes> {
    let mut digest = Digest::new(hash).map_err(broken)?;
    parts.iter().for_each(|part| digest.update(part));
    digest.finish().map(Zeroizing::new).map_err(broken)
}

/// As many bytes as are wanted: MD5 over SHA-1, labelled `A`, `BB`, `CCC` and so on.
fn expanded(secret: &[u8], random: &[&[u8]; 2], len: usize) -> Result<Bytes> {
    let mut out = Zeroizing::new(Vec::new());
    for (letter, count) in (b'A'..=b'Z').zip(1..) {
        if out.len() >= len {
            break;
        }
        let label = vec![letter; count];
        let inner = joined(Hash::Sha1, &[&label, secret, random[0], random[1]])?;
        out.extend_from_slice(&joined(Hash::Md5, &[secret, &inner])?);
    }
    if out.len() < len {
        return Err(wrong_params("a handshake gives no more than 416 bytes"));
    }
    out.truncate(len);
    Ok(out)
}

fn master(using: &Use, template: &Template) -> Result<Yield> {
    let Params::Ssl3Random { client, server } = &using.params else {
        return Err(wrong_params("what both sides drew is wanted"));
    };
    check_random(client, server)?;
    let secret = secret(using)?;
    let mut template = template.clone();
    impose(
        &mut template,
        &[
            Attribute::number(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
            Attribute::number(CKA_VALUE_LEN, SECRET_LEN as u64),
        ],
    )?;
    let version = secret.get(..VERSION_LEN).unwrap_or_default().to_vec();
    let value = expanded(secret, &[client, server], SECRET_LEN)?;
    Ok(Yield { told: vec![version], ..Yield::one(template, value) })
}

fn whole_bytes(bits: CK_ULONG) -> Result<usize> {
    usize::try_from(bits / 8)
        .ok()
        .filter(|len| bits.is_multiple_of(8) && *len <= MOST_OF_BLOCK)
        .ok_or_else(|| wrong_params("sizes are in bits, of whole bytes, and within a handshake"))
}

/// Attributes that say what a key may do, or how its value is made: those of the keys for
/// encryption are not those of the keys for MACs.
const OF_WRITE_KEYS: [CK_ATTRIBUTE_TYPE; 9] = [
    CKA_KEY_TYPE,
    CKA_VALUE_LEN,
    CKA_ENCRYPT,
    CKA_DECRYPT,
    CKA_WRAP,
    CKA_UNWRAP,
    CKA_SIGN,
    CKA_VERIFY,
    CKA_DERIVE,
];

/// Bytes of what one handshake gives.
struct Sizes {
    mac: usize,
    /// What the handshake gives of a key for encryption.
    key: usize,
    /// What becomes of that where laws on export had their say.
    stretched: Option<usize>,
    iv: usize,
}

/// # Errors
/// `MechanismParamInvalid` for sizes that no suite of SSL 3.0 has: vectors are told, and long ones
/// would tell what other sizes make keys of.
fn sizes(params: &Params, template: &Template) -> Result<Sizes> {
    let Params::Ssl3KeyMaterial { mac_bits, key_bits, iv_bits, export, .. } = params else {
        return Err(wrong_params("sizes, and what both sides drew, are wanted"));
    };
    let (mac, key, iv) = (whole_bytes(*mac_bits)?, whole_bytes(*key_bits)?, whole_bytes(*iv_bits)?);
    if ![Hash::Md5.len(), Hash::Sha1.len()].contains(&mac) {
        return Err(wrong_params("MACs are those of MD5 and SHA-1"));
    }
    if key == 0 || iv > MOST_OF_IV {
        return Err(wrong_params("keys have a size, and vectors that of a block"));
    }
    let stretched = match template.number(CKA_VALUE_LEN) {
        _ if !*export => None,
        Some(len) => Some(whole_bytes(len.saturating_mul(8))?),
        None => Some(key),
    };
    Ok(Sizes { mac, key, stretched, iv })
}

/// Two keys for MACs, two for encryption, client before server; then the vectors.
fn key_material(using: &Use, template: &Template) -> Result<Yield> {
    let sizes = sizes(&using.params, template)?;
    let mut template = template.clone();
    // All four keys are guarded as their base is, and the template may not say otherwise.
    let guards = [CKA_SENSITIVE, CKA_EXTRACTABLE];
    impose(&mut template, &guards.map(|kind| Attribute::flag(kind, using.key.is(kind))))?;
    let mut macs = template.clone();
    macs.0.retain(|attribute| !OF_WRITE_KEYS.contains(&attribute.kind));
    impose(
        &mut macs,
        &[
            Attribute::number(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
            Attribute::number(CKA_VALUE_LEN, sizes.mac as u64),
        ],
    )?;
    presume(&mut macs, &[CKA_SIGN, CKA_VERIFY, CKA_DERIVE]);
    presume(&mut template, &[CKA_ENCRYPT, CKA_DECRYPT, CKA_DERIVE]);
    let (values, told) = split(using, &sizes)?;
    let templates = [&macs, &macs, &template, &template];
    let keys = values.into_iter().zip(templates);
    Ok(Yield {
        keys: keys
            .map(|(value, template)| Yielded {
                template: template.clone(),
                made: Made::Secret(value),
            })
            .collect(),
        told,
    })
}

/// The bytes of the four keys, and both vectors.
fn split(using: &Use, sizes: &Sizes) -> Result<([Bytes; 4], Vec<Vec<u8>>)> {
    let Params::Ssl3KeyMaterial { client, server, .. } = &using.params else {
        return Err(wrong_params("what both sides drew is wanted"));
    };
    check_random(client, server)?;
    // Vectors of exported suites come from what was drawn alone.
    let iv = if sizes.stretched.is_some() { 0 } else { sizes.iv };
    let len = 2 * (sizes.mac + sizes.key + iv);
    let block = expanded(secret(using)?, &[server, client], len)?;
    let mut rest = block.as_slice();
    let mut next = |len: usize| -> Result<Bytes> {
        let (part, others) = rest.split_at_checked(len).ok_or_else(|| wrong_params("too long"))?;
        rest = others;
        Ok(Zeroizing::new(part.to_vec()))
    };
    let [client_mac, server_mac] = [next(sizes.mac)?, next(sizes.mac)?];
    let [client_key, server_key] = [next(sizes.key)?, next(sizes.key)?];
    let Some(len) = sizes.stretched else {
        let vectors = vec![next(iv)?.to_vec(), next(iv)?.to_vec()];
        return Ok(([client_mac, server_mac, client_key, server_key], vectors));
    };
    let vectors = vec![
        stretched(&[client, server], sizes.iv)?.to_vec(),
        stretched(&[server, client], sizes.iv)?.to_vec(),
    ];
    let client_key = stretched(&[&client_key, client, server], len)?;
    let server_key = stretched(&[&server_key, server, client], len)?;
    Ok(([client_mac, server_mac, client_key, server_key], vectors))
}

/// The first bytes of an MD5.
fn stretched(parts: &[&[u8]], len: usize) -> Result<Bytes> {
    let digest = joined(Hash::Md5, parts)?;
    let first = digest.get(..len).ok_or_else(|| wrong_params("MD5 gives 16 bytes"))?;
    Ok(Zeroizing::new(first.to_vec()))
}

/// The MAC of a record, before HMAC was: twice the hash, the key filled up to a block (nearly).
struct SslMac {
    hash: Hash,
    filling: usize,
}

impl Signature for SslMac {
    fn prepare(&self, using: &Use) -> Result<()> {
        self.len(using)?;
        using.limits.check(keys::bits(&using.key)?)
    }

    fn len(&self, using: &Use) -> Result<usize> {
        mac_len(using, true, self.hash.len())
    }

    fn feed(&self, using: &Use) -> Result<Box<dyn Feed>> {
        let secret = Zeroizing::new(keys::value(&using.key)?.to_vec());
        let mut inner = Digest::new(self.hash).map_err(broken)?;
        inner.update(&secret);
        inner.update(&vec![0x36; self.filling]);
        Ok(Box::new(Record { hash: self.hash, filling: self.filling, secret, inner }))
    }

    fn sign(&self, using: &Use, fed: &[u8]) -> Result<Vec<u8>> {
        Ok(fed.get(..self.len(using)?).unwrap_or(fed).to_vec())
    }

    fn verify(&self, using: &Use, fed: &[u8], signature: &[u8]) -> Result<()> {
        compare(fed, signature, self.len(using)?)
    }
}

struct Record {
    hash: Hash,
    filling: usize,
    secret: Bytes,
    inner: Digest,
}

impl Feed for Record {
    fn update(&mut self, input: &[u8]) -> Result<()> {
        self.inner.update(input);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>> {
        let inner = self.inner.finish().map_err(broken)?;
        let outer = [&self.secret, vec![0x5c; self.filling].as_slice(), &inner].concat();
        hash::digest(self.hash, &Zeroizing::new(outer)).map_err(broken)
    }
}

#[cfg(test)]
mod tests;
