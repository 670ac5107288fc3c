//! Emulated HSMs of this process's own, each with a copy of the module, and what the cases need on them.
//!
//! Keys are made through the module, as an application makes them. The thousands of objects that only have to be there
//! are put into the store directly: the partition of the profile has no room for so many (648,381 bytes, Documented),
//! and the question is what they cost the calls, not how they came.

use std::cell::OnceCell;
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use chrystoki_conf::Conf;
use emulator::env::{ControlPage, Word};
use emulator::hsm::store::{
    CONTROL_FILE, Durability, NewObject, ObjectRecord, Query, SqliteStore, Store,
};
use emulator::hsm::{Appliance, Blueprint, PartitionBlueprint, Roles};
use emulator::profile::{self, Profile};
use emulator::wire;
use luna_client::ck::*;
use luna_client::{
    Access, Attribute, Context, InitArgs, Mechanism, Module, ObjectHandle, Pin, Session, SlotId,
    UserType,
};
use tempfile::TempDir;

use crate::calls::Calls;
use crate::network::{Networked, Pair};
use crate::{softhsm, sure};

/// Password of the Crypto Officer of every instance.
pub const CRYPTO_OFFICER: &str = "crypto-officer";

/// Label of the partition, or of each member.
pub const TOKEN: &str = "bench";

/// Label of the HA group, where there is one.
pub const GROUP: &str = "BENCHHA";

/// Label of the AES-256 token key of every instance.
pub const AES_KEY: &str = "aes";

/// Label of the generic secret of 32 bytes of every instance.
pub const HMAC_KEY: &str = "hmac";

/// Label of the P-256 key pair of every instance.
pub const EC_KEY: &str = "ec";

/// DER of the object identifier of P-256.
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

const LIBRARY: &str = "libCryptoki2_64.so";

/// The instances, each made when a case first asks for it, so that a filter pays for what it runs only.
#[derive(Default)]
pub struct Fleet {
    empty: OnceCell<Instance>,
    hundred: OnceCell<Instance>,
    full: OnceCell<Instance>,
    vast: OnceCell<Instance>,
    group: OnceCell<Instance>,
    networked: OnceCell<Networked>,
    pair: OnceCell<Pair>,
}

impl Fleet {
    /// One partition with the keys of every instance.
    pub fn empty(&self) -> &Instance {
        self.empty.get_or_init(|| sure("an instance", Instance::make(1, 0)))
    }

    /// The same with 100 objects.
    pub fn hundred(&self) -> &Instance {
        self.hundred.get_or_init(|| sure("an instance of 100 objects", Instance::make(1, 100)))
    }

    /// The same with 10,000 objects.
    pub fn full(&self) -> &Instance {
        self.full.get_or_init(|| sure("an instance of 10,000 objects", Instance::make(1, 10_000)))
    }

    /// The same with 100,000 objects.
    pub fn vast(&self) -> &Instance {
        self.vast.get_or_init(|| sure("an instance of 100,000 objects", Instance::make(1, 100_000)))
    }

    /// One partition with the keys of every instance, on an appliance.
    pub fn networked(&self) -> &Instance {
        let make = || sure("an appliance", Networked::make());
        &self.networked.get_or_init(make).instance
    }

    /// An HA group of two appliances.
    pub fn pair(&self) -> &Pair {
        self.pair.get_or_init(|| sure("a group of appliances", Pair::make()))
    }

    /// An HA group of two members, which are to be seen as slots too.
    pub fn group(&self) -> &Instance {
        self.group.get_or_init(|| sure("an HA group", Instance::make(2, 0)))
    }
}

/// A client directory with its HSMs, and the module initialised on it.
pub struct Instance {
    context: Context,
    /// The module's functions, bare.
    pub calls: Calls,
    module: PathBuf,
    directory: PathBuf,
    /// Last, so that it is removed last; none where somebody else sees to it.
    _kept: Option<TempDir>,
}

/// A session of the Crypto Officer. The partition's last one to go logs out.
pub struct Officer<'a> {
    /// The module's functions, bare.
    pub calls: &'a Calls,
    /// The session, for all that is not measured.
    pub session: Session,
    /// Its handle, for all that is.
    pub handle: CK_SESSION_HANDLE,
}

