//! The log without a network: two stores, and entries carried by hand.

use std::path::Path;

use parking_lot::Mutex;

use super::*;
use crate::cluster::Membership;
use crate::disk::Disk;
use crate::seal;
use crate::tablespace::{self, MANAGED_OBJECTS, Tablespace};
use crate::wallet::MasterKeys;
use crate::watch::Watch;

/// A node whose peer is always there, unless it is told otherwise.
#[derive(Clone)]
struct Alone {
    tablespace: Arc<Tablespace>,
    refuses: Arc<Mutex<Option<&'static str>>>,
}

impl std::fmt::Debug for Alone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Alone")
    }
}

impl Pair for Alone {
    fn may_write(&self) -> std::result::Result<(), String> {
        self.refuses.lock().map_or(Ok(()), |why| Err(why.to_owned()))
    }

    fn seal(&self, key: &[u8], place: &[u8], body: &[u8]) -> std::result::Result<Vec<u8>, Sealed> {
        seal::seal(&seal::to_key(key)?, place, body)
    }

    fn open(&self, key: &[u8], place: &[u8], body: &[u8]) -> std::result::Result<Vec<u8>, Sealed> {
        Ok(seal::open(&seal::to_key(key)?, place, body)?.to_vec())
    }

    fn rename(&self, row: &ObjectRow, suffix: &str) -> std::result::Result<ObjectRow, Sealed> {
        self.tablespace.rename(row, suffix)
    }

    fn committed(&self, _: i64, _: bool) -> std::result::Result<(), String> {
        Ok(())
    }
}

struct TestNode {
    store: Store,
    pair: Alone,
    _directory: tempfile::TempDir,
}

impl TestNode {
    fn new(id: NodeId, master: &MasterKeys, tablespace: &(Vec<u8>, Vec<u8>)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let me = Membership {
            cluster_id: "c".into(),
            cluster_name: "cluster".into(),
            node_id: id,
            node_name: format!("node{id}"),
        };
        store
            .change(|change| {
                change.tablespace(MANAGED_OBJECTS, &tablespace.0, &tablespace.1)?;
                change.standing(&Standing::Member(me.clone()))?;
                change.replication_key(Epoch::FIRST, &[7; 32])
            })
            .unwrap();
        let tablespace = Arc::new(Tablespace::open(&store, master).unwrap());
        let pair = Alone { tablespace, refuses: Arc::default() };
        store.attach(Some(Arc::new(pair.clone())));
        Self { store, pair, _directory: directory }
    }

    fn put(&self, name: &str, value: &[u8]) {
        self.pair.tablespace.put(&self.store, name, value).unwrap();
    }

    fn take(&self, name: &str) -> Option<Vec<u8>> {
        self.pair.tablespace.take(&self.store, name).ok().map(|it| it.expose().to_vec())
    }

    fn names(&self) -> Vec<String> {
        let listed = self.pair.tablespace.list(&self.store).unwrap();
        let mut names: Vec<_> = listed.into_iter().map(|it| it.name).collect();
        names.sort();
        names
    }

    fn ship(&self, to: &Self) {
        let entries = self.store.entries_after(&to.store.marks().unwrap(), 1 << 20).unwrap();
        to.store.receive(&entries).unwrap();
    }
}

fn open(directory: &Path) -> Store {
    let disk = Disk::new(directory, Watch::default());
    disk.prepare().unwrap();
    Store::open(&disk, Watch::default()).unwrap()
}

fn nodes<const N: usize>() -> [TestNode; N] {
    let master = MasterKeys::generate().unwrap();
    let tablespace = tablespace::create(&master).unwrap();
    let mut id = 0;
    std::array::from_fn(|_| {
        id += 1;
        TestNode::new(id, &master, &tablespace)
    })
}

#[test]
fn what_one_node_writes_another_has_and_a_third_by_way_of_it() {
    let [one, two, three] = nodes();
    one.put("a", b"first");
    one.put("b", b"second");
    one.ship(&two);
    two.put("c", b"third");
    two.ship(&three);
    // Known entries are passed over.
    two.ship(&three);
    one.ship(&three);
    for (name, value) in [("a", b"first".as_slice()), ("b", b"second"), ("c", b"third")] {
        assert_eq!(three.take(name).as_deref(), Some(value));
    }
    assert_eq!(three.store.marks().unwrap(), Marks::from([(1, 2), (2, 1)]));
    // What is received is not logged as one's own, and nothing goes round.
    assert!(three.store.entries_after(&two.store.marks().unwrap(), 1 << 20).unwrap().is_empty());
}

