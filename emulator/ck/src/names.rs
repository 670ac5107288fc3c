//! Names of numbers, for logs, transcripts and reports.
//!
//! One name a number: the standard's where the vendor has another for it.

mod cka;
mod ckk;
mod ckm;
mod cko;
mod ckr;
mod cks;
mod cku;

pub use self::cka::CKA;
pub use self::ckk::CKK;
pub use self::ckm::CKM;
pub use self::cko::CKO;
pub use self::ckr::CKR;
pub use self::cks::CKS;
pub use self::cku::CKU;

/// `CKR_PIN_INCORRECT` for 0xA0; a number nobody named is printed as hexadecimal.
pub fn ckr(value: u64) -> String {
    name(CKR, value)
}

/// `CKM_AES_GCM` for 0x1087.
pub fn ckm(value: u64) -> String {
    name(CKM, value)
}

/// `CKA_LABEL` for 3.
pub fn cka(value: u64) -> String {
    name(CKA, value)
}

/// The name of `value` in a table of this module, or its hexadecimal digits.
pub fn name(table: &[(u64, &str)], value: u64) -> String {
    match table.binary_search_by_key(&value, |row| row.0) {
        Ok(at) => table.get(at).map_or_else(String::new, |row| row.1.to_owned()),
        Err(_) => format!("0x{value:08x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_so_that_binary_search_finds() {
        for table in [CKA, CKK, CKM, CKO, CKR, CKS, CKU] {
            assert!(table.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
        assert_eq!(ckr(0xa0), "CKR_PIN_INCORRECT");
        assert_eq!(ckr(0xdead_beef), "0xdeadbeef");
    }
}