impl Instance {
    fn make(members: u32, objects: usize) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let module = directory.path().join(LIBRARY);
        std::fs::copy(built_module()?, &module).context(LIBRARY)?;
        let profile = Arc::new(Profile::built_in(profile::DEFAULT)?);
        let mut conf = Conf::empty(directory.path().join(chrystoki_conf::FILE_NAME));
        conf.set("Emulator", "StateDirectory", &directory.path().display().to_string())?;
        let mut serials = Vec::new();
        for number in 0..members {
            let (hsm, serial) = (hsm(number), format!("1{number:012}"));
            let plan = blueprint(&profile, &hsm, &serial)?;
            Appliance::manufacture(&directory.path().join(&hsm), &plan)?;
            conf.set("Emulator", &format!("Partition{number:02}"), &serial)?;
            conf.set("Emulator", &format!("Partition{number:02}Hsm"), &hsm)?;
            serials.push(serial);
        }
        let token = if members > 1 {
            conf.set("VirtualToken", "VirtualToken00Label", GROUP)?;
            conf.set("VirtualToken", "VirtualToken00Members", &serials.join(","))?;
            conf.set("HAConfiguration", "reconnAtt", "-1")?;
            GROUP
        } else {
            TOKEN
        };
        std::fs::write(conf.file(), conf.to_text())?;
        let loaded = Module::load(&module)?;
        let context = furnished(&loaded, directory.path(), token, objects, &serials)?;
        let (calls, path) = (Calls::of(loaded), directory.path().to_owned());
        Ok(Self { context, calls, module, directory: path, _kept: Some(directory) })
    }

    /// A client directory that somebody else has made, whose token is there.
    ///
    /// # Errors
    /// When the module cannot be loaded or furnished.
    pub(crate) fn of_client(directory: TempDir, token: &str) -> Result<Self> {
        let module = directory.path().join(LIBRARY);
        std::fs::copy(built_module()?, &module).context(LIBRARY)?;
        let loaded = Module::load(&module)?;
        let context = furnished(&loaded, directory.path(), token, 0, &[])?;
        let (calls, path) = (Calls::of(loaded), directory.path().to_owned());
        Ok(Self { context, calls, module, directory: path, _kept: Some(directory) })
    }

    /// A SoftHSM with a token of each label and so many objects, in its own directory. This process's environment
    /// names its configuration.
    ///
    /// # Errors
    /// When it cannot be loaded or furnished.
    pub fn of_softhsm(library: &Path, directory: &Path, tokens: &[(&str, usize)]) -> Result<Self> {
        let loaded = Module::load(library)?;
        let context = softhsm::furnished(&loaded, directory, tokens)?;
        let (calls, module, directory) =
            (Calls::of(loaded), library.to_owned(), directory.to_owned());
        Ok(Self { context, calls, module, directory, _kept: None })
    }

    /// Cuts a member's HSM off, or lets it back, as `luna-emulator member` does.
    ///
    /// # Errors
    /// When it has no control page.
    pub fn reach(&self, member: u32, is_there: bool) -> Result<()> {
        let page = ControlPage::open(&self.directory.join(hsm(member)).join(CONTROL_FILE))?;
        page.publish(Word::Link, u64::from(!is_there))?;
        if !is_there {
            // After the link: whoever sees the count moved finds the link cut too.
            page.bump(Word::Restarts)?;
        }
        Ok(())
    }

    /// Waits until all members of the group are up.
    pub fn wait_for_members(&self) {
        let slot = SlotId(self.slot(GROUP));
        let all = || sure("CA_GetHAState", self.context.ha_state(slot)).members;
        while all().iter().any(|member| member.status.0 != CKR_OK) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// Closes every session on a token, which logs out.
    ///
    /// # Errors
    /// The module's.
    pub fn close_all(&self, token: &str) -> Result<()> {
        let slot =
            self.context.slot_by_label(token)?.with_context(|| format!("no token {token}"))?;
        Ok(self.context.close_all_sessions(slot)?)
    }

    /// The private key of an RSA pair of that size on a token where the Crypto Officer is logged in, made when there
    /// is none yet.
    ///
    /// # Errors
    /// The module's.
    pub fn rsa_key(&self, token: &str, bits: CK_ULONG) -> Result<CK_OBJECT_HANDLE> {
        let slot =
            self.context.slot_by_label(token)?.with_context(|| format!("no token {token}"))?;
        let session = self.context.open_session(slot, Access::ReadWrite)?;
        let label = format!("rsa-{bits}");
        let known = session.find(&[Attribute::class(CKO_PRIVATE_KEY), Attribute::label(&label)])?;
        let key = match known.first() {
            Some(key) => *key,
            None => make_rsa_key(&session, &label, bits)?,
        };
        Ok(key.0)
    }

    /// The file that was loaded.
    pub fn module(&self) -> &Path {
        &self.module
    }

    /// Where its `Chrystoki.conf` is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The slot of a token.
    pub fn slot(&self, token: &str) -> CK_SLOT_ID {
        let slot = sure("C_GetSlotList", self.context.slot_by_label(token));
        sure("C_GetTokenInfo", slot.with_context(|| format!("no token {token}"))).0
    }

    /// A session of the Crypto Officer on the partition.
    pub fn officer(&self) -> Officer<'_> {
        self.officer_of(TOKEN)
    }

    /// The same on another token.
    pub fn officer_of(&self, token: &str) -> Officer<'_> {
        let session = sure("a login", login(&self.context, token));
        Officer { calls: &self.calls, handle: session.handle().0, session }
    }
}

