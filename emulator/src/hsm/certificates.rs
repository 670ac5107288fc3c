//! The certificates of an HSM: of its origin, and of the key that other HSMs know it by.
//!
//! Source: `CKHSC_CERT_TYPE_` numbers of the vendor's header (Documented). What the vendor's certificates
//! hold and who signs them is theirs; here a root that every emulated HSM shares signs a manufacturer,
//! he the HSM, and the HSM its token wrapping key. Older kinds are none that this HSM has (Assumed).

use crate::ck::*;
use crate::crypto::curve25519::Ed25519PrivateKey;
use crate::crypto::{kdf, x509};
use crate::error::{Cause, Error, Result};
use crate::hsm::partition::Partition;
use crate::mechanisms::broken;

const ROOT: &str = "Emulated Luna Root";
const MANUFACTURER: &str = "Emulated Luna Manufacturing Integrity";
const ORIGIN: &str = "Emulated Luna Hardware Origin";
const WRAPPING: &str = "Emulated Luna Token Wrapping";

/// A key that follows from a secret.
fn key(secret: &[u8], purpose: &str) -> Result<Ed25519PrivateKey> {
    let seed = kdf::hkdf_sha256(secret, b"luna emulator", purpose.as_bytes()).map_err(broken)?;
    Ed25519PrivateKey::from_seed(seed.as_slice()).map_err(broken)
}

/// The root and the manufacturer are no secret: everybody can make emulated HSMs.
const EVERYBODY: &[u8] = b"every emulated HSM";

impl Partition {
    /// The certificate of a kind.
    ///
    /// # Errors
    /// `CertificateTypeInvalid` for no kind at all, `CertificateDataMissing` for one this HSM has not.
    pub(super) fn certificate(&self, kind: CK_ULONG) -> Result<Vec<u8>> {
        let secret = self.device_key.expose();
        let (root, maker) = (key(EVERYBODY, ROOT)?, key(EVERYBODY, MANUFACTURER)?);
        let (own, wrapping) = (key(secret, ORIGIN)?, key(secret, WRAPPING)?);
        match kind {
            CKHSC_CERT_TYPE_ECC_ROOT => x509::certificate((ROOT, &root.public()), (ROOT, &root), 1),
            CKHSC_CERT_TYPE_ECC_MIC => {
                x509::certificate((MANUFACTURER, &maker.public()), (ROOT, &root), 2)
            }
            CKHSC_CERT_TYPE_ECC_HOC => {
                x509::certificate((ORIGIN, &own.public()), (MANUFACTURER, &maker), 3)
            }
            CKHSC_CERT_TYPE_ECC_TWC
            | CKHSC_CERT_TYPE_TWC
            | CKHSC_CERT_TYPE_TWC2
            | CKHSC_CERT_TYPE_TWC3 => {
                x509::certificate((WRAPPING, &wrapping.public()), (ORIGIN, &own), 4)
            }
            CKHSC_CERT_TYPE_TCTRUST_MAC..=CKHSC_CERT_TYPE_LEGACY_ECC_DAC => {
                return Err(Error::new(
                    Cause::CertificateDataMissing,
                    "this HSM has no certificate of that kind",
                ));
            }
            _ => {
                return Err(Error::new(Cause::CertificateTypeInvalid, "there is no such kind"));
            }
        }
        .map_err(broken)
    }

    /// Whether it is this HSM's token wrapping certificate.
    pub(super) fn is_own_certificate(&self, certificate: &[u8]) -> Result<bool> {
        Ok(self.certificate(CKHSC_CERT_TYPE_ECC_TWC)? == certificate)
    }
}

/// Whether it could be a token wrapping certificate: as long as one, and one sequence.
///
/// # Errors
/// `CertificateDataMissing` where there is none, `CertificateDataInvalid` for what is none.
pub(super) fn check_form(certificate: &[u8]) -> Result<()> {
    if certificate.is_empty() {
        return Err(Error::new(
            Cause::CertificateDataMissing,
            "the source's certificate is wanted",
        ));
    }
    if x509::names_subject(certificate, WRAPPING) {
        return Ok(());
    }
    Err(Error::new(Cause::CertificateDataInvalid, "this is no token wrapping certificate"))
}
