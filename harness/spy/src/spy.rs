//! The module behind, the trace, and how a call passes.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Instant;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use luna_ck::*;
use luna_trace::capture;
use luna_trace::line::{FORMAT, Head, Line, Value};
use luna_trace::signature::{self, Signature};
use luna_trace::symbols::Symbols;
use parking_lot::Mutex;

use crate::exports::address;

/// More processes than ever share one name of a trace.
const TRACES_MAX: u32 = 10_000;

/// A function by its words; more words than it takes are not looked at.
type Words = unsafe extern "C" fn(
    usize,
    usize,
    usize,
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

/// What is spied on, for the life of the process.
struct Spy {
    behind: Library,
    list: Option<CK_FUNCTION_LIST>,
    own: CK_FUNCTION_LIST,
    trace: Mutex<Trace>,
}

// SAFETY: the list holds addresses of functions, which are the same for every thread.
unsafe impl Sync for Spy {}
// SAFETY: as above.
unsafe impl Send for Spy {}

struct Trace {
    file: File,
    path: PathBuf,
    module: String,
    /// A child of a fork writes a trace of its own.
    process: u32,
    last: u64,
    symbols: Symbols,
}

static SPY: OnceLock<Option<Spy>> = OnceLock::new();

fn spy() -> Option<&'static Spy> {
    SPY.get_or_init(|| {
        Spy::start()
            .inspect_err(|why| {
                // An application that is spied on has nobody else to tell.
                let _ = writeln!(std::io::stderr(), "luna_spy: {why}");
            })
            .ok()
    })
    .as_ref()
}

impl Spy {
    fn start() -> Result<Self, String> {
        let given = |name: &str| {
            std::env::var_os(name).map(PathBuf::from).ok_or_else(|| format!("{name} is not set"))
        };
        let module = given("LUNA_SPY_MODULE")?;
        let path = given("LUNA_SPY_TRACE")?;
        // SAFETY: loading runs the module's constructors, which is what naming it asks for.
        let behind = unsafe { Library::open(Some(&module), RTLD_NOW | RTLD_LOCAL) }
            .map_err(|error| format!("{}: {error}", module.display()))?;
        let list = list_of(&behind);
        let module = module.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let trace = Trace::open(&path, &module)?;
        let version = list.map_or(CK_VERSION { major: 2, minor: 40 }, |list| list.version);
        Ok(Self { behind, list, own: own_list(version), trace: Mutex::new(trace) })
    }

    fn function(&self, name: &str) -> Option<Words> {
        // SAFETY: functions of the standard and the vendor take words and give one.
        let exported = unsafe { self.behind.get::<Option<Words>>(name) };
        if let Some(function) = exported.ok().and_then(|symbol| *symbol) {
            return Some(function);
        }
        let place = place(name)?;
        let list = self.list.as_ref()?;
        // SAFETY: see `own_list`, which lays functions out so.
        unsafe { (&raw const list.C_Initialize).cast::<Option<Words>>().add(place).read() }
    }
}

/// Where a function stands in the standard's list.
fn place(name: &str) -> Option<usize> {
    let at = signature::SIGNATURES.iter().position(|it| it.name == name)?;
    // `C_GetFunctionList` is the fourth, and has no signature.
    Some(if at < 3 { at } else { at + 1 })
}

fn list_of(behind: &Library) -> Option<CK_FUNCTION_LIST> {
    let mut list: *mut CK_FUNCTION_LIST = std::ptr::null_mut();
    // SAFETY: the type is that of the standard's header.
    unsafe {
        let get = behind.get::<CK_C_GetFunctionList>("C_GetFunctionList").ok()?;
        let rv = (*get)?((&raw mut list).cast());
        (rv == CKR_OK && !list.is_null()).then(|| list.read_unaligned())
    }
}

/// A list of the functions here.
fn own_list(version: CK_VERSION) -> CK_FUNCTION_LIST {
    // SAFETY: a function list without functions is a valid one: its members are optional.
    let mut list: CK_FUNCTION_LIST = unsafe { std::mem::zeroed() };
    list.version = version;
    let first = (&raw mut list.C_Initialize).cast::<*const ()>();
    for signature in signature::SIGNATURES {
        if let (Some(place), Some(function)) = (place(signature.name), address(signature.name)) {
            // SAFETY: after the version the list is 68 pointers to functions, in the standard's order.
            unsafe { first.add(place).write(function) };
        }
    }
    list.C_GetFunctionList = Some(C_GetFunctionList);
    list
}

/// The list of the functions here.
///
/// # Safety
/// As the function of that name.
#[unsafe(no_mangle)]
unsafe extern "C" fn C_GetFunctionList(list: CK_FUNCTION_LIST_PTR_PTR) -> CK_RV {
    let Some(spy) = spy() else { return CKR_GENERAL_ERROR };
    if list.is_null() {
        return CKR_ARGUMENTS_BAD;
    }
    // SAFETY: the caller's; it may be unaligned. The list lives as long as the process, and nobody writes to it.
    unsafe { list.write_unaligned((&raw const spy.own).cast_mut()) };
    CKR_OK
}

