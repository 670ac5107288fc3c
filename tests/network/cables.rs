//! Networks cut both ways and one way, between network namespaces of this machine.
//!
//! Appliances live in a namespace of their own, with an address each; the client is here. Needs root, `ip` and
//! `nft`; where they are missing the test says so, and fails under `LUNA_REQUIRE_CLIENTS=1`.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use luna_tests::{Appliance, artefacts, scratch};

use crate::field::{context, set, text};
use crate::groups::{Load, group_slot};

/// What is waited for a silent appliance here, in milliseconds.
const RECEIVE_TIMEOUT_MS: u64 = 2000;

/// A namespace with a cable to it, which can be cut. Removed when it is dropped.
struct Cable {
    name: String,
    /// The third number of its addresses: 10.213.N.1 here, .2 there.
    number: u32,
}

fn run(words: &[&str]) -> Result<(), String> {
    let done = Command::new(words[0]).args(&words[1..]).output();
    match done {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => Err(format!("{words:?}: {}", String::from_utf8_lossy(&done.stderr))),
        Err(error) => Err(format!("{words:?}: {error}")),
    }
}

impl Cable {
    /// # Errors
    /// Why this machine has no such thing.
    fn lay() -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let turn = NEXT.fetch_add(1, Ordering::Relaxed);
        // Two runs at the same time are told apart by their process.
        let number = (std::process::id() * 8 + turn) % 250 + 1;
        let name = format!("luna{}x{turn}", std::process::id() % 100_000);
        let (here, there) = (format!("{name}h"), format!("{name}t"));
        run(&["ip", "netns", "add", &name])?;
        let cable = Self { name, number };
        let own = cable.name.as_str();
        run(&["ip", "link", "add", &here, "type", "veth", "peer", "name", &there, "netns", own])?;
        run(&["ip", "addr", "add", &format!("10.213.{number}.1/24"), "dev", &here])?;
        run(&["ip", "link", "set", &here, "up"])?;
        cable.inside(&["ip", "addr", "add", &format!("10.213.{number}.2/24"), "dev", &there])?;
        cable.inside(&["ip", "link", "set", &there, "up"])?;
        cable.inside(&["ip", "link", "set", "lo", "up"])?;
        cable.inside(&["nft", "add", "table", "ip", "cut"])?;
        cable.inside(&["nft", "add chain ip cut in { type filter hook input priority 0 ; }"])?;
        cable.inside(&["nft", "add chain ip cut out { type filter hook output priority 0 ; }"])?;
        Ok(cable)
    }

    fn inside(&self, words: &[&str]) -> Result<(), String> {
        let mut all = vec!["ip", "netns", "exec", &self.name];
        all.extend(words);
        run(&all)
    }

    /// Nothing gets in, or out, any more; connections stay, and are silent.
    fn cut(&self, way: &str) {
        self.inside(&["nft", "add", "rule", "ip", "cut", way, "drop"]).unwrap();
    }

    fn mend(&self) {
        self.inside(&["nft", "flush", "table", "ip", "cut"]).unwrap();
    }

    fn address(&self) -> String {
        format!("10.213.{}.2", self.number)
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        let _ = run(&["ip", "netns", "del", &self.name]);
    }
}

/// As many cables as that, where this machine has them.
fn cables(count: usize) -> Option<Vec<Cable>> {
    match (0..count).map(|_| Cable::lay()).collect() {
        Ok(cables) => Some(cables),
        Err(why) => {
            let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
            assert!(
                !required,
                "no network namespaces, and LUNA_REQUIRE_CLIENTS=1 asks for them: {why}"
            );
            eprintln!("skipped: no network namespaces here: {why}");
            None
        }
    }
}

#[test]
fn a_member_that_is_cut_off_both_ways_and_one_way() {
    let Some(cables) = cables(3) else { return };
    let scratch = scratch();
    let client = scratch.path().join("client");
    let (mut appliances, mut serials) = (Vec::new(), Vec::new());
    for (number, cable) in cables.iter().enumerate() {
        let directory = scratch.path().join(format!("hsm{number}"));
        let appliance =
            Appliance::serve_in(&cable.name, &directory, &format!("{}:1792", cable.address()));
        let made = appliance.order(&["partition", "create", "--label", &format!("par{number}")]);
        serials.push(text(&made.unwrap()["serial"]));
        appliance.deploy(&client, &["--server", &format!("{}:1792", cable.address())]);
        appliances.push(appliance);
    }
    let done = Command::new(artefacts::program("luna-emulator"))
        .arg("up")
        .arg(&client)
        .args(["--ha", &format!("LUNAHA={}", serials.join(",")), "--module"])
        .arg(artefacts::module())
        .status();
    assert!(done.unwrap().success());
    set(&client, "Emulator", "RecoverAtOnce", "1");
    set(&client, "LunaSA Client", "ReceiveTimeout", &RECEIVE_TIMEOUT_MS.to_string());
    let context = context(&client);
    let load = Load::new(&context, group_slot(&context));
    load.survive(
        "cut both ways",
        || ["in", "out"].iter().for_each(|way| cables[0].cut(way)),
        || cables[0].mend(),
    );
    // Requests arrive and are carried out; no answer comes.
    load.survive("answers cut", || cables[1].cut("out"), || cables[1].mend());
    load.survive("requests cut", || cables[2].cut("in"), || cables[2].mend());
    load.assert_nothing_lost(&client);
}
