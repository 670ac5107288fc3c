//! Time, as something that is handed in.
//!
//! Intervals, retry times and recovery use [`Clock::now`], which never goes back. Dates shown to
//! people and kept in records use [`Clock::wall`], which may do anything.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

/// Where the time comes from.
pub trait Clock: Send + Sync + Debug {
    /// Time passed since an origin the clock chose when it was made. Never goes back.
    fn now(&self) -> Duration;

    /// The date and time of day. May jump either way.
    fn wall(&self) -> SystemTime;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Duration {
        (**self).now()
    }

    fn wall(&self) -> SystemTime {
        (**self).wall()
    }
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose origin is now.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the room the ban points to")]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    #[allow(clippy::disallowed_methods, reason = "this is the room the ban points to")]
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Lets this thread rest, for those faults whose very point is that something takes long.
#[allow(clippy::disallowed_methods, reason = "this is the room the ban points to")]
pub fn rest(time: Duration) {
    std::thread::sleep(time);
}

/// A clock that stands still until somebody moves it: for tests and for simulation.
#[derive(Debug)]
pub struct ManualClock {
    hands: Mutex<Hands>,
}

#[derive(Debug)]
struct Hands {
    now: Duration,
    wall: SystemTime,
}

impl ManualClock {
    /// A clock at its origin, showing `wall`.
    #[must_use]
    pub fn starting_at(wall: SystemTime) -> Self {
        Self { hands: Mutex::new(Hands { now: Duration::ZERO, wall }) }
    }

    /// Lets `step` pass, on both hands. Stops at the end of representable time instead of
    /// failing.
    pub fn advance(&self, step: Duration) {
        let mut hands = self.hands.lock();
        hands.now = hands.now.saturating_add(step);
        if let Some(wall) = hands.wall.checked_add(step) {
            hands.wall = wall;
        }
    }

    /// Sets the date alone, as an administrator or a time server would; no time passes.
    pub fn set_wall(&self, wall: SystemTime) {
        self.hands.lock().wall = wall;
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::starting_at(SystemTime::UNIX_EPOCH)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        self.hands.lock().now
    }

    fn wall(&self) -> SystemTime {
        self.hands.lock().wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_goes_forward() {
        let clock = SystemClock::new();
        let first = clock.now();
        let second = clock.now();
        assert!(second >= first);
        assert!(clock.wall() > SystemTime::UNIX_EPOCH);
    }

    #[test]
    fn a_manual_clock_moves_only_by_hand() {
        let clock = ManualClock::default();
        assert_eq!(clock.now(), Duration::ZERO);
        clock.advance(Duration::from_secs(60));
        assert_eq!(clock.now(), Duration::from_secs(60));
        assert_eq!(clock.wall(), SystemTime::UNIX_EPOCH + Duration::from_secs(60));
        clock.set_wall(SystemTime::UNIX_EPOCH);
        assert_eq!(clock.now(), Duration::from_secs(60));
        assert_eq!(clock.wall(), SystemTime::UNIX_EPOCH);
        clock.advance(Duration::MAX);
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Duration::MAX);
    }
}
