//! Lines to arguments in memory, asked of another module, and where it answers otherwise.
//!
//! What a trace does not hold is made up: a message is bytes that its number decides, so that the same message is
//! the same again; a key that was brought along is other bytes of the same length. What comes out is compared
//! where it must be the same: codes, lengths, flags, numbers, and bytes that turned up before. What cannot be
//! played (a parameter whose layout is not known, an RSA key that was brought along) is told, never guessed.

#![allow(unsafe_code, reason = "calls a module by the words of its functions")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use luna_ck::*;
use serde::Serialize;

use crate::layout;
use crate::line::{Attribute, FORMAT, Head, Line, Parameter, Value};
use crate::signature::{self, Arg, Signature};
use crate::{capture, symbols::Symbols};

/// The most room that is made for one output, whatever a trace says.
const ROOM_MAX: u64 = 1 << 24;

/// In place of a PIN that was wrong.
const WRONG_PIN: &[u8] = b"not the PIN of this token";

/// Credentials, by who logs in with them.
#[derive(Clone, Default)]
pub struct Pins {
    /// Of `CKU_SO`.
    pub security_officer: Option<Vec<u8>>,
    /// Of everybody else.
    pub user: Option<Vec<u8>>,
}

/// Where a module answers otherwise than the one that was recorded.
#[derive(Clone, Debug, Serialize)]
pub struct Divergence {
    /// The line.
    pub n: u64,
    /// Its function.
    pub call: String,
    /// What is different.
    pub what: String,
    /// As recorded.
    pub expected: String,
    /// As played.
    pub seen: String,
    /// The lines before it, the last one last.
    pub context: Vec<String>,
}

/// What came of playing a trace.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// Calls that were played.
    pub played: u64,
    /// Calls that could not be, and why.
    pub skipped: Vec<String>,
    /// The first difference.
    pub divergence: Option<Divergence>,
}

/// Why nothing was played.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is no trace, or one of another release.
    #[error("{}, line {line}: {what}", path.display())]
    NotATrace {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// The module cannot be loaded.
    #[error("{}: {what}", path.display())]
    Module {
        /// The file.
        path: PathBuf,
        /// What the loader says.
        what: String,
    },
}

/// Reads a trace.
///
/// # Errors
/// [`ReplayError::Read`], [`ReplayError::NotATrace`] with the line.
pub fn read(path: &Path) -> Result<Vec<Line>, ReplayError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ReplayError::Read { path: path.to_owned(), source })?;
    let wrong = |line, what| ReplayError::NotATrace { path: path.to_owned(), line, what };
    let mut lines = text.lines();
    let head: Head = serde_json::from_str(lines.next().unwrap_or_default())
        .map_err(|error| wrong(1, format!("no head of a trace: {error}")))?;
    if head.format != FORMAT {
        let what = format!("format {}; this release knows {FORMAT}", head.format);
        return Err(wrong(1, what));
    }
    (2..)
        .zip(lines)
        .map(|(at, line)| serde_json::from_str(line).map_err(|error| wrong(at, error.to_string())))
        .collect()
}

/// A module, by the words of its functions.
struct Target {
    loaded: Library,
    list: Option<CK_FUNCTION_LIST>,
}

/// Up to eight words, as every function of the standard takes them.
type Words = unsafe extern "C" fn(usize, usize, usize, usize, usize, usize, usize, usize) -> CK_RV;

impl Target {
    fn load(path: &Path) -> Result<Self, ReplayError> {
        // SAFETY: loading runs the module's constructors, which is what naming a module asks for.
        let loaded = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
        let loaded = loaded.map_err(|error| ReplayError::Module {
            path: path.to_owned(),
            what: error.to_string(),
        })?;
        // SAFETY: the type is that of the standard's header.
        let list = unsafe {
            let mut list: *mut CK_FUNCTION_LIST = std::ptr::null_mut();
            let get = loaded.get::<CK_C_GetFunctionList>("C_GetFunctionList").ok();
            let get = get.and_then(|symbol| *symbol);
            match get.map(|get| get((&raw mut list).cast())) {
                Some(CKR_OK) if !list.is_null() => Some(list.read_unaligned()),
                _ => None,
            }
        };
        Ok(Self { loaded, list })
    }

