//! Who is logged in at the console, and who tried too often.
//!
//! Sessions live in memory: a restart of the process ends them. Of a session's token only a digest is kept. Wrong
//! logins are counted for the name and for the address they come from; from the sixth on the next one must wait,
//! twice as long each time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;

use crate::operation::Account;
use crate::seal;

/// How long nothing may be asked.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// How long a session may last.
const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);

/// How many there may be; the oldest goes first.
const MOST: usize = 1_000;

/// Wrong logins before they must wait.
const FREE_TRIES: u32 = 5;

/// Longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// What a page shows once: how the last form went.
#[derive(Debug, Clone, Default)]
pub(super) struct Flash {
    /// Good news.
    pub(super) done: Option<String>,
    /// What went wrong, and what to do next.
    pub(super) failed: Option<String>,
    /// What was typed, for the form to show again. Never a secret.
    pub(super) typed: HashMap<String, String>,
}

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) account: Account,
    /// Must come with every form.
    pub(super) csrf: String,
    begun: Instant,
    seen: Instant,
    flash: Flash,
}

/// All of them.
#[derive(Default)]
pub(super) struct Sessions {
    by_digest: HashMap<[u8; 32], Session>,
    tries: HashMap<String, Tries>,
}

struct Tries {
    wrong: u32,
    until: Instant,
}

/// The token of a new session, for the cookie.
pub(super) fn token() -> Result<String, seal::Sealed> {
    Ok(BASE64URL_NOPAD.encode(&seal::random::<32>()?))
}

impl Sessions {
    /// Begins a session; its token.
    pub(super) fn begin(&mut self, account: Account) -> Result<String, seal::Sealed> {
        let (token, csrf, now) = (token()?, token()?, Instant::now());
        self.by_digest.retain(|_, session| session.is_good(now));
        if self.by_digest.len() >= MOST {
            let oldest = self.by_digest.iter().min_by_key(|(_, it)| it.seen).map(|(at, _)| *at);
            oldest.map(|at| self.by_digest.remove(&at));
        }
        let session = Session { account, csrf, begun: now, seen: now, flash: Flash::default() };
        self.by_digest.insert(seal::sha256(token.as_bytes()), session);
        Ok(token)
    }

    /// The session of a token, and what its next page is to show.
    pub(super) fn look(&mut self, token: &str, take_flash: bool) -> Option<(Session, Flash)> {
        let (digest, now) = (seal::sha256(token.as_bytes()), Instant::now());
        let session = self.by_digest.get_mut(&digest)?;
        if !session.is_good(now) {
            self.by_digest.remove(&digest);
            return None;
        }
        session.seen = now;
        let flash = if take_flash { std::mem::take(&mut session.flash) } else { Flash::default() };
        Some((session.clone(), flash))
    }

    pub(super) fn set_flash(&mut self, token: &str, flash: Flash) {
        if let Some(session) = self.by_digest.get_mut(&seal::sha256(token.as_bytes())) {
            session.flash = flash;
        }
    }

    pub(super) fn end(&mut self, token: &str) {
        self.by_digest.remove(&seal::sha256(token.as_bytes()));
    }

    /// Ends the sessions of an account: it is gone, or has another password.
    pub(super) fn end_of(&mut self, name: &str) {
        self.by_digest.retain(|_, session| !session.account.name.eq_ignore_ascii_case(name));
    }

    /// Ends all of them: the accounts are others now.
    pub(super) fn end_all(&mut self) {
        self.by_digest.clear();
    }

    /// How long a login with this name from this address must wait.
    pub(super) fn wait(&self, name: &str, from: IpAddr) -> Option<Duration> {
        let now = Instant::now();
        keys(name, from)
            .iter()
            .filter_map(|key| self.tries.get(key)?.until.checked_duration_since(now))
            .filter(|wait| !wait.is_zero())
            .max()
    }

    /// A login was wrong.
    pub(super) fn count(&mut self, name: &str, from: IpAddr) {
        let now = Instant::now();
        // Old ones are forgotten, so that the table cannot be filled for ever.
        self.tries.retain(|_, tries| now < tries.until + LONGEST_WAIT);
        for key in keys(name, from) {
            let tries = self.tries.entry(key).or_insert(Tries { wrong: 0, until: now });
            tries.wrong = tries.wrong.saturating_add(1);
            let over = tries.wrong.saturating_sub(FREE_TRIES);
            let wait = match over {
                0 => Duration::ZERO,
                over => Duration::from_secs(1 << (over - 1).min(16)).min(LONGEST_WAIT),
            };
            tries.until = now + wait;
        }
    }

    /// A login was right.
    pub(super) fn forgive(&mut self, name: &str, from: IpAddr) {
        for key in keys(name, from) {
            self.tries.remove(&key);
        }
    }
}

fn keys(name: &str, from: IpAddr) -> [String; 2] {
    let name: String = name.chars().take(64).collect();
    [format!("name {}", name.to_lowercase()), format!("address {from}")]
}

impl Session {
    fn is_good(&self, now: Instant) -> bool {
        now.duration_since(self.seen) < IDLE && now.duration_since(self.begun) < LONGEST
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn account() -> Account {
        Account { name: "Alice".into(), roles: vec![], created_at: String::new() }
    }

    #[test]
    fn a_token_finds_its_session_until_it_ends() {
        let mut sessions = Sessions::default();
        let token = sessions.begin(account()).unwrap();
        let other = sessions.begin(account()).unwrap();
        assert_ne!(token, other);
        assert_eq!(sessions.look(&token, false).unwrap().0.account.name, "Alice");
        assert!(sessions.look("junk", false).is_none());
        let flash = Flash { done: Some("well".into()), ..Flash::default() };
        sessions.set_flash(&token, flash);
        assert_eq!(sessions.look(&token, true).unwrap().1.done.as_deref(), Some("well"));
        assert_eq!(sessions.look(&token, true).unwrap().1.done, None);
        sessions.end(&token);
        assert!(sessions.look(&token, false).is_none());
        sessions.end_of("alice");
        assert!(sessions.look(&other, false).is_none());
    }

    #[test]
    fn wrong_logins_wait_longer_and_longer_and_a_right_one_forgives() {
        let mut sessions = Sessions::default();
        let (here, there) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from([10, 0, 0, 1]));
        for _ in 0..5 {
            assert_eq!(sessions.wait("alice", here), None);
            sessions.count("alice", here);
        }
        sessions.count("alice", here);
        let first = sessions.wait("ALICE", there).unwrap();
        assert_eq!(sessions.wait("bob", there), None);
        assert!(sessions.wait("bob", here).is_some());
        for _ in 0..3 {
            sessions.count("alice", here);
        }
        assert!(sessions.wait("alice", here).unwrap() > first * 3);
        sessions.forgive("alice", here);
        assert_eq!(sessions.wait("alice", here), None);
    }
}
