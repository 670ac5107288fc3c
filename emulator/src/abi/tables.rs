//! The function tables that clients get, made from the list. They hold no address that changes, so
//! they lie in memory that is read-only once the module is loaded.

use crate::abi::exports;
use crate::abi::functions::with_functions;
use crate::ck::*;

/// What the tables and `C_GetInfo` announce: the functions are those of 2.40, which added none.
///
/// Source: DESIGN decision 11; 2.20 was seen with client 10.9
/// (`Mastercard/pkcs11-tools`, pull request 90: Observed), for other releases Assumed.
pub const CRYPTOKI_VERSION: CK_VERSION = CK_VERSION { major: 2, minor: 20 };

/// What the vendor's table announces. Source: `ThalesGroup/pycryptoki:pycryptoki/defines.py`, 0x510
/// (Documented).
pub const VENDOR_VERSION: CK_VERSION = CK_VERSION { major: 5, minor: 0x10 };

/// Functions in the standard's table.
pub const STANDARD_FUNCTIONS: usize = 68;

/// Functions in the vendor's table.
pub const VENDOR_FUNCTIONS: usize = 279;

macro_rules! tables {
    (
        standard { $(
            $name:ident ( $($arg:ident : $type:ty),* ) => $kind:ident ( $($target:tt)* );
        )* }
        vendor { $(
            $vendor:ident ( $($vendor_arg:ident : $vendor_type:ty),* )
                => $vendor_kind:ident ( $($vendor_target:tt)* );
        )* }
    ) => {
        /// What `C_GetFunctionList` hands out.
        pub static FUNCTION_LIST: CK_FUNCTION_LIST = CK_FUNCTION_LIST {
            version: CRYPTOKI_VERSION,
            $($name: Some(exports::$name),)*
        };

        /// The vendor's table. Entries of functions that are not served take no arguments: the
        /// C calling conventions of 64-bit Linux have the caller put arguments up and take
        /// them away again, so a callee may leave them alone.
        ///
        /// The order is that of `ThalesGroup/pycryptoki:pycryptoki/cryptoki/_ck_func_list.py`,
        /// indexes 0 to 240 (Documented), then the newer names, whose places nobody has
        /// published (Assumed). A program built against the vendor's header of another release
        /// has another order: only calls by name are safe from that.
        #[repr(C)]
        #[allow(non_snake_case, non_camel_case_types, reason = "the header's spelling")]
        pub struct CK_SFNT_CA_FUNCTION_LIST {
            /// 5.16.
            pub version: CK_VERSION,
            $(
                #[doc = concat!("`", stringify!($vendor), "`")]
                pub $vendor: unsafe extern "C" fn($($vendor_type),*) -> CK_RV,
            )*
        }

        /// What `CA_GetFunctionList` hands out.
        pub static VENDOR_FUNCTION_LIST: CK_SFNT_CA_FUNCTION_LIST = CK_SFNT_CA_FUNCTION_LIST {
            version: VENDOR_VERSION,
            $($vendor: exports::$vendor,)*
        };
    };
}

with_functions!(tables);

const POINTER: usize = size_of::<fn()>();
const _: () = assert!(size_of::<CK_FUNCTION_LIST>() == (1 + STANDARD_FUNCTIONS) * POINTER);
const _: () = assert!(size_of::<CK_SFNT_CA_FUNCTION_LIST>() == (1 + VENDOR_FUNCTIONS) * POINTER);
const _: () = assert!(std::mem::offset_of!(CK_SFNT_CA_FUNCTION_LIST, CA_GetFunctionList) == 8);
