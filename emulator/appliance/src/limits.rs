//! What clients can take of the machine, each with a bound.

use std::time::Duration;

/// The bounds of one appliance.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections in all. One over it is refused with a reason.
    pub connections: usize,
    /// Connections of one certificate, so that one client leaves room for others.
    pub connections_of_client: usize,
    /// Connections that have not said who they are. The oldest goes when there are more, so that a
    /// flood of them displaces itself and not a client, which needs milliseconds.
    pub strangers: usize,
    /// Sessions of one client process on all partitions.
    pub sessions_of_process: usize,
    /// How long a handshake, a frame that has begun, or a write may take.
    pub patience: Duration,
    /// A command that takes longer is told of, and again after each such time (ha.md section 8,
    /// Documented).
    pub heartbeat: Duration,
    /// How long calls under way are waited for when the appliance stops.
    pub farewell: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_of_client: 2048,
            strangers: 256,
            sessions_of_process: 16_384,
            patience: Duration::from_secs(10),
            heartbeat: Duration::from_secs(2),
            farewell: Duration::from_secs(30),
        }
    }
}
