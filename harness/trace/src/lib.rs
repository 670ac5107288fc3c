//! Traces of PKCS#11 calls: what an application asked of a module, written so that it can be asked again.
//!
//! A trace holds no secret. PINs and key material are written as their lengths. Messages, ciphertexts, signatures
//! and all else that is bytes has a number: the same bytes have the same number wherever they turn up, so that a
//! trace says "the signature that was made in line 12 is verified in line 14" without holding either. Handles are
//! numbered in the order they were given out. So the trace of the same application on two modules is the same
//! text where the modules behave the same, but for the times.
//!
//! | file | what it is for |
//! |---|---|
//! | [`signature`] | the standard's functions and what each argument is, as data |
//! | [`layout`] | where pointers lie in the parameters of mechanisms, as data |
//! | [`mod@line`] | the format: JSON, a line a call |
//! | [`symbols`] | handles and bytes to numbers |
//! | [`capture`] | arguments in memory to lines |
//! | [`replay`] | lines to arguments in memory, asked of another module, and where it answers otherwise |
//!
//! To teach it a function or a mechanism's parameter, add a row to one of the two tables.
//!
//! Source: PKCS#11 v2.40, function prototypes and parameter structures; the vendor's structures as in
//! `ThalesGroup/pycryptoki` (Documented).

mod attributes;
pub mod capture;
pub mod layout;
pub mod line;
pub mod replay;
pub mod signature;
pub mod symbols;