    fn function(&self, name: &str) -> Option<Words> {
        // SAFETY: functions of the standard take words and give one; more words than it takes are not looked at.
        let exported = unsafe { self.loaded.get::<Option<Words>>(name) };
        if let Some(function) = exported.ok().and_then(|symbol| *symbol) {
            return Some(function);
        }
        let list = self.list.as_ref()?;
        let place = std::iter::once("C_Initialize")
            .chain(["C_Finalize", "C_GetInfo", "C_GetFunctionList"])
            .chain(signature::SIGNATURES.iter().map(|it| it.name).skip(3))
            .position(|known| known == name)?;
        let first = (&raw const list.C_Initialize).cast::<Option<Words>>();
        // SAFETY: after the version the list is one function pointer after the other, in the standard's order,
        // which is that of the signatures but for `C_GetFunctionList`.
        unsafe { first.add(place).read() }
    }
}

/// One playing of a trace.
struct Player<'p> {
    target: Target,
    pins: &'p Pins,
    /// What bytes with a number are here.
    bytes: HashMap<u64, Vec<u8>>,
    sessions: HashMap<u64, u64>,
    objects: HashMap<u64, u64>,
    slots: HashMap<u64, u64>,
    /// The numbers this module's bytes would get, to tell what is the same.
    seen: Symbols,
}

/// What a call's words point to.
#[derive(Default)]
struct Memory {
    /// Boxed slices do not move when the list of them grows.
    blocks: Vec<Box<[u64]>>,
}

impl Memory {
    /// Room for so many bytes, aligned to eight.
    fn room(&mut self, len: usize) -> usize {
        let mut block = vec![0_u64; len.div_ceil(8).max(1)].into_boxed_slice();
        let at = block.as_mut_ptr() as usize;
        self.blocks.push(block);
        at
    }

    fn put(&mut self, bytes: &[u8]) -> usize {
        let at = self.room(bytes.len());
        // SAFETY: the room was just made for them.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at as *mut u8, bytes.len()) };
        at
    }

    fn number(&mut self, number: u64) -> usize {
        self.put(&number.to_ne_bytes())
    }
}

/// Why a call cannot be played.
struct Unplayable(String);

fn unplayable<T>(why: impl Into<String>) -> Result<T, Unplayable> {
    Err(Unplayable(why.into()))
}

/// Plays a trace on a module, until it answers otherwise.
///
/// # Errors
/// [`ReplayError::Module`].
pub fn replay(lines: &[Line], module: &Path, pins: &Pins) -> Result<Outcome, ReplayError> {
    let mut player = Player {
        target: Target::load(module)?,
        pins,
        bytes: HashMap::new(),
        sessions: HashMap::new(),
        objects: HashMap::new(),
        slots: HashMap::new(),
        seen: Symbols::default(),
    };
    let mut outcome = Outcome::default();
    let mut context: Vec<String> = Vec::new();
    for line in lines {
        match player.play(line) {
            Ok(None) => outcome.played += 1,
            Ok(Some(difference)) => {
                let (what, expected, seen) = difference;
                outcome.played += 1;
                let (n, call) = (line.n, line.call.clone());
                outcome.divergence = Some(Divergence { n, call, what, expected, seen, context });
                return Ok(outcome);
            }
            Err(Unplayable(why)) => {
                outcome.skipped.push(format!("line {}, {}: {why}", line.n, line.call));
            }
        }
        context.push(told(line));
        if context.len() > 5 {
            context.remove(0);
        }
    }
    Ok(outcome)
}

/// A line for people.
pub fn told(line: &Line) -> String {
    let args = serde_json::to_string(&line.args).unwrap_or_default();
    format!("{}: {} {args} -> {}", line.n, line.call, line.rv)
}

/// What is different, as recorded, as played.
type Difference = (String, String, String);

