//! Calls put together from words: any function of the standard, with arguments no careful caller would give.
//!
//! Whether a module survives a null pointer, an impossible length or a handle that never was is a question for
//! every function alike. So the functions' parameters are data here ([`SIGNATURES`]), a caller gives a [`Word`]
//! for each, and a word that does not suit its place is refused: a pointer is null or points to memory that
//! this room owns and guards, a number is a number.

use luna_ck::*;

use super::exact::{GUARD, Left, guarded, left};
use super::marshal::{Laid, Template, ulong};
use super::{Library, watch};
use crate::{Attribute, Error, Mechanism, Result};

/// The place of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A session's handle.
    Session,
    /// A slot's number.
    Slot,
    /// A key's handle.
    Key,
    /// An object's handle.
    Object,
    /// Flags, types and the like.
    Number,
    /// `CK_BBOOL`.
    Bool,
    /// The length or count of what the place before points to.
    Count,
    /// `CK_MECHANISM`.
    Mechanism,
    /// An array of `CK_ATTRIBUTE`.
    Template,
    /// Bytes that go in.
    Input,
    /// Room for what comes out, in bytes or numbers.
    Output,
    /// How much room there is, and how much was wanted.
    OutputLen,
    /// A cell for one number.
    Cell,
    /// A structure that comes out.
    Structure,
    /// A structure that goes in and may be absent.
    Optional,
    /// A callback.
    Callback,
}

impl Place {
    const fn of(letter: u8) -> Self {
        match letter {
            b's' => Self::Session,
            b'l' => Self::Slot,
            b'k' => Self::Key,
            b'o' => Self::Object,
            b'b' => Self::Bool,
            b'z' => Self::Count,
            b'm' => Self::Mechanism,
            b't' => Self::Template,
            b'i' => Self::Input,
            b'p' => Self::Output,
            b'P' => Self::OutputLen,
            b'c' => Self::Cell,
            b'v' => Self::Structure,
            b'a' => Self::Optional,
            b'f' => Self::Callback,
            _ => Self::Number,
        }
    }

    /// Whether a pointer belongs here.
    pub const fn is_pointer(self) -> bool {
        !matches!(
            self,
            Self::Session
                | Self::Slot
                | Self::Key
                | Self::Object
                | Self::Number
                | Self::Bool
                | Self::Count
        )
    }
}

/// One argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Word {
    /// A handle, a length, flags.
    Number(CK_ULONG),
    /// A null pointer.
    Null,
    /// Bytes that go in, guarded behind.
    Bytes(Vec<u8>),
    /// So many bytes of room, guarded behind.
    Room(usize),
    /// A cell with this number in it.
    Cell(CK_ULONG),
    /// A mechanism.
    Mechanism(Mechanism),
    /// A template.
    Template(Vec<Attribute>),
}

/// Bytes that hold the largest structure the standard's functions fill, and then some.
const STRUCTURE_ROOM: usize = 512;

impl Word {
    /// Room for any structure that a function of the standard fills.
    pub fn structure() -> Self {
        Self::Room(STRUCTURE_ROOM)
    }

    fn suits(&self, place: Place) -> bool {
        match self {
            Self::Number(_) => !place.is_pointer(),
            Self::Null => place.is_pointer(),
            Self::Bytes(_) => place == Place::Input,
            Self::Room(_) => matches!(place, Place::Output | Place::Structure),
            Self::Cell(_) => matches!(place, Place::Cell | Place::OutputLen),
            Self::Mechanism(_) => place == Place::Mechanism,
            Self::Template(_) => place == Place::Template,
        }
    }
}

macro_rules! signatures {
    ($($name:ident: $places:literal),+ $(,)?) => {
        /// The standard's functions with their parameters, in the order of the function list. The letters:
        /// `s`ession, s`l`ot, `k`ey, `o`bject, `n`umber, `b`ool, si`z`e of the pointer before, `m`echanism,
        /// `t`emplate, `i`nput, out`p`ut with its length in `P`, `c`ell, structure by `v`alue, `a`bsent or a
        /// structure, `f`unction.
        pub const SIGNATURES: &[(&str, &str)] = &[$((stringify!($name), $places)),+];

        /// The function's address; `None` where the module's list has none, or there is no such function.
        pub fn address_of(list: &CK_FUNCTION_LIST, function: &str) -> Option<usize> {
            match function {
                $(stringify!($name) => list.$name.map(|function| function as usize),)+
                _ => None,
            }
        }
    };
}

