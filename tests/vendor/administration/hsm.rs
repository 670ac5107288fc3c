//! An HSM with its admin slot, and calls by symbol with words for arguments.

#![allow(unsafe_code, reason = "functions are called by name, with the words their signature has")]

use luna_ck::*;
use luna_client::{
    Access, Attribute, Context, Mechanism, ObjectHandle, Pin, Rv, Session, SlotId, UserType,
};
use luna_tests::{CRYPTO_OFFICER, Instance};

pub(crate) const HSM_SO: &str = "hsm-security-officer";
pub(crate) const PARTITION_SO: &str = "partition-so";
pub(crate) const AUDITOR: &str = "the-auditor";

/// `CKU_AUDIT`.
pub(crate) const AUDIT: UserType = UserType(CKU_AUDIT);

/// An HSM whose admin slot is listed. The fields are dropped in this order.
pub(crate) struct Hsm {
    pub(crate) context: Context,
    pub(crate) admin: SlotId,
    pub(crate) user: SlotId,
    pub(crate) instance: Instance,
}

impl Hsm {
    #[track_caller]
    pub(crate) fn up(options: &[&str]) -> Self {
        Self::of(Instance::up(&[&["--admin-slot", "--so-password", HSM_SO], options].concat()))
    }

    #[track_caller]
    pub(crate) fn of(instance: Instance) -> Self {
        let context = instance.context();
        let slots = context.slots(true).unwrap();
        let is_admin =
            |slot: &SlotId| context.token_info(*slot).unwrap().flags & CKF_ADMIN_TOKEN != 0;
        let admin = slots.iter().copied().find(is_admin).expect("an admin slot");
        Self { admin, user: slots[0], context, instance }
    }

    /// Finalised, and begun anew.
    #[track_caller]
    pub(crate) fn restarted(self) -> Self {
        let Self { context, instance, .. } = self;
        context.finalize().unwrap();
        Self::of(instance)
    }

    /// As [`Hsm::restarted`], where the admin slot is the only one left.
    #[track_caller]
    pub(crate) fn restarted_without_partitions(self) -> Self {
        let hsm = self.restarted();
        assert_eq!(hsm.user, hsm.admin);
        hsm
    }

    /// Somebody opens the device.
    #[track_caller]
    pub(crate) fn tamper_hsm(&self) {
        self.instance.member("tamper", 0);
    }

    #[track_caller]
    pub(crate) fn open(&self, slot: SlotId) -> Session {
        self.context.open_session(slot, Access::ReadWrite).unwrap()
    }

    /// A session in which a role is logged in.
    #[track_caller]
    pub(crate) fn logged_in(&self, slot: SlotId, role: UserType, password: &str) -> Session {
        let session = self.open(slot);
        session.login(role, &Pin::from(password)).unwrap();
        session
    }

    /// The HSM SO's session.
    #[track_caller]
    pub(crate) fn so(&self) -> Session {
        self.logged_in(self.admin, UserType::PARTITION_SO, HSM_SO)
    }

    #[track_caller]
    pub(crate) fn officer(&self) -> Session {
        self.logged_in(self.user, UserType::CRYPTO_OFFICER, CRYPTO_OFFICER)
    }

    pub(crate) fn call(&self, name: &str, words: &[usize]) -> Rv {
        ca(&self.context, name, words)
    }

    /// As [`Hsm::call`], and it must succeed.
    #[track_caller]
    pub(crate) fn ok(&self, name: &str, words: &[usize]) {
        assert_eq!(self.call(name, words), Rv(CKR_OK), "{name}");
    }

    /// As [`Hsm::call`], and it must answer this.
    #[track_caller]
    pub(crate) fn refused(&self, name: &str, words: &[usize], code: CK_RV) {
        assert_eq!(self.call(name, words), Rv(code), "{name}");
    }

    /// The numbers a function writes after those words.
    #[track_caller]
    pub(crate) fn numbers<const N: usize>(&self, name: &str, words: &[usize]) -> [CK_ULONG; N] {
        let mut cells = [0; N];
        let at = cells.as_mut_ptr();
        let places: Vec<usize> =
            (0..N).map(|cell| at.wrapping_add(cell).expose_provenance()).collect();
        self.ok(name, &[words, &places].concat());
        cells
    }

    /// Ids and values of a set, in two passes.
    #[track_caller]
    pub(crate) fn set(&self, name: &str, words: &[usize]) -> Vec<(CK_ULONG, CK_ULONG)> {
        let (mut ids, mut values) = (0, 0);
        let asked = [0, cell(&mut ids), 0, cell(&mut values)];
        self.ok(name, &[words, &asked].concat());
        assert!(ids == values && ids > 0, "{name}: {ids} and {values}");
        let (mut id, mut value) = (vec![0; ids as usize], vec![0; ids as usize]);
        let given = [list(&mut id), cell(&mut ids), list(&mut value), cell(&mut values)];
        self.ok(name, &[words, &given].concat());
        id.into_iter().zip(value).collect()
    }

