//! One rule, broken.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use data_encoding::HEXLOWER;
use luna_client::ck::*;
use luna_client::module::words::{Place, places};
use serde::Deserialize;

use crate::{VENDOR_WORDS, WORDS, behind, race};

/// The rows.
const FILE: &str = include_str!("../mutations.toml");

/// Names a row.
const MUTATION: &str = "LUNA_SHIM_MUTATION";

#[derive(Deserialize)]
struct File {
    mutation: Vec<Row>,
}

/// A row: which functions, and what is done to them. Keys that an effect does not use are not given.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Row {
    id: String,
    functions: Vec<String>,
    effect: String,
    /// A code that is replaced; any but `CKR_OK` without it.
    from: String,
    /// The code that is told.
    to: String,
    /// `CKA_…` or `CKM_…`.
    name: String,
    /// Hexadecimal digits.
    value: String,
    /// A place in a structure, or what is added to a number.
    number: i64,
    /// Only while this many calls of the functions have gone before.
    after: usize,
}

fn row() -> Option<&'static Row> {
    static ROW: OnceLock<Option<Row>> = OnceLock::new();
    let find = || {
        let wanted = std::env::var(MUTATION).ok()?;
        let file: File = toml::from_str(FILE).ok()?;
        file.mutation.into_iter().find(|row| row.id == wanted)
    };
    ROW.get_or_init(find).as_ref()
}

fn number_of(name: &str) -> CK_ULONG {
    let tables = [names::CKR, names::CKA, names::CKM, names::CKK, names::CKO];
    let found = tables.iter().flat_map(|table| table.iter()).find(|entry| entry.1 == name);
    found.map_or(CK_ULONG::MAX, |entry| entry.0)
}

/// The code that is told for this one.
pub(crate) fn code(function: &str, rv: CK_RV) -> CK_RV {
    match row() {
        Some(row) if row.effect == "code" && row.functions.iter().any(|it| it == function) => {
            told(row, rv)
        }
        _ => rv,
    }
}

fn told(row: &Row, rv: CK_RV) -> CK_RV {
    let hit = if row.from.is_empty() { rv != CKR_OK } else { rv == number_of(&row.from) };
    if hit { number_of(&row.to) } else { rv }
}

/// Passes one of the vendor's calls on.
///
/// # Safety
/// As the vendor says of the function.
pub(crate) unsafe fn vendor(function: &'static str, words: [usize; VENDOR_WORDS]) -> CK_RV {
    // SAFETY: the caller's promise.
    let rv = unsafe { behind::vendor(function, words) };
    let Some(row) = row().filter(|row| row.functions.iter().any(|it| it == function)) else {
        return rv;
    };
    match row.effect.as_str() {
        "code" => told(row, rv),
        // Adds to the number that this argument points to.
        "vendor-cell" if rv == CKR_OK => {
            let at = words.get(row.after).copied().unwrap_or(0);
            // SAFETY: the function has just written a number there, or the argument is null.
            unsafe { add(at, row.number) };
            rv
        }
        _ => rv,
    }
}

/// # Safety
/// Null, or the address of a number.
unsafe fn add(at: usize, number: i64) {
    let at = at as *mut CK_ULONG;
    if !at.is_null() {
        // SAFETY: the caller's promise.
        unsafe { at.write_unaligned(at.read_unaligned().wrapping_add_signed(number)) };
    }
}

/// Passes a call on, with its rule broken where it is this function's.
///
/// # Safety
/// As the standard says of the function.
pub(crate) unsafe fn call(function: &'static str, words: [usize; WORDS]) -> CK_RV {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let mine = row().filter(|row| row.functions.iter().any(|it| it == function));
    let Some(row) = mine.filter(|row| CALLS.fetch_add(1, Ordering::Relaxed) >= row.after) else {
        // SAFETY: the caller's promise.
        return unsafe { behind::call(function, words) };
    };
    let call = Call { function, places: places(function).unwrap_or_default(), words };
    // SAFETY: the caller's promise; each effect stays within what the function may read or write, but for the
    // one that writes a byte behind a buffer, which only checks with a guard there are run against.
    unsafe { call.broken(row) }
}

struct Call {
    function: &'static str,
    places: Vec<Place>,
    words: [usize; WORDS],
}

impl Call {
    fn at(&self, wanted: Place) -> Option<usize> {
        self.places.iter().position(|place| *place == wanted)
    }

    fn word(&self, wanted: Place) -> usize {
        self.at(wanted).and_then(|at| self.words.get(at)).copied().unwrap_or(0)
    }

