//! Arguments in memory to lines. What an application handed over is read as the module will read it, and nothing
//! of it is changed.

#![allow(unsafe_code, reason = "reads what applications hand to a module")]

use data_encoding::HEXLOWER;
use luna_ck::*;

use crate::attributes::{self, Kind};
use crate::layout;
use crate::line::{Attribute, Parameter, Value};
use crate::signature::{Arg, Info, Signature};
use crate::symbols::Symbols;

/// More attributes than any application gives. A bound of ours.
const ATTRIBUTES_MAX: usize = 1 << 12;

/// Longer inputs than any application gives. A bound of ours.
const BYTES_MAX: usize = 1 << 30;

/// Copies `len` bytes.
///
/// # Safety
/// The application says that so many are there.
unsafe fn bytes(at: usize, len: usize) -> Option<Vec<u8>> {
    if at == 0 || len > BYTES_MAX {
        return None;
    }
    // SAFETY: the caller's.
    Some(unsafe { std::slice::from_raw_parts(at as *const u8, len) }.to_vec())
}

/// # Safety
/// A number is there.
unsafe fn number(at: usize) -> Option<u64> {
    // SAFETY: the caller's; it may be unaligned.
    (at != 0).then(|| unsafe { (at as *const u64).read_unaligned() })
}

fn attribute_name(kind: CK_ATTRIBUTE_TYPE) -> String {
    names::cka(kind)
}

/// The words of each argument, in the order of the signature.
fn arguments<'w>(
    signature: &'static Signature,
    words: &'w [usize],
) -> impl Iterator<Item = (Arg, [usize; 3])> + 'w {
    let mut at = 0;
    signature.args.iter().map(move |arg| {
        let word = |offset: usize| match offset < arg.words() {
            true => words.get(at + offset).copied().unwrap_or(0),
            false => 0,
        };
        let own = [word(0), word(1), word(2)];
        at += arg.words();
        (*arg, own)
    })
}

/// What goes in.
///
/// # Safety
/// The words are the arguments of a call of that function, and point where its caller says.
pub unsafe fn before(
    symbols: &mut Symbols,
    signature: &'static Signature,
    words: &[usize],
) -> Vec<Value> {
    let mut values = Vec::new();
    for (arg, [first, second, _]) in arguments(signature, words) {
        // SAFETY: the caller's.
        let value = unsafe {
            match arg {
                Arg::Number | Arg::Slot => Value::Number(first as u64),
                Arg::Flag => Value::Number(u64::from(first & 0xff != 0)),
                Arg::Session => symbols.session(first as u64),
                Arg::Object => symbols.object(first as u64),
                Arg::Mechanism => mechanism(symbols, first),
                Arg::Template => template(symbols, first, second),
                Arg::Attributes => wanted(first, second),
                Arg::Input => match bytes(first, second) {
                    Some(bytes) => symbols.input(&bytes),
                    None if second == 0 => Value::Null,
                    None => Value::Room(Some(second as u64)),
                },
                Arg::Pin if first == 0 => Value::Null,
                Arg::Pin => Value::Secret { len: second as u64 },
                Arg::Label => match bytes(first, 32) {
                    Some(label) => Value::Text(String::from_utf8_lossy(&label).into_owned()),
                    None => Value::Null,
                },
                Arg::Output | Arg::Numbers => Value::Room(number(second).filter(|_| first != 0)),
                Arg::Random | Arg::Found => Value::Number(second as u64),
                Arg::InitArgs => match (first as *const CK_C_INITIALIZE_ARGS).as_ref() {
                    Some(args) => Value::Number(args.flags),
                    None => Value::Null,
                },
                Arg::Opaque | Arg::NewSession | Arg::NewObject | Arg::NumberOut | Arg::Info(_) => {
                    continue;
                }
            }
        };
        values.push(value);
    }
    values
}

/// What came out.
///
/// # Safety
/// As [`before`], after the call.
pub unsafe fn after(
    symbols: &mut Symbols,
    signature: &'static Signature,
    words: &[usize],
    rv: CK_RV,
) -> Vec<Value> {
    let done = rv == CKR_OK;
    let told = done
        || matches!(
            rv,
            CKR_BUFFER_TOO_SMALL | CKR_ATTRIBUTE_SENSITIVE | CKR_ATTRIBUTE_TYPE_INVALID
        );
    let mut values = Vec::new();
    if !told {
        return values;
    }
    for (arg, [first, second, third]) in arguments(signature, words) {
        // SAFETY: the caller's.
        let value = unsafe {
            match arg {
                Arg::Output => output(symbols, first, second, done),
                Arg::Numbers => numbers(first, second, done),
                Arg::Random if done => match bytes(first, second) {
                    Some(bytes) => symbols.output(&bytes),
                    None => Value::Null,
                },
                Arg::NewSession if done => {
                    number(first).map_or(Value::Null, |handle| symbols.new_session(handle))
                }
                Arg::NewObject if done => match number(first) {
                    Some(handle) if handle != CK_INVALID_HANDLE => symbols.new_object(handle),
                    _ => Value::Null,
                },
                Arg::Found if done => found(symbols, first, third),
                Arg::NumberOut if done => number(first).map_or(Value::Null, Value::Number),
                Arg::Attributes => answers(symbols, first, second),
                Arg::Info(info) if done => self::info(info, first),
                _ => continue,
            }
        };
        values.push(value);
    }
    values
}

