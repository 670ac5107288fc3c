//! Encodings that a caller undoes before the module is asked, all of them by the crates `der` and `spki`.

use der::asn1::{ObjectIdentifier, OctetStringRef, UintRef};
use der::{Decode, Encode, Sequence};
use spki::SubjectPublicKeyInfoRef;

/// `ECDSA-Sig-Value` and `Dss-Sig-Value`, RFC 3279.
#[derive(Sequence)]
struct Halves<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

/// A DER signature as PKCS#11 wants it: two halves of `len` bytes, or more where a number does not fit.
/// None for what is not DER; zero and negative numbers count as such where `der` says so.
pub(crate) fn halves(signature: &[u8], len: usize) -> Option<Vec<u8>> {
    let Halves { r, s } = Halves::from_der(signature).ok()?;
    let len = len.max(r.as_bytes().len()).max(s.as_bytes().len());
    let padded = |number: &[u8]| [vec![0; len - number.len()], number.to_vec()].concat();
    Some([padded(r.as_bytes()), padded(s.as_bytes())].concat())
}

/// `CKA_EC_POINT`: the point in a DER OCTET STRING.
pub(crate) fn point_in_octets(point: &[u8]) -> Vec<u8> {
    OctetStringRef::new(point).unwrap().to_der().unwrap()
}

/// The named curve and the point of a `SubjectPublicKeyInfo`; none for other DER, for curves by their
/// parameters, and for what is no DER.
pub(crate) fn named_point(key: &[u8]) -> Option<(ObjectIdentifier, Vec<u8>)> {
    const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
    let key = SubjectPublicKeyInfoRef::from_der(key).ok()?;
    if key.algorithm.oid != EC_PUBLIC_KEY {
        return None;
    }
    let curve = key.algorithm.parameters?.decode_as::<ObjectIdentifier>().ok()?;
    Some((curve, key.subject_public_key.as_bytes()?.to_vec()))
}