    unsafe fn pass(&self) -> CK_RV {
        // SAFETY: the caller's promise.
        unsafe { behind::call(self.function, self.words) }
    }

    /// # Safety
    /// As the standard says of the function.
    unsafe fn broken(mut self, row: &Row) -> CK_RV {
        // SAFETY: each arm passes the call on with arguments of the same kinds, and touches memory only where the
        // standard lets the function.
        unsafe {
            match row.effect.as_str() {
                "code" => told(row, self.pass()),
                "skip" => CKR_OK,
                "crash" => std::process::abort(),
                "hang" => loop {
                    std::thread::sleep(std::time::Duration::from_secs(60));
                },
                "flip" => self.flip(row),
                "length" => self.length(row),
                "overrun" => self.overrun(),
                "ends" => self.ends(row),
                "constant" => self.constant(row),
                "poke" => self.poke(row),
                "cell" => self.cell(row),
                "twice" => self.twice(),
                "word" => self.replaced(row),
                "without-attribute" | "with-attribute" => self.template(row),
                "tell" | "hide" => self.attributes(row),
                "mechanism" => self.mechanism(row),
                "plain" => self.plain(),
                "no-aad" => self.no_aad(),
                "same-iv" => self.same_iv(),
                "torn" => race::torn(self.words),
                "shared" => race::shared(self.words),
                "one-session" => {
                    self.one_session();
                    self.pass()
                }
                _ => self.pass(),
            }
        }
    }

    /// The buffer that came out, and its length; none where nothing did.
    unsafe fn output(&self) -> Option<(*mut u8, usize)> {
        let buffer = self.word(Place::Output) as *mut u8;
        let len = match self.word(Place::OutputLen) as *const CK_ULONG {
            // C_GenerateRandom has the length itself.
            len if len.is_null() => self.word(Place::Number),
            // SAFETY: the function has written there.
            len => usize::try_from(unsafe { len.read_unaligned() }).unwrap_or(0),
        };
        (!buffer.is_null() && len > 0).then_some((buffer, len))
    }

    unsafe fn flip(&self, row: &Row) -> CK_RV {
        // SAFETY: what came out is as long as the function says.
        unsafe {
            let rv = self.pass();
            if let (CKR_OK, Some((buffer, len))) = (rv, self.output()) {
                let at = if row.number < 0 { len - 1 } else { 0 };
                *buffer.add(at) ^= 1;
            }
            rv
        }
    }

    unsafe fn length(&self, row: &Row) -> CK_RV {
        // SAFETY: the function has written a length there.
        unsafe {
            let rv = self.pass();
            let asked = self.word(Place::Output) == 0;
            let hit = match row.name.as_str() {
                "asked" => asked && rv == CKR_OK,
                "short" => rv == CKR_BUFFER_TOO_SMALL,
                _ => !asked && rv == CKR_OK,
            };
            if hit {
                add(self.word(Place::OutputLen), row.number);
            }
            rv
        }
    }

    unsafe fn overrun(&self) -> CK_RV {
        // SAFETY: the checks keep a guard behind each buffer; the byte goes into it.
        unsafe {
            let len = self.word(Place::OutputLen) as *const CK_ULONG;
            let room = if len.is_null() { 0 } else { len.read_unaligned() };
            let rv = self.pass();
            let buffer = self.word(Place::Output) as *mut u8;
            if rv == CKR_OK && !buffer.is_null() && room < 1 << 20 {
                buffer.add(usize::try_from(room).unwrap_or(0)).write(0);
            }
            rv
        }
    }

    /// Ends the operation where it should go on.
    unsafe fn ends(&self, row: &Row) -> CK_RV {
        // SAFETY: the second call has room of its own.
        unsafe {
            let rv = self.pass();
            let asked = self.word(Place::Output) == 0 && rv == CKR_OK;
            let short = rv == CKR_BUFFER_TOO_SMALL;
            if (row.name == "asked" && asked) || (row.name == "short" && short) {
                let (mut room, mut len) = (vec![0_u8; 1 << 17], 1 << 17);
                let mut words = self.words;
                for (place, word) in self.places.iter().zip(&mut words) {
                    match place {
                        Place::Output => *word = room.as_mut_ptr() as usize,
                        Place::OutputLen => *word = &raw mut len as usize,
                        _ => {}
                    }
                }
                let _: CK_ULONG = len;
                behind::call(self.function, words);
            }
            rv
        }
    }

