//! Faults, as a part of the product: what goes wrong at an HSM, planned, counted and told.
//!
//! A plan lies in the HSM's directory ([`FILE`]) and says who, which call, which occurrence, before
//! or after its effect, and what then happens. Every process that uses the HSM obeys it, and the
//! occurrences are counted for all of them together; the same seed and the same calls give the same
//! trace ([`TRACE_FILE`]). While no plan is in force a request pays for one load of shared memory.
//!
//! | file | what it is for |
//! |---|---|
//! | [`plan`] | the file, and what is wrong with it |
//! | [`call`] | the names of calls that a plan may use |
//! | [`gate`] | the door between a link and a partition, where plans act |
//! | [`latency`] | how long a model of HSM takes, and how many requests it serves at once |
//!
//! Nothing here says how a real Luna fails: a plan is the user's. Only the codes and pauses that an
//! application sees afterwards are the vendor's, and they come from the HA group and the links.

pub mod call;
pub mod gate;
pub mod latency;
pub mod plan;

pub use gate::{Gate, force};
pub use plan::{Effect, Fault, Moment, Plan, PlanError};

/// The plan in an HSM's directory.
pub const FILE: &str = "faults.toml";

/// What the plan did, a line of JSON each, without times: the same run leaves the same bytes.
pub const TRACE_FILE: &str = "faults.log";

/// How often each fault of the plan was met, and did something.
pub const TALLY_FILE: &str = "faults.count";