unsafe fn output(symbols: &mut Symbols, at: usize, len_at: usize, done: bool) -> Value {
    // SAFETY: the caller's.
    let Some(len) = (unsafe { number(len_at) }) else { return Value::Null };
    let Ok(size) = usize::try_from(len) else { return Value::Number(len) };
    // SAFETY: a call that succeeded wrote so many.
    match if done { unsafe { bytes(at, size) } } else { None } {
        Some(bytes) => symbols.output(&bytes),
        None => Value::Number(len),
    }
}

unsafe fn numbers(at: usize, count_at: usize, done: bool) -> Value {
    // SAFETY: the caller's.
    let Some(count) = (unsafe { number(count_at) }) else { return Value::Null };
    if at == 0 || !done {
        return Value::Number(count);
    }
    let cells = 0..usize::try_from(count).unwrap_or(0);
    // SAFETY: a call that succeeded wrote so many.
    Value::List(cells.filter_map(|n| unsafe { number(at + 8 * n) }).map(Value::Number).collect())
}

unsafe fn found(symbols: &mut Symbols, at: usize, count_at: usize) -> Value {
    // SAFETY: the caller's.
    let count = unsafe { number(count_at) }.and_then(|it| usize::try_from(it).ok()).unwrap_or(0);
    let mut objects = Vec::new();
    for n in 0..count {
        // SAFETY: a call that succeeded wrote so many.
        if let Some(handle) = unsafe { number(at + 8 * n) } {
            objects.push(symbols.met_object(handle));
        }
    }
    Value::List(objects)
}

unsafe fn info(info: Info, at: usize) -> Value {
    if at == 0 {
        return Value::Null;
    }
    let text = |bytes: &[u8]| Value::Text(String::from_utf8_lossy(bytes).trim_end().to_owned());
    // SAFETY: a call that succeeded filled the structure; it may be unaligned.
    unsafe {
        Value::List(match info {
            Info::Library => {
                let it = (at as *const CK_INFO).read_unaligned();
                vec![
                    Value::Number(u64::from(it.cryptokiVersion.major)),
                    Value::Number(u64::from(it.cryptokiVersion.minor)),
                ]
            }
            Info::Slot => {
                let it = (at as *const CK_SLOT_INFO).read_unaligned();
                vec![Value::Number(it.flags)]
            }
            Info::Token => {
                let it = (at as *const CK_TOKEN_INFO).read_unaligned();
                vec![text(&it.label), Value::Number(it.flags)]
            }
            Info::Mechanism => {
                let it = (at as *const CK_MECHANISM_INFO).read_unaligned();
                [it.ulMinKeySize, it.ulMaxKeySize, it.flags].map(Value::Number).to_vec()
            }
            Info::Session => {
                let it = (at as *const CK_SESSION_INFO).read_unaligned();
                vec![Value::Number(it.state), Value::Number(it.flags)]
            }
        })
    }
}

/// Each attribute of an array in memory, unaligned or not.
unsafe fn each(at: usize, count: usize) -> Vec<CK_ATTRIBUTE> {
    let first = at as *const CK_ATTRIBUTE;
    if first.is_null() || count > ATTRIBUTES_MAX {
        return Vec::new();
    }
    // SAFETY: the caller's.
    (0..count).map(|n| unsafe { first.wrapping_add(n).read_unaligned() }).collect()
}

unsafe fn template(symbols: &mut Symbols, at: usize, count: usize) -> Value {
    // SAFETY: the caller's.
    let all = unsafe { each(at, count) };
    let value_of = |attribute: &CK_ATTRIBUTE| {
        let len = usize::try_from(attribute.ulValueLen).unwrap_or(usize::MAX);
        // SAFETY: the application says that so many are there.
        unsafe { bytes(attribute.pValue as usize, len) }
    };
    let class = all.iter().find(|it| it.type_ == CKA_CLASS).and_then(value_of);
    let class = class.and_then(|bytes| Some(u64::from_ne_bytes(bytes.try_into().ok()?)));
    let attributes = all.iter().map(|attribute| {
        let value = match value_of(attribute) {
            None => Value::Null,
            Some(bytes) if attributes::is_nested(attribute.type_) => {
                Value::Room(Some(bytes.len() as u64))
            }
            Some(bytes) => told(symbols, attribute.type_, class, &bytes),
        };
        Attribute { kind: attribute_name(attribute.type_), value }
    });
    Value::Template(attributes.collect())
}