impl Officer<'_> {
    /// The object of a class and a label.
    pub fn key(&self, class: CK_OBJECT_CLASS, label: &str) -> CK_OBJECT_HANDLE {
        let found = self.session.find(&[Attribute::class(class), Attribute::label(label)]);
        let key = sure("C_FindObjects", found).first().copied();
        sure("C_FindObjects", key.with_context(|| format!("no key {label}"))).0
    }

    /// The session and that object.
    pub fn with_key(self, class: CK_OBJECT_CLASS, label: &str) -> (Self, CK_OBJECT_HANDLE) {
        let key = self.key(class, label);
        (self, key)
    }

    /// A new RSA token key pair: the private key, for signing.
    pub fn new_rsa_key(&self, bits: CK_ULONG) -> CK_OBJECT_HANDLE {
        sure("an RSA key pair", make_rsa_key(&self.session, "rsa", bits)).0
    }
}

fn make_rsa_key(session: &Session, label: &str, bits: CK_ULONG) -> Result<ObjectHandle> {
    let label = Attribute::label(label);
    let public = [
        Attribute::token(true),
        label.clone(),
        Attribute::ulong(CKA_MODULUS_BITS, bits),
        Attribute::bytes(CKA_PUBLIC_EXPONENT, [1, 0, 1]),
        Attribute::bool(CKA_VERIFY, true),
    ];
    let private = [Attribute::token(true), label, Attribute::bool(CKA_SIGN, true)];
    let generation = Mechanism::Plain(CKM_RSA_PKCS_KEY_PAIR_GEN);
    Ok(session.generate_key_pair(&generation, &public, &private)?.1)
}

/// The module, beside this program: cargo puts it there.
fn built_module() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let module = program.with_file_name(LIBRARY);
    ensure!(module.is_file(), "{} is not there; cargo builds it", module.display());
    Ok(module)
}

fn hsm(number: u32) -> String {
    format!("{:06}", 100_000 + number)
}

pub(crate) fn blueprint(profile: &Arc<Profile>, hsm: &str, serial: &str) -> Result<Blueprint> {
    let pin = |text: &str| wire::Pin::new(text.as_bytes());
    Ok(Blueprint {
        serial: hsm.to_owned(),
        profile: Arc::clone(profile),
        authentication: None,
        hsm_so: None,
        policies: Vec::new(),
        created: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        partitions: vec![PartitionBlueprint {
            serial: serial.to_owned(),
            policies: Vec::new(),
            roles: Some(Roles {
                label: TOKEN.to_owned(),
                domain: pin("bench"),
                partition_so: pin("partition-so"),
                crypto_officer: pin(CRYPTO_OFFICER),
                crypto_user: None,
            }),
        }],
    })
}

/// The module initialised, with all keys and objects there.
fn furnished(
    module: &Module,
    directory: &Path,
    token: &str,
    objects: usize,
    serials: &[String],
) -> Result<Context> {
    let arguments = InitArgs::Reserved(CString::new(directory.display().to_string())?);
    let context = module.initialize(arguments.clone())?;
    make_keys(&login(&context, token)?, objects > 0)?;
    let Some(serial) = serials.first().filter(|_| objects > 0) else { return Ok(context) };
    // Record locks belong to a process: the module must be done with the file before this program opens it.
    context.finalize()?;
    fill(&directory.join(hsm(0)), serial, objects)?;
    Ok(module.initialize(arguments)?)
}

