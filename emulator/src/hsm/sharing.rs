//! Applications that share a login, in one process or in several.
//!
//! An application that names its identity (`CA_SetApplicationID`) shares it with every other that
//! names the same: one logs in for all, one logs out for all. The identity lives as long as somebody
//! has a session open under it, and beyond that while it is open (`CA_OpenApplicationID`). Source: vendor
//! page "Shared Login State and Application IDs" and the vendor's sautil (Documented).
//!
//! **Where it is kept.** A real HSM keeps it in its memory. Here the HSM lives in every process that
//! uses it, and the memory that they share is the store: a list in the partition's record, of
//! identities, of the processes with sessions under each, and of the login. A process that did not
//! name its identity never looks at it. Those that did hear of a change as of any other, by the
//! generation that every request compares, so that sharing costs a request nothing.
//!
//! **How it ends.** A process that dies without a word loses its lock ([`crate::env::attendance`]),
//! and with the last of them the identity goes, unless it is open. What is in the list counts only
//! for one *memory* of the HSM: a mark derived from the device's key, the count of its restarts and
//! what the kernel drew at random when the machine started. A power cut of the HSM or of the machine
//! ends every login, as it would on the real one.
//!
//! **What is on the disk.** The login is the partition's key, sealed under a key of the same
//! derivation. The random value is in the kernel's memory and on no disk, so a copy of the files, with
//! the device's key among them, opens nothing; who may read the files on the running machine as the
//! same user can, as he could read the memory of a process that is logged in. Where the kernel tells no
//! such value, a login is shared by the sessions of one process alone.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::kdf;
use crate::crypto::random;
use crate::crypto::seal::SealKey;
use crate::env::{Attendance, attendance, process};
use crate::error::{Cause, Error, Result};
use crate::hsm::extra::{self, Entry};
use crate::hsm::partition::{Partition, State};
use crate::hsm::session::{Application, Login, Session};
use crate::hsm::store::PartitionRecord;
use crate::mechanisms::broken;
use crate::wire::{ApplicationId, Belonging, Reply, Sharing};

use std::sync::Arc;

/// Every identity that is shared.
#[derive(Clone, Default, Deserialize, Serialize)]
pub(super) struct Shared {
    /// The memory it is in.
    memory: [u8; MARK_BYTES],
    applications: Vec<SharedApplication>,
}

#[derive(Clone, Deserialize, Serialize)]
struct SharedApplication {
    id: ApplicationId,
    /// By `CA_OpenApplicationID`.
    open: bool,
    /// Processes with sessions.
    users: Vec<attendance::Name>,
    login: Option<SharedLogin>,
}

#[derive(Clone, Deserialize, Serialize)]
struct SharedLogin {
    role: Role,
    must_change: bool,
    /// The partition's key.
    sealed: Vec<u8>,
}

const MARK_BYTES: usize = 16;

/// The HSM's memory as it is now.
struct Memory {
    mark: [u8; MARK_BYTES],
    /// What seals logins in it.
    key: SealKey,
}

impl Shared {
    fn find(&mut self, id: ApplicationId) -> Option<&mut SharedApplication> {
        self.applications.iter_mut().find(|it| it.id == id)
    }

    fn find_or_make(&mut self, id: ApplicationId) -> Result<&mut SharedApplication> {
        if self.find(id).is_none() {
            let fresh = SharedApplication { id, open: false, users: Vec::new(), login: None };
            self.applications.push(fresh);
        }
        self.applications
            .iter_mut()
            .find(|it| it.id == id)
            .ok_or_else(|| Error::new(Cause::GeneralError, "an application that was made is there"))
    }
}

impl Partition {
    /// # Errors
    /// `DataInvalid` for an identity that is open already, and for one that is not when it is to be
    /// closed (Observed for the first; Assumed for the second, which must fail: Documented).
    pub(super) fn handle_sharing(&self, sharing: Sharing, seat: Option<&Session>) -> Result<Reply> {
        match sharing {
            Sharing::Open(id) => self.open_application(id).map(|()| Reply::Done),
            Sharing::Close(id) => self.close_application(id).map(|()| Reply::Done),
            Sharing::Belonging(session) => {
                let session = self.sessions.present(seat, session)?;
                let application = &session.application;
                Ok(Reply::Belonging(Belonging {
                    application: application.id,
                    role: application.role(),
                }))
            }
        }
    }

