//! Puts the same questions to the emulator and to a real Luna library.
//!
//! This crate loads modules and starts programs; it calls nothing of the emulator but what any application can
//! call, save in [`simulate`]. [`okv`] walks scenarios of Oracle Key Vault's integration, on the emulator or on a library of
//! yours: first of all the walk with an HA group, from the administrator's first look to both members dead and back.
//!
//! # Rooms
//!
//! | room | what it is for |
//! |---|---|
//! | [`okv`] | scenarios: what is set up, what steps can do and expect |
//! | [`step`] | a plan of steps as data, and the one loop that works it off |
//! | [`transcript`] | what was expected, seen and how long it took; the verdict |
//! | [`worker`] | steps run in a process of their own, which a module may take down or hang |
//! | [`locate`] | the tools beside this program, built by cargo where they are not yet |
//! | [`instance`] | a private emulator, made and broken by `luna-emulator` |
//! | [`lunacm`] | conversations with the administrator's tool |
//! | [`mod@bench`] | how long calls take, by `luna-bench`: the verb, and groups whose members go |
//! | [`ci`] | pieces for build servers |
//! | [`conformance`] | checks, by `luna-conformance`: the verbs, and a private emulator for them |
//! | [`simulate`] | HA groups in one thread under a seed; the room itself is `luna-simulate` |
//! | [`record`] | an application run with the spy before its module; traces played on another |
//! | [`watch`] | signing without pause while members of a group die and come back |
//! | [`search`] | secrets in the files a run leaves |
//! | [`render`], [`report`] | the transcript for people, and for machines |
//!
//! # Processes
//!
//! A module finds its configuration in the environment, and a module that is broken takes its process down. So
//! the program that was started never loads one: it sets things up, starts itself again as the worker with the
//! right environment, writes down what the worker says, and tidies up whatever becomes of it.

pub mod bench;
pub mod ci;
pub mod conformance;
pub mod instance;
pub mod locate;
pub mod lunacm;
pub mod okv;
pub mod record;
pub mod render;
pub mod report;
pub mod search;
pub mod simulate;
pub mod step;
pub mod transcript;
pub mod watch;
pub mod worker;