#[test]
fn an_entry_that_leaves_a_gap_or_was_changed_is_not_taken() {
    let [one, two] = nodes();
    one.put("a", b"first");
    one.put("b", b"second");
    let entries = one.store.entries_after(&Marks::new(), 1 << 20).unwrap();
    two.store.receive(&entries[1..]).unwrap();
    assert_eq!(two.names(), [""; 0]);
    let mut changed = entries.clone();
    changed[0].body[20] ^= 1;
    assert!(two.store.receive(&changed).is_err());
    let mut moved = entries.clone();
    moved[0].clock += 1;
    assert!(two.store.receive(&moved).is_err());
    assert_eq!(two.store.marks().unwrap(), Marks::new());
    two.store.receive(&entries).unwrap();
    assert_eq!(two.names(), ["a", "b"]);
}

#[test]
fn objects_made_under_one_name_at_once_both_stay_and_all_nodes_agree() {
    // Whichever order the entries come in.
    for order in [[0, 1], [1, 0]] {
        let all: [TestNode; 3] = nodes();
        let [one, two, three] = &all;
        one.put("same", b"of node 1");
        two.put("same", b"of node 2");
        for at in order {
            all[at].ship(three);
        }
        one.ship(two);
        two.ship(one);
        for node in &all {
            assert_eq!(node.names(), ["same", "same_OKV02"]);
            assert_eq!(node.take("same").unwrap(), b"of node 1");
            assert_eq!(node.take("same_OKV02").unwrap(), b"of node 2");
        }
    }
}

#[test]
fn endpoints_of_one_name_both_stay_too() {
    use crate::store::{Endpoint, EndpointStatus};

    let add = |node: &TestNode, name: &str| {
        let endpoint = Endpoint {
            id: 0,
            name: name.into(),
            kind: "OTHER".into(),
            platform: "LINUX64".into(),
            description: format!(
                "of node {}",
                node.store.standing().unwrap().member().unwrap().node_id
            ),
            status: EndpointStatus::Registered,
            default_wallet: None,
            created_at: "now".into(),
            enrolled_at: None,
        };
        node.store.change(|change| change.add_endpoint(&endpoint, b"token").map(drop)).unwrap();
    };
    let seen = |node: &TestNode| {
        let mut seen: Vec<_> = node
            .store
            .endpoints()
            .unwrap()
            .into_iter()
            .map(|it| (it.name.to_lowercase(), it.description))
            .collect();
        seen.sort();
        seen
    };
    for order in [[0, 1], [1, 0]] {
        let all: [TestNode; 3] = nodes();
        let [one, two, three] = &all;
        add(one, "Same");
        add(two, "same");
        add(two, "other");
        for at in order {
            all[at].ship(three);
        }
        one.ship(two);
        two.ship(one);
        let expected = [
            ("other".to_owned(), "of node 2".to_owned()),
            ("same".to_owned(), "of node 1".to_owned()),
            ("same_okv02".to_owned(), "of node 2".to_owned()),
        ];
        for node in &all {
            assert_eq!(seen(node), expected, "{order:?}");
        }
    }
}

#[test]
fn of_two_changes_of_one_row_the_later_stands_everywhere() {
    let [one, two] = nodes();
    one.store.change(|change| change.cluster_info("hours", "1")).unwrap();
    one.ship(&two);
    two.store.change(|change| change.cluster_info("hours", "2")).unwrap();
    one.store.change(|change| change.cluster_info("hours", "3")).unwrap();
    one.ship(&two);
    two.ship(&one);
    for node in [&one, &two] {
        // The same clock: the higher node's.
        assert_eq!(node.store.cluster_info("hours").unwrap().as_deref(), Some("2"));
    }
}

