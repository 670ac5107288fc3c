//! What a step of a scenario can do: each action exists once, here by name, and in the file of its room by deed.

use anyhow::Result;
use serde::Deserialize;

use super::expect::At;
use super::walk::Walk;
use super::{backup, members, standing, surroundings, token, vault};
use crate::step::Needs;
use crate::transcript::Seen;

/// Which of the Crypto Officer's passwords is entered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credential {
    /// The one the HSM takes.
    #[default]
    Present,
    /// The one before it was changed.
    Former,
    /// One that never was.
    Wrong,
}

/// Which recovery passphrase is entered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Passphrase {
    /// The server's own.
    #[default]
    Own,
    /// One that never was.
    Wrong,
}

/// The fields of the dialogs for the HSM.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Dialog {
    /// The HSM Credential.
    pub credential: Credential,
    /// What is entered where the credential is asked for again.
    pub again: Option<Credential>,
    /// The Recovery Passphrase, where it is asked for.
    pub passphrase: Passphrase,
    /// The Token Label: the usual one unless said; none, and so the first slot, when it is empty.
    pub label: Option<String>,
    /// The library that [`Action::LibraryOfLaterGlibc`] made, instead of the usual one.
    pub other_library: bool,
}

/// Where a server's backup is restored from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Source {
    /// The server whose last backup it is.
    pub of: String,
    /// The passphrase of that server.
    #[serde(default)]
    pub passphrase: Passphrase,
}

/// A file of the server, as [`okv_sim::Place`] names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum File {
    /// The wallet password under the root key, with its header.
    Blob,
    /// The HSM credential.
    CredentialWallet,
    /// The last backup in the local directory.
    Backup,
}

/// A server's files that are brought to another.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Carry {
    /// The server they are brought to; it stands afterwards as these files make it.
    pub to: String,
    /// Files that are forgotten.
    #[serde(default)]
    pub without: Vec<File>,
}

/// Whether something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// It is taken away.
    Away,
    /// It is brought back.
    Back,
}

/// Whether an HSM can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// It is cut off.
    Down,
    /// It is back.
    Up,
}

/// What becomes of the server's root key on the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootKey {
    /// The HSM is backed up first, then the key is destroyed.
    Destroy,
    /// Another with its label and its number is made beside it.
    Duplicate,
    /// Another with its label and another number is made.
    Strange,
    /// The HSM is put back to its backup.
    PutBack,
}

/// A bit that is turned over; once more, and it is as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Flip {
    /// In which file.
    pub file: File,
    /// Which byte, from 0; from the end where it is negative.
    pub byte: i64,
    /// Which of its bits, from 0, the least.
    #[serde(default)]
    pub bit: u8,
}

/// An action. Those with a table behind them take `{}` for what is usual.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// `lunacm` starts, and shows the token among its slots.
    Lunacm {},
    /// The HA group is all an application sees, with so many members alive.
    Group {
        /// How many.
        members: usize,
    },
    /// The token is of this model.
    Model(String),
    /// The Crypto Officer logs in with `lunacm` and counts the objects.
    Count {},
    /// `partition contents` shows this server's two objects beside what was there.
    Contents {},

    /// A server is set up.
    Install {
        /// Its release; the newest unless said.
        #[serde(default)]
        release: Option<String>,
    },
    /// What follows is done at this server; `okv` is the first.
    Server(String),
    /// Initialize.
    Initialize(Dialog),
    /// Set Credential.
    SetCredential(Dialog),
    /// Verify.
    Verify {},
    /// What the timer does every five minutes.
    Check {},
    /// The server is stopped and started.
    Restart {},
    /// The same, whether its wallet opens or stays closed.
    Boot {},
    /// The next operation that comes to this step is stopped there.
    StopAt(At),
    /// The wallet is opened by hand through the HSM.
    OpenWallet {},
    /// The wallet is opened with the recovery passphrase.
    OpenWithPassphrase(Passphrase),
    /// Reverse Migrate.
    ReverseMigrate(Dialog),
    /// Endpoints store their objects.
    Store {},
    /// All files are searched for secrets in clear.
    Search {},

    /// A backup is made.
    Backup {},
    /// The last backup of a server is restored here.
    Restore(Source),
    /// The server's files are brought to another.
    Carry(Carry),
    /// A standby takes over the HSM files that were brought to it.
    Adopt {},
    /// The server's files are started on a machine that is not registered with the HSM: its wallet stays closed.
    Elsewhere {},

    /// One member, by its place in the group.
    MemberDown(usize),
    /// It is back.
    MemberUp(usize),
    /// So many members are alive.
    Alive(usize),
    /// All members, or the one HSM there is.
    Hsm(Link),
    /// The Partition SO has the Crypto Officer's password changed on every HSM.
    ChangePassword {},
    /// What happens to the root key.
    RootKey(RootKey),
    /// A fault is planned, in the words of `luna-emulator fault add`.
    Fault(Vec<String>),
    /// No faults are planned any more.
    NoFaults {},

    /// The PKCS#11 library.
    Library(Presence),
    /// The client's configuration file.
    Configuration(Presence),
    /// A library beside the usual one is made that wants a later C library than there is.
    LibraryOfLaterGlibc {},
    /// The library's log goes where it cannot be written.
    LogUnwritable {},
    /// A line is written to `okv_hsm_env`.
    EnvironmentLine(String),
    /// The last trace says this.
    TraceSays(String),
    /// Calls with output pointers at odd addresses.
    Misaligned {},
    /// A bit is turned over.
    Flip(Flip),
}

