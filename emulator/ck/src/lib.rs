//! The words of PKCS#11 and of the vendor's header: numbers, their names, structures.
//!
//! The standard's come from `pkcs11-sys`; the vendor's from the tables below, each with its source.
//! No logic lives here, so that the emulator and every client of a module can share it.

mod extensions;
pub mod layout;
pub mod names;
mod vendor;

pub use pkcs11_sys::*;

pub use self::extensions::*;
pub use self::layout::*;
pub use self::vendor::*;