    unsafe fn constant(&self, row: &Row) -> CK_RV {
        // SAFETY: what came out is as long as the function says.
        unsafe {
            let rv = self.pass();
            if let (CKR_OK, Some((buffer, len))) = (rv, self.output()) {
                let from = if row.number > 0 { len / 2 } else { 0 };
                for at in from..len {
                    buffer.add(at).write(0x42);
                }
            }
            rv
        }
    }

    /// Writes into a structure that came out.
    unsafe fn poke(&self, row: &Row) -> CK_RV {
        // SAFETY: the place lies in the structure that the function fills; rows are written for it.
        unsafe {
            let rv = self.pass();
            let structure = self.word(Place::Structure) as *mut u8;
            if rv == CKR_OK && !structure.is_null() {
                let at = usize::try_from(row.number).unwrap_or(0);
                let bytes = HEXLOWER.decode(row.value.as_bytes()).unwrap_or_default();
                for (offset, byte) in bytes.iter().enumerate() {
                    structure.add(at + offset).write(*byte);
                }
            }
            rv
        }
    }

    /// Adds to the number in a cell that came out; a count of 0 stays.
    unsafe fn cell(&self, row: &Row) -> CK_RV {
        // SAFETY: the function has written a number there.
        unsafe {
            let rv = self.pass();
            let cell = self.word(Place::Cell);
            if rv == CKR_OK && cell != 0 && (cell as *const CK_ULONG).read_unaligned() > 0 {
                add(cell, row.number);
            }
            rv
        }
    }

    /// The last of a list is its first again.
    unsafe fn twice(&self) -> CK_RV {
        // SAFETY: the list has as many entries as the function says.
        unsafe {
            let rv = self.pass();
            let list = self.word(Place::Output) as *mut CK_ULONG;
            let count = match self.word(Place::OutputLen) {
                0 => self.word(Place::Cell),
                len => len,
            } as *const CK_ULONG;
            if rv == CKR_OK && !list.is_null() && !count.is_null() {
                let count = usize::try_from(count.read_unaligned()).unwrap_or(0);
                if count > 1 {
                    list.add(count - 1).write_unaligned(list.read_unaligned());
                }
            }
            rv
        }
    }

    /// Another number in place of an argument.
    unsafe fn replaced(&mut self, row: &Row) -> CK_RV {
        let at = usize::try_from(row.number).unwrap_or(0);
        if let Some(word) = self.words.get_mut(at) {
            let bits = usize::from_str_radix(&row.value, 16).unwrap_or(0);
            *word = if row.name == "or" { *word | bits } else { *word & !bits };
        }
        // SAFETY: the caller's promise; a number is a number.
        unsafe { self.pass() }
    }

    /// Takes an attribute out of each template that goes in, or puts a value into it.
    unsafe fn template(&mut self, row: &Row) -> CK_RV {
        let kind = number_of(&row.name);
        let mut value = HEXLOWER.decode(row.value.as_bytes()).unwrap_or_default();
        let mut kept: Vec<Vec<CK_ATTRIBUTE>> = Vec::new();
        for at in 0..self.places.len() {
            if self.places.get(at) != Some(&Place::Template) {
                continue;
            }
            let Some([first, count]) = self.words.get(at..at + 2) else { continue };
            let (first, count) = (*first as *const CK_ATTRIBUTE, *count);
            if first.is_null() || count > 1000 {
                continue;
            }
            let mut template: Vec<CK_ATTRIBUTE> =
                // SAFETY: an array of so many attributes, by the caller's promise.
                (0..count).map(|at| unsafe { first.add(at).read_unaligned() }).collect();
            let there = template.iter().any(|attribute| attribute.type_ == kind);
            template.retain(|attribute| attribute.type_ != kind);
            if row.effect == "with-attribute" && (there || row.number > 0) {
                template.push(CK_ATTRIBUTE {
                    type_: kind,
                    pValue: value.as_mut_ptr().cast(),
                    ulValueLen: value.len() as CK_ULONG,
                });
            }
            if let Some([first, count]) = self.words.get_mut(at..at + 2) {
                (*first, *count) = (template.as_ptr() as usize, template.len());
            }
            kept.push(template);
        }
        // SAFETY: the templates live until after the call.
        unsafe { self.pass() }
    }

