//! Objects carried from one partition to another of the same domain: `partition clone`, and what `hagroup` does
//! of it.
//!
//! An object keeps its `CKA_OUID` when it is cloned (Documented, pycryptoki's functional tests), so that is how one
//! is known again on another partition.

use std::collections::HashSet;

use luna_ck::*;
use luna_client::{Access, Attribute, Error, ObjectHandle, Pin, Session, SlotId, UserType};

use super::slot;
use crate::console::Console;
use crate::failure::Failure;
use crate::registry::Request;
use crate::shell::{Role, Shell};

type Outcome = Result<(), Failure>;

/// Works as Crypto Officer on several slots at once, by one password.
///
/// Whoever is logged in already as Crypto Officer logs in again, since only so is the password checked, and stays
/// logged in afterwards unless the password is wrong. The other logins end with the work.
///
/// # Errors
///
/// Those of a login, naming the partition; then those of `work`.
pub(crate) fn as_officer<T>(
    shell: &mut Shell,
    slots: &[SlotId],
    password: Option<&Pin>,
    work: impl FnOnce(&Shell, &[Session]) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let officer = Role::named("co")?;
    let mut sessions = Vec::new();
    let mut logged_in = Vec::new();
    for slot in slots {
        if shell.login(*slot).is_some_and(|(role, _)| role.user == officer.user) {
            logged_in.push(*slot);
            shell.forget(*slot);
        }
        sessions.push(log_in(shell, *slot, password)?);
    }
    let done = work(shell, &sessions);
    for session in sessions {
        if logged_in.contains(&session.slot()) {
            shell.keep(officer, session);
        }
    }
    done
}

fn log_in(shell: &Shell, slot: SlotId, password: Option<&Pin>) -> Result<Session, Failure> {
    let session = shell.session(slot, Access::ReadWrite)?;
    let answer = match password {
        Some(password) => session.login(UserType::CRYPTO_OFFICER, password),
        None => session.login_elsewhere(UserType::CRYPTO_OFFICER),
    };
    match answer {
        Ok(()) => Ok(session),
        // By a login to a group that the partition is a member of.
        Err(error) if error.is(CKR_USER_ALREADY_LOGGED_IN) => Ok(session),
        Err(error) => {
            let serial = shell.context.token_info(slot)?.serial_number;
            Err(Failure::of(&error, format!("partition {serial}: {error}")))
        }
    }
}

/// The Crypto Officer's password, given or asked for; `None` where it is typed on a device of its own.
pub(crate) fn officer_password(
    shell: &Shell,
    slot: SlotId,
    request: &Request,
    console: &mut Console<'_>,
) -> Result<Option<Pin>, Failure> {
    let token = shell.context.token_info(slot)?;
    match request.value("password") {
        Some(password) => Ok(Some(Pin::from(password))),
        None if token.flags & CKF_PROTECTED_AUTHENTICATION_PATH != 0 => Ok(None),
        None => console.secret("        Enter the password: ", "password").map(Some),
    }
}

/// What a partition holds: each object's permanent identity and its handle.
pub(crate) struct Stock(Vec<(Vec<u8>, ObjectHandle)>);

impl Stock {
    /// Of the token objects that the session sees.
    ///
    /// # Errors
    ///
    /// The module's; it tells no identities.
    pub(crate) fn of(session: &Session) -> Result<Self, Failure> {
        let objects = session.find(&[Attribute::token(true)])?.into_iter();
        let stock: Result<Vec<_>, Failure> =
            objects.map(|object| Ok((identity(session, object)?, object))).collect();
        Ok(Self(stock?))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn handles(&self) -> impl Iterator<Item = ObjectHandle> {
        self.0.iter().map(|(_, handle)| *handle)
    }

    /// What this one has and another lacks.
    pub(crate) fn lacking_in(&self, other: &Stock) -> Vec<ObjectHandle> {
        let there: HashSet<&[u8]> = other.0.iter().map(|(id, _)| id.as_slice()).collect();
        let lacks = |(id, _): &&(Vec<u8>, ObjectHandle)| !there.contains(id.as_slice());
        self.0.iter().filter(lacks).map(|(_, handle)| *handle).collect()
    }
}

fn identity(session: &Session, object: ObjectHandle) -> Result<Vec<u8>, Failure> {
    if let Some(ouid) = session.attribute(object, CKA_OUID)? {
        return Ok(ouid);
    }
    match session.context().token_object_uid(session.slot(), object) {
        Ok(uid) => Ok(uid.to_vec()),
        Err(error) => Err(Failure::of(
            &error,
            format!("object {object} has no permanent identity to be known by elsewhere: {error}"),
        )),
    }
}

/// Clones objects one by one; each that is refused is told with its error. How many were cloned, and the first
/// refusal.
pub(crate) fn carry(
    source: &Session,
    target: &Session,
    objects: &[ObjectHandle],
    console: &mut Console<'_>,
) -> Result<(usize, Option<Error>), Failure> {
    let (mut done, mut refusal) = (0, None);
    for object in objects {
        match source.clone_object(target, *object) {
            Ok(_) => done += 1,
            Err(error) => {
                writeln!(console.out, "        Object {object} was not cloned: {error}")?;
                refusal.get_or_insert(error);
            }
        }
    }
    Ok((done, refusal))
}

/// Whether what can be told of the cloning domain speaks against carrying objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Domain {
    /// Something was cloned.
    Same,
    /// The module cannot clone, so nobody knows.
    Unknown,
}

