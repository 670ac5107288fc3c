//! A server that is or becomes a node.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use luna_tests::{CRYPTO_OFFICER, HANG, Instance};
use parking_lot::Mutex;
use serde_json::Value;

use crate::server::Server;

/// One per cluster.
pub(crate) const PASSPHRASE: &str = "passphrase of the cluster";

pub(crate) struct Node<'a> {
    instance: &'a Instance,
    pub(crate) name: String,
    pub(crate) data: PathBuf,
    /// In a lock only so that threads may share the node.
    server: Option<Mutex<Server>>,
}

impl<'a> Node<'a> {
    /// Installs a server and starts it, with its wallet open.
    #[track_caller]
    pub(crate) fn start(instance: &'a Instance, directory: &Path, name: &str) -> Self {
        Self::of_release(instance, directory, name, "21.3")
    }

    #[track_caller]
    pub(crate) fn of_release(
        instance: &'a Instance,
        directory: &Path,
        name: &str,
        release: &str,
    ) -> Self {
        let data = directory.join(name);
        let mut node = Self { instance, name: name.to_owned(), data, server: None };
        let words = ["install", "--release", release, "--passphrase-iterations", "1000"];
        node.tells(&[&words[..], &["--passphrase-env", "THE_PASSPHRASE"]].concat());
        node.back();
        node
    }

    /// The same with its HSM enabled.
    #[track_caller]
    pub(crate) fn with_hsm(instance: &'a Instance, directory: &Path, name: &str) -> Self {
        let node = Self::start(instance, directory, name);
        node.initialize("OKV");
        node
    }

    #[track_caller]
    pub(crate) fn initialize(&self, label: &str) {
        self.tells(&self.initialize_words(label));
    }