impl Player<'_> {
    fn play(&mut self, line: &Line) -> Result<Option<Difference>, Unplayable> {
        let Some(signature) = signature::find(&line.call) else {
            return unplayable("a function that is only passed on");
        };
        if line.call == "C_WaitForSlotEvent" {
            return unplayable("it would wait");
        }
        let Some(function) = self.target.function(signature.name) else {
            let seen = "the module has no such function".to_owned();
            return Ok(Some(("function".to_owned(), line.rv.clone(), seen)));
        };
        let mut memory = Memory::default();
        let words = self.words(signature, line, &mut memory)?;
        let word = |n: usize| words.get(n).copied().unwrap_or(0);
        // SAFETY: the words are those the signature wants, and what they point to is in `memory`.
        let rv = unsafe {
            function(word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7))
        };
        if names::ckr(rv) != line.rv {
            return Ok(Some(("return code".into(), line.rv.clone(), names::ckr(rv))));
        }
        // SAFETY: they are the words of the call, which has just returned.
        let out = unsafe { self.read_back(signature, &words, rv) };
        Ok(self.compare(line, &out))
    }

    /// The words of a call.
    fn words(
        &mut self,
        signature: &'static Signature,
        line: &Line,
        memory: &mut Memory,
    ) -> Result<Vec<usize>, Unplayable> {
        let mut values = line.args.iter();
        let mut words = Vec::new();
        for arg in signature.args {
            match arg {
                Arg::Opaque => words.push(0),
                Arg::NewSession | Arg::NewObject | Arg::NumberOut => words.push(memory.number(0)),
                // The largest of the structures has 208 bytes.
                Arg::Info(_) => words.push(memory.room(512)),
                _ => {
                    let Some(value) = values.next() else {
                        return unplayable("an argument is missing in the trace");
                    };
                    self.argument(*arg, value, line, memory, &mut words)?;
                }
            }
        }
        Ok(words)
    }

    fn argument(
        &mut self,
        arg: Arg,
        value: &Value,
        line: &Line,
        memory: &mut Memory,
        words: &mut Vec<usize>,
    ) -> Result<(), Unplayable> {
        match (arg, value) {
            (Arg::Slot, Value::Number(number)) => {
                words.push(word(self.slots.get(number).copied().unwrap_or(*number)));
            }
            (Arg::Number | Arg::Flag, Value::Number(number)) => words.push(word(*number)),
            (Arg::Session | Arg::Object, value) => words.push(word(self.handle(value)?)),
            (Arg::Mechanism, Value::Null) => words.push(0),
            (Arg::Mechanism, Value::Mechanism { kind, parameter }) => {
                words.push(self.mechanism(kind, parameter, memory)?);
            }
            (Arg::Template, Value::Template(attributes)) => {
                let at = self.template(attributes, memory)?;
                words.extend([at, attributes.len()]);
            }
            (Arg::Attributes, Value::Template(attributes)) => {
                words.extend([wanted(attributes, memory)?, attributes.len()]);
            }
            (Arg::Input | Arg::Pin, Value::Null) => words.extend([0, 0]),
            (Arg::Input, Value::Room(len)) => words.extend([0, word(len.unwrap_or(0))]),
            (Arg::Input, value) => {
                let bytes = self.content(value)?;
                words.extend([memory.put(&bytes), bytes.len()]);
            }
            // The PIN was wrong, and is to be wrong here: which it was nobody wrote down.
            (Arg::Pin, Value::Secret { .. }) if line.rv == "CKR_PIN_INCORRECT" => {
                words.extend([memory.put(WRONG_PIN), WRONG_PIN.len()]);
            }
            (Arg::Pin, Value::Secret { .. }) => {
                let so =
                    line.call == "C_InitToken" || line.args.get(1) == Some(&Value::Number(CKU_SO));
                let pin = if so { &self.pins.security_officer } else { &self.pins.user };
                let Some(pin) = pin else {
                    let who = if so { "security officer" } else { "user" };
                    return unplayable(format!("no PIN of the {who} was given"));
                };
                words.extend([memory.put(pin), pin.len()]);
            }
            (Arg::Label, Value::Text(text)) => words.push(memory.put(text.as_bytes())),
            (Arg::Output | Arg::Numbers, Value::Room(room)) => {
                let unit = if arg == Arg::Numbers { 8 } else { 1 };
                let at = match room {
                    None => 0,
                    Some(len) => memory.room(word((*len).min(ROOM_MAX)) * unit),
                };
                let len = memory.number(room.unwrap_or(0).min(ROOM_MAX));
                words.extend([at, len]);
            }
            (Arg::Random, Value::Number(len)) => {
                let len = word((*len).min(ROOM_MAX));
                words.extend([memory.room(len), len]);
            }
            (Arg::Found, Value::Number(most)) => {
                let most = word((*most).min(ROOM_MAX / 8));
                words.extend([memory.room(8 * most), most, memory.number(0)]);
            }
            // Callbacks for locks are the application's; without them the system's locks serve as well.
            (Arg::InitArgs, Value::Null) => words.push(0),
            (Arg::InitArgs, Value::Number(flags)) => {
                let mut args = [0_u8; size_of::<CK_C_INITIALIZE_ARGS>()];
                let at = std::mem::offset_of!(CK_C_INITIALIZE_ARGS, flags);
                let flags = (flags | CKF_OS_LOCKING_OK).to_ne_bytes();
                for (to, from) in args.iter_mut().skip(at).zip(flags) {
                    *to = from;
                }
                words.push(memory.put(&args));
            }
            (_, value) => return unplayable(format!("{value:?} is no {arg:?}")),
        }
        Ok(())
    }

    fn handle(&self, value: &Value) -> Result<u64, Unplayable> {
        let known = match value {
            Value::Number(handle) => return Ok(*handle),
            Value::Session(number) => self.sessions.get(number),
            Value::Object(number) => self.objects.get(number),
            _ => None,
        };
        known.copied().map_or_else(|| unplayable(format!("nobody made {value:?}")), Ok)
    }

    /// What bytes a value stands for here.
    fn content(&mut self, value: &Value) -> Result<Vec<u8>, Unplayable> {
        match value {
            Value::Bytes { id, len } => {
                let known = self.bytes.entry(*id).or_insert_with(|| made_up(*id, *len));
                self.seen.input(known);
                Ok(known.clone())
            }
            Value::Secret { len } => Ok(made_up(0, *len)),
            Value::Hex(text) => HEXLOWER
                .decode(text.as_bytes())
                .map_or_else(|_| unplayable(format!("`{text}` is not hexadecimal")), Ok),
            Value::Text(text) => Ok(text.clone().into_bytes()),
            other => unplayable(format!("{other:?} is no bytes")),
        }
    }

    fn template(
        &mut self,
        attributes: &[Attribute],
        memory: &mut Memory,
    ) -> Result<usize, Unplayable> {
        let brought = attributes.iter().any(|it| {
            it.kind == "CKA_PRIVATE_EXPONENT" && matches!(it.value, Value::Secret { .. })
        });
        if brought {
            return unplayable("an RSA key was brought along, which cannot be made up");
        }
        let mut cells = Vec::new();
        for attribute in attributes {
            let kind = number_of(names::CKA, &attribute.kind)?;
            let (at, len) = match &attribute.value {
                Value::Null => (0, 0),
                Value::Room(_) => return unplayable("a template in a template"),
                Value::Number(number) if FLAGS.contains(&kind) => {
                    let [flag, ..] = number.to_le_bytes();
                    (memory.put(&[flag]), 1)
                }
                Value::Number(number) => (memory.number(*number), 8),
                value => {
                    let bytes = self.content(value)?;
                    (memory.put(&bytes), bytes.len())
                }
            };
            cells.extend([kind, at as u64, len as u64].map(u64::to_ne_bytes));
        }
        Ok(memory.put(&cells.concat()))
    }

    fn mechanism(
        &mut self,
        kind: &str,
        parameter: &Parameter,
        memory: &mut Memory,
    ) -> Result<usize, Unplayable> {
        let kind = number_of(names::CKM, kind)?;
        let (at, len) = match parameter {
            Parameter::None => (0, 0),
            Parameter::Unknown { .. } => return unplayable("the parameter's layout is not known"),
            Parameter::Structure { numbers, pointed, handles } => {
                let mut structure = self.content(numbers)?;
                let Some(layout) = layout::of(kind, structure.len()) else {
                    return unplayable("the parameter's layout is not known");
                };
                for (pointer, value) in layout.pointers.iter().zip(pointed) {
                    if *value == Value::Null {
                        continue;
                    }
                    let bytes = self.content(value)?;
                    let at = memory.put(&bytes);
                    set(&mut structure, pointer.at, at as u64);
                    set(&mut structure, pointer.len_at, bytes.len() as u64);
                }
                for (at, value) in layout.handles.iter().zip(handles) {
                    set(&mut structure, *at, self.handle(value)?);
                }
                (memory.put(&structure), structure.len())
            }
        };
        let cells = [kind, at as u64, len as u64].map(u64::to_ne_bytes);
        Ok(memory.put(&cells.concat()))
    }

    /// What came out, with the numbers that this module's own trace would have.
    ///
    /// # Safety
    /// The words of a call that has returned.
    unsafe fn read_back(
        &mut self,
        signature: &'static Signature,
        words: &[usize],
        rv: CK_RV,
    ) -> Vec<Raw> {
        // A recorder of its own for each call, so that what is compared is bytes and handles, not numbers.
        let mut plain = Symbols::default();
        // SAFETY: the caller's.
        let out = unsafe { capture::after(&mut plain, signature, words, rv) };
        let mut at = 0;
        let mut raw = Vec::new();
        let mut values = out.into_iter();
        for arg in signature.args {
            let own = words.get(at..).unwrap_or_default();
            at += arg.words();
            let speaks = matches!(
                arg,
                Arg::Output
                    | Arg::Numbers
                    | Arg::Random
                    | Arg::NewSession
                    | Arg::NewObject
                    | Arg::Found
                    | Arg::NumberOut
                    | Arg::Attributes
                    | Arg::Info(_)
            );
            if !speaks {
                continue;
            }
            let Some(value) = values.next() else { break };
            // SAFETY: the caller's.
            raw.push(unsafe { Raw::of(*arg, own, value) });
        }
        raw
    }

    fn compare(&mut self, line: &Line, out: &[Raw]) -> Option<Difference> {
        if line.out.len() != out.len() {
            let lens = (line.out.len().to_string(), out.len().to_string());
            return Some(("number of results".into(), lens.0, lens.1));
        }
        for (expected, seen) in line.out.iter().zip(out) {
            if line.call == "C_GetSlotList"
                && let (Value::List(before), Value::List(now)) = (expected, &seen.value)
                && before.len() == now.len()
            {
                for pair in before.iter().zip(now) {
                    if let (Value::Number(before), Value::Number(now)) = pair {
                        self.slots.insert(*before, *now);
                    }
                }
                continue;
            }
            if let Some(what) = self.differs(expected, seen) {
                return Some((what, format!("{expected:?}"), format!("{:?}", seen.value)));
            }
        }
        None
    }

    /// In what a result differs; what is new is remembered.
    fn differs(&mut self, expected: &Value, seen: &Raw) -> Option<String> {
        match (expected, &seen.value) {
            (Value::Bytes { id, len }, Value::Bytes { len: now, .. }) => {
                self.same_bytes(*id, *len, *now, seen.bytes.first())
            }
            (Value::Session(number), Value::Session(_)) => {
                self.sessions.insert(*number, *seen.numbers.first()?);
                None
            }
            (Value::Object(number), Value::Object(_)) => {
                self.objects.insert(*number, *seen.numbers.first()?);
                None
            }
            (Value::List(before), Value::List(now)) if before.len() == now.len() => {
                let objects = before.iter().zip(&seen.numbers);
                for (value, handle) in objects {
                    let Value::Object(number) = value else { continue };
                    if *self.objects.entry(*number).or_insert(*handle) != *handle {
                        return Some("object found".into());
                    }
                }
                let plain = |value: &Value| !matches!(value, Value::Object(_));
                let sorted = |list: &[Value]| {
                    let mut texts: Vec<_> =
                        list.iter().filter(|it| plain(it)).map(|it| format!("{it:?}")).collect();
                    texts.sort();
                    texts
                };
                (sorted(before) != sorted(now)).then(|| "list".into())
            }
            (Value::Template(before), Value::Template(now)) if before.len() == now.len() => {
                let mut bytes = seen.bytes.iter();
                for (before, now) in before.iter().zip(now) {
                    let what = match (&before.value, &now.value) {
                        (Value::Bytes { id, len }, Value::Bytes { len: now, .. }) => {
                            self.same_bytes(*id, *len, *now, bytes.next())
                        }
                        (Value::Hex(_), Value::Bytes { .. }) => {
                            bytes.next();
                            None
                        }
                        (before, now) => (before != now).then(|| "value".to_owned()),
                    };
                    if let Some(what) = what {
                        return Some(format!("{} of {}", what, before.kind));
                    }
                }
                None
            }
            (expected, seen) => (expected != seen).then(|| "result".to_owned()),
        }
    }

    fn same_bytes(
        &mut self,
        id: u64,
        len: u64,
        now: u64,
        bytes: Option<&Vec<u8>>,
    ) -> Option<String> {
        let Some(bytes) = bytes else { return Some("bytes".into()) };
        match self.bytes.get(&id) {
            Some(known) if known != bytes => Some("bytes that were the same as before".into()),
            Some(_) => None,
            // Signatures in DER and compressed things differ in length from time to time; what is new is only
            // as long as it was where its length is fixed, so the length is compared.
            None if len != now => Some("length".into()),
            None => {
                self.bytes.insert(id, bytes.clone());
                None
            }
        }
    }
}

