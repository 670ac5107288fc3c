//! What a call's arguments may show in the call log, read from caller memory.
//!
//! Costs one load when no log is configured. What is not named here as harmless is not shown: of a
//! pointer only whether it is null, of a PIN not even its length.

use std::ptr;
use std::time::Duration;

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::library::Library;
use crate::luna::call_log::{Arguments, Call, CallLog, Told};

/// The most attributes that are shown of one template. Longer ones are only counted: whether a template is
/// as long as its caller says is found out later.
const ATTRIBUTES_SHOWN: u64 = 64;

/// An argument, before anybody looked behind its pointer.
#[derive(Clone, Copy)]
pub(super) enum Seen {
    /// A number.
    Number(u64),
    /// A pointer to what is not shown.
    Pointer(bool),
    /// A pointer to a number, which may be one that the call gives.
    Cell(*const CK_ULONG),
    /// A pointer to a mechanism.
    Mechanism(*const CK_MECHANISM),
    /// A pointer to a template, the number of whose attributes follows.
    Template(*const CK_ATTRIBUTE),
}

/// What can be an argument.
pub(super) trait Argument {
    /// What of it may be shown.
    fn seen(&self) -> Seen;
}

impl Argument for CK_ULONG {
    fn seen(&self) -> Seen {
        Seen::Number(*self)
    }
}

impl Argument for CK_BBOOL {
    fn seen(&self) -> Seen {
        Seen::Number(u64::from(*self))
    }
}

impl Argument for *mut CK_ULONG {
    fn seen(&self) -> Seen {
        Seen::Cell(self.cast_const())
    }
}

impl Argument for *mut CK_MECHANISM {
    fn seen(&self) -> Seen {
        Seen::Mechanism(self.cast_const())
    }
}

impl Argument for *mut CK_ATTRIBUTE {
    fn seen(&self) -> Seen {
        Seen::Template(self.cast_const())
    }
}

impl Argument for CK_NOTIFY {
    fn seen(&self) -> Seen {
        Seen::Pointer(self.is_some())
    }
}

macro_rules! pointers {
    ($($kind:ty,)+) => { $(
        impl Argument for *mut $kind {
            fn seen(&self) -> Seen {
                Seen::Pointer(!self.is_null())
            }
        }
    )+ };
}

pointers! {
    std::ffi::c_void, CK_BYTE, CK_INFO, CK_SLOT_INFO, CK_TOKEN_INFO, CK_SESSION_INFO,
    CK_MECHANISM_INFO, CK_HA_STATUS, CA_ROLE_STATE, CA_MOFN_STATUS, CK_OBJECT_MIGRATION_DATA,
    CK_APPLICATION_ID, CK_UTILIZATION_COUNTER, HSM_STATS_PARAMS, CK_POLICY_INFO, *mut CK_BYTE,
}

/// A call under way that will be logged.
pub(super) struct Traced<'a> {
    library: &'a Library,
    log: &'a CallLog,
    function: &'static str,
    input: Arguments,
    cells: Vec<(&'static str, *const CK_ULONG)>,
    started: Duration,
    ended: bool,
}

/// The beginning of a call; none when nobody logs.
#[inline]
pub(super) fn begin<'a, const N: usize>(
    library: &'a Library,
    function: &'static str,
    arguments: impl FnOnce() -> [(&'static str, Seen); N],
) -> Option<Traced<'a>> {
    let log = library.call_log()?;
    Some(Traced::new(library, log, function, &arguments()))
}

/// Its end.
#[inline]
pub(super) fn end(traced: Option<Traced<'_>>, outcome: &Result<()>) {
    if let Some(traced) = traced {
        traced.end(outcome);
    }
}