    pub(crate) fn initialize_words<'b>(&self, label: &'b str) -> [&'b str; 7] {
        [
            "initialize",
            "--token-label",
            label,
            "--pin-env",
            "THE_PIN",
            "--passphrase-env",
            "THE_PASSPHRASE",
        ]
    }

    /// As a candidate is: before and after it, no word has passed between the two but by these.
    #[track_caller]
    pub(crate) fn is_added_by(&self, controller: &Self, id: &str, peer: &str) {
        self.convert_for(controller);
        controller.tells(&controller.add_words(self, id, peer));
    }

    #[track_caller]
    pub(crate) fn convert_for(&self, controller: &Self) {
        let (address, certificate) = (controller.address(), controller.certificate());
        self.tells(&convert_words(&address, &certificate));
    }

    pub(crate) fn add_words(&self, candidate: &Self, id: &str, peer: &str) -> Words {
        let (address, certificate) = (candidate.address(), candidate.certificate());
        self.add_words_of(&candidate.name, &address, &certificate)
            .but("--node-id", id)
            .but("--read-write-peer", peer)
    }

    pub(crate) fn add_words_of(&self, name: &str, address: &str, certificate: &str) -> Words {
        let mut words = Words::new(&["okv", "cluster", "node", "add"]);
        words.with("--recovery-passphrase-env", "THE_PASSPHRASE");
        words.with("--hsm-credential-env", "THE_PIN");
        words.with("--read-write-peer", "false");
        words.with("--node-id", "99");
        words.with("--node-name", name);
        words.with("--cluster-subgroup", "here");
        words.with("--candidate-node-ip-address", address);
        words.with("--candidate-certificate", certificate);
        words
    }

    #[track_caller]
    pub(crate) fn first(&self) {
        let words = ["okv", "cluster", "node", "create", "--cluster-name", "mycluster"];
        let more = ["--node-name", &self.name, "--cluster-subgroup", "here"];
        self.tells(&[&words[..], &more].concat());
    }

    /// Starts the process anew.
    #[track_caller]
    pub(crate) fn back(&mut self) {
        let mut command = self.command();
        command.args(["--json", "serve", "--listen", "127.0.0.1:0"]);
        command.args(["--passphrase-env", "THE_PASSPHRASE"]);
        command.arg("--module").arg(self.instance.module());
        let server = Server::start(&mut command);
        server.line("\"url\"");
        self.server = Some(Mutex::new(server));
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.server = None;
    }

    fn command(&self) -> Command {
        let mut command = self.instance.program("okv-sim");
        command.arg("--data").arg(&self.data);
        command
            .env("THE_PASSPHRASE", PASSPHRASE)
            .env("THE_PIN", CRYPTO_OFFICER)
            .env("WRONG", "something-wrong");
        command
    }

    pub(crate) fn run<T: AsRef<str>>(&self, arguments: &[T]) -> Output {
        let mut command = self.command();
        command.args(arguments.iter().map(AsRef::as_ref)).stdin(Stdio::null()).output().unwrap()
    }

    /// A command that must succeed; what it prints.
    #[track_caller]
    pub(crate) fn tells<T: AsRef<str>>(&self, arguments: &[T]) -> String {
        let done = self.run(arguments);
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let errors = String::from_utf8_lossy(&done.stderr);
        let words: Vec<_> = arguments.iter().map(AsRef::as_ref).collect();
        assert!(done.status.success(), "{said}{errors}{}: {words:?}", self.name);
        said
    }

    /// A command that must be refused; the cause.
    #[track_caller]
    pub(crate) fn refuses<T: AsRef<str>>(&self, arguments: &[T]) -> String {
        let words: Vec<_> = arguments.iter().map(AsRef::as_ref).collect();
        let done = self.run(&[&words[..], &["--json"]].concat());
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert_ne!(done.status.code(), Some(0), "{}: {words:?}: {said}", self.name);
        let answer: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{done:?}"));
        answer["error"]["cause"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// The answer of a service without options.
    #[track_caller]
    pub(crate) fn value(&self, words: [&str; 3]) -> Value {
        let said = self.tells(&["--json", "okv", words[0], words[1], words[2]]);
        serde_json::from_str::<Value>(&said).unwrap()["value"].clone()
    }

    #[track_caller]
    pub(crate) fn certificate(&self) -> String {
        self.tells(&["okv", "cluster", "certificate", "get"])
    }

    #[track_caller]
    pub(crate) fn address(&self) -> String {
        let value = self.value(["cluster", "certificate", "get"]);
        value["ipAddress"].as_str().unwrap().to_owned()
    }

    /// Status, mode and peer of a node, as this one sees it.
    #[track_caller]
    pub(crate) fn sees(&self, name: &str) -> (String, String, String) {
        let value = self.value(["cluster", "info", "get"]);
        let nodes = value["nodes"].as_array().unwrap();
        let node = nodes.iter().find(|node| node["nodeName"] == name);
        let node = node.unwrap_or_else(|| panic!("{} knows no {name}: {value}", self.name));
        let word = |field: &str| node[field].as_str().unwrap_or("-").to_owned();
        (word("status"), word("mode"), word("readWritePeer"))
    }

    #[track_caller]
    pub(crate) fn waits_for_mode(&self, mode: &str) {
        let name = self.name.clone();
        self.waits(&format!("mode {mode}"), || self.sees(&name).1 == mode);
    }

    #[track_caller]
    pub(crate) fn waits_for_status(&self, name: &str, status: &str) {
        self.waits(&format!("{name} {status}"), || self.sees(name).0 == status);
    }

    #[track_caller]
    pub(crate) fn waits(&self, what: &str, so: impl Fn() -> bool) {
        let until = Instant::now() + HANG;
        while !so() {
            if Instant::now() >= until {
                let info = self.tells(&["okv", "cluster", "info", "get"]);
                let status = self.tells(&["okv", "cluster", "status", "get"]);
                panic!("{}: never {what}:\n{info}\n{status}", self.name);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Whether the write was acknowledged.
    pub(crate) fn stores(&self, name: &str) -> bool {
        let hex = name.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        let words = ["okv", "managed-object", "object", "register", "--name", name, "--hex", &hex];
        self.run(&words).status.success()
    }

    /// What the owner of an endpoint does with its token.
    pub(crate) fn enrolls(&self, token: &str, directory: &Path) -> Output {
        let mut command = self.command();
        command.arg("enroll").arg(directory).args(["--token-env", "TOKEN"]).env("TOKEN", token);
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// All objects' names, in order. Their values are their names.
    #[track_caller]
    pub(crate) fn names(&self) -> Vec<String> {
        let listed = self.value(["managed-object", "object", "list"]);
        let listed = listed.as_array().unwrap().iter();
        let mut names: Vec<_> = listed.map(|it| it["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    #[track_caller]
    pub(crate) fn reads(&self, name: &str) {
        assert_eq!(self.tells(&["read", name]), name, "at {}", self.name);
    }
}

pub(crate) fn convert_words(address: &str, certificate: &str) -> Words {
    let mut words = Words::new(&["okv", "cluster", "candidate", "convert"]);
    words.with("--recovery-passphrase-env", "THE_PASSPHRASE");
    words.with("--controller-ip-address", address);
    words.with("--controller-certificate", certificate);
    words
}

/// A command whose options can be given otherwise.
#[derive(Clone)]
pub(crate) struct Words(Vec<String>);

impl Words {
    fn new(words: &[&str]) -> Self {
        Self(words.iter().map(|word| (*word).to_owned()).collect())
    }

    fn with(&mut self, option: &str, value: &str) {
        self.0.extend([option.to_owned(), value.to_owned()]);
    }

    /// With another value for an option.
    pub(crate) fn but(&self, option: &str, value: &str) -> Self {
        let mut words = self.0.clone();
        let at = words.iter().position(|word| word == option).unwrap();
        value.clone_into(&mut words[at + 1]);
        Self(words)
    }

    /// Without an option.
    pub(crate) fn without(&self, option: &str) -> Self {
        let mut words = self.0.clone();
        let at = words.iter().position(|word| word == option).unwrap();
        words.drain(at..at + 2);
        Self(words)
    }
}

impl std::ops::Deref for Words {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.0
    }
}
