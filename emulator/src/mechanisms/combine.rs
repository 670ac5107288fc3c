//! Keys made of another key and data: joined, mixed, cut out.
//!
//! The key that comes of it is at least as well guarded as the one it came from. Source: PKCS#11
//! v2.40 Current Mechanisms, section 2.31. No list of a known firmware has these mechanisms; the
//! vendor's header has.

use zeroize::Zeroizing;

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::mechanisms::{Derive, NOTHING, Params, Row, Shape, Use, keys, wrong_params};

const fn row(kind: CK_MECHANISM_TYPE, shape: Shape, derive: Derive) -> Row {
    Row { kind, shape, derive: Some(derive), keeps_guard: true, ..NOTHING }
}

/// One key and data, or a place in the key.
pub static ROWS: &[Row] = &[
    row(CKM_CONCATENATE_BASE_AND_DATA, Shape::Data, |using, _| {
        Ok(Zeroizing::new([&keys::to_bytes(&using.key)?, data(using)?].concat()))
    }),
    row(CKM_CONCATENATE_DATA_AND_BASE, Shape::Data, |using, _| {
        Ok(Zeroizing::new([data(using)?, &keys::to_bytes(&using.key)?].concat()))
    }),
    row(CKM_XOR_BASE_AND_DATA, Shape::Data, |using, _| {
        let key = keys::to_bytes(&using.key)?;
        // As long as the shorter of the two.
        Ok(Zeroizing::new(key.iter().zip(data(using)?).map(|(one, other)| one ^ other).collect()))
    }),
    row(CKM_EXTRACT_KEY_FROM_KEY, Shape::Length, extract),
];

fn data(using: &Use) -> Result<&[u8]> {
    match &using.params {
        Params::Data { data, .. } if !data.is_empty() => Ok(data),
        _ => Err(wrong_params("the data to combine is wanted")),
    }
}

/// Bits from a place on, over the end to the beginning; bit 0 is the highest of the first byte.
fn extract(using: &Use, wanted: Option<usize>) -> Result<Zeroizing<Vec<u8>>> {
    let Params::Length(first) = using.params else {
        return Err(wrong_params("the place of the first bit is wanted"));
    };
    let key = keys::to_bytes(&using.key)?;
    let len = wanted.ok_or_else(|| {
        Error::new(Cause::TemplateIncomplete, "the length of the key is wanted")
            .about(CKA_VALUE_LEN)
    })?;
    let first = usize::try_from(first)
        .ok()
        .filter(|first| *first < key.len() * 8)
        .ok_or_else(|| wrong_params("the key has no such bit"))?;
    if len > key.len() {
        return Err(Error::new(Cause::KeySizeRange, format!("{} bytes are there", key.len()))
            .about(CKA_VALUE_LEN));
    }
    let shift = first % 8;
    let from = |place: usize| key.get(place % key.len()).copied().map_or(0, u16::from);
    let byte = |at: usize| {
        let place = first / 8 + at;
        let pair = from(place) << 8 | from(place + 1);
        (pair << shift).to_be_bytes()[0]
    };
    Ok(Zeroizing::new((0..len).map(byte).collect()))
}
