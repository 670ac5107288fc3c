//! What can happen, as data: drawn from a seed, kept in a file, cut down when it fails.

use serde::{Deserialize, Serialize};

/// A process, a member, an object: counted from 0, modulo how many there are.
pub type Which = usize;

/// One thing that happens. What a step needs and does not find (a login, an object) makes it
/// nothing, so that any part of a schedule is a schedule.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Step {
    /// A process begins: it opens a session and logs in.
    Start(Which),
    /// It ends in order.
    Stop(Which),
    /// It is killed after so many more requests to members.
    Kill(Which, u32),
    /// It logs out.
    Logout(Which),
    /// It logs in.
    Login(Which),
    /// It creates a private data object: on the token, or in its session.
    CreateData(Which, bool),
    /// It imports a secret key whose value the ledger knows.
    CreateKey(Which, bool),
    /// It has a key made.
    Generate(Which),
    /// It destroys an object.
    Destroy(Which, Which),
    /// It changes an object's `CKA_ID`.
    Change(Which, Which),
    /// It signs with a key, in one call.
    Sign(Which, Which),
    /// It begins to sign in parts with a key.
    Begin(Which, Which),
    /// It feeds the next part.
    Update(Which),
    /// It ends what it signs in parts.
    Finish(Which),
    /// It reads an object's attributes.
    Read(Which, Which),
    /// It looks for an object by label.
    Find(Which, Which),
    /// The path of a process to a member is cut; the member ends the sessions that came over it.
    Cut(Which, Which),
    /// It is mended.
    Mend(Which, Which),
    /// A member loses power.
    PowerOff(Which),
    /// It has it back. What was in its memory is gone.
    PowerOn(Which),
    /// After so many more requests of a process, one to that member is lost.
    Lose {
        /// Whose.
        process: Which,
        /// To which.
        member: Which,
        /// Requests of that process to that member before it.
        after: u32,
        /// The member carried it out, and the answer was lost.
        done: bool,
        /// The connection was lost with it; else the member was silent until the time was over.
        reset: bool,
    },
    /// Nothing of a process's reaches a member any more, or nothing of the member's the process, until that is
    /// mended: a cable cut one way.
    Mute {
        /// Whose.
        process: Which,
        /// To which.
        member: Which,
        /// Requests arrive and are carried out, and no answer comes; else they do not arrive.
        done: bool,
    },
    /// A member is frozen: it takes requests and says nothing. What it took it carries out when it goes on, whether
    /// or not somebody still waits.
    Freeze(Which),
    /// It goes on.
    Thaw(Which),
    /// A member loses power, and its disk: what comes back is new, with the same roles and nothing else. Only where
    /// every other member is well and has everything, since nobody could keep a promise otherwise.
    Wipe(Which),
    /// Something happens before a process's next request but so many: amid a call.
    Amid(Which, u32, Box<Step>),
    /// Seconds pass.
    Wait(u32),
    /// The date jumps by so many seconds, back or forth.
    Jump(i32),
}

/// A lie that a member tells: what a checker is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lie {
    /// It says that it took a copy, and did not.
    DropsCopies,
    /// It says that it destroyed an object, and did not.
    KeepsDestroyed,
    /// It signs with a key other than the one named.
    TakesOtherKey,
    /// It says that it logged out, and did not.
    StaysLoggedIn,
    /// It does what makes an object twice.
    MakesTwice,
    /// It says that it changed an attribute, and did not.
    DropsChanges,
    /// It forgets a token object that it had acknowledged, when it loses power.
    ForgetsAtPowerOff,
    /// It refuses what it can do.
    Refuses,
    /// It took a copy, and says that it is under another object's handle.
    GivesOtherHandle,
    /// It opens no session once it has lost power.
    NeverComesBack,
}

impl Lie {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::DropsCopies,
        Self::KeepsDestroyed,
        Self::TakesOtherKey,
        Self::StaysLoggedIn,
        Self::MakesTwice,
        Self::DropsChanges,
        Self::ForgetsAtPowerOff,
        Self::Refuses,
        Self::GivesOtherHandle,
        Self::NeverComesBack,
    ];
}
