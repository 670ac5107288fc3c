//! An HA group, its members, the links to them and the clock, in one thread and under one seed.
//!
//! The client's own code for groups runs over partitions in memory. A [`Schedule`] says which
//! processes call what, what happens to members, links and processes meanwhile, and how long
//! nothing happens. A [`ledger`] written apart from the emulator says of each answer whether it may
//! be, and at the end, when every fault is mended and a new process has come, what every member
//! must have. The same schedule gives the same trace, byte for byte.
//!
//! | room | what it is for |
//! |---|---|
//! | [`step`] | what can happen, as data |
//! | [`schedule`] | drawing one from a seed, cutting a failing one down |
//! | [`world`] | members, links, processes |
//! | `wire` | one link: where faults strike |
//! | `process` | one application: its calls |
//! | [`ledger`] | what may be answered, and what must be there in the end |
//! | [`mod@run`] | a schedule from beginning to end |
//!
//! What links cannot do: a member is reached over a connection that keeps order and repeats
//! nothing (TLS over TCP, or a call inside the process), so requests are lost, late or cut off, but
//! never doubled and never overtake each other.
//!
//! | fault | step |
//! |---|---|
//! | drop: a request, or the answer to one that was carried out | [`Step::Lose`] |
//! | delay: an answer that is late and in time; a request carried out when nobody waits any more | [`Step::Wait`] amid a call; [`Step::Freeze`], [`Step::Thaw`] |
//! | kill, and restart with the disk or without | [`Step::Kill`], [`Step::Start`]; [`Step::PowerOff`], [`Step::PowerOn`], [`Step::Wipe`] |
//! | hang | [`Step::Freeze`] |
//! | a clock that jumps | [`Step::Jump`] |
//! | cuts both ways and one way | [`Step::Cut`], [`Step::Mute`] |
//!
//! Source of the rules: the vendor's pages on HA failover, recovery and replication (Documented);
//! where these leave a choice, the emulator's (Assumed), as said where the ledger decides it.

pub mod ledger;
mod process;
pub mod run;
pub mod schedule;
pub mod step;
mod wire;
pub mod world;

pub use self::run::{Outcome, run, run_in_detail};
pub use self::schedule::{Schedule, shrink};
pub use self::step::{Lie, Step};
pub use self::world::Shape;
