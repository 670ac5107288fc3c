//! The C boundary: wrong arguments, wrong order, threads, forks, unloading, and panics behind it.
//!
//! What could end a process runs in a child, so that the end of it is a failed assertion that names the call.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]
#![allow(unsafe_code, reason = "calls that no safe client makes, and forks")]

mod fork;
mod guard;
mod hostile_input;
mod initialize;
mod life_cycle;
mod threads;

use luna_tests::child;

/// The other side of the tests in this theme.
#[test]
#[ignore = "a process of its own, started by the other tests"]
fn application() {
    let Some((role, words)) = child::role() else { return };
    match role.as_str() {
        "hostile" => hostile_input::application(&words),
        "hostile parameters" => hostile_input::parameters::application(&words),
        "fork" => fork::application(&words),
        "guard" => guard::application(),
        "life cycle" => life_cycle::application(&words),
        "threads" => threads::application(&words),
        other => panic!("nobody plays {other}"),
    }
}
