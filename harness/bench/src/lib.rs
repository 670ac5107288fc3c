//! How long the calls of a PKCS#11 module take, and how long an HA group pauses when a member goes.
//!
//! It stands on the same stage as the conformance checks: any module, a private emulator or somebody's device, with
//! the same care for what is not ours.
//!
//! # Rooms
//!
//! | room | what it is for |
//! |---|---|
//! | [`case`] | the cases: one table, a row each; new ones are added there |
//! | [`bed`] | what a case works on: keys, objects, sessions |
//! | [`worker`] | the process that loads a module and measures when it is told to |
//! | [`counted`] | a few operations between two marks, for a program that counts instructions |
//! | [`side`] | that process as its parent sees it |
//! | [`run`] | which case when: sides by turns, round by round |
//! | [`group`] | members that go and come back under load |
//! | [`distribution`] | latencies, counted |
//! | [`report`], `plot` | what came of it: JSON, table, page |
//! | [`baseline`] | what came of it beside what came of it earlier |

pub mod baseline;
pub mod bed;
pub mod case;
pub mod counted;
pub mod distribution;
pub mod group;
mod pace;
mod plot;
pub mod report;
pub mod run;
pub mod side;
pub mod worker;
