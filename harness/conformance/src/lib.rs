//! Checks of what a PKCS#11 module must do, and of what a Luna does.
//!
//! A check puts one question to a module and says where the answer stands. All of them stand on `luna-client`, so
//! they run on any module; which token they run on, and what they may do to it, is the runner's affair.
//!
//! # Rooms
//!
//! | room | what it is for |
//! |---|---|
//! | [`check`] | what a check is, verdict by verdict; the registry |
//! | `areas` | the checks, one file an area: here new ones are added (see `CHECKS.md`) |
//! | [`stage`] | the module in the state a check asked for; logins; labels |
//! | [`keys`], [`mechanism`] | keys and mechanisms as rows of data |
//! | [`software`] | the same computed by other hands |
//! | [`profile`] | the emulator's profile files, read |
//! | [`run`] | children, batches, crashes, hangs |
//! | [`report`], [`compare`], [`expect`] | what came of it, and against what it is held |
//! | [`probe`], [`diff`] | what a partition is like, as a profile; where two differ |
//! | [`mutants`] | whether the checks notice a module that breaks a rule |

mod areas;
pub mod check;
pub mod compare;
pub mod diff;
pub mod expect;
pub mod groups;
pub mod keys;
pub mod mechanism;
pub mod mutants;
pub mod probe;
pub mod profile;
pub mod report;
pub mod run;
pub mod software;
pub mod stage;
