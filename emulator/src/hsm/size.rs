//! The size of a partition where an administrator has changed it, among what its record keeps as
//! `extra`: text, so that other facts can stand beside it.

use toml::{Table, Value};

use crate::error::{Cause, Error, Result};

const KEY: &str = "bytes";

fn facts(extra: &[u8]) -> Result<Table> {
    let text = std::str::from_utf8(extra).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| {
        Error::new(Cause::DeviceError, "the store holds facts that cannot be understood")
    })
}

/// The size in bytes, where it is not the profile's.
pub(super) fn read(extra: &[u8]) -> Result<Option<u64>> {
    if extra.is_empty() {
        return Ok(None);
    }
    let bytes = facts(extra)?.get(KEY).and_then(Value::as_integer);
    Ok(bytes.and_then(|bytes| u64::try_from(bytes).ok()))
}

/// The same facts with another size.
pub(super) fn written(extra: &[u8], bytes: u64) -> Result<Vec<u8>> {
    let mut facts = facts(extra)?;
    let bytes = i64::try_from(bytes)
        .map_err(|_| Error::new(Cause::ArgumentsBad, "no partition has so many bytes"))?;
    facts.insert(KEY.into(), Value::Integer(bytes));
    Ok(facts.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_stands_beside_other_facts() {
        assert_eq!(read(b"").unwrap(), None);
        let facts = written(b"kind = \"user\"\n", 7).unwrap();
        assert_eq!(read(&facts).unwrap(), Some(7));
        assert!(std::str::from_utf8(&facts).unwrap().contains("kind"));
        assert!(read(&[0xff]).is_err());
    }
}
