//! Carries this node's log to the other nodes, a thread each, and says whether this node may write.
//!
//! Every node ships what it has of every node's log, so that one that was away catches up from whoever is there. A pair
//! is in step once each has all that the other had when they met; from then on until the connection is lost a write is
//! acknowledged when the peer's mark has passed it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::identity::{self, Identity};
use super::link::{ANSWER, Link};
use super::wire::{BATCH, Push, Request, Response};
use super::{Contact, Contacts, Node, NodeId, NodeMode, NodeStatus, Standing, mode_of};
use crate::seal::Sealed;
use crate::secret::Secret;
use crate::store::cluster::{Marks, ObjectRow, Pair};
use crate::store::{Store, StoreError};
use crate::view::View;

/// What replication keys are sealed as.
pub(crate) const REPLICATION_KEY: &str = "replication key";

/// How often a node that has nothing to ship says that it is there.
const SIGN_OF_LIFE: Duration = Duration::from_millis(300);

/// Between two tries to reach a node that does not answer.
const RETRY: Duration = Duration::from_millis(200);

/// How often it is looked who belongs to the cluster.
const LOOK: Duration = Duration::from_millis(200);

/// How long the peer may take to acknowledge a write.
const PATIENCE: Duration = ANSWER;

/// How often the log is cut.
const CUT: Duration = Duration::from_secs(30);

/// The node's part in its cluster while the server runs.
pub(crate) struct Replication {
    pub(crate) view: View,
    pub(crate) identity: Identity,
    /// Where other nodes reach this one.
    pub(crate) address: String,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Grows with every entry and whenever something is to be looked at anew.
    generation: u64,
    me: Option<NodeId>,
    peer: Option<NodeId>,
    /// Whether this node itself is ACTIVE.
    active: bool,
    carriers: BTreeMap<NodeId, Carrier>,
}

/// What is known of another node.
#[derive(Default)]
struct Carrier {
    contact: Contact,
    /// Each has what the other had.
    in_step: bool,
    marks: Marks,
}

impl std::fmt::Debug for Replication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replication").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Whether who has come as far as `these` has everything up to `those`.
pub(crate) fn covers(these: &Marks, those: &Marks) -> bool {
    those.iter().all(|(origin, seq)| these.get(origin).copied().unwrap_or(0) >= *seq)
}

impl Replication {
    pub(crate) fn new(view: View, identity: Identity, address: String) -> Arc<Self> {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Arc::new(Self { view, identity, address, state, changed })
    }

    /// Begins to carry; the threads end with the process.
    pub(crate) fn start(self: &Arc<Self>) -> std::io::Result<()> {
        self.view.store.attach(Some(Arc::clone(self) as Arc<dyn Pair>));
        self.view.set_replication(Arc::clone(self));
        let replication = Arc::clone(self);
        std::thread::Builder::new()
            .name("okv-cluster".into())
            .spawn(move || replication.look_after())
            .map(drop)
    }

    fn store(&self) -> &Store {
        &self.view.store
    }

    /// How the other nodes are reached.
    pub(crate) fn contacts(&self) -> Contacts {
        let state = self.state.lock();
        state.carriers.iter().map(|(id, it)| (*id, it.contact.clone())).collect()
    }

    /// Whether a node has everything this one has.
    pub(crate) fn has_all(&self, node: NodeId) -> bool {
        let Ok(mine) = self.store().marks() else { return false };
        let state = self.state.lock();
        state.carriers.get(&node).is_some_and(|it| it.contact.up && covers(&it.marks, &mine))
    }

    /// This node's mode.
    pub(crate) fn mode(&self) -> NodeMode {
        let Ok(nodes) = self.store().nodes() else { return NodeMode::ReadOnlyRestricted };
        let (me, in_step) = {
            let state = self.state.lock();
            (state.me, state.is_in_step().is_ok())
        };
        let own = nodes.iter().find(|node| Some(node.id) == me);
        own.map_or(NodeMode::ReadOnlyRestricted, |own| mode_of(own, &nodes, in_step))
    }

    /// Something is to be looked at before the next turn.
    pub(crate) fn wake(&self) {
        self.state.lock().generation += 1;
        self.changed.notify_all();
    }

    /// Waits until it is so, or the time is over; whether it is so.
    pub(crate) fn wait(&self, patience: Duration, so: impl Fn() -> bool) -> bool {
        let until = Instant::now() + patience;
        loop {
            if so() {
                return true;
            }
            if Instant::now() >= until {
                return false;
            }
            let mut state = self.state.lock();
            self.changed.wait_for(&mut state, LOOK);
        }
    }