signatures! {
    C_Initialize: "a", C_Finalize: "a", C_GetInfo: "v", C_GetFunctionList: "c",
    C_GetSlotList: "bpP", C_GetSlotInfo: "lv", C_GetTokenInfo: "lv", C_GetMechanismList: "lpP",
    C_GetMechanismInfo: "lnv", C_InitToken: "lizi", C_InitPIN: "siz", C_SetPIN: "siziz",
    C_OpenSession: "lnafc", C_CloseSession: "s", C_CloseAllSessions: "l", C_GetSessionInfo: "sv",
    C_GetOperationState: "spP", C_SetOperationState: "sizkk", C_Login: "sniz", C_Logout: "s",
    C_CreateObject: "stzc", C_CopyObject: "sotzc", C_DestroyObject: "so", C_GetObjectSize: "soc",
    C_GetAttributeValue: "sotz", C_SetAttributeValue: "sotz", C_FindObjectsInit: "stz",
    C_FindObjects: "spnc", C_FindObjectsFinal: "s", C_EncryptInit: "smk", C_Encrypt: "sizpP",
    C_EncryptUpdate: "sizpP", C_EncryptFinal: "spP", C_DecryptInit: "smk", C_Decrypt: "sizpP",
    C_DecryptUpdate: "sizpP", C_DecryptFinal: "spP", C_DigestInit: "sm", C_Digest: "sizpP",
    C_DigestUpdate: "siz", C_DigestKey: "sk", C_DigestFinal: "spP", C_SignInit: "smk",
    C_Sign: "sizpP", C_SignUpdate: "siz", C_SignFinal: "spP", C_SignRecoverInit: "smk",
    C_SignRecover: "sizpP", C_VerifyInit: "smk", C_Verify: "siziz", C_VerifyUpdate: "siz",
    C_VerifyFinal: "siz", C_VerifyRecoverInit: "smk", C_VerifyRecover: "sizpP",
    C_DigestEncryptUpdate: "sizpP", C_DecryptDigestUpdate: "sizpP", C_SignEncryptUpdate: "sizpP",
    C_DecryptVerifyUpdate: "sizpP", C_GenerateKey: "smtzc", C_GenerateKeyPair: "smtztzcc",
    C_WrapKey: "smkkpP", C_UnwrapKey: "smkiztzc", C_DeriveKey: "smktzc", C_SeedRandom: "siz",
    C_GenerateRandom: "spn", C_GetFunctionStatus: "s", C_CancelFunction: "s",
    C_WaitForSlotEvent: "nca",
}

/// The places of a function of the standard; `None` for a name it does not have.
pub fn places(function: &str) -> Option<Vec<Place>> {
    let (_, letters) = SIGNATURES.iter().find(|(name, _)| *name == function)?;
    Some(letters.bytes().map(Place::of).collect())
}

/// The calls.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    pub(super) library: &'a Library,
}

impl Words<'_> {
    /// Whether the module's list has the function.
    pub fn has(self, function: &str) -> bool {
        address_of(&self.library.functions.list, function).is_some()
    }

    /// Calls `function` with a word for each of its places. What came out stands in the order of the words that
    /// have room: buffers whole, cells as their number in `len`.
    ///
    /// # Errors
    /// `Missing` where the module has no such function, `Refused` where a word does not suit its place.
    pub fn call(self, function: &'static str, words: &[Word]) -> Result<(CK_RV, Vec<Left>)> {
        let refused = |what| Error::Refused { function, what };
        let places = places(function).ok_or(refused("the standard has no such function"))?;
        if places.len() != words.len() {
            return Err(refused("another number of arguments"));
        }
        if places.iter().zip(words).any(|(place, word)| !word.suits(*place)) {
            return Err(refused("an argument that does not suit its place"));
        }
        let missing = Error::Missing { function };
        let address = address_of(&self.library.functions.list, function).ok_or(missing)?;
        let mut held = Vec::with_capacity(words.len());
        for word in words {
            held.push(Held::of(function, word)?);
        }
        watch::called(function);
        let arguments: Vec<usize> = held.iter_mut().map(Held::argument).collect();
        // SAFETY: the address is that of `function` and the places above are its parameters, all of which are
        // passed as machine words: handles and lengths are numbers, a `CK_BBOOL` is the low byte of its word,
        // and each pointer is null or made from what `held` owns until the end of this call.
        let rv = unsafe { invoke(address, &arguments) }.ok_or(refused("too many arguments"))?;
        watch::returned(rv);
        Ok((rv, held.into_iter().filter_map(|held| held.left(rv)).collect()))
    }
}

