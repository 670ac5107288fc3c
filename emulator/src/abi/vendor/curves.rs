//! Explicit parameters of elliptic curves, encoded (X9.62, SEC 1 appendix C.2). No HSM is asked.
//!
//! Source: signatures and which arguments may be null from the vendor's header (Documented).

use crate::abi::ptr::{self, Buffer};
use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::library::Library;
use crate::library::curves::{self, Curve, Field};

/// # Safety
/// As `ptr::bytes` wants.
unsafe fn number(at: CK_BYTE_PTR, len: CK_ULONG, what: &'static str) -> Result<Vec<u8>> {
    // SAFETY: passed on.
    let bytes = unsafe { ptr::bytes(at, len)? };
    if bytes.is_empty() {
        return Err(Error::new(Cause::ArgumentsBad, what));
    }
    Ok(bytes.to_vec())
}

/// # Safety
/// As `ptr::bytes` wants.
unsafe fn optional(at: CK_BYTE_PTR, len: CK_ULONG) -> Result<Option<Vec<u8>>> {
    if at.is_null() {
        return Ok(None);
    }
    // SAFETY: passed on.
    let bytes = unsafe { ptr::bytes(at, len)? };
    Ok((!bytes.is_empty()).then(|| bytes.to_vec()))
}

/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the vendor's signature")]
pub(in crate::abi) unsafe fn prime(
    _library: &Library,
    der: CK_BYTE_PTR,
    len: CK_ULONG_PTR,
    prime: CK_BYTE_PTR,
    prime_len: CK_ULONG,
    a: CK_BYTE_PTR,
    a_len: CK_ULONG,
    b: CK_BYTE_PTR,
    b_len: CK_ULONG,
    seed: CK_BYTE_PTR,
    seed_len: CK_ULONG,
    x: CK_BYTE_PTR,
    x_len: CK_ULONG,
    y: CK_BYTE_PTR,
    y_len: CK_ULONG,
    order: CK_BYTE_PTR,
    order_len: CK_ULONG,
    cofactor: CK_BYTE_PTR,
    cofactor_len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let (out, curve) = unsafe {
        let out = Buffer::new(der, len)?;
        let curve = Curve {
            field: Field::Prime(number(prime, prime_len, "the prime is wanted")?),
            a: number(a, a_len, "the coefficient a is wanted")?,
            b: number(b, b_len, "the coefficient b is wanted")?,
            seed: optional(seed, seed_len)?,
            x: number(x, x_len, "the base point is wanted")?,
            y: number(y, y_len, "the base point is wanted")?,
            order: number(order, order_len, "the order is wanted")?,
            cofactor: optional(cofactor, cofactor_len)?,
        };
        (out, curve)
    };
    out.put(&out.room().fit(curves::encode(&curve)?))
}

/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the vendor's signature")]
pub(in crate::abi) unsafe fn binary(
    _library: &Library,
    der: CK_BYTE_PTR,
    len: CK_ULONG_PTR,
    m: CK_ULONG,
    k1: CK_ULONG,
    k2: CK_ULONG,
    k3: CK_ULONG,
    a: CK_BYTE_PTR,
    a_len: CK_ULONG,
    b: CK_BYTE_PTR,
    b_len: CK_ULONG,
    seed: CK_BYTE_PTR,
    seed_len: CK_ULONG,
    x: CK_BYTE_PTR,
    x_len: CK_ULONG,
    y: CK_BYTE_PTR,
    y_len: CK_ULONG,
    order: CK_BYTE_PTR,
    order_len: CK_ULONG,
    cofactor: CK_BYTE_PTR,
    cofactor_len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let (out, curve) = unsafe {
        let out = Buffer::new(der, len)?;
        let curve = Curve {
            field: Field::Binary { m, k: [k1, k2, k3] },
            a: number(a, a_len, "the coefficient a is wanted")?,
            b: number(b, b_len, "the coefficient b is wanted")?,
            seed: optional(seed, seed_len)?,
            x: number(x, x_len, "the base point is wanted")?,
            y: number(y, y_len, "the base point is wanted")?,
            order: number(order, order_len, "the order is wanted")?,
            cofactor: optional(cofactor, cofactor_len)?,
        };
        (out, curve)
    };
    out.put(&out.room().fit(curves::encode(&curve)?))
}

/// The longest name of a file.
const PATH_BYTES_MAX: usize = 4096;

/// # Safety
/// Pointers as the exported function wants them; the name of the file ends with a NUL.
pub(in crate::abi) unsafe fn from_file(
    _library: &Library,
    der: CK_BYTE_PTR,
    len: CK_ULONG_PTR,
    file: CK_BYTE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let out = unsafe { Buffer::new(der, len)? };
    let file = std::ptr::NonNull::new(file)
        .ok_or_else(|| Error::new(Cause::ArgumentsBad, "the name of a file is wanted"))?;
    // SAFETY: passed on.
    let path = unsafe { ptr::terminated(file, PATH_BYTES_MAX)? };
    out.put(&out.room().fit(curves::encode(&curves::from_file(&path)?)?))
}
