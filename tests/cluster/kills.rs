//! Mixed writes on both nodes of a pair while one of three nodes after the other is killed: what was acknowledged is there.

use std::sync::atomic::{AtomicBool, Ordering};

use luna_tests::{Instance, scratch};
use parking_lot::Mutex;

use crate::node::Node;

/// How often each node is killed.
const ROUNDS: usize = 2;

#[test]
fn nothing_acknowledged_is_lost_with_any_one_node_killed() {
    let instance = Instance::up(&["--partition", "OKV"]);
    let scratch = scratch();
    let one = Node::with_hsm(&instance, scratch.path(), "one");
    one.first();
    let two = Node::with_hsm(&instance, scratch.path(), "two");
    two.is_added_by(&one, "2", "true");
    let three = Node::with_hsm(&instance, scratch.path(), "three");
    three.is_added_by(&one, "3", "false");
    let mut nodes = [one, two, three];
    for node in &nodes[..2] {
        node.waits_for_mode("Read-Write");
    }
    let acknowledged = Mutex::new(Vec::new());
    for round in 0..ROUNDS {
        for victim in 0..3 {
            // A killed node cannot be asked while it is made anew: the writers go through the others' sockets.
            let stop = AtomicBool::new(false);
            let write = |node: &Node<'_>, writer: &str| {
                let mut at = 0;
                while !stop.load(Ordering::Relaxed) {
                    let name = format!("{round}-{victim}-{writer}-{at}");
                    if node.stores(&name) {
                        acknowledged.lock().push(name);
                    }
                    at += 1;
                }
            };
            let (dies, stay) = take(&mut nodes, victim);
            std::thread::scope(|scope| {
                let writers: Vec<_> =
                    stay.into_iter().map(|node| scope.spawn(|| write(node, &node.name))).collect();
                for at in 0..3 {
                    let name = format!("{round}-{victim}-own-{at}");
                    if dies.stores(&name) {
                        acknowledged.lock().push(name);
                    }
                }
                dies.kill();
                std::thread::sleep(std::time::Duration::from_millis(700));
                dies.back();
                std::thread::sleep(std::time::Duration::from_millis(300));
                stop.store(true, Ordering::Relaxed);
                for writer in writers {
                    writer.join().unwrap();
                }
            });
            for node in &nodes[..2] {
                node.waits_for_mode("Read-Write");
            }
            let acknowledged = acknowledged.lock();
            for node in &nodes {
                node.waits("everything acknowledged", || {
                    let names = node.names();
                    acknowledged.iter().all(|name| names.contains(name))
                });
            }
        }
    }
    let acknowledged = acknowledged.into_inner();
    assert!(acknowledged.len() > 6 * ROUNDS, "{}", acknowledged.len());
    // All nodes have the same in the end, also of what was never acknowledged.
    nodes[0].waits("the same everywhere", || {
        let names = nodes[0].names();
        nodes[1..].iter().all(|node| node.names() == names)
    });
    for name in acknowledged.iter().step_by(7) {
        for node in &nodes {
            node.reads(name);
        }
    }
}

/// One of them, and those of the pair that are not it.
fn take<'n, 'a>(
    nodes: &'n mut [Node<'a>; 3],
    victim: usize,
) -> (&'n mut Node<'a>, Vec<&'n Node<'a>>) {
    let [one, two, three] = nodes;
    match victim {
        0 => (one, vec![&*two]),
        1 => (two, vec![&*one]),
        _ => (three, vec![&*one, &*two]),
    }
}
