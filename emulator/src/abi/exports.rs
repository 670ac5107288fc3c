//! The exported symbols, made from the list. Each goes through the guard to its handler.
//!
//! `C_GetInterface` is not among them: no source shows a Luna client that has it.

#![allow(non_snake_case, reason = "the header's spelling")]

use crate::abi::functions::with_functions;
use crate::abi::tables::CK_SFNT_CA_FUNCTION_LIST;
use crate::abi::trace::{self, Argument as _};
use crate::abi::{
    digest, encrypt, general, guard, keys, object, random, session, sign, slot, vendor,
};
use crate::ck::*;
use crate::error::Cause;

/// What stands between the braces of an exported function, by the word in the list.
macro_rules! body {
    // Needs the library, and a session: one that is wrong is named before anything else that is, by
    // PKCS#11 v2.40 section 5.1.7. Only a call that failed is looked at again.
    (
        $name:ident, guarded ( $($handler:tt)+ ),
        ( session $(, $more:ident)* ), ( $session:ident $(, $arg:ident)* )
    ) => {
        guard::enter(stringify!($name), |library| {
            let traced = trace::begin(library, stringify!($name), || [
                (stringify!($session), $session.seen()), $((stringify!($arg), $arg.seen())),*
            ]);
            // SAFETY: the handler wants of its pointers what this function wants of them.
            let outcome = unsafe { $($handler)+(library, $session, $($arg),*) };
            let outcome = outcome.or_else(|error| {
                library.need_session(SessionHandle($session)).and(Err(error))
            });
            trace::end(traced, &outcome);
            outcome
        })
    };
    // Needs the library.
    ($name:ident, guarded ( $($handler:tt)+ ), $same:tt, ( $($arg:ident),* )) => {
        guard::enter(stringify!($name), |library| {
            let traced = trace::begin(library, stringify!($name), || [
                $((stringify!($arg), $arg.seen())),*
            ]);
            // SAFETY: the handler wants of its pointers what this function wants of them.
            let outcome = unsafe { $($handler)+(library, $($arg),*) };
            trace::end(traced, &outcome);
            outcome
        })
    };
    // Works without the library.
    ($name:ident, bare ( $($handler:tt)+ ), $same:tt, ( $($arg:ident),* )) => {
        // SAFETY: as above.
        unsafe { $($handler)+($($arg),*) }
    };
    // Luna has it and refuses.
    ($name:ident, refused ( $cause:ident ), $same:tt, ( $($arg:ident),* )) => {{
        let _ = ($($arg,)*);
        guard::refused(stringify!($name), Cause::$cause)
    }};
    // Luna has it; here it is only a name.
    ($name:ident, unserved (), (), ()) => {
        guard::unserved(stringify!($name))
    };
}

macro_rules! exports {
    ( standard { $($standard:tt)* } vendor { $($vendor:tt)* } ) => {
        exports! { @each "PKCS#11 v2.40", $($standard)* }
        exports! { @each "Luna extension", $($vendor)* }
    };
    ( @each $source:literal, $(
        $name:ident ( $($arg:ident : $type:ty),* ) => $kind:ident ( $($target:tt)* );
    )* ) => { $(
        #[doc = concat!("`", stringify!($name), "`, ", $source, ".")]
        ///
        /// # Safety
        /// Every pointer is null, or valid for what the function's description says is read or
        /// written there, including pointers inside structures; it may be unaligned.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $type),*) -> CK_RV {
            body!($name, $kind ( $($target)* ), ( $($arg),* ), ( $($arg),* ))
        }
    )* };
}

with_functions!(exports);