#[test]
fn what_waits_for_a_key_is_durable_and_comes_with_it() {
    let [one, two, three] = nodes();
    one.store.change(|change| change.replication_key(Epoch(2), &[9; 32])).unwrap();
    one.put("late", b"value");
    one.store.change(|change| change.cluster_info("early", "yes")).unwrap();
    one.ship(&two);
    assert_eq!((two.names().len(), two.store.entries_waiting().unwrap()), (0, 1));
    // What is no customer's data does not wait.
    assert_eq!(two.store.cluster_info("early").unwrap().as_deref(), Some("yes"));
    // It goes on to others, and into a seed, as it is.
    two.ship(&three);
    let seed = two.store.seed().unwrap();
    let [four] = nodes();
    four.store.plant(&seed, |_| Ok(())).unwrap();
    assert_eq!(four.store.entries_waiting().unwrap(), 1);
    assert_eq!(four.store.marks().unwrap(), two.store.marks().unwrap());
    for node in [&two, &three] {
        assert_eq!(node.store.take_key(Epoch(2), &[9; 32]).unwrap(), 1);
        assert_eq!(node.take("late").unwrap(), b"value");
        assert_eq!(node.store.entries_waiting().unwrap(), 0);
    }
}

#[test]
fn a_row_waits_for_the_one_it_refers_to() {
    let [one, two] = nodes();
    let (master, wrapped) = two.store.tablespace(MANAGED_OBJECTS).unwrap();
    two.store.connection.lock().execute("DELETE FROM tablespace", []).unwrap();
    one.put("early", b"value");
    one.store.change(|change| change.cluster_info("after it", "yes")).unwrap();
    one.ship(&two);
    // Durable, and no other entry waits for it.
    assert_eq!((two.store.marks().unwrap(), two.names().len()), (Marks::from([(1, 2)]), 0));
    assert_eq!(two.store.cluster_info("after it").unwrap().as_deref(), Some("yes"));
    assert_eq!(two.store.entries_waiting().unwrap(), 0, "no bundle is wanted");
    two.store.change(|change| change.tablespace(MANAGED_OBJECTS, &master, &wrapped)).unwrap();
    one.put("late", b"value");
    one.ship(&two);
    assert_eq!(two.names(), ["early", "late"]);
}

#[test]
fn a_node_that_may_not_write_changes_nothing_critical() {
    let [one] = nodes();
    *one.pair.refuses.lock() = Some("its peer is lost");
    let refused = one.store.change(|change| {
        let object = super::super::SealedObject {
            id: vec![1],
            name: vec![2],
            bytes: 1,
            stored_at: "now".into(),
        };
        change.object(MANAGED_OBJECTS, &object, &[3]).map(drop)
    });
    assert!(matches!(refused, Err(StoreError::ReadOnly(why)) if why == "its peer is lost"));
    assert!(one.store.objects().unwrap().is_empty());
    one.store.change(|change| change.cluster_info("a", "b")).unwrap();
    one.store.attach(None);
    let refused = one.store.change(|change| change.cluster_info("a", "c"));
    assert!(matches!(refused, Err(StoreError::ReadOnly(_))));
    assert_eq!(one.store.cluster_info("a").unwrap().as_deref(), Some("b"));
}

#[test]
fn a_row_that_is_gone_does_not_come_back_with_an_older_change() {
    let [one, two, three] = nodes();
    let node = Node {
        id: 9,
        name: "nine".into(),
        address: "a".into(),
        certificate: String::new(),
        subgroup: String::new(),
        status: NodeStatus::Pairing,
        peer: None,
        joined_at: String::new(),
        disabled_at: None,
        settings: Settings { hsm: false, epoch: Epoch::FIRST, version: String::new() },
    };
    one.store.change(|change| change.node(&node)).unwrap();
    one.ship(&two);
    let older = one.store.entries_after(&Marks::new(), 1 << 20).unwrap();
    two.store.change(|change| change.forget_node(9)).unwrap();
    let newer = two.store.entries_after(&Marks::from([(1, 1)]), 1 << 20).unwrap();
    three.store.receive(&newer).unwrap();
    three.store.receive(&older).unwrap();
    assert!(three.store.nodes().unwrap().is_empty());
    two.ship(&one);
    assert!(one.store.nodes().unwrap().is_empty());
    // Cut, once all have it.
    let all = one.store.marks().unwrap();
    one.store.forget_entries(&all).unwrap();
    assert!(one.store.entries_after(&Marks::new(), 1 << 20).unwrap().is_empty());
}