/// A value that goes in.
fn told(
    symbols: &Symbols,
    kind: CK_ATTRIBUTE_TYPE,
    class: Option<CK_OBJECT_CLASS>,
    bytes: &[u8],
) -> Value {
    match (attributes::kind(kind, class), bytes.len()) {
        (Kind::Flag, 1) => Value::Number(u64::from(bytes.first().copied().unwrap_or(0))),
        (Kind::Number, 8) => Value::Number(bytes.try_into().map_or(0, u64::from_ne_bytes)),
        (Kind::Text, _) => match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Hex(HEXLOWER.encode(bytes)),
        },
        (Kind::Secret, _) => {
            symbols.known(bytes).unwrap_or(Value::Secret { len: bytes.len() as u64 })
        }
        _ => symbols.known(bytes).unwrap_or_else(|| Value::Hex(HEXLOWER.encode(bytes))),
    }
}

unsafe fn wanted(at: usize, count: usize) -> Value {
    // SAFETY: the caller's.
    let all = unsafe { each(at, count) };
    let attributes = all.iter().map(|attribute| Attribute {
        kind: attribute_name(attribute.type_),
        value: Value::Room((!attribute.pValue.is_null()).then_some(attribute.ulValueLen)),
    });
    Value::Template(attributes.collect())
}

unsafe fn answers(symbols: &mut Symbols, at: usize, count: usize) -> Value {
    // SAFETY: the caller's.
    let all = unsafe { each(at, count) };
    let attributes = all.iter().map(|attribute| {
        let value = if attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION {
            Value::Null
        } else if attribute.pValue.is_null() || attributes::is_nested(attribute.type_) {
            Value::Number(attribute.ulValueLen)
        } else {
            let len = usize::try_from(attribute.ulValueLen).unwrap_or(usize::MAX);
            // SAFETY: the module wrote so many.
            match unsafe { bytes(attribute.pValue as usize, len) } {
                None => Value::Null,
                Some(bytes) => match (attributes::kind(attribute.type_, None), len) {
                    (Kind::Flag, 1) | (Kind::Number, 8) | (Kind::Text, _) => {
                        told(symbols, attribute.type_, None, &bytes)
                    }
                    _ => symbols.output(&bytes),
                },
            }
        };
        Attribute { kind: attribute_name(attribute.type_), value }
    });
    Value::Template(attributes.collect())
}

unsafe fn mechanism(symbols: &mut Symbols, at: usize) -> Value {
    let mechanism = at as *const CK_MECHANISM;
    if mechanism.is_null() {
        return Value::Null;
    }
    // SAFETY: the caller's; it may be unaligned.
    let it = unsafe { mechanism.read_unaligned() };
    let kind = names::ckm(it.mechanism);
    let len = usize::try_from(it.ulParameterLen).unwrap_or(usize::MAX);
    // SAFETY: the application says that so many are there.
    let parameter = match unsafe { bytes(it.pParameter as usize, len) } {
        None if it.pParameter.is_null() && len == 0 => Parameter::None,
        Some(bytes) if bytes.is_empty() => Parameter::None,
        // SAFETY: the same of what its pointers say.
        Some(structure) => unsafe { self::structure(symbols, it.mechanism, structure) },
        None => Parameter::Unknown { len: it.ulParameterLen },
    };
    Value::Mechanism { kind, parameter }
}

unsafe fn structure(
    symbols: &mut Symbols,
    mechanism: CK_MECHANISM_TYPE,
    mut structure: Vec<u8>,
) -> Parameter {
    let len = structure.len() as u64;
    let Some(layout) = layout::of(mechanism, structure.len()) else {
        return Parameter::Unknown { len };
    };
    let cell = |structure: &[u8], at: usize| {
        let cell = structure.get(at..at + 8)?;
        usize::try_from(u64::from_ne_bytes(cell.try_into().ok()?)).ok()
    };
    let mut pointed = Vec::new();
    for pointer in layout.pointers {
        let (at, len) = (cell(&structure, pointer.at), cell(&structure, pointer.len_at));
        // SAFETY: the caller's.
        pointed.push(match unsafe { bytes(at.unwrap_or(0), len.unwrap_or(0)) } {
            None => Value::Null,
            Some(bytes) if pointer.public => {
                symbols.known(&bytes).unwrap_or_else(|| Value::Hex(HEXLOWER.encode(&bytes)))
            }
            Some(bytes) => symbols.input(&bytes),
        });
    }
    let handles =
        layout.handles.iter().map(|at| symbols.object(cell(&structure, *at).unwrap_or(0) as u64));
    let handles = handles.collect();
    let blanked =
        layout.pointers.iter().map(|pointer| pointer.at).chain(layout.handles.iter().copied());
    for at in blanked {
        if let Some(cell) = structure.get_mut(at..at + 8) {
            cell.fill(0);
        }
    }
    let numbers =
        symbols.known(&structure).unwrap_or_else(|| Value::Hex(HEXLOWER.encode(&structure)));
    Parameter::Structure { numbers: Box::new(numbers), pointed, handles }
}
