//! The exported functions, called as C calls them. What they answer on a slot that works is for
//! the tests of the whole module; here is what must hold whatever the library says.

use std::ffi::CString;

use parking_lot::{Mutex, MutexGuard};

use crate::abi::exports::{
    self, C_Finalize, C_GetFunctionList, C_GetInfo, C_Initialize, CA_GetFunctionList,
};
use crate::abi::functions::{FUNCTIONS, Service, Table, with_functions};
use crate::abi::tables::{
    self, CK_SFNT_CA_FUNCTION_LIST, FUNCTION_LIST, STANDARD_FUNCTIONS, VENDOR_FUNCTION_LIST,
    VENDOR_FUNCTIONS,
};
use crate::ck::*;
use crate::error::Cause;

/// What an argument is, as far as a caller can go wrong with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Number,
    Pointer,
    Callback,
}

trait Argument {
    const KIND: Kind;
}

impl Argument for CK_ULONG {
    const KIND: Kind = Kind::Number;
}
impl Argument for CK_BBOOL {
    const KIND: Kind = Kind::Number;
}
impl<T> Argument for *mut T {
    const KIND: Kind = Kind::Pointer;
}
impl Argument for CK_NOTIFY {
    const KIND: Kind = Kind::Callback;
}

/// An exported function and what it takes.
struct Probe {
    name: &'static str,
    /// Every argument of the list is at most a word, and words are passed alike whatever they
    /// are: so any of the functions can be called with twenty (20 for the longest).
    address: unsafe extern "C" fn(),
    arguments: Vec<Kind>,
}

macro_rules! probes {
    (
        standard { $($name:ident ( $($arg:ident : $type:ty),* ) => $kind:ident $target:tt;)* }
        vendor { $($vendor:ident ( $($va:ident : $vt:ty),* ) => $vk:ident $vtarget:tt;)* }
    ) => {
        fn probes() -> Vec<Probe> {
            vec![
                $(Probe {
                    name: stringify!($name),
                    // SAFETY: a function pointer stays one; `call` gives it its type back.
                    address: unsafe {
                        std::mem::transmute::<*const (), unsafe extern "C" fn()>(
                            exports::$name as *const (),
                        )
                    },
                    arguments: vec![$(<$type as Argument>::KIND),*],
                },)*
                $(Probe {
                    name: stringify!($vendor),
                    // SAFETY: as above.
                    address: unsafe {
                        std::mem::transmute::<*const (), unsafe extern "C" fn()>(
                            exports::$vendor as *const (),
                        )
                    },
                    arguments: vec![$(<$vt as Argument>::KIND),*],
                },)*
            ]
        }
    };
}

with_functions!(probes);

impl Probe {
    fn is_life_cycle(&self) -> bool {
        ["C_Initialize", "C_Finalize"].contains(&self.name)
    }

    /// # Safety
    /// The words are what the function's description wants of them.
    unsafe fn call(&self, words: [usize; 20]) -> CK_RV {
        type W = usize;
        type Any = unsafe extern "C" fn(
            W,
            W,
            W,
            W,
            W,
            W,
            W,
            W,
            W,
            W,
            W,
            W,
            W,
            W,
            W,
            W,
            W,
            W,
            W,
            W,
        ) -> CK_RV;
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t] = words;
        // SAFETY: on 64-bit Linux a callee takes its arguments from the first registers and
        // stack slots and leaves the others alone.
        unsafe {
            let any = std::mem::transmute::<unsafe extern "C" fn(), Any>(self.address);
            any(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t)
        }
    }
}

/// One test at a time: the module has one life.
fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    let guard = LOCK.lock();
    // SAFETY: null is allowed. A test that failed may have left the library running.
    unsafe { C_Finalize(std::ptr::null_mut()) };
    guard
}

/// A client directory without any HSM.
struct Client {
    _directory: tempfile::TempDir,
    path: CString,
}

impl Client {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = "Chrystoki2 = {\n   LibUNIX64 = /nowhere/libCryptoki2_64.so;\n}\n";
        std::fs::write(directory.path().join("Chrystoki.conf"), file).unwrap();
        let path = CString::new(directory.path().to_str().unwrap()).unwrap();
        Self { _directory: directory, path }
    }

    fn initialize(&self) -> CK_RV {
        let mut args = CK_C_INITIALIZE_ARGS {
            CreateMutex: None,
            DestroyMutex: None,
            LockMutex: None,
            UnlockMutex: None,
            flags: CKF_OS_LOCKING_OK,
            pReserved: self.path.as_ptr().cast_mut().cast(),
        };
        // SAFETY: a structure with a text.
        unsafe { C_Initialize((&raw mut args).cast()) }
    }
}

/// The module, initialised for as long as this lives.
struct Initialised {
    client: Client,
}

impl Initialised {
    fn new() -> Self {
        let client = Client::new();
        assert_eq!(client.initialize(), CKR_OK);
        Self { client }
    }
}

