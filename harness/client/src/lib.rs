//! A PKCS#11 module, loaded and called safely.
//!
//! Everything here works on any module: the emulator's, the vendor's, or another one to compare with. The
//! vendor's own functions (`CA_…`) are looked up by name and may be absent; asking for one that is gives
//! [`Error::Missing`].
//!
//! ```no_run
//! use luna_client::ck::{CKA_LABEL, CKM_AES_GCM};
//! use luna_client::{Access, Attribute, InitArgs, Mechanism, Module, Pin, UserType};
//!
//! # fn main() -> Result<(), luna_client::Error> {
//! let module = Module::load("/usr/safenet/lunaclient/lib/libCryptoki2_64.so")?;
//! let context = module.initialize(InitArgs::OsLocking)?;
//! for slot in context.slots(true)? {
//!     let session = context.open_session(slot, Access::ReadWrite)?;
//!     session.login(UserType::CRYPTO_OFFICER, &Pin::from("password"))?;
//!     for key in session.find(&[Attribute::text(CKA_LABEL, "root")])? {
//!         let sealed = session.encrypt(&Mechanism::aes_gcm(&[0; 12], b"", 128), key, b"text")?;
//!         assert_eq!(sealed.len(), 4 + 16);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Rooms: [`module`] loads and calls (the only one with `unsafe`); [`Context`] is the module between
//! `C_Initialize` and `C_Finalize`; [`Session`] is one session. What a call means, which calls are right in
//! which order and what an error says about the state is left to the module and to the caller: nothing is
//! retried, cached or checked beforehand.
//!
//! Source: PKCS#11 v2.40 and v3.1; for the vendor's functions `ThalesGroup/pycryptoki`,
//! `cryptoki/func_defs.py` (Documented).

mod administration;
mod attribute;
mod context;
mod error;
mod info;
mod mechanism;
pub mod module;
mod pin;
mod session;
mod vendor;

pub use luna_ck as ck;

pub use self::administration::HsmStorage;
pub use self::attribute::Attribute;
pub use self::context::{Access, Context, InitArgs, Module};
pub use self::error::{Error, Result, Rv};
pub use self::info::{
    Info, MechanismInfo, ObjectHandle, SessionHandle, SessionInfo, SlotId, SlotInfo, TokenInfo,
    UserType, Version,
};
pub use self::mechanism::Mechanism;
pub use self::pin::Pin;
pub use self::session::Session;
pub use self::vendor::{
    ContainerStatus, ElementDescription, HaMember, HaState, PolicyValue, RoleState, TokenStorage,
};

/// `CKA_…`.
pub type AttributeType = ck::CK_ATTRIBUTE_TYPE;

/// `CKM_…`.
pub type MechanismType = ck::CK_MECHANISM_TYPE;
