//! The HSM's own administration: what is asked of its admin partition, and of a user partition as a
//! container.
//!
//! | to add | go to |
//! |---|---|
//! | a request | a word in `crate::wire::Administration`, an arm here |
//! | something about partitions | `containers` |
//! | something about HSM policies | `hsm_policies` |
//! | something about the device | `device` |
//! | something about the audit log | `audit` |

pub(super) mod audit;
mod containers;
mod device;
mod hsm_policies;

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::hsm::facts::Kind;
use crate::hsm::partition::{Partition, State};
use crate::hsm::policies::Templates;
use crate::hsm::rights::{self, Right};
use crate::hsm::session::Session;
use crate::wire::{Administered, Administration};

impl Partition {
    /// Answers a request to the HSM itself, in a session or, with handle 0, from the slot.
    ///
    /// # Errors
    /// `FunctionNotSupported` from a user partition for what only the admin partition tells, and
    /// what the request was refused for.
    pub(super) fn administer(
        &self,
        handle: SessionHandle,
        seat: Option<&Session>,
        what: &Administration,
    ) -> Result<Administered> {
        let present = match (seat, handle) {
            (None, SessionHandle(CK_INVALID_HANDLE)) => None,
            _ => Some(self.sessions.present(seat, handle)?),
        };
        let session = present.as_deref();
        let state = self.current()?;
        if state.kind == Kind::User && !what.is_for_any_partition() {
            return Err(not_from_here(session, what));
        }
        let done = |()| Administered::Done;
        match what {
            Administration::HsmPolicies => Ok(Administered::Policies(self.hsm_policies(&state))),
            Administration::Containers => self.containers(&state).map(Administered::Numbers),
            Administration::OwnContainer => self.own_container(&state).map(Administered::Number),
            Administration::HsmSerial => {
                Ok(Administered::Bytes(self.store.hsm()?.serial.into_bytes()))
            }
            Administration::Container(number) => {
                self.container(&state, *number).map(Administered::Container)
            }
            Administration::ContainerPolicies(number) => {
                self.container_policies(&state, *number).map(Administered::Policies)
            }
            Administration::PolicyTemplate => {
                Ok(Administered::Template(self.policy_template(&state)))
            }
            Administration::Storage => self.hsm_storage(&state).map(Administered::Storage),
            Administration::Device => self.device(&state).map(Administered::Device),
            Administration::Time => Ok(Administered::Number(self.hsm_seconds(&state))),
            Administration::Utilization => self.utilization(&state).map(Administered::Utilization),
            Administration::LogConfiguration => {
                audit::configuration(&state).map(Administered::LogConfiguration)
            }
            Administration::LogStatus => self.log_status(&state).map(Administered::LogStatus),
            Administration::SetHsmPolicies { changes, destructive } => {
                need(session, Right::AdministerHsm)?;
                self.set_hsm_policies(&state, changes, *destructive).map(done)
            }
            Administration::SetContainerPolicies(number, changes) => self
                .set_container_policies(need_session(session)?, &state, *number, changes)
                .map(done),
            Administration::CreateContainer { label, pin, domain, bytes, template } => {
                need(session, Right::AdministerHsm)?;
                let plan = containers::Plan {
                    label,
                    so: pin.as_ref(),
                    domain: domain.as_ref(),
                    bytes: *bytes,
                    template,
                };
                self.create_container(&state, &plan).map(Administered::Number)
            }
            Administration::DeleteContainer(number) => {
                self.delete_container(need_session(session)?, &state, *number).map(done)
            }
            Administration::ResizeContainer(number, bytes) => {
                need(session, Right::AdministerHsm)?;
                self.resize_container(&state, *number, *bytes).map(done)
            }
            Administration::Relabel(label) => {
                self.relabel(need_session(session)?, &state, label).map(done)
            }
            Administration::InitContainerRole(number, role, pin) => {
                need(session, Right::AdministerHsm)?;
                self.init_container_role(&state, *number, *role, pin).map(done)
            }
            Administration::InitToken { pin, label, domain, policies, hsm_policies } => {
                let templates = Templates { policies, hsm_policies };
                self.init_from_template(pin, label, domain.as_ref(), &templates).map(done)
            }
            Administration::Zeroize => self.zeroize_hsm().map(done),
            Administration::FactoryReset => self.factory_reset(&state).map(done),
            Administration::Restart => Ok(self.store.restart().map(done)?),
            Administration::SelfTest(number) => device::self_test(*number).map(done),
            Administration::MasterTamperKey(change) => {
                self.change_tamper_key(session, &state, *change).map(done)
            }
            Administration::Transport { enter, user } => {
                need(session, Right::AdministerHsm)?;
                self.change_transport(&state, *enter, user).map(Administered::Bytes)
            }
            Administration::ClearTamper => {
                need(session, Right::AdministerHsm)?;
                self.clear_tamper(&state).map(done)
            }
            Administration::CreateChallenge { container: None, role, challenge } => self
                .create_challenge(need_session(session)?, *role, challenge.as_ref())
                .map(Administered::Bytes),
            Administration::CreateChallenge { container: Some(_), .. } => Err(Error::new(
                Cause::UserNotAuthorized,
                "the owner of the role makes its challenge, on the role's own partition",
            )),
            Administration::Deactivate(role) => self.deactivate(*role).map(done),
            Administration::RemotePedVector(make) => {
                self.change_remote_ped_vector(session, &state, *make).map(done)
            }
            Administration::SnapshotUtilization { reset } => {
                self.snapshot_utilization(need_session(session)?, &state, *reset).map(done)
            }
            Administration::InitAudit { pin, domain } => {
                self.init_audit(&state, pin, domain.as_ref()).map(done)
            }
            Administration::SetTime(seconds) => {
                need(session, Right::Audit)?;
                self.set_time(*seconds).map(done)
            }
            Administration::ConfigureLog(wanted) => {
                need(session, Right::Audit)?;
                self.configure_log(wanted).map(done)
            }
            Administration::VerifyLog { lines, chained } => {
                need(session, Right::Audit)?;
                self.verify_log(&state, lines, *chained).map(Administered::Number)
            }
            Administration::ExportLogSecret => {
                need(session, Right::Audit)?;
                self.export_log_secret(&state).map(Administered::Bytes)
            }
            Administration::ImportLogSecret(blob) => {
                need(session, Right::Audit)?;
                self.import_log_secret(&state, blob).map(done)
            }
            Administration::LogExternal(text) => {
                self.log_external(need_session(session)?, &state, text).map(done)
            }
        }
    }