    fn look_after(self: &Arc<Self>) {
        let mut cut = Instant::now();
        loop {
            let nodes = self.look().unwrap_or_default();
            for node in nodes {
                let replication = Arc::clone(self);
                let names = std::thread::Builder::new().name(format!("okv-to-node-{}", node.id));
                if names.spawn(move || replication.carry(&node)).is_err() {
                    // Looked at again at the next turn.
                    continue;
                }
            }
            if cut.elapsed() >= CUT {
                let _ = self.cut_log();
                cut = Instant::now();
            }
            let mut state = self.state.lock();
            self.changed.wait_for(&mut state, LOOK);
        }
    }

    /// Looks who this node is and who the others are; the ones that nobody carries to yet.
    fn look(&self) -> Result<Vec<Node>, StoreError> {
        let standing = self.store().standing()?;
        let nodes = self.store().nodes()?;
        let me = standing.member().map(|me| me.node_id);
        let own = nodes.iter().find(|node| Some(node.id) == me);
        if let (Standing::Member(member), Some(own)) = (&standing, own)
            && own.status == NodeStatus::Deleted
        {
            let removed = Standing::Removed(member.clone());
            self.store().change(|change| change.standing(&removed))?;
        }
        let carries = own.is_some_and(|own| own.status.is_shipped_to()) && self.view.is_open();
        if let Some(own) = own
            && self.view.is_open()
            && own.address != self.address
        {
            let moved = Node { address: self.address.clone(), ..own.clone() };
            self.store().change(|change| change.node(&moved))?;
        }
        let wanted: Vec<_> = nodes
            .iter()
            .filter(|node| carries && Some(node.id) != me && node.status.is_shipped_to())
            .cloned()
            .collect();
        let mut state = self.state.lock();
        state.me = me;
        state.peer = own.and_then(|own| own.peer);
        state.active = own.is_some_and(|own| own.status == NodeStatus::Active);
        // Who is no longer wanted is no longer known: its thread sees that and ends.
        state.carriers.retain(|id, _| wanted.iter().any(|node| node.id == *id));
        let mut new = Vec::new();
        for node in wanted {
            if let Entry::Vacant(place) = state.carriers.entry(node.id) {
                place.insert(Carrier::default());
                new.push(node);
            }
        }
        Ok(new)
    }

    /// Carries to one node for as long as it is wanted.
    fn carry(&self, node: &Node) {
        while self.state.lock().carriers.contains_key(&node.id) {
            let why = match self.connected(node) {
                Ok(()) => continue,
                Err(why) => why,
            };
            let mut state = self.state.lock();
            if let Some(carrier) = state.carriers.get_mut(&node.id) {
                carrier.contact.up = false;
                carrier.contact.problem = why;
                carrier.contact.mode = None;
                carrier.in_step = false;
            }
            self.changed.notify_all();
            self.changed.wait_for(&mut state, RETRY);
        }
    }

    /// One connection, until it is lost.
    fn connected(&self, node: &Node) -> Result<(), String> {
        let pinned = identity::read_pem(&node.certificate)?;
        let mut link = Link::connect(&self.identity, &node.address, &pinned)?;
        let mut theirs = self.push(&mut link, node.id, Vec::new())?;
        loop {
            let generation = self.state.lock().generation;
            let entries =
                self.store().entries_after(&theirs, BATCH).map_err(|error| error.to_string())?;
            let idle = entries.is_empty();
            theirs = self.push(&mut link, node.id, entries)?;
            let gone = !self.state.lock().carriers.contains_key(&node.id);
            if gone {
                // Disabled or deleted: it is told so, and then nothing more.
                let last = self.store().entries_after(&theirs, BATCH);
                self.push(&mut link, node.id, last.map_err(|error| error.to_string())?)?;
                return Ok(());
            }
            let mut state = self.state.lock();
            if idle && state.generation == generation {
                self.changed.wait_for(&mut state, SIGN_OF_LIFE);
            }
        }
    }

    fn push(
        &self,
        link: &mut Link,
        node: NodeId,
        entries: Vec<crate::store::cluster::Entry>,
    ) -> Result<Marks, String> {
        let from = self.state.lock().me.ok_or("this server is no node")?;
        let Response::Pushed(pushed) = link.call(&Request::Push(Push { from, entries }))? else {
            return Err("it answers something else".into());
        };
        let mine = self.store().marks().map_err(|error| error.to_string())?;
        let mut state = self.state.lock();
        if let Some(carrier) = state.carriers.get_mut(&node) {
            let behind = |(origin, seq): (&NodeId, &i64)| {
                (seq - pushed.marks.get(origin).copied().unwrap_or(0)).max(0)
            };
            carrier.contact = Contact {
                up: true,
                mode: Some(pushed.mode.0),
                behind: mine.iter().map(behind).sum(),
                problem: String::new(),
            };
            carrier.in_step |= covers(&mine, &pushed.marks) && covers(&pushed.marks, &mine);
            carrier.marks.clone_from(&pushed.marks);
        }
        self.changed.notify_all();
        Ok(pushed.marks)
    }

