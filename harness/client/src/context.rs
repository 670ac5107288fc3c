//! A module, and the time between its `C_Initialize` and `C_Finalize`.

use std::ffi::CString;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use luna_ck::*;

use crate::module::{Library, Raw};
use crate::{
    Info, MechanismInfo, MechanismType, Pin, Result, Session, SlotId, SlotInfo, TokenInfo,
};

/// A loaded module. Cheap to clone; the library stays loaded while a clone, a [`Context`] or a [`Session`]
/// is left.
#[derive(Debug, Clone)]
pub struct Module {
    library: Arc<Library>,
}

/// What `C_Initialize` is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum InitArgs {
    /// A null pointer: this application calls from one thread at a time.
    SingleThread,
    /// `CKF_OS_LOCKING_OK`: calls come from several threads.
    #[default]
    OsLocking,
    /// `CKF_OS_LOCKING_OK`, and a string in `pReserved`, which some modules take as their configuration. The
    /// standard reserves it: others answer `CKR_ARGUMENTS_BAD`.
    Reserved(CString),
    /// Any flags, and any string or none in `pReserved`.
    Flags(CK_FLAGS, Option<CString>),
}

impl Module {
    /// Loads a module; a name without a slash is looked for as the system's loader does.
    ///
    /// Loading runs the library's own code: load what you trust. Loading one file twice gives two values that
    /// share one state, as the system's loader has it; load a copy of the file for a state of its own.
    ///
    /// # Errors
    ///
    /// `NotFound`, `CannotLoad`, `NoFunctionList`.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Library::load(path.as_ref()).map(|library| Self { library: Arc::new(library) })
    }

    /// The path it was loaded from, as given.
    pub fn path(&self) -> &Path {
        self.library.path()
    }

    /// `C_Initialize`. The context ends with `C_Finalize`.
    ///
    /// # Errors
    ///
    /// `Call`, with `CKR_CRYPTOKI_ALREADY_INITIALIZED` while another context of this library is alive.
    pub fn initialize(&self, args: InitArgs) -> Result<Context> {
        match args {
            InitArgs::SingleThread => self.library.initialize_plain()?,
            InitArgs::OsLocking => self.library.initialize_with(CKF_OS_LOCKING_OK, None)?,
            InitArgs::Reserved(text) => {
                self.library.initialize_with(CKF_OS_LOCKING_OK, Some(&text))?;
            }
            InitArgs::Flags(flags, text) => self.library.initialize_with(flags, text.as_deref())?,
        }
        let library = Arc::clone(&self.library);
        Ok(Context { alive: Arc::new(Alive { library, ended: AtomicBool::new(false) }) })
    }

    /// The functions themselves, for calls no safe caller would make.
    pub fn raw(&self) -> Raw<'_> {
        self.library.raw()
    }
}

/// An initialised module. Cheap to clone; `C_Finalize` is called when the last clone and the last session
/// are gone, or by [`Context::finalize`].
#[derive(Debug, Clone)]
pub struct Context {
    alive: Arc<Alive>,
}

#[derive(Debug)]
struct Alive {
    library: Arc<Library>,
    /// Set by `finalize`, so that neither this nor a session left over ends what a later context began.
    ended: AtomicBool,
}

impl Alive {
    fn end(&self) -> Result<()> {
        if self.ended.swap(true, Ordering::AcqRel) { Ok(()) } else { self.library.finalize() }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        // Nobody is left to hear of an error.
        let _ = self.end();
    }
}

/// Which kind of session to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// May change objects on the token.
    ReadWrite,
    /// May not.
    ReadOnly,
}

impl Access {
    fn flags(self) -> CK_FLAGS {
        match self {
            Access::ReadWrite => CKF_SERIAL_SESSION | CKF_RW_SESSION,
            Access::ReadOnly => CKF_SERIAL_SESSION,
        }
    }
}

impl Context {
    pub(crate) fn library(&self) -> &Library {
        &self.alive.library
    }

    pub(crate) fn ended(&self) -> bool {
        self.alive.ended.load(Ordering::Acquire)
    }

    /// The module this is a context of.
    pub fn module(&self) -> Module {
        Module { library: Arc::clone(&self.alive.library) }
    }

    /// `C_Finalize` now, with its answer. Sessions still held by others are dead afterwards: their calls
    /// answer what the module then says, and dropping them calls nothing.
    pub fn finalize(self) -> Result<()> {
        self.alive.end()
    }

    /// `C_GetInfo`.
    pub fn info(&self) -> Result<Info> {
        self.library().info().map(|info| Info::from(&info))
    }

    /// `C_GetSlotList`, in the module's order.
    pub fn slots(&self, token_present: bool) -> Result<Vec<SlotId>> {
        Ok(self.library().slots(token_present)?.into_iter().map(SlotId).collect())
    }

    /// `C_GetSlotInfo`.
    pub fn slot_info(&self, slot: SlotId) -> Result<SlotInfo> {
        self.library().slot_info(slot.0).map(|info| SlotInfo::from(&info))
    }

    /// `C_GetTokenInfo`.
    pub fn token_info(&self, slot: SlotId) -> Result<TokenInfo> {
        self.library().token_info(slot.0).map(|info| TokenInfo::from(&info))
    }

    /// `C_GetMechanismList`, in the module's order.
    pub fn mechanisms(&self, slot: SlotId) -> Result<Vec<MechanismType>> {
        self.library().mechanisms(slot.0)
    }

    /// `C_GetMechanismInfo`.
    pub fn mechanism_info(&self, slot: SlotId, mechanism: MechanismType) -> Result<MechanismInfo> {
        self.library().mechanism_info(slot.0, mechanism).map(MechanismInfo::from)
    }

    /// The first slot whose token carries this label.
    ///
    /// # Errors
    ///
    /// Those of `C_GetSlotList`; a slot that does not tell its token is passed over.
    pub fn slot_by_label(&self, label: &str) -> Result<Option<SlotId>> {
        let slots = self.slots(true)?;
        Ok(slots
            .into_iter()
            .find(|slot| self.token_info(*slot).is_ok_and(|token| token.label == label)))
    }

    /// `C_InitToken`. The label is cut or blank-padded to the 32 bytes of its field; `None` for a PIN typed
    /// elsewhere.
    pub fn init_token(&self, slot: SlotId, so_pin: Option<&Pin>, label: &str) -> Result<()> {
        let mut field = [b' '; 32];
        for (place, byte) in field.iter_mut().zip(label.bytes()) {
            *place = byte;
        }
        self.library().init_token(slot.0, so_pin.map(Pin::expose), &field)
    }

    /// `C_OpenSession`. The session closes when dropped.
    pub fn open_session(&self, slot: SlotId, access: Access) -> Result<Session> {
        self.open_session_with(slot, access.flags())
    }

    /// `C_OpenSession` with these flags and no others, `CKF_SERIAL_SESSION` included or not.
    pub fn open_session_with(&self, slot: SlotId, flags: CK_FLAGS) -> Result<Session> {
        let handle = self.library().open_session(slot.0, flags)?;
        Ok(Session::new(self.clone(), slot, handle))
    }

    /// `C_CloseAllSessions`: also of sessions held elsewhere in this process.
    pub fn close_all_sessions(&self, slot: SlotId) -> Result<()> {
        self.library().close_all_sessions(slot.0)
    }
}
