//! Every connection there is, so that it can be counted, looked in on, and ended.

use std::collections::VecDeque;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use emulator::network::channel::Channel;
use parking_lot::{Condvar, Mutex};
use rustc_hash::FxHashMap;

use crate::association::Association;

/// A connection, as others see it.
pub(crate) struct Member {
    pub(crate) socket: Arc<TcpStream>,
    /// Held by its thread but while a request is carried out.
    pub(crate) channel: Mutex<Channel>,
    /// Since when a request is carried out, in milliseconds of the desk's clock and one; 0 while
    /// none is.
    pub(crate) busy_since_ms: AtomicU64,
    /// When the client was last told so.
    pub(crate) told_ms: AtomicU64,
    pub(crate) association: Mutex<Option<Arc<Association>>>,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Crowd {
    state: Mutex<State>,
    fewer: Condvar,
}

#[derive(Default)]
struct State {
    next: u64,
    members: FxHashMap<u64, Arc<Member>>,
    /// Those that have not said who they are, the oldest first.
    strangers: VecDeque<u64>,
}

impl Crowd {
    /// Takes a connection in as a stranger, and ends the oldest when there are too many; none
    /// where there are too many in all.
    pub(crate) fn enter(&self, member: Arc<Member>, most: usize, strangers: usize) -> Option<u64> {
        let mut state = self.state.lock();
        // Strangers make room for each other, so that they do not count here.
        let known = state.members.len().saturating_sub(state.strangers.len());
        if known >= most {
            return None;
        }
        while state.strangers.len() >= strangers.max(1) {
            let Some(oldest) = state.strangers.pop_front() else { break };
            if let Some(oldest) = state.members.get(&oldest) {
                let _ = oldest.socket.shutdown(Shutdown::Both);
            }
        }
        state.next += 1;
        let id = state.next;
        state.members.insert(id, member);
        state.strangers.push_back(id);
        Some(id)
    }

    /// It has said who it is.
    pub(crate) fn introduced(&self, id: u64) {
        self.state.lock().strangers.retain(|stranger| *stranger != id);
    }

    pub(crate) fn leave(&self, id: u64) {
        let mut state = self.state.lock();
        state.members.remove(&id);
        state.strangers.retain(|stranger| *stranger != id);
        drop(state);
        self.fewer.notify_all();
    }

    pub(crate) fn members(&self) -> Vec<Arc<Member>> {
        self.state.lock().members.values().cloned().collect()
    }

    /// Ends the connections whose association is meant.
    pub(crate) fn end(&self, is_meant: impl Fn(&Arc<Association>) -> bool) {
        for member in self.members() {
            let meant = member.association.lock().as_ref().is_some_and(&is_meant);
            if meant {
                let _ = member.socket.shutdown(Shutdown::Both);
            }
        }
    }

    /// Waits until nobody is left, or for so long; how many are left.
    pub(crate) fn wait_until_empty(&self, longest: std::time::Duration) -> usize {
        let mut state = self.state.lock();
        self.fewer.wait_while_for(&mut state, |state| !state.members.is_empty(), longest);
        state.members.len()
    }
}

impl Member {
    pub(crate) fn new(channel: Channel, socket: Arc<TcpStream>) -> Self {
        Self {
            socket,
            channel: Mutex::new(channel),
            busy_since_ms: AtomicU64::new(0),
            told_ms: AtomicU64::new(0),
            association: Mutex::new(None),
        }
    }

    pub(crate) fn set_busy(&self, since_ms: Option<u64>) {
        self.busy_since_ms.store(since_ms.map_or(0, |since| since + 1), Ordering::Release);
    }
}
