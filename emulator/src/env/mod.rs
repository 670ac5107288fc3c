//! Everything that is not pure: the clock, files, the process, and the page that processes share.
//!
//! The rest of the emulator computes; whatever it needs from the machine it runs on it asks for
//! here, so that a simulation can put its own time in place of the machine's and so that a reader
//! knows where the outside world gets in. The room knows nothing of requests, partitions or
//! keys. Two things it does not do: random numbers belong to `crypto`, and the database under an
//! HSM belongs to `hsm::store`.
//!
//! The only `unsafe` of the room is in `ffi`, which maps one file into memory.

pub mod attendance;
pub mod clock;
pub mod crowd;
pub mod disk;
mod ffi;
pub mod page;
pub mod process;
mod tally;

pub use attendance::Attendance;
pub use clock::{Clock, ManualClock, SystemClock};
pub use disk::DiskError;
pub use page::{ControlPage, PageError, Word};
pub use tally::Tally;