    fn open_application(&self, id: ApplicationId) -> Result<()> {
        self.change_shared(&mut |shared| {
            let application = shared.find_or_make(id)?;
            if application.open {
                return Err(Error::new(Cause::DataInvalid, "the application id is open already"));
            }
            application.open = true;
            Ok(())
        })
    }

    fn close_application(&self, id: ApplicationId) -> Result<()> {
        self.change_shared(&mut |shared| match shared.find(id) {
            Some(application) if application.open => {
                application.open = false;
                Ok(())
            }
            _ => Err(Error::new(Cause::DataInvalid, "the application id is not open")),
        })
    }

    /// Opens a session of an application that named its identity, with the login it shares.
    pub(super) fn open_shared(
        &self,
        id: ApplicationId,
        read_write: bool,
        most: u64,
    ) -> Result<SessionHandle> {
        let _one_at_a_time = self.sharing.lock();
        let name = self.attend()?;
        self.change_shared(&mut |shared| {
            let users = &mut shared.find_or_make(id)?.users;
            if !users.contains(&name) {
                users.push(name);
            }
            Ok(())
        })?;
        let opened = self.sessions.open(id, read_write, most);
        match &opened {
            Ok(session) => {
                let application = Arc::clone(&self.sessions.find(*session)?.application);
                self.follow(&application, &*self.current()?)?;
            }
            Err(_) if !self.sessions.has_any(id) => self.leave(id)?,
            Err(_) => {}
        }
        opened
    }

    /// The last session of this process under the identity was closed.
    pub(super) fn leave(&self, id: ApplicationId) -> Result<()> {
        let name = self.attend()?;
        self.change_shared(&mut |shared| {
            if let Some(application) = shared.find(id) {
                application.users.retain(|user| *user != name);
            }
            Ok(())
        })
    }

    /// Tells the others who share the identity of a login, or that it is over.
    pub(super) fn share(&self, id: ApplicationId, login: Option<&Login>) -> Result<()> {
        if !id.named {
            return Ok(());
        }
        let sealed = match login {
            Some(login) => {
                let Some(memory) = self.memory()? else { return Ok(()) };
                Some(SharedLogin {
                    role: login.role,
                    must_change: login.must_change,
                    sealed: memory.key.seal(SEAL, login.key.expose()).map_err(broken)?,
                })
            }
            None => None,
        };
        self.change_shared(&mut |shared| {
            if let Some(application) = shared.find(id) {
                application.login.clone_from(&sealed);
            }
            Ok(())
        })
    }

    /// Brings every application that named its identity to what others did of it.
    pub(super) fn follow_all(&self, state: &State) -> Result<()> {
        for application in self.sessions.named() {
            self.follow(&application, state)?;
        }
        Ok(())
    }

    fn follow(&self, application: &Application, state: &State) -> Result<()> {
        // In a memory that no other process can know of there is nobody to follow.
        let Some(memory) = self.memory()? else { return Ok(()) };
        let shared = extra::read::<Shared>(&state.record, Entry::Applications)?;
        let mut shared = shared.filter(|it| it.memory == memory.mark).unwrap_or_default();
        let told = shared.find(application.id).and_then(|it| it.login.take());
        match (told, application.role()) {
            (Some(told), now) if now != Some(told.role) => {
                let Ok(opened) = memory.key.open(SEAL, &told.sealed) else { return Ok(()) };
                let Ok(key) = opened.as_slice().try_into().map(Zeroizing::new) else {
                    return Ok(());
                };
                let (role, must_change) = (told.role, told.must_change);
                let login = Login { role, key: SealKey::new(key), must_change };
                application.set_login(Some(Arc::new(login)));
                self.touch();
            }
            (None, Some(_)) => self.end_login(application),
            _ => {}
        }
        Ok(())
    }

    /// The login is over, here.
    pub(super) fn end_login(&self, application: &Application) {
        application.set_login(None);
        self.touch();
        self.sessions.end_key_operations(application.id);
        self.forget_private(application.id);
    }