/// The vendor's own list: what is called through it is not written down.
///
/// # Safety
/// As the function of that name.
#[unsafe(no_mangle)]
unsafe extern "C" fn CA_GetFunctionList(list: usize) -> CK_RV {
    // SAFETY: the caller's.
    unsafe { pass_on("CA_GetFunctionList", [list, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) }
}

impl Trace {
    fn open(path: &Path, module: &str) -> Result<Self, String> {
        let (file, path) = create(path)?;
        let mut trace = Self {
            file,
            path,
            module: module.to_owned(),
            process: std::process::id(),
            last: 0,
            symbols: Symbols::default(),
        };
        let head = Head { format: FORMAT, module: module.to_owned() };
        trace.write(&serde_json::to_string(&head).unwrap_or_default());
        Ok(trace)
    }

    fn write(&mut self, line: &str) {
        // An application does not fail because nobody can write down what it does.
        let _ = self.file.write_all(format!("{line}\n").as_bytes());
    }

    /// In the child of a fork everything begins anew.
    fn of_this_process(&mut self) -> &mut Self {
        if self.process != std::process::id()
            && let Ok(own) = Self::open(&self.path, &self.module)
        {
            *self = own;
        }
        self
    }

    fn note(&mut self, call: &str, args: Vec<Value>, rv: CK_RV, out: Vec<Value>, us: u64) {
        self.last += 1;
        let line = Line {
            n: self.last,
            thread: self.symbols.thread(thread()),
            call: call.to_owned(),
            args,
            rv: names::ckr(rv),
            out,
            us,
        };
        self.write(&serde_json::to_string(&line).unwrap_or_default());
    }
}

/// A new file of that name, or the next that is free.
fn create(path: &Path) -> Result<(File, PathBuf), String> {
    for number in 0..TRACES_MAX {
        let mut name = path.as_os_str().to_owned();
        if number > 0 {
            name.push(format!(".{number}"));
        }
        let path = PathBuf::from(name);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(format!("{}: {error}", path.display())),
        }
    }
    Err(format!("{}: there are {TRACES_MAX} of that name", path.display()))
}

/// Something that tells this thread from the others.
fn thread() -> u64 {
    thread_local! {
        static HERE: u8 = const { 0 };
    }
    HERE.with(|here| std::ptr::from_ref(here) as u64)
}

/// Asks the module, and writes down what was asked and answered.
///
/// # Safety
/// The words are those of a call of the function of that name.
pub(crate) unsafe fn forward(name: &'static str, words: &[usize]) -> CK_RV {
    let Some(spy) = spy() else { return CKR_GENERAL_ERROR };
    let (Some(function), Some(signature)) = (spy.function(name), signature::find(name)) else {
        return CKR_FUNCTION_NOT_SUPPORTED;
    };
    let args = {
        let mut trace = spy.trace.lock();
        // SAFETY: the caller's.
        unsafe { capture::before(&mut trace.of_this_process().symbols, signature, words) }
    };
    let begun = Instant::now();
    // SAFETY: the caller's.
    let rv = unsafe { call(function, words) };
    let us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    // SAFETY: the caller's, and the call has returned.
    unsafe { note(spy, signature, words, args, rv, us) };
    rv
}

unsafe fn note(
    spy: &Spy,
    signature: &'static Signature,
    words: &[usize],
    args: Vec<Value>,
    rv: CK_RV,
    us: u64,
) {
    let mut trace = spy.trace.lock();
    let trace = trace.of_this_process();
    // SAFETY: the caller's.
    let out = unsafe { capture::after(&mut trace.symbols, signature, words, rv) };
    trace.note(signature.name, args, rv, out, us);
}

unsafe fn call(function: Words, words: &[usize]) -> CK_RV {
    let word = |n: usize| words.get(n).copied().unwrap_or(0);
    // SAFETY: the caller's.
    unsafe {
        function(
            word(0),
            word(1),
            word(2),
            word(3),
            word(4),
            word(5),
            word(6),
            word(7),
            word(8),
            word(9),
            word(10),
            word(11),
        )
    }
}

/// Asks the module for what a trace does not follow.
///
/// # Safety
/// As [`forward`].
pub(crate) unsafe fn pass_on(name: &'static str, words: [usize; 12]) -> CK_RV {
    let Some(spy) = spy() else { return CKR_GENERAL_ERROR };
    let Some(function) = spy.function(name) else { return CKR_FUNCTION_NOT_SUPPORTED };
    let begun = Instant::now();
    // SAFETY: the caller's.
    let rv = unsafe { call(function, &words) };
    let us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    spy.trace.lock().of_this_process().note(name, Vec::new(), rv, Vec::new(), us);
    rv
}

#[allow(dead_code, reason = "the layout the code above relies on, checked where it is compiled")]
const _: () = {
    assert!(size_of::<CK_FUNCTION_LIST>() == 8 + 68 * 8);
    assert!(std::mem::offset_of!(CK_FUNCTION_LIST, C_Initialize) == 8);
    assert!(std::mem::offset_of!(CK_FUNCTION_LIST, C_WaitForSlotEvent) == 8 + 67 * 8);
};