impl Drop for Initialised {
    fn drop(&mut self) {
        // SAFETY: null is allowed.
        unsafe { C_Finalize(std::ptr::null_mut()) };
    }
}

#[test]
fn the_list_has_every_name_in_the_published_order() {
    let of =
        |table| FUNCTIONS.iter().filter(move |function| function.table == table).map(|f| f.name);
    assert_eq!(of(Table::Standard).count(), STANDARD_FUNCTIONS);
    assert!(of(Table::Vendor).eq(include_str!("tests/vendor_order.txt").lines()));
    assert_eq!(of(Table::Vendor).count(), VENDOR_FUNCTIONS);
    assert!(FUNCTIONS.iter().zip(probes()).all(|(function, probe)| function.name == probe.name));
    // Indexes that the vendor's published list has: 0, 7, 139, 240.
    let at = |name| of(Table::Vendor).position(|function| function == name).unwrap();
    let names = ["CA_GetFunctionList", "CA_RoleStateGet", "CA_GetHAState", "CA_GetFirmwareVersion"];
    assert_eq!(names.map(at), [0, 7, 139, 240]);
}

/// Both tables read as a client reads them: pointers one after the other behind the version.
#[test]
fn the_tables_hold_the_functions_of_the_list() {
    let (mut list, mut vendor) = (std::ptr::null_mut(), std::ptr::null());
    // SAFETY: two cells; the tables behind them have so many pointers after the first word.
    let read = unsafe {
        assert_eq!(C_GetFunctionList(&raw mut list), CKR_OK);
        assert_eq!(CA_GetFunctionList(&raw mut vendor), CKR_OK);
        assert_eq!(C_GetFunctionList(std::ptr::null_mut()), CKR_ARGUMENTS_BAD);
        assert_eq!(CA_GetFunctionList(std::ptr::null_mut()), CKR_ARGUMENTS_BAD);
        let standard = list.cast::<usize>().add(1).cast_const();
        let standard = std::slice::from_raw_parts(standard, STANDARD_FUNCTIONS);
        let vendor = vendor.cast::<usize>().add(1);
        [standard, std::slice::from_raw_parts(vendor, VENDOR_FUNCTIONS)].concat()
    };
    assert_eq!(list.cast_const(), &raw const FUNCTION_LIST);
    assert_eq!(vendor, &raw const VENDOR_FUNCTION_LIST);
    let addresses: Vec<_> = probes().iter().map(|probe| probe.address as usize).collect();
    assert_eq!(read, addresses);
    let version = FUNCTION_LIST.version;
    assert_eq!((version.major, version.minor), (2, 20));
    let version = VENDOR_FUNCTION_LIST.version;
    assert_eq!((version.major, version.minor), (5, 16));
}

#[test]
fn before_c_initialize_every_function_says_so() {
    let _alone = alone();
    for probe in probes().iter().filter(|probe| !probe.is_life_cycle()) {
        // SAFETY: nothing but nulls and zeroes.
        let rv = unsafe { probe.call([0; 20]) };
        let bare = probe.name.ends_with("_GetFunctionList");
        let expected = if bare { CKR_ARGUMENTS_BAD } else { CKR_CRYPTOKI_NOT_INITIALIZED };
        assert_eq!(rv, expected, "{}", probe.name);
    }
}

#[test]
fn what_is_not_served_says_so() {
    let _alone = alone();
    let _initialised = Initialised::new();
    let parallel = ["C_GetFunctionStatus", "C_CancelFunction"];
    for (probe, function) in probes().iter().zip(FUNCTIONS) {
        if function.service == Service::Served {
            continue;
        }
        // SAFETY: nothing but nulls and zeroes.
        let rv = unsafe { probe.call([0; 20]) };
        let expected = if parallel.contains(&probe.name) {
            CKR_FUNCTION_NOT_PARALLEL
        } else {
            CKR_FUNCTION_NOT_SUPPORTED
        };
        assert_eq!(rv, expected, "{}", probe.name);
    }
}

#[test]
fn the_information_announces_the_version_of_the_tables() {
    let _alone = alone();
    let _initialised = Initialised::new();
    let mut memory = [0_u8; size_of::<CK_INFO>() + 1];
    let odd = memory.as_mut_ptr().wrapping_add(1).cast::<CK_INFO>();
    // SAFETY: the structure fits at offset 1.
    let info = unsafe {
        assert_eq!(C_GetInfo(odd), CKR_OK);
        odd.read_unaligned()
    };
    let version = info.cryptokiVersion;
    let announced = tables::CRYPTOKI_VERSION;
    assert_eq!((version.major, version.minor), (announced.major, announced.minor));
    assert!(info.manufacturerID.iter().all(|byte| *byte != 0), "padded with blanks");
    // SAFETY: null is allowed.
    assert_eq!(unsafe { C_GetInfo(std::ptr::null_mut()) }, CKR_ARGUMENTS_BAD);
}