impl Action {
    /// The server it begins to speak of, where it does.
    pub fn server(&self) -> Option<&str> {
        match self {
            Self::Server(name) | Self::Carry(Carry { to: name, .. }) => Some(name),
            _ => None,
        }
    }

    /// What it needs of what is looked at.
    pub fn needs(&self) -> Option<Needs> {
        match self {
            Self::Group { .. } | Self::MemberDown(_) | Self::MemberUp(_) | Self::Alive(_) => {
                Some(Needs::OwnGroup)
            }
            Self::Hsm(_) => Some(Needs::MembersToKill),
            Self::Elsewhere {}
            | Self::ChangePassword {}
            | Self::RootKey(_)
            | Self::Fault(_)
            | Self::NoFaults {}
            | Self::Library(_)
            | Self::Configuration(_)
            | Self::LogUnwritable {} => Some(Needs::OwnHsm),
            _ => None,
        }
    }

    /// Does it. What the vault refused is an outcome; an error is the step's failure.
    ///
    /// # Errors
    /// What was looked at is not as it has to be, or could not be looked at.
    pub(super) fn perform(
        &self,
        walk: &mut Walk,
        seen: &mut Seen,
    ) -> Result<Option<okv_sim::Error>> {
        match self {
            Self::Lunacm {} => done(vault::banner(walk, seen)),
            Self::Group { members } => done(members::group(walk, seen, *members)),
            Self::Model(model) => done(vault::model(walk, seen, model)),
            Self::Count {} => done(vault::count(walk, seen)),
            Self::Contents {} => done(vault::contents(walk, seen)),
            Self::Install { release } => vault::install(walk, release.as_deref()),
            Self::Server(name) => done(walk.go_to(name)),
            Self::Initialize(dialog) => vault::initialize(walk, seen, dialog),
            Self::SetCredential(dialog) => standing::set_credential(walk, seen, dialog),
            Self::Verify {} => vault::verify(walk, seen),
            Self::Check {} => standing::check(walk, seen),
            Self::Restart {} => vault::restart(walk, seen),
            Self::Boot {} => vault::restart(walk, seen).map(|_| None),
            Self::StopAt(at) => done(standing::stop_at(walk, seen, at)),
            Self::OpenWallet {} => standing::open_wallet(walk),
            Self::OpenWithPassphrase(which) => standing::open_with_passphrase(walk, *which),
            Self::ReverseMigrate(dialog) => standing::reverse_migrate(walk, dialog),
            Self::Store {} => done(vault::store(walk, seen)),
            Self::Search {} => done(vault::search(walk, seen)),
            Self::Backup {} => backup::backup(walk, seen),
            Self::Restore(source) => backup::restore(walk, seen, source),
            Self::Carry(carry) => done(backup::carry(walk, seen, carry)),
            Self::Adopt {} => backup::adopt(walk),
            Self::Elsewhere {} => done(backup::elsewhere(walk, seen)),
            Self::MemberDown(member) => done(members::change(walk, seen, *member, Link::Down)),
            Self::MemberUp(member) => done(members::change(walk, seen, *member, Link::Up)),
            Self::Alive(members) => done(members::alive(walk, seen, *members)),
            Self::Hsm(link) => done(members::all(walk, seen, *link)),
            Self::ChangePassword {} => done(token::change_password(walk, seen)),
            Self::RootKey(fate) => done(token::root_key(walk, seen, *fate)),
            Self::Fault(words) => done(members::fault(walk, seen, words)),
            Self::NoFaults {} => done(members::no_faults(walk)),
            Self::Library(presence) => done(surroundings::library(walk, seen, *presence)),
            Self::Configuration(presence) => done(surroundings::configuration(walk, *presence)),
            Self::LibraryOfLaterGlibc {} => done(surroundings::later_glibc(walk, seen)),
            Self::LogUnwritable {} => done(surroundings::log_unwritable(walk, seen)),
            Self::EnvironmentLine(line) => done(surroundings::environment_line(walk, line)),
            Self::TraceSays(text) => done(surroundings::trace_says(walk, seen, text)),
            Self::Misaligned {} => done(surroundings::misaligned(walk, seen)),
            Self::Flip(flip) => done(surroundings::flip(walk, seen, *flip)),
        }
    }
}

fn done(outcome: Result<()>) -> Result<Option<okv_sim::Error>> {
    outcome.map(|()| None)
}