/// A result: what a trace would say of it, and what it is.
struct Raw {
    value: Value,
    /// Bytes in it, in their order.
    bytes: Vec<Vec<u8>>,
    /// Handles in it, in their order.
    numbers: Vec<u64>,
}

impl Raw {
    /// # Safety
    /// The words of the argument, after a call that wrote what `value` says.
    unsafe fn of(arg: Arg, words: &[usize], value: Value) -> Self {
        let word = |n: usize| words.get(n).copied().unwrap_or(0);
        let copy = |at: usize, len: u64| {
            let len = usize::try_from(len).unwrap_or(0);
            // SAFETY: the value says that so many were written.
            unsafe { std::slice::from_raw_parts(at as *const u8, len) }.to_vec()
        };
        let handle = |at: usize| {
            // SAFETY: the value says that a number was written.
            unsafe { (at as *const u64).read_unaligned() }
        };
        let (mut bytes, mut numbers) = (Vec::new(), Vec::new());
        match (arg, &value) {
            (Arg::Output | Arg::Random, Value::Bytes { len, .. }) => {
                bytes.push(copy(word(0), *len));
            }
            (Arg::NewSession | Arg::NewObject, Value::Session(_) | Value::Object(_)) => {
                numbers.push(handle(word(0)));
            }
            (Arg::Found, Value::List(list)) => {
                numbers.extend((0..list.len()).map(|n| handle(word(0) + 8 * n)));
            }
            (Arg::Attributes, Value::Template(attributes)) => {
                for (n, attribute) in attributes.iter().enumerate() {
                    if let Value::Bytes { len, .. } = attribute.value {
                        let at = word(0) + n * size_of::<CK_ATTRIBUTE>();
                        let value = at + std::mem::offset_of!(CK_ATTRIBUTE, pValue);
                        bytes.push(copy(usize::try_from(handle(value)).unwrap_or(0), len));
                    }
                }
            }
            _ => {}
        }
        Self { value, bytes, numbers }
    }
}

