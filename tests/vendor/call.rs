//! Calls by symbol, with words for arguments.

#![allow(unsafe_code, reason = "functions are called by name, with the words their signature has")]

use luna_ck::*;
use luna_client::{
    Access, Attribute, Context, Mechanism, ObjectHandle, Pin, Rv, Session, SlotId, UserType,
};
use luna_tests::{CRYPTO_OFFICER, Instance};

pub(crate) const PARTITION_SO: &str = "partition-so";

type W = usize;
type Any =
    unsafe extern "C" fn(W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W) -> CK_RV;

/// Calls a vendor function. Pointers among the words are of memory that outlives the call and is as
/// large as the function wants: see [`at`], [`cell`].
#[track_caller]
pub(crate) fn ca(context: &Context, name: &str, words: &[usize]) -> Rv {
    let mut all = [0; 20];
    all[..words.len()].copy_from_slice(words);
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t] = all;
    let module = context.module();
    // SAFETY: every argument of these functions is a word, and a callee on 64-bit Linux leaves those it
    // has not alone; the module stays loaded while the context lives.
    unsafe {
        let function: Any = module.raw().symbol(name).unwrap_or_else(|| panic!("no {name}"));
        Rv(function(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t))
    }
}

/// As [`ca`], and it must succeed.
#[track_caller]
pub(crate) fn ok(context: &Context, name: &str, words: &[usize]) {
    assert_eq!(ca(context, name, words), Rv(CKR_OK), "{name}");
}

/// As [`ca`], and it must answer this.
#[track_caller]
pub(crate) fn refused(context: &Context, name: &str, words: &[usize], code: CK_RV) {
    assert_eq!(ca(context, name, words), Rv(code), "{name}");
}

/// The address of bytes that are read.
pub(crate) fn at(bytes: &[u8]) -> usize {
    bytes.as_ptr().expose_provenance()
}

/// The address of something that is written.
pub(crate) fn cell<T>(value: &mut T) -> usize {
    std::ptr::from_mut(value).expose_provenance()
}

/// The two passes of a variable output: `words` with `None` where the buffer goes and `Some` for others;
/// the length follows the buffer, or comes before it.
#[track_caller]
pub(crate) fn bytes(context: &Context, name: &str, words: &[usize], order: Order) -> Vec<u8> {
    let mut len: CK_ULONG = 0;
    let with = |buffer: usize, len: usize| {
        let pair = if order == Order::BufferFirst { [buffer, len] } else { [len, buffer] };
        [words, &pair].concat()
    };
    ok(context, name, &with(0, cell(&mut len)));
    assert!(len > 0, "{name} has nothing to say");
    let wanted = len as usize;
    let mut short = vec![0_u8; wanted - 1];
    len -= 1;
    let pointer = short.as_mut_ptr().expose_provenance();
    refused(context, name, &with(pointer, cell(&mut len)), CKR_BUFFER_TOO_SMALL);
    assert_eq!(len as usize, wanted, "{name}");
    let mut buffer = vec![0_u8; wanted];
    let pointer = buffer.as_mut_ptr().expose_provenance();
    ok(context, name, &with(pointer, cell(&mut len)));
    buffer.truncate(len as usize);
    buffer
}

/// Which of the two comes first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Order {
    BufferFirst,
}

/// A handle as a word.
pub(crate) fn session(session: &Session) -> usize {
    session.handle().0 as usize
}

/// A handle as a word.
pub(crate) fn object(object: ObjectHandle) -> usize {
    object.0 as usize
}

/// A slot as a word.
pub(crate) fn slot(slot: SlotId) -> usize {
    slot.0 as usize
}

/// A session of a Crypto Officer on the n-th slot.
#[track_caller]
pub(crate) fn officer(context: &Context, number: usize) -> Session {
    let session = opened(context, number);
    session.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER)).unwrap();
    session
}

/// As [`officer`], where the process may be logged in there through a group or a member.
#[track_caller]
pub(crate) fn logged_in(context: &Context, number: usize) -> Session {
    let session = opened(context, number);
    match session.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER)) {
        Ok(()) => {}
        Err(error) => assert_eq!(error.rv(), Some(Rv(CKR_USER_ALREADY_LOGGED_IN))),
    }
    session
}

#[track_caller]
fn opened(context: &Context, number: usize) -> Session {
    let slot = context.slots(true).unwrap()[number];
    context.open_session(slot, Access::ReadWrite).unwrap()
}

/// Two partitions of one domain on HSMs of their own.
#[track_caller]
pub(crate) fn two(options: &[&str]) -> Instance {
    let mut all = vec!["--ha", "LUNAHA=OKV,OKV"];
    all.extend_from_slice(options);
    Instance::up(&all)
}

/// An AES key; usages and more by `extra`.
#[track_caller]
pub(crate) fn aes(session: &Session, label: &str, extra: &[Attribute]) -> ObjectHandle {
    made_aes(session, label, extra).unwrap()
}

/// As [`aes`], which may be refused.
pub(crate) fn made_aes(
    session: &Session,
    label: &str,
    extra: &[Attribute],
) -> luna_client::Result<ObjectHandle> {
    let mut template = vec![
        Attribute::label(label),
        Attribute::token(true),
        Attribute::ulong(CKA_VALUE_LEN, 32),
        Attribute::bool(CKA_ENCRYPT, true),
        Attribute::bool(CKA_DECRYPT, true),
    ];
    template.extend_from_slice(extra);
    session.generate_key(&Mechanism::Plain(CKM_AES_KEY_GEN), &template)
}

/// Whether the key encrypts.
pub(crate) fn encrypts(session: &Session, key: ObjectHandle) -> luna_client::Result<Vec<u8>> {
    session.encrypt(&Mechanism::aes_cbc_pad([7; 16]), key, b"attack at dawn")
}

/// The permanent identity of an object.
#[track_caller]
pub(crate) fn ouid(session: &Session, object: ObjectHandle) -> Vec<u8> {
    session.attributes(object, &[CKA_OUID]).unwrap().remove(0).unwrap()
}

/// The n-th word of a structure of the module's.
#[track_caller]
pub(crate) fn word_at(structure: *const u8, number: usize) -> usize {
    assert!(!structure.is_null());
    // SAFETY: the structures that tests ask for have so many words, and stay while the module is loaded.
    unsafe { structure.cast::<usize>().add(number).read_unaligned() }
}

/// Where a function is.
#[track_caller]
pub(crate) fn address(context: &Context, name: &str) -> usize {
    // SAFETY: the address alone is taken, as a number.
    unsafe { context.module().raw().symbol::<usize>(name) }.unwrap_or_else(|| panic!("no {name}"))
}
