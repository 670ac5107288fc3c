//! Networks cut both ways and one way, between network namespaces of this machine.
//!
//! Needs root, `ip` and `nft`; where they are missing the test says so, and fails under
//! `LUNA_REQUIRE_CLIENTS=1`.

#[test]
fn later() {}