#[test]
fn the_life_cycle_refuses_what_it_must() {
    let _alone = alone();
    let mut junk = 0_u8;
    // SAFETY: nulls, and a pointer that is only compared.
    unsafe {
        assert_eq!(C_Finalize(std::ptr::null_mut()), CKR_CRYPTOKI_NOT_INITIALIZED);
        let initialised = Initialised::new();
        assert_eq!(initialised.client.initialize(), CKR_CRYPTOKI_ALREADY_INITIALIZED);
        assert_eq!(C_Initialize(std::ptr::null_mut()), CKR_CRYPTOKI_ALREADY_INITIALIZED);
        assert_eq!(C_Finalize((&raw mut junk).cast()), CKR_ARGUMENTS_BAD);
        assert_eq!(C_Finalize(std::ptr::null_mut()), CKR_OK);
        assert_eq!(C_Finalize(std::ptr::null_mut()), CKR_CRYPTOKI_NOT_INITIALIZED);
    }
}

#[test]
fn a_forked_child_is_told_so() {
    let _alone = alone();
    let _initialised = Initialised::new();
    // SAFETY: the child makes one call and leaves.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: plain system calls, and null where it is allowed.
        unsafe {
            libc::alarm(20);
            let rv = C_GetInfo(std::ptr::null_mut());
            libc::_exit(i32::from(rv != CKR_CRYPTOKI_NOT_INITIALIZED));
        }
    }
    let mut status = 0;
    // SAFETY: waits for the child above.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(status, 0, "the child answered otherwise, or hung");
    // SAFETY: null is allowed.
    assert_eq!(unsafe { C_GetInfo(std::ptr::null_mut()) }, CKR_ARGUMENTS_BAD);
}

/// Lengths, counts, handles, flags and types that have broken modules before.
const NUMBERS: [usize; 6] = [0, 1, 4096, 1 << 32, isize::MAX as usize, usize::MAX];

/// Every served function with every combination of null, good and unaligned pointers and of
/// numbers up to the largest. The memory behind good pointers is zeroes, whichever structure it is
/// taken for, and longer than every length that is believed. Zeroes are also a template of many
/// attributes, a mechanism, and handles nobody gave out.
#[test]
fn no_argument_brings_a_function_down() {
    const MOST_COMBINATIONS: usize = 10_000;
    let _alone = alone();
    let _initialised = Initialised::new();
    let mut memory = vec![0_u64; 16 << 10];
    let good = memory.as_mut_ptr() as usize;
    for probe in probes().iter().filter(|probe| !probe.is_life_cycle()) {
        let choices: Vec<&[usize]> = probe
            .arguments
            .iter()
            .map(|kind| match kind {
                Kind::Number => &NUMBERS[..],
                Kind::Pointer => &[0, 1, 3][..],
                Kind::Callback => &[0][..],
            })
            .collect();
        let combinations =
            choices.iter().fold(1_usize, |all, choice| all.saturating_mul(choice.len()));
        for combination in 0..combinations.min(MOST_COMBINATIONS) {
            // Every one of a few; of very many those that lie far apart.
            let mut left = if combinations > MOST_COMBINATIONS {
                combination.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            } else {
                combination
            };
            let mut words = [0; 20];
            for ((word, choice), kind) in words.iter_mut().zip(&choices).zip(&probe.arguments) {
                let value = choice[left % choice.len()];
                left /= choice.len();
                *word = if *kind == Kind::Pointer && value > 0 { good + value - 1 } else { value };
            }
            memory.fill(0);
            // SAFETY: pointers are null or good for 128 KiB, which no believed length exceeds: the
            // numbers are at most 4096 or too large to be believed.
            let rv = unsafe { probe.call(words) };
            let known = Cause::ALL.iter().any(|cause| cause.ck_rv() == rv) || rv == CKR_OK;
            assert!(known, "{} {words:x?} answered {rv:#x}", probe.name);
            assert_ne!(rv, CKR_GENERAL_ERROR, "{} {words:x?}", probe.name);
            if probe.arguments.contains(&Kind::Pointer) && words == [0; 20] {
                assert_ne!(rv, CKR_OK, "{} takes nothing but nulls", probe.name);
            }
        }
    }
}

#[test]
fn threads_that_initialise_at_once_have_one_winner() {
    let _alone = alone();
    let client = Client::new();
    for _ in 0..20 {
        let mut answers: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..2).map(|_| scope.spawn(|| client.initialize())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        answers.sort_unstable();
        assert_eq!(answers, [CKR_OK, CKR_CRYPTOKI_ALREADY_INITIALIZED]);
        // SAFETY: null is allowed.
        assert_eq!(unsafe { C_Finalize(std::ptr::null_mut()) }, CKR_OK);
    }
}

const _: () = assert!(size_of::<CK_SFNT_CA_FUNCTION_LIST>() == 8 * 280);
