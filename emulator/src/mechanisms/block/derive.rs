//! A key by encrypting data under another.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, section 2.15.

use zeroize::Zeroizing;

use super::Family;
use crate::error::Result;
use crate::mechanisms::{Params, Use, broken, wrong_params};

/// Each block on its own.
pub(in crate::mechanisms) fn by_ecb(family: Family, using: &Use) -> Result<Zeroizing<Vec<u8>>> {
    let (_, data) = whole_blocks(family, using)?;
    let mut value = Zeroizing::new(data.to_vec());
    (family.cipher)(using)?.ecb(&mut value, true).map_err(broken)?;
    Ok(value)
}

/// In chained blocks.
pub(in crate::mechanisms) fn by_cbc(family: Family, using: &Use) -> Result<Zeroizing<Vec<u8>>> {
    let (iv, data) = whole_blocks(family, using)?;
    if iv.len() != family.block {
        return Err(wrong_params("an initialisation vector of one block is wanted"));
    }
    let mut value = Zeroizing::new(data.to_vec());
    (family.cipher)(using)?.cbc(&mut iv.to_vec(), &mut value, true).map_err(broken)?;
    Ok(value)
}

fn whole_blocks(family: Family, using: &Use) -> Result<(&[u8], &[u8])> {
    match &using.params {
        Params::Data { iv, data }
            if !data.is_empty() && data.len().is_multiple_of(family.block) =>
        {
            Ok((iv, data))
        }
        Params::Data { .. } => Err(wrong_params("whole blocks of data are wanted")),
        _ => Err(wrong_params("the data to encrypt is wanted")),
    }
}
