//! The C boundary: every exported function, and the only room of the module with raw pointers.
//!
//! One list, [`functions`], says which functions there are, with which arguments and who handles
//! them; the exported symbols ([`exports`]), the standard's function table and the vendor's
//! ([`tables`]) are all made from it. Every call goes through the guard, which answers for the
//! library's life, for forked children and for panics. The readers and writers of caller memory are
//! `ptr`, `template` and `params`; the handlers between them only translate. What a call means
//! is decided in `library` and below: this room holds no state, decides no policy and computes
//! nothing.
//!
//! Caller memory is copied on the way in, except bulk data (see `ptr::bytes`), and written once on
//! the way out. Every pointer may be unaligned: packed callers exist.
//!
//! Sources: PKCS#11 v2.40 base specification; for the vendor's part
//! `ThalesGroup/pycryptoki:pycryptoki/cryptoki` (Documented), as marked at each place.

#![allow(unsafe_code, reason = "the C boundary")]

pub mod exports;
mod fork;
pub mod functions;
mod guard;
mod params;
mod ptr;
pub mod tables;
mod template;
mod text;
mod trace;

mod digest;
mod encrypt;
mod general;
mod keys;
mod object;
mod operation;
mod random;
mod session;
mod sign;
mod slot;
mod vendor;

#[cfg(test)]
mod tests;
