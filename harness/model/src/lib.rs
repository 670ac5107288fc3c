//! A reference model of the core of PKCS#11, written from the standard and from the vendor's documents, and from
//! nothing of the emulator's.
//!
//! [`Model`] is told of each call and its answer. It says whether the answer may be (a set of codes, each with
//! the clause it stands on; and the handle, value or length where one must come) and takes the state that the
//! answer leads to, so that where the sources leave a choice it follows the module. [`check`] draws sequences of
//! calls, runs them on anything that is a [`Target`] (a loaded module is one), and prints the shortest failing
//! one as calls in C.
//!
//! What is modelled: sessions, logins, objects, searches, and operations with a few mechanisms of each kind
//! (`oracle`). What is not: administration, wrapping and derivation, several applications, HA. Handles of a Luna's
//! token objects are taken to live as long as the library is initialised, across logins too (Assumed). Of other
//! modules they may end with a logout and with the last session, as PKCS#11 v2.40, C_Logout has it. Where a module
//! is known to be unlike the standard, an [`Exception`] says so.
//!
//! Nothing here makes a pointer: calls with chosen buffers are made by `luna_client::module::exact`.

mod allowed;
mod call;
mod exception;
mod history;
mod linear;
mod object;
mod objects;
mod operation;
mod oracle;
mod resolve;
mod run;
mod search;
mod session;
mod state;
mod step;
mod target;

pub use self::allowed::Allowed;
pub use self::call::{Call, Names};
pub use self::exception::Exception;
pub use self::history::{Plan, Trails, record};
pub use self::object::Kind;
pub use self::run::{
    Effort, Failure, Runner, Shared, Trail, check, check_at_once, check_with, is_swept, run, sweep,
};
pub use self::state::{Leave, Model, Token};
pub use self::step::{Edit, Flaw, Pick, Sequences, Shape, Signature, Sketch, Space, Step, Text};
pub use self::target::{Answer, Given, Target};
