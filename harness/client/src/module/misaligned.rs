//! Calls whose answers go to odd addresses, as from programs that pass packed structures.
//!
//! Source: Oracle's binaries hand out such pointers for `phSession`, `phObject`, `pulCount` and `phKey` (Observed,
//! with the database; Assumed of the key vault). A module that writes through them as if they were aligned stops its
//! host on some processors, and anywhere when it is built to check.

use std::ptr;

use luna_ck::*;

use super::Library;
use super::marshal::{Laid, Template};
use crate::{Attribute, Error, Mechanism, Result, Rv, SlotId};

/// See [`super::Raw::misaligned`].
#[derive(Clone, Copy, Debug)]
pub struct Misaligned<'a> {
    pub(super) library: &'a Library,
}

/// Room for one number at an odd address.
struct Odd([u8; 3 * size_of::<CK_ULONG>()]);

impl Odd {
    const fn new() -> Self {
        Self([0; 3 * size_of::<CK_ULONG>()])
    }

    /// An odd address in the array, with room for a number at it.
    fn address(&mut self) -> *mut CK_ULONG {
        let start = self.0.as_mut_ptr();
        let offset = 1 + (start.addr() & 1);
        start.wrapping_add(offset).cast()
    }

    fn value(&mut self) -> CK_ULONG {
        // SAFETY: at most two bytes of the array lie before the address, and it is three numbers long.
        unsafe { self.address().read_unaligned() }
    }
}

macro_rules! call {
    ($misaligned:expr, $name:ident($($argument:expr),* $(,)?)) => {{
        let name = stringify!($name);
        let function = $misaligned.library.functions.list.$name.ok_or(Error::Missing { function: name })?;
        // SAFETY: each pointer is null, or has the room that the call may write to, at whatever address.
        match unsafe { function($($argument),*) } {
            CKR_OK => Ok(()),
            rv => Err(Error::Call { function: name, rv: Rv(rv) }),
        }
    }};
}

impl Misaligned<'_> {
    /// Asks for slots, opens a session, generates a session key, finds it and encrypts with it, with every answer's
    /// pointer odd; a line for each. The Crypto Officer must be logged in, by another session.
    ///
    /// # Errors
    /// The first call that is refused, or lacking.
    pub fn through(self, slot: SlotId) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        let mut said = |what: &str, mut cell: Odd| {
            let value = cell.value();
            lines.push(format!("{what} at an odd address: {value}"));
            value
        };
        let mut count = Odd::new();
        call!(self, C_GetSlotList(CK_TRUE, ptr::null_mut(), count.address()))?;
        said("pulCount of C_GetSlotList", count);

        let mut handle = Odd::new();
        let flags = CKF_SERIAL_SESSION | CKF_RW_SESSION;
        call!(self, C_OpenSession(slot.0, flags, ptr::null_mut(), None, handle.address()))?;
        let session = said("phSession of C_OpenSession", handle);

        let attributes = [
            Attribute::token(false),
            Attribute::bool(CKA_ENCRYPT, true),
            Attribute::label("misaligned"),
            Attribute::ulong(CKA_VALUE_LEN, 32),
        ];
        let generation = Mechanism::Plain(CKM_AES_KEY_GEN);
        let mut laid = Laid::of("C_GenerateKey", &generation)?;
        let mut template = Template::of("C_GenerateKey", &attributes)?;
        let mut handle = Odd::new();
        let (at, length) = (template.pointer(), template.count());
        call!(self, C_GenerateKey(session, laid.pointer(), at, length, handle.address()))?;
        let key = said("phKey of C_GenerateKey", handle);

        let wanted = [Attribute::label("misaligned")];
        let mut template = Template::of("C_FindObjectsInit", &wanted)?;
        let (at, length) = (template.pointer(), template.count());
        call!(self, C_FindObjectsInit(session, at, length))?;
        let (mut found, mut count) = (Odd::new(), Odd::new());
        call!(self, C_FindObjects(session, found.address(), 1, count.address()))?;
        call!(self, C_FindObjectsFinal(session))?;
        said("pulObjectCount of C_FindObjects", count);
        let again = said("phObject of C_FindObjects", found);
        if again != key {
            return Err(Error::Malformed {
                function: "C_FindObjects",
                what: "another handle than the key's",
            });
        }

        let encryption = Mechanism::aes_cbc_pad([0; 16]);
        let mut laid = Laid::of("C_EncryptInit", &encryption)?;
        call!(self, C_EncryptInit(session, laid.pointer(), key))?;
        let mut input = [7_u8; 32];
        let mut length = Odd::new();
        let (from, len) = (input.as_mut_ptr(), 32);
        call!(self, C_Encrypt(session, from, len, ptr::null_mut(), length.address()))?;
        said("pulEncryptedDataLen of C_Encrypt", length);
        call!(self, C_CloseSession(session))?;
        Ok(lines)
    }
}