    /// The HSM's clock, in seconds since 1970.
    pub(super) fn hsm_seconds(&self, state: &State) -> u64 {
        self.machine_seconds().saturating_add_signed(state.hsm.clock_offset)
    }
}

/// The session a request has to come in.
fn need_session(session: Option<&Session>) -> Result<&Session> {
    session.ok_or_else(|| Error::new(Cause::UserNotLoggedIn, "this wants a session"))
}

/// A right of the session's role.
fn need(session: Option<&Session>, right: Right) -> Result<()> {
    rights::check(session.and_then(|session| session.application.role()), right)
}

/// What a user partition says to a request that is the admin partition's. That questions are not
/// supported, and that commands lack the right, is Assumed.
fn not_from_here(session: Option<&Session>, what: &Administration) -> Error {
    let role = session.and_then(|session| session.application.role());
    match role {
        Some(role) if !what.is_question() => Error::new(
            Cause::UserNotAuthorized,
            format!("the {} of a partition does not administer the HSM", role.name()),
        ),
        None if session.is_some() && !what.is_question() => {
            Error::new(Cause::UserNotLoggedIn, "the HSM SO administers the HSM, on its own slot")
        }
        _ => Error::new(
            Cause::FunctionNotSupported,
            "policies and state of the HSM itself are not seen from a partition",
        ),
    }
}