impl<'a> Traced<'a> {
    #[cold]
    fn new(
        library: &'a Library,
        log: &'a CallLog,
        function: &'static str,
        arguments: &[(&'static str, Seen)],
    ) -> Self {
        let mut input = Arguments::new();
        let mut cells = Vec::new();
        let mut hidden = false;
        for (at, (name, seen)) in arguments.iter().copied().enumerate() {
            let after_hidden = std::mem::replace(&mut hidden, is_secret(name));
            let told = match seen {
                _ if is_secret(name) => Told::Text("(hidden)".into()),
                Seen::Number(_) if after_hidden => continue,
                Seen::Number(number) => Told::Number(number),
                Seen::Pointer(true) => continue,
                Seen::Pointer(false) => Told::Text("NULL".into()),
                Seen::Cell(cell) if cell.is_null() => Told::Text("NULL".into()),
                Seen::Cell(cell) => {
                    if is_answer(name) {
                        cells.push((name, cell));
                    }
                    continue;
                }
                Seen::Mechanism(mechanism) if mechanism.is_null() => Told::Text("NULL".into()),
                Seen::Mechanism(mechanism) => {
                    // SAFETY: not null, and the caller vouches for a mechanism there; the field may
                    // be unaligned.
                    let kind = unsafe { (&raw const (*mechanism).mechanism).read_unaligned() };
                    Told::Text(names::ckm(kind))
                }
                Seen::Template(template) => {
                    let count = arguments.get(at + 1).map(|(_, next)| *next);
                    let Some(Seen::Number(count)) = count else { continue };
                    if template.is_null() || count > ATTRIBUTES_SHOWN {
                        continue;
                    }
                    // SAFETY: the caller vouches for so many attributes, and it is few.
                    Told::Template(unsafe { attributes(template, count, function) })
                }
            };
            input.push((name, told));
        }
        Self { library, log, function, input, cells, started: log.now(), ended: false }
    }

    fn end(mut self, outcome: &Result<()>) {
        let mut output = Arguments::new();
        if outcome.is_ok() {
            for (name, cell) in &self.cells {
                // SAFETY: not null, and a call that went well has written it or read it.
                output.push((name, Told::Number(unsafe { cell.read_unaligned() })));
            }
        }
        self.write(output, outcome.as_ref().copied());
        self.ended = true;
    }

    fn write(&self, output: Arguments, outcome: std::result::Result<(), &Error>) {
        let number = |wanted: &str| {
            self.input.iter().chain(&output).find_map(|(name, told)| match told {
                Told::Number(number) if *name == wanted => Some(*number),
                _ => None,
            })
        };
        let session = number("session");
        let of_session = session.and_then(|it| self.library.slot_of(SessionHandle(it)));
        self.log.write(&Call {
            function: self.function,
            session,
            slot: number("slot").or(of_session.map(|slot| slot.0)),
            input: &self.input,
            outcome,
            took: self.log.now().saturating_sub(self.started),
            output,
        });
    }
}

impl Drop for Traced<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let error = Error::new(Cause::GeneralError, "the call panicked");
            self.write(Arguments::new(), Err(&error));
        }
    }
}

/// Arguments that are credentials: neither they nor the length behind them are shown.
fn is_secret(name: &str) -> bool {
    matches!(name, "pin" | "old" | "new" | "domain" | "seed")
}

/// Whether a cell of that name holds one number, as against the first of a list.
fn is_answer(name: &str) -> bool {
    !matches!(name, "slots" | "mechanisms" | "objects" | "ids" | "values")
}

/// Attributes whose values say nothing of a key but what it is and may do.
const HARMLESS: &[CK_ATTRIBUTE_TYPE] = &[
    CKA_CLASS,
    CKA_KEY_TYPE,
    CKA_TOKEN,
    CKA_PRIVATE,
    CKA_SENSITIVE,
    CKA_EXTRACTABLE,
    CKA_MODIFIABLE,
    CKA_ENCRYPT,
    CKA_DECRYPT,
    CKA_SIGN,
    CKA_VERIFY,
    CKA_WRAP,
    CKA_UNWRAP,
    CKA_DERIVE,
    CKA_VALUE_LEN,
    CKA_MODULUS_BITS,
];

/// Names of attributes, and values of those that are harmless, where the call reads them.
///
/// # Safety
/// The template has that many attributes.
unsafe fn attributes(
    template: *const CK_ATTRIBUTE,
    count: u64,
    function: &str,
) -> Vec<(String, Option<u64>)> {
    let gives_values = function != "C_GetAttributeValue";
    let mut told = Vec::new();
    let mut entry = template;
    for _ in 0..count {
        // SAFETY: within the template; it may be unaligned.
        let attribute = unsafe { entry.read_unaligned() };
        entry = entry.wrapping_add(1);
        let shown =
            gives_values && HARMLESS.contains(&attribute.type_) && !attribute.pValue.is_null();
        let value = match attribute.ulValueLen {
            // SAFETY: the caller vouches for so many bytes, which may be unaligned.
            1 if shown => Some(u64::from(unsafe { attribute.pValue.cast::<u8>().read() })),
            8 if shown => {
                // SAFETY: as above.
                Some(unsafe { ptr::read_unaligned(attribute.pValue.cast::<u64>()) })
            }
            _ => None,
        };
        told.push((names::cka(attribute.type_), value));
    }
    told
}