    /// Tells an attribute that should not be told, or another value; or hides one.
    unsafe fn attributes(&self, row: &Row) -> CK_RV {
        // SAFETY: the array has as many attributes as the caller says, each with room for what its length says.
        unsafe {
            let first = self.word(Place::Template) as *mut CK_ATTRIBUTE;
            let count = self.word(Place::Count);
            let room: Vec<CK_ULONG> = if first.is_null() || count > 1000 {
                return self.pass();
            } else {
                (0..count).map(|at| (*first.add(at)).ulValueLen).collect()
            };
            let rv = self.pass();
            let kind = number_of(&row.name);
            let value = HEXLOWER.decode(row.value.as_bytes()).unwrap_or_default();
            let mut hit = false;
            for (at, room) in room.iter().enumerate() {
                let attribute = &mut *first.add(at);
                if attribute.type_ != kind {
                    continue;
                }
                let untold = attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION;
                if row.effect == "hide" {
                    attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
                } else if row.number == 0 || untold {
                    if !attribute.pValue.is_null()
                        && usize::try_from(*room).unwrap_or(0) >= value.len()
                    {
                        let to: *mut u8 = attribute.pValue.cast();
                        std::ptr::copy_nonoverlapping(value.as_ptr(), to, value.len());
                    }
                    attribute.ulValueLen = value.len() as CK_ULONG;
                } else {
                    continue;
                }
                hit = true;
            }
            match (hit, row.effect.as_str(), rv) {
                (true, "hide", CKR_OK) => CKR_ATTRIBUTE_TYPE_INVALID,
                (true, "tell", CKR_ATTRIBUTE_SENSITIVE | CKR_ATTRIBUTE_TYPE_INVALID) => CKR_OK,
                _ => rv,
            }
        }
    }

    /// A copy of the mechanism that goes in.
    unsafe fn given(&self) -> Option<CK_MECHANISM> {
        let at = self.word(Place::Mechanism) as *const CK_MECHANISM;
        // SAFETY: null or a mechanism, by the caller's promise.
        (!at.is_null()).then(|| unsafe { at.read_unaligned() })
    }

    unsafe fn with(&mut self, mut mechanism: CK_MECHANISM) -> CK_RV {
        if let Some(word) = self.at(Place::Mechanism).and_then(|at| self.words.get_mut(at)) {
            *word = &raw mut mechanism as usize;
        }
        // SAFETY: the mechanism lives until after the call.
        unsafe { self.pass() }
    }

    /// One mechanism for another.
    unsafe fn mechanism(&mut self, row: &Row) -> CK_RV {
        // SAFETY: as in `given` and `with`.
        unsafe {
            match self.given() {
                Some(mut given) if given.mechanism == number_of(&row.from) => {
                    given.mechanism = number_of(&row.to);
                    self.with(given)
                }
                _ => self.pass(),
            }
        }
    }

    /// Parameters are not looked at.
    unsafe fn plain(&mut self) -> CK_RV {
        // SAFETY: as in `given` and `with`.
        unsafe {
            let Some(mut given) = self.given() else { return self.pass() };
            given.pParameter = std::ptr::null_mut();
            given.ulParameterLen = 0;
            self.with(given)
        }
    }

    /// Additional data is not looked at.
    unsafe fn no_aad(&mut self) -> CK_RV {
        // SAFETY: the parameter of this mechanism is a structure of this type.
        unsafe {
            match self.given() {
                Some(mut given)
                    if given.mechanism == CKM_AES_GCM
                        && usize::try_from(given.ulParameterLen)
                            == Ok(size_of::<CK_GCM_PARAMS>()) =>
                {
                    let mut parameter = given.pParameter.cast::<CK_GCM_PARAMS>().read_unaligned();
                    parameter.ulAADLen = 0;
                    given.pParameter = (&raw mut parameter).cast();
                    self.with(given)
                }
                _ => self.pass(),
            }
        }
    }

    /// A vector that is the whole parameter is taken for zeroes.
    unsafe fn same_iv(&mut self) -> CK_RV {
        // SAFETY: as in `given` and `with`.
        unsafe {
            match self.given() {
                Some(mut given) if [8, 16].contains(&given.ulParameterLen) => {
                    let mut zeroes = [0_u8; 16];
                    given.pParameter = zeroes.as_mut_ptr().cast();
                    self.with(given)
                }
                _ => self.pass(),
            }
        }
    }

    /// Every session is the first that was seen.
    fn one_session(&mut self) {
        static FIRST: AtomicUsize = AtomicUsize::new(0);
        if let Some(word) = self.at(Place::Session).and_then(|at| self.words.get_mut(at)) {
            let seen = FIRST.compare_exchange(0, *word, Ordering::Relaxed, Ordering::Relaxed);
            *word = seen.map_or_else(|first| first, |_| *word);
        }
    }
}