fn login(context: &Context, token: &str) -> Result<Session> {
    let slot = context.slot_by_label(token)?.with_context(|| format!("no token {token}"))?;
    let session = context.open_session(slot, Access::ReadWrite)?;
    session.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER))?;
    Ok(session)
}

pub(crate) fn make_keys(session: &Session, filled: bool) -> Result<()> {
    make_aes_key(session, AES_KEY)?;
    if filled {
        make_aes_key(session, &filler(0))?;
    }
    session.create_object(&[
        Attribute::class(CKO_SECRET_KEY),
        Attribute::key_type(CKK_GENERIC_SECRET),
        Attribute::token(true),
        Attribute::label(HMAC_KEY),
        Attribute::bool(CKA_SIGN, true),
        Attribute::bytes(CKA_VALUE, [7; 32]),
    ])?;
    let public = [
        Attribute::token(true),
        Attribute::label(EC_KEY),
        Attribute::bytes(CKA_EC_PARAMS, P256),
        Attribute::bool(CKA_VERIFY, true),
    ];
    let private =
        [Attribute::token(true), Attribute::label(EC_KEY), Attribute::bool(CKA_SIGN, true)];
    session.generate_key_pair(&Mechanism::Plain(CKM_EC_KEY_PAIR_GEN), &public, &private)?;
    Ok(())
}

fn make_aes_key(session: &Session, label: &str) -> Result<ObjectHandle> {
    let template = [
        Attribute::token(true),
        Attribute::label(label),
        Attribute::ulong(CKA_VALUE_LEN, 32),
        Attribute::bool(CKA_ENCRYPT, true),
        Attribute::bool(CKA_DECRYPT, true),
    ];
    Ok(session.generate_key(&Mechanism::Plain(CKM_AES_KEY_GEN), &template)?)
}

/// Label of an object that only has to be there; all are of one length.
pub(crate) fn filler(number: usize) -> String {
    format!("filler-{number:06}")
}

/// Adds copies of the first filler, each with a label of its own, until there are so many objects.
fn fill(hsm: &Path, serial: &str, objects: usize) -> Result<()> {
    let store = SqliteStore::open(hsm, Durability::Process)?;
    let wanted =
        Query { label: Some(filler(0).into_bytes()), include_private: true, ..Query::default() };
    let pattern = store.find(serial, &wanted)?;
    let pattern = pattern.first().copied().context("the first filler is not there")?;
    let pattern = store.load_object(pattern)?.context("the first filler is gone")?;
    let present = usize::try_from(store.count(serial)?.objects)?;
    let copies = (1..=objects.saturating_sub(present)).map(|number| copy(&pattern, number));
    let copies = copies.collect::<Result<Vec<_>>>()?;
    let number: u64 = serial.parse()?;
    store.insert_objects(serial, &copies, &|counter| ouid(counter, number))?;
    Ok(())
}

/// A record as the module would have written it for the same key with another label.
fn copy(pattern: &ObjectRecord, number: usize) -> Result<NewObject> {
    let (old, new) = (filler(0).into_bytes(), filler(number).into_bytes());
    let mut attributes = pattern.attributes.clone();
    let at = attributes.windows(old.len()).position(|bytes| bytes == old);
    let place = at.and_then(|at| attributes.get_mut(at..at + new.len()));
    place.context("the record does not hold its label")?.copy_from_slice(&new);
    Ok(NewObject {
        class: pattern.class,
        key_type: pattern.key_type,
        label: new,
        id: pattern.id.clone(),
        application: pattern.application.clone(),
        private: pattern.private,
        ouid: None,
        unless_destroyed_since: None,
        attributes,
        secret: pattern.secret.clone(),
    })
}

/// Unlike any that the partition makes, which begin with the counter.
fn ouid(counter: u64, serial: u64) -> [u8; 12] {
    let mut ouid = [0xff; 12];
    let bytes = serial.to_le_bytes().into_iter().take(4).chain(counter.to_be_bytes());
    for (place, byte) in ouid.iter_mut().zip(bytes) {
        *place = byte;
    }
    ouid
}
