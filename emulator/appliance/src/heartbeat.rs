//! Tells clients whose command takes long that it is under way, so that they go on waiting.
//!
//! Source: ha.md section 8 (Documented): every 2 s for commands lasting over 2 s.

use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

use emulator::network::protocol::Message;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zeroize::Zeroizing;

use crate::crowd::{Crowd, Member};

/// One round.
pub(crate) fn round(
    crowd: &Crowd,
    now_ms: u64,
    interval: Duration,
    message: &mut Zeroizing<Vec<u8>>,
) {
    let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
    for member in crowd.members() {
        let since = member.busy_since_ms.load(Ordering::Acquire);
        let told = member.told_ms.load(Ordering::Relaxed).max(since);
        if since == 0 || now_ms.saturating_sub(told) < interval_ms {
            continue;
        }
        tell(&member, message);
        member.told_ms.store(now_ms, Ordering::Relaxed);
    }
}

fn tell(member: &Member, message: &mut Zeroizing<Vec<u8>>) {
    let Some(mut channel) = member.channel.try_lock() else { return };
    // The answer goes out under the same lock, after the mark is gone: never a word after it.
    if member.busy_since_ms.load(Ordering::Acquire) == 0 || !takes_more(&member.socket) {
        return;
    }
    Message::Working.write(message);
    // A connection that fails is noticed by its own thread.
    let _ = channel.send(message);
}

/// A client that does not read shall not hold up the others.
fn takes_more(socket: &std::net::TcpStream) -> bool {
    let mut sockets = [PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::OUT)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut sockets, Some(&at_once)).is_ok_and(|ready| ready > 0)
}
