//! `libluna_spy.so`: stands between any application and any PKCS#11 module, and writes a trace of their calls.
//!
//! | variable | what |
//! |---|---|
//! | `LUNA_SPY_MODULE` | the module that is spied on |
//! | `LUNA_SPY_TRACE` | the trace; a process that finds the file there takes `.1`, `.2` and so on behind its name |
//!
//! The application is answered by the module itself: codes, outputs and what it must not be given pass through
//! unchanged. The vendor's functions are passed on too, and written down by name and code. What a trace says, and
//! what it never says, is the business of `luna-trace`. Where the module or the trace cannot be opened,
//! `C_GetFunctionList` and every function answer `CKR_GENERAL_ERROR`, and standard error says why, once.

#![allow(unsafe_code, reason = "a C boundary on both sides")]

mod exports;
mod spy;
