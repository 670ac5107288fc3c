//! Life cycle, `C_GetInfo`, and the function tables.

use std::ptr::NonNull;

use crate::abi::ptr::{self, Place};
use crate::abi::tables::{self, CK_SFNT_CA_FUNCTION_LIST};
use crate::abi::{fork, guard, text};
use crate::ck::*;
use crate::env::process;
use crate::error::{Cause, Error, Result};
use crate::library::{Library, Start};

/// The longest `pReserved` text. A bound of ours: the longest path Linux takes.
const RESERVED_BYTES_MAX: usize = 4096;

/// Names a function whose calls panic, to test the guard of a built module. Read once, by
/// `C_Initialize`.
const PANIC_VARIABLE: &str = "LUNA_EMULATOR_PANIC_IN";

/// # Safety
/// `args` is null or points to a `CK_C_INITIALIZE_ARGS`.
pub(super) unsafe fn initialize(args: CK_VOID_PTR) -> CK_RV {
    guard::shield(|| {
        // SAFETY: passed on.
        let start = match unsafe { start(args.cast()) } {
            Ok(start) => start,
            Err(error) => return error.ck_rv(),
        };
        let panic_in = process::var_os(PANIC_VARIABLE).and_then(|name| name.into_string().ok());
        guard::start(
            || {
                fork::watch();
                Library::start(&start)
            },
            panic_in,
        )
    })
}

/// What the application says about threads and locks, and where the configuration is.
///
/// Locks are the operating system's whatever the application says: it may forbid any threads,
/// bring its own mutex functions, or allow the system's. When it brings its own and does not
/// allow the system's, the standard lets a library use the application's or answer
/// `CKR_CANT_LOCK`; we answer `CKR_OK` and use the system's, which keep apart every thread
/// that the application's mutexes could (Assumed: what the vendor's library does is not
/// published, and clients that pass only callbacks work with it).
///
/// `pReserved` should be null; several modules take a configuration string there, and here it is
/// the directory of `Chrystoki.conf`.
///
/// # Errors
/// `ArgumentsBad`: some but not all mutex functions; a `pReserved` that is not text of at most 4096
/// bytes. Source: PKCS#11 v2.40, `C_Initialize`.
///
/// # Safety
/// As [`initialize`].
unsafe fn start(args: *const CK_C_INITIALIZE_ARGS) -> Result<Start> {
    if args.is_null() {
        return Ok(Start { may_create_threads: true, configuration: None });
    }
    // SAFETY: passed on.
    let args = unsafe { ptr::read(args, "no arguments")? };
    let callbacks = [
        args.CreateMutex.is_some(),
        args.DestroyMutex.is_some(),
        args.LockMutex.is_some(),
        args.UnlockMutex.is_some(),
    ];
    if callbacks.contains(&true) && callbacks.contains(&false) {
        return Err(Error::new(
            Cause::ArgumentsBad,
            "the mutex functions are given all four or not at all",
        ));
    }
    let configuration = match NonNull::new(args.pReserved.cast::<u8>()) {
        None => None,
        // SAFETY: a reserved pointer that is not null points to a NUL-terminated text.
        Some(text) => unsafe { configuration(text)? },
    };
    let may_create_threads = args.flags & CKF_LIBRARY_CANT_CREATE_OS_THREADS == 0;
    Ok(Start { may_create_threads, configuration })
}

/// # Safety
/// As [`ptr::terminated`].
unsafe fn configuration(text: NonNull<u8>) -> Result<Option<String>> {
    // SAFETY: passed on.
    let bytes = unsafe { ptr::terminated(text, RESERVED_BYTES_MAX)? };
    match String::from_utf8(bytes) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) if !text.contains(char::is_control) => Ok(Some(text)),
        _ => Err(Error::new(Cause::ArgumentsBad, "the reserved pointer is not null and not text")),
    }
}

/// # Safety
/// None of its own: the pointer is only compared.
pub(super) unsafe fn finalize(reserved: CK_VOID_PTR) -> CK_RV {
    if !reserved.is_null() {
        return Cause::ArgumentsBad.ck_rv();
    }
    guard::finish()
}