/// The memory behind a word, for the time of the call.
enum Held<'a> {
    Number(CK_ULONG),
    Null,
    Bytes(Vec<u8>),
    Room(Vec<u8>),
    Cell(Box<CK_ULONG>),
    Mechanism(Laid<'a>),
    Template(Template<'a>),
}

impl<'a> Held<'a> {
    fn of(function: &'static str, word: &'a Word) -> Result<Self> {
        Ok(match word {
            Word::Number(number) => Self::Number(*number),
            Word::Null => Self::Null,
            Word::Bytes(bytes) => Self::Bytes([bytes.as_slice(), &GUARD].concat()),
            Word::Room(bytes) => Self::Room(guarded(*bytes)),
            Word::Cell(number) => Self::Cell(Box::new(*number)),
            Word::Mechanism(mechanism) => Self::Mechanism(Laid::of(function, mechanism)?),
            Word::Template(template) => Self::Template(Template::of(function, template)?),
        })
    }

    fn argument(&mut self) -> usize {
        let number = |number: CK_ULONG| usize::try_from(number).unwrap_or(usize::MAX);
        match self {
            Self::Number(value) => number(watch::argument(*value)),
            Self::Null => watch::argument(std::ptr::null_mut::<u8>()) as usize,
            Self::Bytes(bytes) | Self::Room(bytes) => watch::argument(bytes.as_mut_ptr()) as usize,
            Self::Cell(cell) => watch::argument(std::ptr::from_mut(cell.as_mut())) as usize,
            Self::Mechanism(laid) => watch::argument(laid.pointer()) as usize,
            Self::Template(template) => watch::argument(template.pointer()) as usize,
        }
    }

    fn left(self, rv: CK_RV) -> Option<Left> {
        match self {
            Self::Room(buffer) => {
                let len = ulong(buffer.len().saturating_sub(GUARD.len()));
                Some(left(rv, len, buffer))
            }
            Self::Cell(cell) => Some(Left { rv, len: *cell, ..Left::default() }),
            _ => None,
        }
    }
}

/// # Safety
/// The address is that of a C function that takes as many arguments, each of them an integer or a pointer.
unsafe fn invoke(address: usize, arguments: &[usize]) -> Option<CK_RV> {
    macro_rules! by_count {
        ($($count:literal: $($name:ident)*;)+) => {
            match arguments {
                $([$($name),*] => {
                    type Function = unsafe extern "C" fn($(by_count!(@word $name)),*) -> CK_RV;
                    // SAFETY: the caller answers for the address and the number of arguments.
                    let function = unsafe { std::mem::transmute::<usize, Function>(address) };
                    // SAFETY: as above.
                    Some(unsafe { function($(*$name),*) })
                })+
                _ => None,
            }
        };
        (@word $name:ident) => { usize };
    }
    by_count! {
        1: a; 2: a b; 3: a b c; 4: a b c d; 5: a b c d e; 6: a b c d e f; 7: a b c d e f g; 8: a b c d e f g h;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_of_the_list_has_its_parameters() {
        assert_eq!(SIGNATURES.len(), 68);
        assert_eq!(places("C_Sign").map(|places| places.len()), Some(5));
        assert_eq!(places("C_GetInterface"), None);
    }

    #[test]
    fn a_word_must_suit_its_place() {
        assert!(!Word::Number(0x4141).suits(Place::Output), "a number is no pointer");
        assert!(!Word::Null.suits(Place::Session));
        assert!(!Word::Room(8).suits(Place::Template), "attributes have pointers inside");
        assert!(Word::Room(8).suits(Place::Output));
    }
}
