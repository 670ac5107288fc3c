//! The module behind.

use std::collections::HashMap;
use std::sync::OnceLock;

use luna_client::Module;
use luna_client::ck::*;
use luna_client::module::words::address_of;
use parking_lot::Mutex;

use crate::{VENDOR_WORDS, WORDS};

/// The environment variable that names it.
const MODULE: &str = "LUNA_SHIM_MODULE";

/// `None` where it cannot be loaded: then every call fails.
fn module() -> Option<&'static Module> {
    static BEHIND: OnceLock<Option<Module>> = OnceLock::new();
    let load = || Module::load(std::env::var_os(MODULE)?).ok();
    BEHIND.get_or_init(load).as_ref()
}

/// Its list; empty where there is none.
pub(crate) fn list() -> CK_FUNCTION_LIST {
    match module() {
        Some(module) => module.raw().functions().list,
        // SAFETY: a version and optional functions; all zeroes is a value of each.
        None => unsafe { std::mem::zeroed() },
    }
}

/// Calls a function of the standard there.
///
/// # Safety
/// As the standard says of it.
pub(crate) unsafe fn call(function: &str, words: [usize; WORDS]) -> CK_RV {
    type Function =
        unsafe extern "C" fn(usize, usize, usize, usize, usize, usize, usize, usize) -> CK_RV;
    let Some(address) = module().and_then(|it| address_of(&it.raw().functions().list, function))
    else {
        return CKR_FUNCTION_NOT_SUPPORTED;
    };
    // SAFETY: a function of the C convention that takes words; more than it takes are not looked at.
    let function = unsafe { std::mem::transmute::<usize, Function>(address) };
    let [a, b, c, d, e, f, g, h] = words;
    // SAFETY: the caller's promise.
    unsafe { function(a, b, c, d, e, f, g, h) }
}

/// Calls one of the vendor's functions there.
///
/// # Safety
/// As the vendor says of it.
pub(crate) unsafe fn vendor(function: &'static str, words: [usize; VENDOR_WORDS]) -> CK_RV {
    type Function = unsafe extern "C" fn(
        usize,
        usize,
        usize,
        usize,
        usize,
        usize,
        usize,
        usize,
        usize,
    ) -> CK_RV;
    static FOUND: OnceLock<Mutex<HashMap<&'static str, Option<usize>>>> = OnceLock::new();
    let mut found = FOUND.get_or_init(Mutex::default).lock();
    let address = *found.entry(function).or_insert_with(|| {
        // SAFETY: the address alone is taken, as a number.
        module().and_then(|module| unsafe { module.raw().symbol::<usize>(function) })
    });
    drop(found);
    let Some(address) = address else { return CKR_FUNCTION_NOT_SUPPORTED };
    // SAFETY: as in `call`.
    let function = unsafe { std::mem::transmute::<usize, Function>(address) };
    let [a, b, c, d, e, f, g, h, i] = words;
    // SAFETY: the caller's promise.
    unsafe { function(a, b, c, d, e, f, g, h, i) }
}