/// # Safety
/// `info` is null or valid for writing.
pub(super) unsafe fn info(library: &Library, info: CK_INFO_PTR) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(info, "nowhere to put the information")? };
    let info = library.info();
    place.put(CK_INFO {
        // The version of the tables, which is what a client concludes from it.
        cryptokiVersion: tables::CRYPTOKI_VERSION,
        manufacturerID: text::blank_padded(&info.manufacturer),
        flags: 0,
        libraryDescription: text::blank_padded(&info.description),
        libraryVersion: version(info.version),
    });
    Ok(())
}

pub(super) fn version((major, minor): (u8, u8)) -> CK_VERSION {
    CK_VERSION { major, minor }
}

/// # Safety
/// `list` is null or valid for writing.
pub(super) unsafe fn function_list(list: CK_FUNCTION_LIST_PTR_PTR) -> CK_RV {
    // SAFETY: passed on.
    match unsafe { Place::new(list, "nowhere to put the list") } {
        Ok(place) => place.put((&raw const tables::FUNCTION_LIST).cast_mut()),
        Err(error) => return error.ck_rv(),
    }
    CKR_OK
}

/// # Safety
/// `list` is null or valid for writing.
pub(super) unsafe fn vendor_function_list(list: *mut *const CK_SFNT_CA_FUNCTION_LIST) -> CK_RV {
    // SAFETY: passed on.
    match unsafe { Place::new(list, "nowhere to put the list") } {
        Ok(place) => place.put(&raw const tables::VENDOR_FUNCTION_LIST),
        Err(error) => return error.ck_rv(),
    }
    CKR_OK
}

#[cfg(test)]
mod tests {
    use super::*;

    extern "C" fn with_cell(_: CK_VOID_PTR_PTR) -> CK_RV {
        CKR_OK
    }

    extern "C" fn with_mutex(_: CK_VOID_PTR) -> CK_RV {
        CKR_OK
    }

    fn args(flags: CK_FLAGS, reserved: Option<&[u8]>) -> CK_C_INITIALIZE_ARGS {
        CK_C_INITIALIZE_ARGS {
            CreateMutex: None,
            DestroyMutex: None,
            LockMutex: None,
            UnlockMutex: None,
            flags,
            pReserved: reserved
                .map_or(std::ptr::null_mut(), |text| text.as_ptr().cast_mut().cast()),
        }
    }

    fn read(args: &CK_C_INITIALIZE_ARGS) -> Result<Start> {
        // SAFETY: the tests' reserved texts end with a NUL or at the bound.
        unsafe { start(args) }
    }

    #[test]
    fn every_form_of_arguments_has_its_answer() {
        // SAFETY: null is allowed.
        let nothing = unsafe { start(std::ptr::null()) }.unwrap();
        assert!(nothing.may_create_threads && nothing.configuration.is_none());

        let mut own = args(0, None);
        assert!(read(&own).unwrap().may_create_threads);
        own.CreateMutex = Some(with_cell);
        own.LockMutex = Some(with_mutex);
        assert_eq!(read(&own).err().unwrap().cause(), Cause::ArgumentsBad);
        own.UnlockMutex = Some(with_mutex);
        own.DestroyMutex = Some(with_mutex);
        assert!(read(&own).is_ok());
        own.flags = CKF_OS_LOCKING_OK;
        assert!(read(&own).is_ok());

        let alone = read(&args(CKF_LIBRARY_CANT_CREATE_OS_THREADS, None)).unwrap();
        assert!(!alone.may_create_threads);
    }

    #[test]
    fn the_reserved_pointer_is_a_directory_or_refused() {
        let named = read(&args(CKF_OS_LOCKING_OK, Some(b"/etc/luna \xc3\xa9\0"))).unwrap();
        assert_eq!(named.configuration.as_deref(), Some("/etc/luna \u{e9}"));
        assert_eq!(read(&args(0, Some(b"\0"))).unwrap().configuration, None);
        for wrong in [&b"two\nlines\0"[..], b"\x01\0", b"\xff\xfe\0", &[b'a'; RESERVED_BYTES_MAX]] {
            assert_eq!(read(&args(0, Some(wrong))).err().unwrap().cause(), Cause::ArgumentsBad);
        }
    }
}
