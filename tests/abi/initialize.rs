//! `C_Initialize` in every form of its arguments, and `C_Finalize` after it.

use std::ffi::CString;
use std::ptr;

use luna_ck::*;
use luna_client::Module;
use luna_tests::Instance;

extern "C" fn make_mutex(place: CK_VOID_PTR_PTR) -> CK_RV {
    // SAFETY: the library gives a place for one pointer.
    unsafe { place.write(ptr::without_provenance_mut(1)) };
    CKR_OK
}

extern "C" fn with_mutex(_: CK_VOID_PTR) -> CK_RV {
    CKR_OK
}

/// The library, and what it answers to arguments.
struct Library {
    module: Module,
    directory: CString,
}

impl Library {
    fn of(instance: &Instance) -> Self {
        Self {
            module: Module::load(instance.module()).unwrap(),
            directory: CString::new(instance.directory().to_str().unwrap()).unwrap(),
        }
    }

    /// Arguments with the configuration of the instance in `pReserved`.
    fn args(&self, flags: CK_FLAGS) -> CK_C_INITIALIZE_ARGS {
        CK_C_INITIALIZE_ARGS {
            CreateMutex: None,
            DestroyMutex: None,
            LockMutex: None,
            UnlockMutex: None,
            flags,
            pReserved: self.directory.as_ptr().cast_mut().cast(),
        }
    }

    fn initialize(&self, args: &CK_C_INITIALIZE_ARGS) -> CK_RV {
        let function = self.module.raw().functions().list.C_Initialize.unwrap();
        // SAFETY: arguments of ours, which the library only reads.
        unsafe { function(ptr::from_ref(args).cast_mut().cast()) }
    }

    fn finalize(&self, reserved: CK_VOID_PTR) -> CK_RV {
        let function = self.module.raw().functions().list.C_Finalize.unwrap();
        // SAFETY: the argument is only compared.
        unsafe { function(reserved) }
    }

    /// How many slots it lists, if it lists any.
    fn slots(&self) -> Result<CK_ULONG, CK_RV> {
        let function = self.module.raw().functions().list.C_GetSlotList.unwrap();
        let mut count = 0;
        // SAFETY: a null list asks for the count.
        let rv = unsafe { function(CK_TRUE, ptr::null_mut(), &raw mut count) };
        if rv == CKR_OK { Ok(count) } else { Err(rv) }
    }

    #[track_caller]
    fn works_with(&self, args: &CK_C_INITIALIZE_ARGS) {
        assert_eq!(self.initialize(args), CKR_OK);
        assert_eq!(self.slots(), Ok(1));
        assert_eq!(self.initialize(args), CKR_CRYPTOKI_ALREADY_INITIALIZED);
        assert_eq!(self.finalize(ptr::null_mut()), CKR_OK);
        assert_eq!(self.slots(), Err(CKR_CRYPTOKI_NOT_INITIALIZED));
        assert_eq!(self.finalize(ptr::null_mut()), CKR_CRYPTOKI_NOT_INITIALIZED, "a second time");
    }

    #[track_caller]
    fn refuses(&self, args: &CK_C_INITIALIZE_ARGS, rv: CK_RV) {
        let answer = self.initialize(args);
        assert_eq!(names::ckr(answer), names::ckr(rv));
        assert_eq!(self.slots(), Err(CKR_CRYPTOKI_NOT_INITIALIZED));
    }
}

#[test]
fn every_combination_of_locks_and_flags() {
    let instance = Instance::up(&[]);
    let library = Library::of(&instance);
    for flags in [
        0,
        CKF_OS_LOCKING_OK,
        CKF_LIBRARY_CANT_CREATE_OS_THREADS,
        CKF_OS_LOCKING_OK | CKF_LIBRARY_CANT_CREATE_OS_THREADS,
    ] {
        for given in 0..16 {
            let mut args = library.args(flags);
            args.CreateMutex = (given & 1 != 0).then_some(make_mutex as _);
            args.DestroyMutex = (given & 2 != 0).then_some(with_mutex as _);
            args.LockMutex = (given & 4 != 0).then_some(with_mutex as _);
            args.UnlockMutex = (given & 8 != 0).then_some(with_mutex as _);
            if given == 0 || given == 15 {
                library.works_with(&args);
            } else {
                library.refuses(&args, CKR_ARGUMENTS_BAD);
            }
        }
    }
}

#[test]
fn arguments_may_be_unaligned() {
    let instance = Instance::up(&[]);
    let library = Library::of(&instance);
    let mut memory = [0_u8; size_of::<CK_C_INITIALIZE_ARGS>() + 8];
    for offset in 0..8 {
        let at = memory.as_mut_ptr().wrapping_add(offset);
        // SAFETY: the memory is large enough for every offset.
        unsafe { at.cast::<CK_C_INITIALIZE_ARGS>().write_unaligned(library.args(0)) };
        let function = library.module.raw().functions().list.C_Initialize.unwrap();
        // SAFETY: arguments of ours, which the library only reads.
        assert_eq!(unsafe { function(at.cast()) }, CKR_OK);
        assert_eq!(library.finalize(ptr::null_mut()), CKR_OK);
    }
}

#[test]
fn the_reserved_pointer_is_a_directory_or_refused() {
    let instance = Instance::up(&[]);
    let library = Library::of(&instance);
    let mut args = library.args(CKF_OS_LOCKING_OK);
    for (text, rv) in [
        (&b"two\nlines\0"[..], CKR_ARGUMENTS_BAD),
        (b"\xff\xfe\0", CKR_ARGUMENTS_BAD),
        (b"/nowhere/at/all\0", CKR_GENERAL_ERROR),
    ] {
        args.pReserved = text.as_ptr().cast_mut().cast();
        library.refuses(&args, rv);
    }
    library.works_with(&library.args(CKF_OS_LOCKING_OK));
}

#[test]
fn finalize_takes_no_argument_and_a_refused_one_changes_nothing() {
    let instance = Instance::up(&[]);
    let library = Library::of(&instance);
    assert_eq!(library.finalize(ptr::null_mut()), CKR_CRYPTOKI_NOT_INITIALIZED);
    assert_eq!(library.initialize(&library.args(0)), CKR_OK);
    assert_eq!(library.finalize(ptr::without_provenance_mut(8)), CKR_ARGUMENTS_BAD);
    assert_eq!(library.slots(), Ok(1));
    assert_eq!(library.finalize(ptr::null_mut()), CKR_OK);
}