    /// Entries that all nodes have are of no more use; one that was never heard of keeps them all.
    fn cut_log(&self) -> Result<(), StoreError> {
        let mut had = self.store().marks()?;
        let nodes = self.store().nodes()?;
        {
            let state = self.state.lock();
            for node in nodes.iter().filter(|node| node.status.is_there()) {
                if Some(node.id) == state.me {
                    continue;
                }
                let Some(carrier) = state.carriers.get(&node.id) else { return Ok(()) };
                for (origin, seq) in &mut had {
                    *seq = (*seq).min(carrier.marks.get(origin).copied().unwrap_or(0));
                }
            }
        }
        self.store().forget_entries(&had)
    }
}

impl State {
    /// Why critical data may not be written.
    fn is_in_step(&self) -> Result<(), String> {
        let Some(peer) = self.peer else {
            return Err("it has no read-write peer".into());
        };
        if !self.active {
            return Err("it is not ACTIVE".into());
        }
        match self.carriers.get(&peer) {
            Some(carrier) if carrier.contact.up && carrier.in_step => Ok(()),
            Some(carrier) if carrier.contact.up => {
                Err(format!("its read-write peer, node {peer}, is catching up"))
            }
            Some(carrier) if !carrier.contact.problem.is_empty() => Err(format!(
                "its read-write peer, node {peer}, is lost: {}",
                carrier.contact.problem
            )),
            _ => Err(format!("its read-write peer, node {peer}, is not reached")),
        }
    }
}

impl Pair for Replication {
    fn may_write(&self) -> Result<(), String> {
        self.state.lock().is_in_step()
    }

    fn seal(&self, key: &[u8], place: &[u8], body: &[u8]) -> Result<Vec<u8>, Sealed> {
        crate::seal::seal(&self.key(key)?, place, body)
    }

    fn open(&self, key: &[u8], place: &[u8], body: &[u8]) -> Result<Vec<u8>, Sealed> {
        Ok(crate::seal::open(&self.key(key)?, place, body)?.to_vec())
    }

    fn rename(&self, row: &ObjectRow, suffix: &str) -> Result<ObjectRow, Sealed> {
        self.view.opened().ok_or(Sealed)?.rename(row, suffix)
    }

    fn committed(&self, seq: i64, critical: bool) -> Result<(), String> {
        let mut state = self.state.lock();
        state.generation += 1;
        self.changed.notify_all();
        if !critical {
            return Ok(());
        }
        let until = Instant::now() + PATIENCE;
        loop {
            let (Some(me), Some(peer)) = (state.me, state.peer) else {
                return Err("the read-write peer is gone".into());
            };
            let carrier = state.carriers.get(&peer);
            if carrier.is_some_and(|it| it.marks.get(&me).copied().unwrap_or(0) >= seq) {
                return Ok(());
            }
            let up = carrier.is_some_and(|it| it.contact.up);
            if !up || self.changed.wait_until(&mut state, until).timed_out() {
                return Err(format!("node {peer} did not answer"));
            }
        }
    }
}

impl Replication {
    /// A replication key, opened.
    fn key(&self, sealed: &[u8]) -> Result<crate::seal::Key, Sealed> {
        let key: Secret = self.view.opened().ok_or(Sealed)?.unseal(REPLICATION_KEY, sealed)?;
        crate::seal::to_key(key.expose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(up: bool, in_step: bool) -> State {
        let contact = Contact { up, ..Contact::default() };
        let carrier = Carrier { contact, in_step, marks: Marks::new() };
        let carriers = BTreeMap::from([(2, carrier)]);
        State { generation: 0, me: Some(1), peer: Some(2), active: true, carriers }
    }

    #[test]
    fn only_an_active_node_in_step_with_its_peer_writes() {
        assert_eq!(state(true, true).is_in_step(), Ok(()));
        assert!(state(true, false).is_in_step().is_err());
        assert!(state(false, true).is_in_step().is_err());
        assert!(State { peer: None, ..state(true, true) }.is_in_step().is_err());
        assert!(State { active: false, ..state(true, true) }.is_in_step().is_err());
        assert!(State { peer: Some(3), ..state(true, true) }.is_in_step().is_err());
    }

    #[test]
    fn marks_cover_what_is_not_beyond_them() {
        let marks = |list: &[(NodeId, i64)]| list.iter().copied().collect::<Marks>();
        assert!(covers(&marks(&[(1, 3)]), &marks(&[(1, 3)])));
        assert!(covers(&marks(&[(1, 3), (2, 1)]), &marks(&[(1, 2)])));
        assert!(!covers(&marks(&[(1, 3)]), &marks(&[(2, 1)])));
        assert!(!covers(&marks(&[(1, 2)]), &marks(&[(1, 3)])));
    }
}
