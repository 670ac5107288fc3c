//! The one list of functions: name, arguments, and who answers.
//!
//! Four words say who: `guarded(handler)` needs the library, `bare(handler)` works without it,
//! `refused(cause)` is what Luna itself refuses (abi.md section 3 of the fact pack: Observed), and
//! `unserved()` is a name of Luna's that this module only exports. The exported symbols, the
//! standard's table, the vendor's table and [`FUNCTIONS`] are made from it; the order is the order
//! of the tables.

/// Calls a macro with the whole list, which each of the three files hands to the next.
macro_rules! with_functions {
    ($callback:ident) => {
        $crate::abi::functions::standard::with_standard! { $callback }
    };
}

pub(in crate::abi) use with_functions;

pub(in crate::abi) mod later;
mod listed;
pub(in crate::abi) mod standard;
pub(in crate::abi) mod vendor;

pub use self::listed::{FUNCTIONS, Function, Service, Table};
