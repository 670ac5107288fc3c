//! Watches calls into modules: what was called with what, and what came back, a line a call.
//!
//! Off, it costs one atomic load a call. On, each line goes to a file while it grows, so that the calls before a
//! crash can be read by whoever started the process; and calls can be held back to so many a second, for a device
//! that others work with too. Buffers are shown by their length or not at all, attributes by type and length: no
//! secret passes through here.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use luna_ck::*;
use parking_lot::Mutex;

/// Whether anything is to be done at all.
static WATCHED: AtomicBool = AtomicBool::new(false);

/// Calls since the start of the process, while watched.
static CALLS: AtomicU64 = AtomicU64::new(0);

static WATCH: Mutex<Watch> = Mutex::new(Watch { file: None, pace: None, next: None });

/// Where calls are written, and how fast they may follow each other.
struct Watch {
    file: Option<File>,
    /// Least time from the beginning of one call to that of the next.
    pace: Option<Duration>,
    next: Option<Instant>,
}

thread_local! {
    /// Texts of templates that were laid out for the call to come.
    static TEMPLATES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Begins to watch: lines go to `file`, and no more than `per_second` calls are made a second.
///
/// # Errors
/// When the file cannot be made.
pub fn begin(file: &Path, per_second: Option<u32>) -> std::io::Result<()> {
    let mut watch = WATCH.lock();
    watch.file = Some(File::create(file)?);
    watch.pace = per_second.filter(|rate| *rate > 0).map(|rate| Duration::from_secs(1) / rate);
    WATCHED.store(true, Ordering::Relaxed);
    Ok(())
}

/// Forgets the lines so far.
pub fn clear() {
    if let Some(file) = &mut WATCH.lock().file {
        // A file that cannot be cut only shows more than was asked for.
        let _ = file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0)));
    }
}

/// Adds a line of the caller's own.
pub fn note(text: &str) {
    if WATCHED.load(Ordering::Relaxed) {
        write(&format!("# {text}\n"));
    }
}

/// How many calls were made since [`begin`].
pub fn calls() -> u64 {
    CALLS.load(Ordering::Relaxed)
}

fn write(text: &str) {
    if let Some(file) = &mut WATCH.lock().file {
        // The disk may be full; the calls matter more than their record.
        let _ = file.write_all(text.as_bytes());
    }
}

/// A call is about to be made.
pub(super) fn called(function: &str) {
    if !WATCHED.load(Ordering::Relaxed) {
        return;
    }
    CALLS.fetch_add(1, Ordering::Relaxed);
    let pause = {
        let mut watch = WATCH.lock();
        let pace = watch.pace;
        pace.map(|pace| {
            let now = Instant::now();
            let at = watch.next.map_or(now, |next| next.max(now));
            watch.next = Some(at + pace);
            at.saturating_duration_since(now)
        })
    };
    if let Some(pause) = pause {
        std::thread::sleep(pause);
    }
    write(&format!("{function}("));
}

/// It came back.
pub(super) fn returned(rv: CK_RV) {
    if WATCHED.load(Ordering::Relaxed) {
        TEMPLATES.with(|texts| texts.borrow_mut().clear());
        write(&format!(") = {}\n", names::ckr(rv)));
    }
}

/// A template was laid out; the next pointer to attributes is this one.
pub(super) fn template(text: impl FnOnce() -> String) {
    if WATCHED.load(Ordering::Relaxed) {
        TEMPLATES.with(|texts| texts.borrow_mut().push(text()));
    }
}

/// An argument on its way.
pub(super) fn argument<T: Shown>(value: T) -> T {
    if WATCHED.load(Ordering::Relaxed) {
        write(&format!(" {}", value.shown()));
    }
    value
}

/// What is shown of an argument.
pub(super) trait Shown {
    fn shown(&self) -> String;
}

impl Shown for CK_ULONG {
    fn shown(&self) -> String {
        if *self < 1 << 16 { self.to_string() } else { format!("{self:#x}") }
    }
}

impl Shown for CK_BBOOL {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for CK_NOTIFY {
    fn shown(&self) -> String {
        if self.is_some() { "callback" } else { "NULL" }.into()
    }
}

macro_rules! shown_pointers {
    ($($kind:ty => $what:literal),+ $(,)?) => {
        $(impl Shown for *mut $kind {
            fn shown(&self) -> String {
                if self.is_null() { "NULL" } else { $what }.into()
            }
        })+
    };
}

shown_pointers! {
    u8 => "bytes",
    CK_ULONG => "&number",
    CK_INFO => "&info",
    CK_SLOT_INFO => "&info",
    CK_TOKEN_INFO => "&info",
    CK_MECHANISM_INFO => "&info",
    CK_SESSION_INFO => "&info",
    CK_HA_STATUS => "&state",
    CA_ROLE_STATE => "&state",
    std::ffi::c_void => "structure",
}

impl Shown for *mut CK_ATTRIBUTE {
    fn shown(&self) -> String {
        let text = TEMPLATES.with(|texts| {
            let mut texts = texts.borrow_mut();
            if texts.is_empty() { None } else { Some(texts.remove(0)) }
        });
        match text {
            Some(text) => text,
            None if self.is_null() => "NULL".into(),
            None => "attributes".into(),
        }
    }
}

impl Shown for *mut CK_MECHANISM {
    fn shown(&self) -> String {
        if self.is_null() {
            return "NULL".into();
        }
        // SAFETY: this room makes every pointer to a mechanism from one that outlives the call.
        let mechanism = unsafe { self.read() };
        let kind = names::ckm(mechanism.mechanism);
        match (mechanism.pParameter.is_null(), mechanism.ulParameterLen) {
            (true, 0) => kind,
            (true, len) => format!("{kind}{{NULL of {len} bytes}}"),
            (false, len) => format!("{kind}{{{len} bytes}}"),
        }
    }
}
