//! The room with pointers: loads a library, finds its functions, calls them.
//!
//! Everything that reaches a module passes through here, so nothing outside needs `unsafe`. Slices come in,
//! owned values go out; lengths a module gives back are checked against the room it was given. What the
//! calls mean is left to the rooms above.
//!
//! Source: PKCS#11 v2.40, "General overview" (order of fields) and the conventions for functions that return
//! output in a variable-length buffer.

#![allow(unsafe_code, reason = "the C boundary of the harness")]

mod administration;
mod calls;
pub mod exact;
pub mod fork;
mod marshal;
pub mod misaligned;
mod table;
mod vendor;
pub mod watch;
pub mod words;

use std::path::{Path, PathBuf};

use libloading::os::unix::{Library as Loaded, RTLD_LOCAL, RTLD_NOW};

pub use self::table::{Functions, Vendor};
use crate::{Error, Result};

/// A loaded module: its functions, and the library that must outlive them.
///
/// The calls in this room take and give plain handles and are safe: a wrong handle is answered with a code.
#[derive(Debug)]
pub(crate) struct Library {
    functions: Functions,
    vendor: Vendor,
    path: PathBuf,
    /// Last, so that it is dropped last: the tables above point into it.
    loaded: Loaded,
}

impl Library {
    /// Loads `path`. A name without a slash is looked for as the system's loader does.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let named_file = path.components().count() > 1;
        if named_file && !path.exists() {
            return Err(Error::NotFound { path: path.to_owned() });
        }
        // SAFETY: loading runs the library's constructors. That is what the caller asks for by naming a
        // module, as every PKCS#11 application does; nothing here can check what they do.
        let loaded = unsafe { Loaded::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
        let loaded = loaded.map_err(|error| Error::CannotLoad {
            path: path.to_owned(),
            // The loader's own words are behind the error: which symbol or which version is missing.
            reason: std::error::Error::source(&error)
                .map_or_else(|| error.to_string(), ToString::to_string),
        })?;
        let functions = Functions::of(&loaded)
            .ok_or_else(|| Error::NoFunctionList { path: path.to_owned() })?;
        let vendor = Vendor::of(&loaded);
        Ok(Self { functions, vendor, path: path.to_owned(), loaded })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn raw(&self) -> Raw<'_> {
        Raw { library: self }
    }
}

/// The module's functions as they are, for tests that call them with what no safe caller would.
///
/// The function pointers are good for as long as the borrow this holds.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'a> {
    library: &'a Library,
}

impl<'a> Raw<'a> {
    /// The standard's functions; `None` where the module has none.
    pub fn functions(&self) -> &'a Functions {
        &self.library.functions
    }

    /// The vendor's functions; `None` where the module has none.
    pub fn vendor(&self) -> &'a Vendor {
        &self.library.vendor
    }

    /// The standard's functions with any argument at all.
    pub fn words(&self) -> words::Words<'a> {
        words::Words { library: self.library }
    }

    /// Calls whose answers go to odd addresses.
    pub fn misaligned(&self) -> misaligned::Misaligned<'a> {
        misaligned::Misaligned { library: self.library }
    }

    /// The standard's functions with the room for each answer chosen by the caller.
    pub fn exact(&self) -> exact::Exact<'a> {
        exact::Exact { library: self.library }
    }

    /// A symbol by name, as something of type `T` (a function pointer, usually).
    ///
    /// # Safety
    ///
    /// `T` must be the symbol's type, and what is got may be used only while the module stays loaded.
    pub unsafe fn symbol<T: Copy>(&self, name: &str) -> Option<T> {
        // SAFETY: the caller answers for the type.
        unsafe { self.library.loaded.get::<T>(name).ok().map(|symbol| *symbol) }
    }

    /// Whether the library exports this name.
    pub fn exports(&self, name: &str) -> bool {
        // SAFETY: the address is not used.
        unsafe { self.symbol::<usize>(name) }.is_some()
    }
}