const FLAGS: &[CK_ATTRIBUTE_TYPE] = crate::attributes::FLAGS;

fn word(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn set(structure: &mut [u8], at: usize, number: u64) {
    if let Some(cell) = structure.get_mut(at..at + 8) {
        cell.copy_from_slice(&number.to_ne_bytes());
    }
}

/// Attributes that are asked for, with their room.
fn wanted(attributes: &[Attribute], memory: &mut Memory) -> Result<usize, Unplayable> {
    let mut cells = Vec::new();
    for attribute in attributes {
        let kind = number_of(names::CKA, &attribute.kind)?;
        let (at, len) = match attribute.value {
            Value::Room(Some(len)) => {
                let len = len.min(ROOM_MAX);
                (memory.room(word(len)) as u64, len)
            }
            _ => (0, 0),
        };
        cells.extend([kind, at, len].map(u64::to_ne_bytes));
    }
    Ok(memory.put(&cells.concat()))
}

/// The number of a name.
fn number_of(table: &[(u64, &str)], name: &str) -> Result<u64, Unplayable> {
    let named = table.iter().find(|(_, known)| *known == name).map(|(number, _)| *number);
    let digits = || u64::from_str_radix(name.strip_prefix("0x")?, 16).ok();
    named.or_else(digits).map_or_else(|| unplayable(format!("nobody knows {name}")), Ok)
}

/// Bytes that only their number and length decide. Each has odd parity, as DES keys want it, and the first is
/// small, so that as a number they are less than any modulus of their length.
fn made_up(id: u64, len: u64) -> Vec<u8> {
    let mut state = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d;
    (0..len.min(ROOM_MAX))
        .map(|n| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let [.., byte] = (state ^ (state >> 29)).to_be_bytes();
            let byte = if n == 0 { 0 } else { byte & 0xfe };
            byte | u8::from(byte.count_ones() % 2 == 0)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_up_is_the_same_again() {
        assert_eq!(made_up(7, 24), made_up(7, 24));
        assert_ne!(made_up(7, 24), made_up(8, 24));
        assert!(made_up(3, 64).iter().all(|byte| byte.count_ones() % 2 == 1));
        assert_eq!(made_up(3, 64)[0], 1);
    }

    #[test]
    fn names_are_numbers_again() {
        assert!(matches!(number_of(names::CKM, "CKM_AES_GCM"), Ok(CKM_AES_GCM)));
        assert!(matches!(number_of(names::CKA, "0x80000fff"), Ok(0x8000_0fff)));
        assert!(number_of(names::CKA, "CKA_NONE").is_err());
    }
}
