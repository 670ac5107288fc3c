//! Where things lie in the parameters of mechanisms.

use luna_ck::*;

/// A parameter's structure; offsets and sizes in bytes, on 64-bit Linux.
#[derive(Debug)]
pub struct Layout {
    /// Of the whole; none: as long as the caller says, and no pointer in it.
    pub size: Option<usize>,
    /// Pointers to bytes outside, each with its length.
    pub pointers: &'static [Pointer],
    /// Handles of keys.
    pub handles: &'static [usize],
}

/// A pointer in a structure.
#[derive(Clone, Copy, Debug)]
pub struct Pointer {
    /// Where the pointer is.
    pub at: usize,
    /// Where its length is.
    pub len_at: usize,
    /// The bytes are public and decide whether the call works at all, as a peer's public key does: they are
    /// written as they are.
    pub public: bool,
}

const fn bytes(at: usize, len_at: usize) -> Pointer {
    Pointer { at, len_at, public: false }
}

const fn public(at: usize, len_at: usize) -> Pointer {
    Pointer { at, len_at, public: true }
}

/// No pointers: IVs, numbers, `CK_RSA_PKCS_PSS_PARAMS`, counters.
static FLAT: Layout = Layout { size: None, pointers: &[], handles: &[] };

/// `CK_GCM_PARAMS`: IV, its length, its bits, AAD, its length, tag bits.
static GCM: Layout =
    Layout { size: Some(48), pointers: &[bytes(0, 8), bytes(24, 32)], handles: &[] };

/// `CK_RSA_PKCS_OAEP_PARAMS`: hash, mask function, source, source data, its length.
static OAEP: Layout = Layout { size: Some(40), pointers: &[bytes(24, 32)], handles: &[] };

/// `CK_ECDH1_DERIVE_PARAMS`: function, shared data's length, shared data, public data's length, public data.
static ECDH: Layout =
    Layout { size: Some(40), pointers: &[bytes(16, 8), public(32, 24)], handles: &[] };

/// `CK_KEY_DERIVATION_STRING_DATA`: data, its length.
static STRING: Layout = Layout { size: Some(16), pointers: &[bytes(0, 8)], handles: &[] };

/// `CK_AES_CBC_ENCRYPT_DATA_PARAMS`: IV of 16 bytes, data, its length.
static CBC_DATA_16: Layout = Layout { size: Some(32), pointers: &[bytes(16, 24)], handles: &[] };

/// `CK_DES_CBC_ENCRYPT_DATA_PARAMS`: IV of 8 bytes, data, its length.
static CBC_DATA_8: Layout = Layout { size: Some(24), pointers: &[bytes(8, 16)], handles: &[] };

/// The vendor's `CK_EDDSA_PARAMS`: flag, context's length, context.
static EDDSA: Layout = Layout { size: Some(24), pointers: &[bytes(16, 8)], handles: &[] };

/// The vendor's `CK_KDF_PRF_PARAMS`: function, label, its length, context, its length, counter, encoding.
static PRF: Layout =
    Layout { size: Some(56), pointers: &[bytes(8, 16), bytes(24, 32)], handles: &[] };

/// Structures with pointers, by mechanism.
static LAYOUTS: &[(CK_MECHANISM_TYPE, &Layout)] = &[
    (CKM_AES_GCM, &GCM),
    (CKM_AES_GMAC, &GCM),
    (CKM_RSA_PKCS_OAEP, &OAEP),
    (CKM_ECDH1_DERIVE, &ECDH),
    (CKM_ECDH1_COFACTOR_DERIVE, &ECDH),
    (CKM_DES_ECB_ENCRYPT_DATA, &STRING),
    (CKM_DES3_ECB_ENCRYPT_DATA, &STRING),
    (CKM_AES_ECB_ENCRYPT_DATA, &STRING),
    (CKM_CONCATENATE_BASE_AND_DATA, &STRING),
    (CKM_CONCATENATE_DATA_AND_BASE, &STRING),
    (CKM_XOR_BASE_AND_DATA, &STRING),
    (CKM_AES_CBC_ENCRYPT_DATA, &CBC_DATA_16),
    (CKM_DES_CBC_ENCRYPT_DATA, &CBC_DATA_8),
    (CKM_DES3_CBC_ENCRYPT_DATA, &CBC_DATA_8),
    (CKM_EDDSA, &EDDSA),
    (CKM_NIST_PRF_KDF, &PRF),
    (CKM_PRF_KDF, &PRF),
];

/// The longest parameter without pointers: `CK_RSA_PKCS_PSS_PARAMS` has 24 bytes, a counter 24.
const FLAT_MAX: usize = 32;

/// How the parameter of a mechanism lies, `len` bytes of it; none where that is not known, so that nothing of it
/// can be followed.
pub fn of(mechanism: CK_MECHANISM_TYPE, len: usize) -> Option<&'static Layout> {
    match LAYOUTS.iter().find(|(kind, _)| *kind == mechanism) {
        Some((_, layout)) => (layout.size == Some(len)).then_some(*layout),
        // What is that short and starts a digest, a cipher or a signature has no pointers: a structure with one
        // is 16 bytes, of which a table row tells.
        None if len <= FLAT_MAX && !may_have_pointers(mechanism) => Some(&FLAT),
        None => None,
    }
}

/// Parameters of derivations mostly do.
fn may_have_pointers(mechanism: CK_MECHANISM_TYPE) -> bool {
    let name = names::ckm(mechanism);
    // One that has no name here may be anything.
    ["0x", "DERIV", "KDF", "PBE", "PKCS5", "TLS", "SSL", "ECIES", "BIP32", "PQ", "DUKPT", "ML_"]
        .iter()
        .any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_lie_inside_and_are_eight_bytes() {
        for (kind, layout) in LAYOUTS {
            let size = layout.size.unwrap();
            for pointer in layout.pointers {
                assert!(pointer.at + 8 <= size && pointer.len_at + 8 <= size, "{kind:#x}");
                assert!(pointer.at % 8 == 0 && pointer.len_at % 8 == 0, "{kind:#x}");
            }
        }
        assert!(of(CKM_AES_GCM, 48).is_some() && of(CKM_AES_GCM, 40).is_none());
        assert!(of(CKM_AES_CBC, 16).is_some());
        assert!(of(CKM_TLS12_MASTER_KEY_DERIVE, 32).is_none());
    }
}