    /// Bytes whose length follows them, in two passes.
    #[track_caller]
    pub(crate) fn bytes(&self, name: &str, words: &[usize]) -> Vec<u8> {
        let mut len: CK_ULONG = 0;
        self.ok(name, &[words, &[0, cell(&mut len)]].concat());
        let mut bytes = vec![0_u8; len as usize];
        let at = bytes.as_mut_ptr().expose_provenance();
        self.ok(name, &[words, &[at, cell(&mut len)]].concat());
        bytes.truncate(len as usize);
        bytes
    }

    /// A container made by the HSM SO: its number.
    #[track_caller]
    pub(crate) fn container(&self, so: &Session, label: &str) -> CK_ULONG {
        let mut number = 0;
        self.ok("CA_CreateContainer", &container_words(so, label, "", 0, &mut number));
        number
    }

    /// The slot of a container.
    #[track_caller]
    pub(crate) fn slot_of(&self, container: CK_ULONG) -> SlotId {
        let [slot] =
            self.numbers("CA_GetSlotIdForContainer", &[slot(self.admin), container as usize]);
        SlotId(slot)
    }

    /// The value of an HSM policy.
    #[track_caller]
    pub(crate) fn hsm_policy(&self, id: usize) -> CK_ULONG {
        let [value] = self.numbers("CA_GetHSMPolicySetting", &[slot(self.admin), id]);
        value
    }

    /// Whether the slot's token lists a mechanism.
    #[track_caller]
    pub(crate) fn lists(&self, slot: SlotId, kind: CK_MECHANISM_TYPE) -> bool {
        self.context.mechanisms(slot).unwrap().contains(&kind)
    }
}

/// The arguments of `CA_CreateContainer`, as pycryptoki passes them.
pub(crate) fn container_words(
    so: &Session,
    label: &str,
    password: &str,
    bytes: usize,
    number: &mut CK_ULONG,
) -> Vec<usize> {
    let pin = if password.is_empty() { 0 } else { at(password.as_bytes()) };
    let unused = [usize::MAX, usize::MAX, 0, 0];
    [
        &[session(so), 0, at(label.as_bytes()), label.len(), pin, password.len()][..],
        &unused,
        &[bytes, cell(number)],
    ]
    .concat()
}

type W = usize;
type Any = unsafe extern "C" fn(W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W) -> CK_RV;

/// Calls a vendor function. Pointers among the words are of memory that outlives the call and is as
/// large as the function wants: see [`at`], [`cell`].
#[track_caller]
pub(crate) fn ca(context: &Context, name: &str, words: &[usize]) -> Rv {
    let mut all = [0; 16];
    all[..words.len()].copy_from_slice(words);
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = all;
    let module = context.module();
    // SAFETY: every argument of these functions is a word, and a callee on 64-bit Linux leaves those it
    // has not alone; the module stays loaded while the context lives.
    unsafe {
        let function: Any = module.raw().symbol(name).unwrap_or_else(|| panic!("no {name}"));
        Rv(function(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p))
    }
}

/// The address of bytes that are read.
pub(crate) fn at(bytes: &[u8]) -> usize {
    bytes.as_ptr().addr()
}

/// The address of something that is written.
pub(crate) fn cell<T>(value: &mut T) -> usize {
    std::ptr::from_mut(value).expose_provenance()
}

/// The address of a list that is read or written.
pub(crate) fn list<T>(values: &mut [T]) -> usize {
    values.as_mut_ptr().expose_provenance()
}

/// A text that ends with a NUL and is the module's own.
#[track_caller]
pub(crate) fn terminated(at: *const u8) -> String {
    assert!(!at.is_null());
    // SAFETY: the module's texts stay where they are while it is loaded.
    unsafe { std::ffi::CStr::from_ptr(at.cast()) }.to_str().unwrap().to_owned()
}

/// A handle as a word.
pub(crate) fn session(session: &Session) -> usize {
    session.handle().0 as usize
}

/// A slot as a word.
pub(crate) fn slot(slot: SlotId) -> usize {
    slot.0 as usize
}

/// A token key that encrypts.
#[track_caller]
pub(crate) fn aes(session: &Session, label: &str) -> ObjectHandle {
    made_aes(session, label).unwrap()
}

/// As [`aes`], which may be refused.
pub(crate) fn made_aes(session: &Session, label: &str) -> luna_client::Result<ObjectHandle> {
    session.generate_key(
        &Mechanism::Plain(CKM_AES_KEY_GEN),
        &[
            Attribute::label(label),
            Attribute::token(true),
            Attribute::ulong(CKA_VALUE_LEN, 32),
            Attribute::bool(CKA_ENCRYPT, true),
            Attribute::bool(CKA_DECRYPT, true),
        ],
    )
}

/// Whether the key encrypts.
pub(crate) fn encrypts(session: &Session, key: ObjectHandle) -> luna_client::Result<Vec<u8>> {
    session.encrypt(&Mechanism::aes_cbc_pad([7; 16]), key, b"attack at dawn")
}

/// Fails unless the call was refused with this code.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(answer: luna_client::Result<T>, code: CK_RV) {
    match answer {
        Err(error) if error.is(code) => {}
        other => panic!("wanted {:?}, got {other:?}", Rv(code)),
    }
}
