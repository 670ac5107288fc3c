//! Appliances of `luna-emulator serve`: who may connect, what bad peers can do, and what an application sees
//! when one of them dies, freezes or is cut off.
//!
//! | file | what is told |
//! |---|---|
//! | `certificates` | who is let in, and who sees which partition |
//! | `strangers` | bytes that no client sends, and clients that are too slow or too many |
//! | `lives` | processes that end, on either side, and what is left of their sessions |
//! | `guide` | the guide's HA section, with a key vault on the group |
//! | `groups` | HA groups of three appliances under load, with one that fails |
//! | `cables` | networks cut both ways and one way, where namespaces can be made |

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of it is part of tests: what fails here fails a test, with its reason"
)]

mod cables;
mod certificates;
mod field;
mod groups;
mod guide;
mod lives;
mod peer;
mod strangers;

use luna_tests::child;

/// What a child process of these tests is: see `luna_tests::child`.
#[test]
#[ignore = "a part of other tests, in a process of its own"]
fn application() {
    let Some((role, words)) = child::role() else { return };
    match role.as_str() {
        "holds sessions" => lives::hold_sessions(&words),
        other => panic!("nobody plays {other}"),
    }
}
