//! Modes over any block cipher. A cipher is a [`Family`]; its file lists which modes it has.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms (AES, 3DES, ARIA) and Historical Mechanisms (DES, RC2,
//! RC5, CAST5), whose modes differ in names and parameters only.

mod cbc;
mod cmac;
mod derive;
mod ecb;
mod mac;
mod stream;

use zeroize::Zeroizing;

pub(super) use self::cbc::Cbc;
pub(super) use self::cmac::Cmac;
pub(super) use self::derive::{by_cbc, by_ecb};
pub(super) use self::ecb::Ecb;
pub(super) use self::mac::{Mac, whole_key_mac};
pub(super) use self::stream::{Parts, Streaming};

use crate::ck::*;
use crate::crypto::CryptoError;
use crate::crypto::block::{AnyCipher, Padding};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::params::Beside;
use crate::mechanisms::{
    Derive, GenerateKey, NOTHING, Row, Shape, Use, broken, keys, wrong_params,
};

/// A block cipher as the modes take it.
#[derive(Clone, Copy)]
pub(super) struct Family {
    /// The keys it wants.
    pub(super) key_type: CK_KEY_TYPE,
    /// Keys it takes besides.
    pub(super) also: &'static [CK_KEY_TYPE],
    /// Bytes of a block, as parameters have them.
    pub(super) block: usize,
    /// What parameters say of the cipher itself.
    pub(super) tuning: Tuning,
    /// The cipher with the key of a use, tuned as its parameter says.
    pub(super) cipher: fn(&Use) -> Result<AnyCipher>,
}

/// What the parameters of every mechanism of a cipher begin with.
#[derive(Clone, Copy)]
pub(super) enum Tuning {
    /// Nothing: a mode has its own parameter only.
    None,
    /// Bits of the key that count.
    Rc2,
    /// Bytes of a word, and rounds.
    Rc5,
}

impl Family {
    /// Keys of that type, blocks of so many bytes, nothing to tune.
    pub(super) const fn new(
        key_type: CK_KEY_TYPE,
        block: usize,
        cipher: fn(&Use) -> Result<AnyCipher>,
    ) -> Self {
        Self { key_type, also: &[], block, tuning: Tuning::None, cipher }
    }

    const fn row(self, kind: CK_MECHANISM_TYPE, beside: Beside) -> Row {
        let shape = match (self.tuning, beside) {
            (Tuning::Rc2, beside) => Shape::Rc2(beside),
            (Tuning::Rc5, beside) => Shape::Rc5(beside),
            (Tuning::None, Beside::Nothing) => Shape::None,
            (Tuning::None, Beside::Iv) => Shape::Iv(self.block),
            (Tuning::None, Beside::Length) => Shape::Length,
        };
        Row { kind, key: Some(self.key_type), also: self.also, shape, ..NOTHING }
    }

    /// Checks size and parameter; the modes call it before anything is fed.
    fn check(self, using: &Use) -> Result<AnyCipher> {
        using.limits.check(keys::bits(&using.key)?)?;
        (self.cipher)(using)
    }
}

/// Key generation.
pub(super) const fn key_gen(
    kind: CK_MECHANISM_TYPE,
    key_type: CK_KEY_TYPE,
    generate: GenerateKey,
) -> Row {
    Row { kind, key: Some(key_type), generate: Some(generate), ..NOTHING }
}

/// Each block on its own; carries keys too.
pub(super) const fn ecb(kind: CK_MECHANISM_TYPE, mode: &'static Ecb) -> Row {
    Row { cipher: Some(mode), wrap: Some(mode), ..mode.0.row(kind, Beside::Nothing) }
}

/// Chained blocks, with or without padding; carries keys too.
pub(super) const fn cbc(kind: CK_MECHANISM_TYPE, mode: &'static Cbc) -> Row {
    Row { cipher: Some(mode), wrap: Some(mode), ..mode.0.row(kind, Beside::Iv) }
}

/// CFB and OFB, which carry no keys (the vendor's table of functions, Assumed).
pub(super) const fn feedback(kind: CK_MECHANISM_TYPE, mode: &'static Streaming) -> Row {
    Row { cipher: Some(mode), ..mode.0.row(kind, Beside::Iv) }
}

