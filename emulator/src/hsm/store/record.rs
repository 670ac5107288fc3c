//! What the store keeps, as plain records.
//!
//! Fields called sealed or opaque are bytes the room above made and alone can read.

use std::collections::BTreeMap;

/// The HSM itself; there is exactly one in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HsmRecord {
    /// Serial number, decimal digits.
    pub serial: String,
    /// The profile the HSM was made with: a built-in one by its name, another by its text.
    pub profile: String,
    /// HSM policies that were set, by number.
    pub policies: BTreeMap<u32, u64>,
    /// The key that never leaves the device; opaque.
    pub device_key: Vec<u8>,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// Whatever else the room above keeps with the HSM; opaque.
    pub extra: Vec<u8>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionRecord {
    /// Serial number: 1 to 18 decimal digits without leading zeros. Unique in the HSM.
    pub serial: String,
    /// Label; empty while uninitialised.
    pub label: String,
    /// Whether it has been initialised.
    pub initialized: bool,
    /// Partition policies that were set, by number.
    pub policies: BTreeMap<u32, u64>,
    /// Cloning domain; sealed.
    pub domain: Vec<u8>,
    /// How many OUIDs were handed out. Only ever grows: a smaller value written over it is
    /// ignored.
    pub object_counter: u64,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// Whatever else the room above keeps with the partition; opaque.
    pub extra: Vec<u8>,
}

/// A role of a partition that has a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRecord {
    /// Which role, in the numbering of the room above.
    pub role: u8,
    /// Salt of the PIN derivation.
    pub salt: Vec<u8>,
    /// Iterations of the PIN derivation.
    pub iterations: u32,
    /// The partition's key under the key derived from the PIN; sealed.
    pub wrapped_key: Vec<u8>,
    /// Wrong PINs in a row.
    pub failed: u32,
    /// Whether the PIN must be changed before anything else.
    pub must_change: bool,
    /// Counts the changes of the PIN, so that other processes notice one.
    pub version: u64,
    /// Whether the role is locked out.
    pub locked: bool,
}

/// An object about to be stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewObject {
    /// CKA_CLASS.
    pub class: u64,
    /// CKA_KEY_TYPE or CKA_CERTIFICATE_TYPE, whichever the class has.
    pub key_type: Option<u64>,
    /// CKA_LABEL; empty and absent are the same here.
    pub label: Vec<u8>,
    /// CKA_ID; empty and absent are the same here.
    pub id: Vec<u8>,
    /// CKA_APPLICATION; empty and absent are the same here.
    pub application: Vec<u8>,
    /// CKA_PRIVATE.
    pub private: bool,
    /// CKA_OUID. `None` asks for the next of the partition.
    pub ouid: Option<[u8; 12]>,
    /// For a copy of what is elsewhere: it is not stored when an object of its OUID was destroyed
    /// here after this generation.
    pub unless_destroyed_since: Option<u64>,
    /// The attributes; opaque.
    pub attributes: Vec<u8>,
    /// The secret; sealed.
    pub secret: Vec<u8>,
}

/// An object in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRecord {
    /// Handle: unique in the HSM, never used twice, 1 for the first.
    pub handle: u64,
    /// Serial number of its partition.
    pub partition: String,
    /// CKA_CLASS.
    pub class: u64,
    /// CKA_KEY_TYPE or CKA_CERTIFICATE_TYPE, whichever the class has.
    pub key_type: Option<u64>,
    /// CKA_LABEL, empty when absent.
    pub label: Vec<u8>,
    /// CKA_ID, empty when absent.
    pub id: Vec<u8>,
    /// CKA_APPLICATION, empty when absent.
    pub application: Vec<u8>,
    /// CKA_PRIVATE.
    pub private: bool,
    /// CKA_OUID, unique in the partition.
    pub ouid: [u8; 12],
    /// The attributes; opaque.
    pub attributes: Vec<u8>,
    /// The secret; sealed.
    pub secret: Vec<u8>,
    /// The store's generation when this object was last written.
    pub generation: u64,
}

/// What [`Store::update_object`](super::Store::update_object) replaces: everything that can
/// change during an object's life.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectUpdate {
    /// CKA_LABEL.
    pub label: Vec<u8>,
    /// CKA_ID.
    pub id: Vec<u8>,
    /// CKA_APPLICATION.
    pub application: Vec<u8>,
    /// CKA_PRIVATE.
    pub private: bool,
    /// The attributes; opaque.
    pub attributes: Vec<u8>,
    /// The secret, sealed; `None` leaves it as it is.
    pub secret: Option<Vec<u8>>,
}

/// What to look for. A field that is `None` matches everything; bytes match exactly, and empty
/// bytes match objects that have none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Query {
    /// CKA_CLASS.
    pub class: Option<u64>,
    /// CKA_KEY_TYPE or CKA_CERTIFICATE_TYPE.
    pub key_type: Option<u64>,
    /// CKA_LABEL.
    pub label: Option<Vec<u8>>,
    /// CKA_ID.
    pub id: Option<Vec<u8>>,
    /// CKA_APPLICATION.
    pub application: Option<Vec<u8>>,
    /// CKA_OUID.
    pub ouid: Option<[u8; 12]>,
    /// Whether private objects are found too.
    pub include_private: bool,
}

/// How full a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Number of objects.
    pub objects: u64,
    /// Bytes of their attributes and secrets as stored.
    pub bytes: u64,
}

/// What happened to the store since a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSet {
    /// The committed generation this answer is true for. A cache brought up to date with it
    /// carries this number, never one read from the control page.
    pub generation: u64,
    /// Whether the HSM, a partition or a role may have changed.
    pub administration: bool,
    /// Which objects may have changed.
    pub objects: Changes,
}

/// The objects of a [`ChangeSet`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    /// These were made, changed or deleted; ascending, each once.
    Handles(Vec<u64>),
    /// Too many to tell, or too long ago: look at everything again.
    Everything,
}

/// One step of [`Store::apply`](super::Store::apply).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Replaces the HSM's record.
    PutHsm(HsmRecord),
    /// Makes a partition or replaces its record.
    PutPartition(PartitionRecord),
    /// Deletes a partition with its roles and objects.
    RemovePartition(String),
    /// Deletes a partition's objects and roles and makes it uninitialised: label and domain
    /// become empty. Policies and the count of OUIDs stay.
    WipePartition(String),
    /// Deletes a partition's objects; everything else stays.
    WipeObjects(String),
    /// Makes a role of the partition, or replaces it.
    PutRole(String, RoleRecord),
    /// Removes a role of the partition, if it is there.
    RemoveRole(String, u8),
}