    /// Changes the list, without those that are gone.
    fn change_shared(&self, change: &mut dyn FnMut(&mut Shared) -> Result<()>) -> Result<()> {
        let mark = self.memory()?.map_or([0; MARK_BYTES], |memory| memory.mark);
        let gone = self.gone()?;
        self.change_extra(
            Entry::Applications,
            &mut |shared: Option<Shared>, _: &PartitionRecord| {
                let mut shared = shared.filter(|it| it.memory == mark).unwrap_or_default();
                shared.memory = mark;
                for application in &mut shared.applications {
                    application.users.retain(|user| !gone.contains(user));
                }
                shared.applications.retain(SharedApplication::is_alive);
                change(&mut shared)?;
                shared.applications.retain(SharedApplication::is_alive);
                let left = (!shared.applications.is_empty()).then_some(shared);
                Ok((left, ()))
            },
        )
    }

    /// Processes in the list that are there no longer; looked for before the list is locked.
    fn gone(&self) -> Result<Vec<attendance::Name>> {
        let Some(directory) = self.store.directory() else { return Ok(Vec::new()) };
        let state = self.current()?;
        let shared = extra::read::<Shared>(&state.record, Entry::Applications)?;
        let own = self.attendance.lock().as_ref().map(Attendance::name);
        let mut gone = Vec::new();
        for user in shared.iter().flat_map(|it| &it.applications).flat_map(|it| &it.users) {
            if Some(*user) != own && !Attendance::is_present(directory, user) {
                gone.push(*user);
            }
        }
        Ok(gone)
    }

    /// The name of this process, known to the others from now on.
    fn attend(&self) -> Result<attendance::Name> {
        let Some(directory) = self.store.directory() else { return Ok([0; 16]) };
        let mut attendance = self.attendance.lock();
        if let Some(own) = attendance.as_ref() {
            return Ok(own.name());
        }
        let drawn = random::bytes(size_of::<attendance::Name>()).map_err(broken)?;
        let name = drawn.as_slice().try_into().map_err(|_| {
            Error::new(Cause::GeneralError, "randomness of another length than asked for")
        })?;
        let own = Attendance::begin(directory, name)
            .map_err(|error| Error::new(Cause::DeviceError, error.to_string()))?;
        *attendance = Some(own);
        Ok(name)
    }

    /// None where the kernel tells nothing that is lost with the machine's power.
    fn memory(&self) -> Result<Option<Memory>> {
        process::boot_id()
            .map(|boot| Memory::of(self.device_key.expose(), &boot, self.store.restarts()))
            .transpose()
    }
}

impl Memory {
    fn of(device_key: &[u8], boot: &str, restarts: u64) -> Result<Self> {
        let mut secret = Zeroizing::new(device_key.to_vec());
        secret.extend_from_slice(boot.trim().as_bytes());
        secret.extend_from_slice(&restarts.to_be_bytes());
        let derived =
            |purpose: &[u8]| kdf::hkdf_sha256(&secret, b"luna emulator", purpose).map_err(broken);
        let long = derived(b"memory: its mark")?;
        let mut mark = [0; MARK_BYTES];
        for (to, from) in mark.iter_mut().zip(long.iter()) {
            *to = *from;
        }
        Ok(Self { mark, key: SealKey::new(derived(b"memory: logins")?) })
    }
}

impl SharedApplication {
    fn is_alive(&self) -> bool {
        self.open || !self.users.is_empty()
    }
}

const SEAL: &[u8] = b"shared login";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_memory_knows_nothing_of_a_login() {
        let now = Memory::of(&[7; 32], "a boot", 3).unwrap();
        let sealed = now.key.seal(SEAL, &[9; 32]).unwrap();
        let again = Memory::of(&[7; 32], "a boot\n", 3).unwrap();
        assert_eq!(again.mark, now.mark);
        assert_eq!(*again.key.open(SEAL, &sealed).unwrap(), [9; 32]);
        for other in [
            Memory::of(&[7; 32], "another boot", 3),
            Memory::of(&[7; 32], "a boot", 4),
            Memory::of(&[8; 32], "a boot", 3),
        ] {
            let other = other.unwrap();
            assert_ne!(other.mark, now.mark);
            assert!(other.key.open(SEAL, &sealed).is_err());
        }
    }
}
