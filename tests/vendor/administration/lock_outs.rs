//! Counts, lock-outs and zeroisation of every role: over restarts, over `kill -9`, and by five processes at once.
//!
//! Source: the vendor's pages on failed logins (Documented): how many, and what follows; that the Administrator
//! is counted as a Crypto Officer is: Assumed.

use luna_ck::*;
use luna_client::{Access, Pin, Rv, UserType};
use luna_tests::CRYPTO_OFFICER;
use luna_tests::child::{Child, say, wait_for_parent};

use super::hsm::*;

/// What becomes of a role after its last attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// It is locked out.
    Locked,
    /// It waits.
    Waits,
    /// What it guards is gone.
    Zeroised,
}

use End::{Locked, Waits, Zeroised};

/// A role, on which slot, with its password, how many wrong ones it bears, and what follows.
struct Row {
    name: &'static str,
    on_admin: bool,
    role: UserType,
    password: &'static str,
    most: usize,
    end: End,
}

const LIMITED: UserType = UserType(CKU_LIMITED_CRYPTO_OFFICER);
const OWN: &str = "own-password";

/// Policy 20 of the partition in these tests; less than its greatest, so that it is seen to count.
const POLICY_20: &str = "20=6";

const fn row(
    name: &'static str,
    on_admin: bool,
    role: UserType,
    (password, most): (&'static str, usize),
    end: End,
) -> Row {
    Row { name, on_admin, role, password, most, end }
}

const ROLES: [Row; 7] = [
    row("HSM SO", true, UserType::PARTITION_SO, (HSM_SO, 3), Zeroised),
    row("Administrator", true, UserType::CRYPTO_OFFICER, (OWN, 10), Locked),
    row("Auditor", true, AUDIT, (AUDITOR, 3), Waits),
    row("Partition SO", false, UserType::PARTITION_SO, (PARTITION_SO, 10), Zeroised),
    row("Crypto Officer", false, UserType::CRYPTO_OFFICER, (CRYPTO_OFFICER, 6), Locked),
    row("Limited Crypto Officer", false, LIMITED, (OWN, 6), Locked),
    row("Crypto User", false, UserType::CRYPTO_USER, (OWN, 6), Locked),
];

/// An HSM with every role made, each with a password of its own choice, and a key on either partition.
fn hsm() -> Hsm {
    let hsm = Hsm::up(&["--profile", "luna-7.8.4", "--policy", "41=1", "--policy", POLICY_20]);
    let first = Pin::from("first-password");
    let so = hsm.so();
    so.init_pin(&first).unwrap();
    aes(&so, "kept");
    let words = [slot(hsm.admin), at(AUDITOR.as_bytes()), AUDITOR.len(), 0];
    hsm.ok("CA_InitAudit", &words);
    so.logout().unwrap();
    let officer = hsm.officer();
    aes(&officer, "kept");
    officer.init_role_pin(LIMITED, &first).unwrap();
    officer.init_role_pin(UserType::CRYPTO_USER, &first).unwrap();
    officer.logout().unwrap();
    for (session, role) in
        [(&so, UserType::CRYPTO_OFFICER), (&officer, LIMITED), (&officer, UserType::CRYPTO_USER)]
    {
        session.login(role, &first).unwrap();
        session.set_pin(&first, &Pin::from(OWN)).unwrap();
        session.logout().unwrap();
    }
    drop((so, officer));
    hsm
}

impl Row {
    fn slot(&self, hsm: &Hsm) -> luna_client::SlotId {
        if self.on_admin { hsm.admin } else { hsm.user }
    }

    fn left(&self, hsm: &Hsm) -> usize {
        hsm.context.role_state(self.slot(hsm), self.role).unwrap().login_attempts_left.into()
    }

    /// The answer to one attempt.
    fn attempt(&self, hsm: &Hsm, password: &str) -> Rv {
        let session = hsm.open(self.slot(hsm));
        let answer = session.login(self.role, &Pin::from(password));
        if answer.is_ok() {
            session.logout().unwrap();
        }
        answer.map_or_else(|error| error.rv().unwrap(), |()| Rv(CKR_OK))
    }

    /// The answer to the last wrong attempt of all.
    fn last_answer(&self) -> Rv {
        Rv(match self.end {
            Locked => CKR_PIN_INCORRECT,
            Waits => CKR_AUDIT_LOGIN_FAILURE_THRESHOLD,
            Zeroised => CKR_SO_LOGIN_FAILURE_THRESHOLD,
        })
    }

    /// What is true of a role that has had its last attempt, and of the others.
    fn check_end(&self, hsm: &Hsm, when: &str) {
        let case = format!("{} {when}", self.name);
        let own = self.attempt(hsm, self.password);
        let kept = |row: &Row| {
            let session = hsm.logged_in(row.slot(hsm), row.role, row.password);
            session.find(&[luna_client::Attribute::label("kept")]).unwrap().len()
        };
        match self.end {
            Locked => {
                assert_eq!(own, Rv(CKR_PIN_LOCKED), "{case}");
                assert_eq!(self.left(hsm), 0, "{case}");
                let state = hsm.context.role_state(self.slot(hsm), self.role).unwrap();
                assert_ne!(state.flags & CAF_ROLE_STATE_LOCKED_OUT, 0, "{case}");
            }
            Waits => {
                assert_eq!(own, Rv(CKR_AUDIT_LOGIN_TIMEOUT_IN_PROGRESS), "{case}");
            }
            Zeroised => {
                assert_eq!(own, Rv(CKR_USER_PIN_NOT_INITIALIZED), "{case}");
                let info = hsm.context.token_info(self.slot(hsm)).unwrap();
                assert!(!info.initialized(), "{case}");
            }
        }
        for other in ROLES.iter().filter(|other| other.name != self.name) {
            // The Auditor outlives everything; partitions go with the HSM, and a partition's roles with it.
            let is_gone = self.end == Zeroised
                && (self.on_admin || !other.on_admin)
                && other.name != "Auditor";
            // A Crypto User is locked out with his Crypto Officer (Documented).
            let is_locked = self.name == "Crypto Officer" && other.name == "Crypto User";
            if is_gone {
                if other.on_admin == self.on_admin {
                    let answer = other.attempt(hsm, other.password);
                    assert_eq!(answer, Rv(CKR_USER_PIN_NOT_INITIALIZED), "{case}: {}", other.name);
                }
            } else if is_locked {
                let answer = other.attempt(hsm, other.password);
                assert_eq!(answer, Rv(CKR_PIN_LOCKED), "{case}: {}", other.name);
            } else if other.role == AUDIT || other.role == UserType::PARTITION_SO {
                assert_eq!(
                    other.attempt(hsm, other.password),
                    Rv(CKR_OK),
                    "{case}: {}",
                    other.name
                );
            } else {
                assert_eq!(kept(other), 1, "{case}: {}", other.name);
            }
        }
        if self.end == Zeroised && self.on_admin {
            assert_eq!(hsm.user, hsm.admin, "{case}: no partition is left");
        }
    }
}

/// Half of the attempts, a restart, the other half but one, `kill -9` after the last, and a restart after it.
#[test]
fn counts_and_ends_outlive_the_process_of_every_role() {
    for row in &ROLES {
        let hsm = hsm();
        let before = row.most / 2;
        for number in 1..=before {
            assert_eq!(row.attempt(&hsm, "wrong-password"), Rv(CKR_PIN_INCORRECT), "{}", row.name);
            assert_eq!(row.left(&hsm), row.most - number, "{}", row.name);
        }
        let hsm = hsm.restarted();
        assert_eq!(row.left(&hsm), row.most - before, "{}: a restart forgets", row.name);
        // A right one begins the count anew, on disk too.
        assert_eq!(row.attempt(&hsm, row.password), Rv(CKR_OK), "{}", row.name);
        let hsm = hsm.restarted();
        assert_eq!(row.left(&hsm), row.most, "{}", row.name);
        let mut child = guessing(row, row.most, &hsm);
        child.go_on();
        for _ in 1..row.most {
            child.expect(&format!("{:?}", Rv(CKR_PIN_INCORRECT)));
        }
        child.expect(&format!("{:?}", row.last_answer()));
        child.kill();
        let hsm = hsm.restarted();
        row.check_end(&hsm, "after kill -9");
        let hsm = hsm.restarted();
        row.check_end(&hsm, "after a restart");
    }
    luna_tests::told(&format!("lock-outs: {} roles", ROLES.len()));
}

/// Killed at any moment of its attempts, a process takes none of them back: what it heard was counted,
/// and at most one more.
#[test]
fn a_guesser_that_is_killed_takes_nothing_back() {
    let mut chance = luna_tests::Seeded::new();
    for row in &ROLES {
        let hsm = hsm();
        let heard = 1 + usize::try_from(chance.below(row.most as u64 - 1)).unwrap();
        let mut child = guessing(row, row.most, &hsm);
        child.go_on();
        for _ in 0..heard {
            child.expect(&format!("{:?}", Rv(CKR_PIN_INCORRECT)));
        }
        let heard = heard + child.kill().len();
        let hsm = hsm.restarted();
        if heard == row.most {
            row.check_end(&hsm, "heard to the end");
            continue;
        }
        // The last may have been counted, and its end come, without the child's saying so.
        let left = row.left(&hsm);
        let end = heard + 1 == row.most && row.attempt(&hsm, row.password) != Rv(CKR_OK);
        if end {
            row.check_end(&hsm, "killed at the last");
        } else {
            let may_be = [row.most - heard, row.most - heard - 1];
            assert!(may_be.contains(&left), "{}: {left} left after {heard}", row.name);
            while row.left(&hsm) > 1 {
                let answer = row.attempt(&hsm, "wrong-password");
                assert_eq!(answer, Rv(CKR_PIN_INCORRECT), "{}", row.name);
            }
            assert_eq!(row.attempt(&hsm, "wrong-password"), row.last_answer(), "{}", row.name);
            let hsm = hsm.restarted();
            row.check_end(&hsm, "after the rest");
        }
    }
}

/// Five processes guess at once, more often than the role bears: so many as it bears are counted, the
/// last of them ends it, once, and whatever comes after is told so.
#[test]
fn five_processes_at_once_end_a_role_at_the_right_count() {
    for row in &ROLES {
        let hsm = hsm();
        let mut children: Vec<Child> = (0..5).map(|_| guessing(row, 4, &hsm)).collect();
        for child in &mut children {
            child.go_on();
        }
        let answers: Vec<String> = children.into_iter().flat_map(|it| it.end().well()).collect();
        assert_eq!(answers.len(), 20, "{}: {answers:?}", row.name);
        let count = |code: CK_RV| {
            let name = format!("{:?}", Rv(code));
            answers.iter().filter(|answer| **answer == name).count()
        };
        // Between the lock and what follows it the role is locked; after it, it waits, or is gone with the
        // sessions there.
        let (last, after): (CK_RV, &[CK_RV]) = match row.end {
            Locked => (CKR_PIN_INCORRECT, &[CKR_PIN_LOCKED]),
            Waits => (
                CKR_AUDIT_LOGIN_FAILURE_THRESHOLD,
                &[CKR_PIN_LOCKED, CKR_AUDIT_LOGIN_TIMEOUT_IN_PROGRESS],
            ),
            Zeroised => (
                CKR_SO_LOGIN_FAILURE_THRESHOLD,
                &[
                    CKR_PIN_LOCKED,
                    CKR_USER_PIN_NOT_INITIALIZED,
                    CKR_SESSION_HANDLE_INVALID,
                    CKR_TOKEN_NOT_PRESENT,
                ],
            ),
        };
        let counted = if row.end == Locked {
            count(CKR_PIN_INCORRECT)
        } else {
            assert_eq!(count(last), 1, "{}: {answers:?}", row.name);
            count(CKR_PIN_INCORRECT) + 1
        };
        assert_eq!(counted, row.most, "{}: {answers:?}", row.name);
        let told: usize = after.iter().map(|code| count(*code)).sum();
        assert_eq!(counted + told, answers.len(), "{}: {answers:?}", row.name);
        let hsm = hsm.restarted();
        row.check_end(&hsm, "after five processes");
    }
}

/// A process that will guess so often.
fn guessing(row: &Row, times: usize, hsm: &Hsm) -> Child {
    let slot = row.slot(hsm).0.to_string();
    let words = [slot.as_str(), &row.role.0.to_string(), &times.to_string()];
    let mut child = Child::start("guesses-any", &words, &hsm.instance);
    child.expect("ready");
    child
}

/// What a guessing process does: it says each answer.
pub(crate) fn child(words: &[String]) {
    let numbers: Vec<u64> = words.iter().map(|word| word.parse().unwrap()).collect();
    let directory = std::env::var("ChrystokiConfigurationPath").unwrap();
    let directory = std::path::Path::new(&directory);
    let module = luna_client::Module::load(directory.join("lib/libCryptoki2_64.so")).unwrap();
    let context = module.initialize(luna_tests::init_args(directory)).unwrap();
    let session = context.open_session(luna_client::SlotId(numbers[0]), Access::ReadWrite).unwrap();
    say("ready");
    wait_for_parent();
    for guess in 0..numbers[2] {
        let pin = Pin::from(format!("wrong-{guess}-{}", std::process::id()).as_str());
        let error = session.login(UserType(numbers[1]), &pin).unwrap_err();
        say(&format!("{:?}", error.rv().unwrap()));
    }
}
