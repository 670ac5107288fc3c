//! The list as data, for those who want to know what there is.

/// Which table a function is in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Table {
    /// `CK_FUNCTION_LIST`.
    Standard,
    /// `CK_SFNT_CA_FUNCTION_LIST`.
    Vendor,
}

/// Who answers a function.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Service {
    /// This module does what the function is for.
    Served,
    /// The function always answers the same code, as on Luna.
    Refused,
    /// The function answers `CKR_FUNCTION_NOT_SUPPORTED`, unlike on Luna.
    Unserved,
}

/// One exported function.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Function {
    /// Its symbol.
    pub name: &'static str,
    /// The table it is in.
    pub table: Table,
    /// Who answers.
    pub service: Service,
}

macro_rules! service {
    (guarded) => {
        Service::Served
    };
    (bare) => {
        Service::Served
    };
    (refused) => {
        Service::Refused
    };
    (unserved) => {
        Service::Unserved
    };
}

macro_rules! functions {
    (
        standard { $( $name:ident $args:tt => $kind:ident $target:tt; )* }
        vendor { $( $vendor:ident $vendor_args:tt => $vendor_kind:ident $vendor_target:tt; )* }
    ) => {
        /// Every exported function, in the order of the tables, the standard's first.
        pub static FUNCTIONS: &[Function] = &[
            $(Function {
                name: stringify!($name),
                table: Table::Standard,
                service: service!($kind),
            },)*
            $(Function {
                name: stringify!($vendor),
                table: Table::Vendor,
                service: service!($vendor_kind),
            },)*
        ];
    };
}

with_functions!(functions);