/// Clones a thing made for the purpose, which lives as long as the session, and destroys it again.
///
/// # Errors
///
/// The refusal of the clone.
pub(crate) fn probe_domain(source: &Session, target: &Session) -> Result<Domain, Failure> {
    let template = [
        Attribute::class(CKO_DATA),
        Attribute::token(false),
        Attribute::private(true),
        Attribute::label("lunacm domain check"),
    ];
    let object = source.create_object(&template)?;
    let cloned = source.clone_object(target, object);
    // Both go with their sessions at the latest.
    let _ = source.destroy(object);
    match cloned {
        Ok(clone) => {
            let _ = target.destroy(clone);
            Ok(Domain::Same)
        }
        Err(Error::Missing { .. }) => Ok(Domain::Unknown),
        Err(error) if error.is(CKR_FUNCTION_NOT_SUPPORTED) => Ok(Domain::Unknown),
        Err(error) => Err(Failure::of(
            &error,
            format!("the partitions are not of the same cloning domain: {error}"),
        )),
    }
}

/// `partition clone`: one by one, an error for each object (Documented).
pub(crate) fn objects(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    let from = shell.slot()?;
    let to = slot::number(shell, request.needed("slot")?)?;
    if from == to {
        return Err(Failure::misuse("-slot is the current slot: there is nothing to clone"));
    }
    let wanted = request.needed("objects")?.to_owned();
    if !request.has("force") {
        console.proceed("You are about to clone objects to another partition.")?;
    }
    let password = officer_password(shell, to, request, console)?;
    // The source is whoever is logged in there; what that role does not see it does not clone.
    let source = shell.session(from, Access::ReadWrite)?;
    as_officer(shell, &[to], password.as_ref(), |_, targets| {
        let all = Stock::of(&source)?;
        let chosen = chosen(&wanted, &all)?;
        let [target] = targets else { return Ok(()) };
        let (done, refusal) = carry(&source, target, &chosen, console)?;
        let from_all = chosen.len();
        writeln!(console.out, "        Number of objects cloned:  {done} of {from_all}\n")?;
        refusal.map_or(Ok(()), |error| Err(Failure::Module(error)))
    })
}

/// Handles with commas between; `0` for all.
fn chosen(wanted: &str, all: &Stock) -> Result<Vec<ObjectHandle>, Failure> {
    if wanted.trim() == "0" {
        return Ok(all.handles().collect());
    }
    let handle = |item: &str| {
        let number = item.trim().parse().map(ObjectHandle);
        number.map_err(|_| Failure::misuse(format!("'{item}' is no object handle")))
    };
    wanted.split(',').map(handle).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_lacks_is_known_by_identity() {
        let stock = |ids: &[u8]| {
            Stock(ids.iter().map(|id| (vec![*id], ObjectHandle(u64::from(*id) + 100))).collect())
        };
        let lacking = stock(&[1, 2, 3]).lacking_in(&stock(&[2, 9]));
        assert_eq!(lacking, [ObjectHandle(101), ObjectHandle(103)]);
        assert_eq!(chosen("0", &stock(&[1])).unwrap(), [ObjectHandle(101)]);
        assert_eq!(chosen("7, 8", &stock(&[])).unwrap(), [ObjectHandle(7), ObjectHandle(8)]);
        assert!(chosen("x", &stock(&[])).is_err());
    }
}