/// CTR.
pub(super) const fn counter(kind: CK_MECHANISM_TYPE, mode: &'static Streaming) -> Row {
    let shape = Shape::Ctr(mode.0.block);
    Row { cipher: Some(mode), shape, ..mode.0.row(kind, Beside::Nothing) }
}

/// CBC-MAC of half a block.
pub(super) const fn mac(kind: CK_MECHANISM_TYPE, mac: &'static Mac) -> Row {
    Row { signature: Some(mac), ..mac.0.row(kind, Beside::Nothing) }
}

/// CBC-MAC of the length that the parameter says.
pub(super) const fn mac_general(kind: CK_MECHANISM_TYPE, mac: &'static Mac) -> Row {
    Row { signature: Some(mac), ..mac.0.row(kind, Beside::Length) }
}

/// CMAC of a whole block.
pub(super) const fn cmac(kind: CK_MECHANISM_TYPE, mac: &'static Cmac) -> Row {
    Row { signature: Some(mac), ..mac.0.row(kind, Beside::Nothing) }
}

/// CMAC of the length that the parameter says.
pub(super) const fn cmac_general(kind: CK_MECHANISM_TYPE, mac: &'static Cmac) -> Row {
    Row { signature: Some(mac), ..mac.0.row(kind, Beside::Length) }
}

/// A key by encrypting data, each block on its own.
pub(super) const fn ecb_data(kind: CK_MECHANISM_TYPE, family: Family, derive: Derive) -> Row {
    Row { shape: Shape::Data, derive: Some(derive), ..family.row(kind, Beside::Nothing) }
}

/// A key by encrypting data in chained blocks.
pub(super) const fn cbc_data(kind: CK_MECHANISM_TYPE, family: Family, derive: Derive) -> Row {
    let shape = Shape::IvAndData(family.block);
    Row { shape, derive: Some(derive), ..family.row(kind, Beside::Nothing) }
}

/// The vector of a use, which has to be one block.
fn iv<'a>(using: &'a Use, cipher: &AnyCipher) -> Result<&'a [u8]> {
    using
        .params
        .iv()
        .filter(|iv| iv.len() == cipher.block_len())
        .ok_or_else(|| wrong_params("an initialisation vector of one block is wanted"))
}

fn length_error(using: &Use) -> Error {
    let cause = if using.forward { Cause::DataLenRange } else { Cause::EncryptedDataLenRange };
    Error::new(cause, "whole blocks are wanted")
}

/// What a cipher says of data that is not whole blocks, in the words of the use.
fn failed(error: CryptoError, using: &Use) -> Error {
    match error {
        CryptoError::Length => length_error(using),
        other => broken(other),
    }
}

/// A secret key filled up with zeros to whole blocks; a private key has no use for that, since its
/// end could not be found again.
///
/// Source: PKCS#11 v2.40 Current Mechanisms, section 2.10.4.
fn zero_padded(plain: &[u8], class: CK_OBJECT_CLASS, block: usize) -> Result<Zeroizing<Vec<u8>>> {
    if class != CKO_SECRET_KEY {
        return Err(Error::new(
            Cause::KeyNotWrappable,
            "a private key wants a mechanism that pads",
        ));
    }
    let mut padded = Zeroizing::new(plain.to_vec());
    padded.resize(plain.len().next_multiple_of(block), 0);
    Ok(padded)
}

/// Whether a key of `len` bytes was filled up to these with zeros.
fn is_zero_padded(plain: &[u8], len: usize, block: usize) -> bool {
    len.next_multiple_of(block) == plain.len()
        && plain.get(len..).is_some_and(|rest| rest.iter().all(|byte| *byte == 0))
}

/// Padding of the mechanisms that pad.
pub(super) const PKCS7: Option<Padding> = Some(Padding::Pkcs7);

/// Padding of the mechanisms named after IPsec: as ESP pads, without its last byte, which names
/// what is carried (Assumed; the vendor's pages say no more than the name).
pub(super) const IPSEC: Option<Padding> = Some(Padding::Counting);
