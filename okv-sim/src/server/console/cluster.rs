//! The cluster pages: Management with what leads to it, Monitoring, Cluster Settings State. Titles, fields, buttons and
//! columns are the guide's (Documented); that a node's buttons stand in its row is this console's own.

use super::pages::{Ask, Made};
use super::view::{Action, Block, Cell, Field, FieldKind, Form, Table};
use crate::cluster::NodeStatus;
use crate::error::Error;
use crate::operation::{ClusterView, NodeView, Operation};
use crate::release::Release;
use crate::texts::Cause;
use crate::vault::State;

/// A date as cluster tables show it, as in `7/14/2021 1:14:26 PM` (Documented).
fn date(written: &str) -> String {
    let read: Result<jiff::Timestamp, _> = written.parse();
    read.map_or_else(
        |_| written.to_owned(),
        |it| it.strftime("%-m/%-d/%Y %-I:%M:%S %p").to_string(),
    )
}

fn dash(text: Option<&str>) -> String {
    text.unwrap_or("-").to_owned()
}

fn note(class: &'static str, text: impl Into<String>) -> Block {
    Block::Note { class, text: text.into() }
}

fn member(ask: &Ask<'_>) -> Result<ClusterView, Error> {
    let cluster = ask.desk.view.cluster()?;
    if cluster.current().is_none() {
        let error = Error::new(Operation::Status, Cause::NotInCluster);
        return Err(error.with_detail(cluster.standing));
    }
    Ok(cluster)
}

/// What the Cluster tab shows first depends on what this server is.
pub(super) fn management(ask: &Ask<'_>, release: &Release) -> Made {
    let cluster = ask.desk.view.cluster()?;
    match cluster.standing {
        "STANDALONE" => configure(ask, release, &cluster),
        "CANDIDATE" => Ok(adding(release, &cluster)),
        "MEMBER" => manage(ask, release, &cluster),
        "BROKEN" => {
            let why = cluster.problem.unwrap_or_default();
            let text = format!("The conversion failed: {why}. This server must be reinstalled.");
            Ok((release.word("configure_candidate").to_owned(), vec![note("bad", text)]))
        }
        _ => {
            let text = "This node was deleted from its cluster. It must be reinstalled.";
            Ok((release.word("cluster_management").to_owned(), vec![note("bad", text)]))
        }
    }
}

fn configure(ask: &Ask<'_>, release: &Release, cluster: &ClusterView) -> Made {
    let here = ask.address("cluster");
    let is_first = ask.asked("first") != "no";
    let first = release.word("first_node");
    let choice = |word: &str, value, chosen: bool| {
        let action = Action::link(&format!("{first}: {word}"), format!("{here}?first={value}"));
        if chosen { action.primary() } else { action }
    };
    let facts = vec![("Current Server IP".to_owned(), dash(cluster.address.as_deref()))];
    let mut blocks = vec![
        Block::Facts(facts),
        Block::Actions(vec![choice("No", "no", !is_first), choice("Yes", "yes", is_first)]),
    ];
    if ask.desk.view.status()?.state == State::Sealed || !ask.desk.view.is_open() {
        blocks.push(note("warn", "Open the wallet first: see Home."));
    }
    let (target, fields) = if is_first {
        blocks.push(note("info", "Make a backup first. Names cannot be changed later."));
        let fields = vec![
            text(ask, "nodeName", release.word("node_name"), &default_name()),
            text(ask, "clusterName", release.word("cluster_name"), ""),
            text(ask, "clusterSubgroup", release.word("cluster_subgroup"), ""),
        ];
        ("/do/cluster/node/create", fields)
    } else {
        let warning = "All data of this server will be deleted when it is added. If passphrase, address or \
                       certificate are wrong, it must be reinstalled: compare them before you convert.";
        blocks.push(note("warn", warning));
        let fields = vec![
            passphrase(release),
            text(ask, "controllerIpAddress", release.word("ip_address"), "")
                .help("Of the controller node, with its port.")
                .longest(255),
            certificate(ask, "controllerCertificate", release.word("controller_certificate")),
        ];
        ("/do/cluster/candidate/convert", fields)
    };
    blocks.push(Block::Form(Form {
        target: target.into(),
        is_get: false,
        fields,
        submit: release.word("convert").to_owned(),
        cancel: ask.address("home"),
        back: here,
    }));
    Ok((release.word("configure_candidate").to_owned(), blocks))
}

/// The real default is `okv` and the MAC address (Documented); a simulator has none of its own.
fn default_name() -> String {
    format!("okv{:06x}", std::process::id())
}

fn adding(release: &Release, cluster: &ClusterView) -> (String, Vec<Block>) {
    let facts = vec![
        ("Candidate Node IP Address".to_owned(), dash(cluster.address.as_deref())),
        ("Controller Node IP Address".to_owned(), dash(cluster.controller.as_deref())),
    ];
    let text = "Copy the certificate to the controller node and add this node there. Afterwards the accounts of the \
                cluster are valid here, and this page shows the nodes.";
    let blocks = vec![
        Block::Facts(facts),
        note("info", text),
        Block::Heading("Candidate Node Certificate"),
        Block::Text(cluster.certificate.clone().unwrap_or_default()),
    ];
    (release.word("adding_candidate").to_owned(), blocks)
}

fn manage(ask: &Ask<'_>, release: &Release, cluster: &ClusterView) -> Made {
    let here = ask.address("cluster");
    let mut blocks = Vec::new();
    if let Some(own) = cluster.current() {
        blocks.push(Block::Heading("Current Node Information"));
        blocks.push(Block::Facts(vec![
            ("Node Name".into(), own.node_name.clone()),
            ("Node Type".into(), own.mode.name().into()),
            ("Cluster Subgroup".into(), own.cluster_subgroup.clone()),
        ]));
    }
    let mut subgroups: Vec<_> =
        cluster.nodes.iter().map(|node| node.cluster_subgroup.as_str()).collect();
    subgroups.sort_unstable();
    subgroups.dedup();
    let hours = cluster.maximum_disable_node_duration;
    blocks.push(Block::Heading("Cluster Information"));
    blocks.push(Block::Facts(vec![
        ("Cluster Name".into(), dash(cluster.cluster_name.as_deref())),
        ("Cluster Subgroups".into(), subgroups.join(", ")),
        ("Maximum Disable Node Duration".into(), format!("{hours} hrs")),
        ("Cluster Version".into(), release.version.clone()),
    ]));
    blocks.push(Block::Actions(vec![
        Action::link("Add", format!("{here}/add")).primary(),
        Action::link("Edit Duration", format!("{here}/duration")),
    ]));
    let rows = cluster.nodes.iter().map(|node| node_row(node, &here)).collect();
    blocks.push(Block::Table(Table {
        caption: "Cluster Details".into(),
        columns: vec![
            "Select Node",
            "Node ID",
            "Node Name",
            "IP Address",
            "Mode",
            "Status",
            "Read-Write Peer",
            "Cluster Subgroup",
            "Join Date",
            "Disable Date",
            "Node Version",
        ],
        rows,
        empty: String::new(),
    }));
    Ok((release.word("cluster_management").to_owned(), blocks))
}

fn node_row(node: &NodeView, here: &str) -> Vec<Cell> {
    let act = |label: &str, action: &str, text: &str| {
        Action::call(label, &format!("cluster/node/{action}"), here)
            .with("node", &node.node_name)
            .confirm(text)
    };
    let actions = match node.status {
        _ if node.current => Vec::new(),
        NodeStatus::Deleted => Vec::new(),
        NodeStatus::Disabled => vec![
            act("Enable", "enable", "Let the node catch up and take part again?"),
            act("Force Delete", "force-delete", "It must be reinstalled afterwards."),
        ],
        NodeStatus::Pairing => {
            vec![act("Abort", "abort-pairing", "The candidate must be reinstalled afterwards.")]
        }
        _ => vec![
            act("Disable", "disable", "Nothing is shipped to the node until it is enabled."),
            act("Delete", "delete", "It must be reinstalled afterwards."),
            act("Force Delete", "force-delete", "Only for a node that does not come back."),
        ],
    };
    let page = format!("{here}/node?node={}", node.node_id);
    vec![
        Cell::actions(actions),
        node.node_id.to_string().into(),
        Cell::link(node.node_name.clone(), page),
        node.ip_address.as_str().into(),
        node.mode.name().into(),
        Cell::status(node.status.name()),
        dash(node.read_write_peer.as_deref()).into(),
        node.cluster_subgroup.as_str().into(),
        date(&node.join_date).into(),
        node.disable_date.as_deref().map_or_else(|| "-".to_owned(), date).into(),
        node.node_version.as_str().into(),
    ]
}

pub(super) fn node(ask: &Ask<'_>, _: &Release) -> Made {
    let cluster = member(ask)?;
    let wanted = ask.asked("node");
    let found = cluster.nodes.iter().find(|node| node.node_id.to_string() == wanted);
    let Some(node) = found else {
        return Err(Error::new(Operation::Status, Cause::NodeUnknown).with_detail(wanted));
    };
    let yes = |it| if it { "yes" } else { "no" }.to_owned();
    let reached = match (node.reachable, node.problem.is_empty()) {
        (true, _) => "yes".to_owned(),
        (false, true) => "no".to_owned(),
        (false, false) => format!("no: {}", node.problem),
    };
    let blocks = vec![Block::Facts(vec![
        ("Node ID".into(), node.node_id.to_string()),
        ("Status".into(), node.status.name().into()),
        ("Mode".into(), node.mode.name().into()),
        ("Read-Write Peer".into(), dash(node.read_write_peer.as_deref())),
        ("IP Address".into(), node.ip_address.clone()),
        ("Reached from this node".into(), reached),
        ("Changes it has yet to get from here".into(), node.behind.to_string()),
        ("HSM enabled".into(), yes(node.hsm_enabled)),
        ("Bundle applied".into(), yes(node.bundle_applied)),
    ])];
    Ok((node.node_name.clone(), blocks))
}

fn text(ask: &Ask<'_>, name: &'static str, label: &str, else_: &str) -> Field {
    Field::new(name, label, FieldKind::Text).value(ask.typed(name, else_)).longest(64).required()
}

fn passphrase(release: &Release) -> Field {
    Field::new("recoveryPassphrase", release.word("cluster_passphrase"), FieldKind::Password)
        .required()
        .longest(1024)
}

fn certificate(ask: &Ask<'_>, name: &'static str, label: &str) -> Field {
    Field::new(name, label, FieldKind::Area).value(ask.typed(name, "")).longest(8192).required()
}

pub(super) fn add(ask: &Ask<'_>, release: &Release) -> Made {
    let cluster = member(ask)?;
    let Some(own) = cluster.current() else { return management(ask, release) };
    let back = ask.address("cluster");
    let free = (1..=99).find(|id| cluster.nodes.iter().all(|node| node.node_id != *id));
    let free = free.map(|id| id.to_string()).unwrap_or_default();
    let peer = if own.read_write_peer.is_none() { "true" } else { "false" };
    let mut fields = vec![
        passphrase(release),
        Field::new("readWritePeer", release.word("read_write_peer"), FieldKind::Radio)
            .choices(&[("false", "No"), ("true", "Yes")])
            .value(ask.typed("readWritePeer", peer))
            .required(),
        Field::new("nodeId", release.word("node_id"), FieldKind::Number)
            .value(ask.typed("nodeId", &free))
            .help("Ensure the Candidate node ID is unique in the cluster!")
            .required(),
        text(ask, "nodeName", release.word("node_name"), ""),
        text(ask, "clusterSubgroup", release.word("cluster_subgroup"), &own.cluster_subgroup),
        text(ask, "candidateNodeIpAddress", release.word("ip_address"), "")
            .help("Of the candidate node, with its port.")
            .longest(255),
        certificate(ask, "candidateCertificate", release.word("candidate_certificate")),
    ];
    // Only an HSM-enabled controller asks for it (Documented).
    if own.hsm_enabled {
        let field = Field::new("hsmCredential", release.word("credential"), FieldKind::Password);
        fields.push(field.help("Of this node, the controller.").required().longest(1024));
    }
    let blocks = vec![
        note(
            "info",
            "Make a backup first. Convert the other server to a candidate with the certificate below before you add it; \
             its data will be deleted. Node names and IDs cannot be changed.",
        ),
        Block::Form(Form {
            target: "/do/cluster/node/add".into(),
            is_get: false,
            fields,
            submit: release.word("add_node").to_owned(),
            cancel: back.clone(),
            back,
        }),
        Block::Heading("Controller Node Details"),
        Block::Facts(vec![
            ("Cluster Name".into(), dash(cluster.cluster_name.as_deref())),
            ("Node Name".into(), own.node_name.clone()),
            ("IP Address".into(), own.ip_address.clone()),
        ]),
        Block::Heading("Certificate of Controller Node"),
        Block::Text(cluster.certificate.clone().unwrap_or_default()),
    ];
    Ok((release.word("add_candidate").to_owned(), blocks))
}

pub(super) fn duration(ask: &Ask<'_>, _: &Release) -> Made {
    let cluster = member(ask)?;
    let back = ask.address("cluster");
    let hours = cluster.maximum_disable_node_duration.to_string();
    let name = "maximumDisableNodeDuration";
    let field = Field::new(name, "Maximum Disable Node Duration (hrs)", FieldKind::Number)
        .value(ask.typed(name, &hours))
        .help("A node that was disabled longer can only be force-deleted. 24 unless changed.")
        .required();
    let form = Form {
        target: "/do/cluster/settings/set".into(),
        is_get: false,
        fields: vec![field],
        submit: "Save".into(),
        cancel: back.clone(),
        back,
    };
    Ok(("Maximum Disable Node Duration".into(), vec![Block::Form(form)]))
}

pub(super) fn monitoring(ask: &Ask<'_>, release: &Release) -> Made {
    let cluster = member(ask)?;
    let mut blocks = Vec::new();
    if let Some(own) = cluster.current() {
        blocks.push(Block::Facts(vec![
            ("Current Node".into(), own.node_name.clone()),
            ("Mode".into(), own.mode.name().into()),
            ("Changes that wait for a bundle".into(), cluster.entries_waiting.to_string()),
        ]));
    }
    if cluster.entries_waiting > 0 {
        let text = "An HSM-enabled node ships what this node cannot read yet: apply its bundle on the HSM page.";
        blocks.push(note("warn", text));
    }
    let rows = cluster.nodes.iter().filter(|node| !node.current).map(|node| {
        let link = if node.reachable { "UP" } else { "DOWN" };
        vec![
            node.node_id.to_string().into(),
            node.node_name.as_str().into(),
            Cell::status(node.status.name()),
            Cell::status(link),
            node.mode.name().into(),
            node.behind.to_string().into(),
            if node.problem.is_empty() { "-".into() } else { node.problem.as_str().into() },
        ]
    });
    blocks.push(Block::Table(Table {
        caption: "Cluster Link State".into(),
        columns: vec!["Node ID", "Node Name", "Status", "Link", "Mode", "Behind", "Problem"],
        rows: rows.collect(),
        empty: "There is no other node.".into(),
    }));
    Ok((release.word("cluster_monitoring").to_owned(), blocks))
}

pub(super) fn settings(ask: &Ask<'_>, release: &Release) -> Made {
    let cluster = member(ask)?;
    let mark = |yes| Cell::from(if yes { "\u{2713}" } else { "\u{2717}" });
    let rows = cluster.nodes.iter().filter(|node| node.status != NodeStatus::Deleted).map(|node| {
        vec![
            node.node_id.to_string().into(),
            node.node_name.as_str().into(),
            // Every server here keeps an audit trail, and none has the others.
            mark(true),
            mark(false),
            mark(node.hsm_enabled),
            mark(false),
            mark(false),
            mark(false),
        ]
    });
    let table = Table {
        caption: "Cluster Settings State".into(),
        columns: vec!["Node ID", "Node Name", "Audit", "FIPS", "HSM", "SNMP", "SYSLOG", "DNS"],
        rows: rows.collect(),
        empty: String::new(),
    };
    let text = "This simulator always keeps an audit trail; FIPS mode, SNMP, SYSLOG and DNS it does not have.";
    Ok((release.word("cluster_settings").to_owned(), vec![Block::Table(table), note("info", text)]))
}

/// The two dialogs of the HSM page that only nodes have.
pub(super) fn create_bundle(ask: &Ask<'_>, release: &Release) -> Made {
    let field = |name, label| Field::new(name, label, FieldKind::Password).required().longest(1024);
    let fields = vec![
        field("hsmCredential", release.word("credential")),
        field("recoveryPassphrase", release.word("passphrase")),
    ];
    let text = "Bring the bundle to every other node, set its owner there, and apply it at once: always before this \
                node is reverse-migrated. Remove it everywhere in the end.";
    Ok(bundle_dialog(ask, release.word("create_bundle"), "create", fields, text))
}

pub(super) fn apply_bundle(ask: &Ask<'_>, release: &Release) -> Made {
    let label = release.word("passphrase");
    let field = Field::new("recoveryPassphrase", label, FieldKind::Password).longest(1024);
    let text = "The bundle of the HSM-enabled node must lie in this server's data directory as hsm/hsmbundle, readable \
                by this server's user alone. Initialize this node's HSM afterwards.";
    Ok(bundle_dialog(ask, release.word("apply_bundle"), "apply", vec![field.required()], text))
}

fn bundle_dialog(
    ask: &Ask<'_>,
    title: &str,
    action: &str,
    fields: Vec<Field>,
    text: &str,
) -> (String, Vec<Block>) {
    let back = ask.address("hsm");
    let form = Form {
        target: format!("/do/hsm/bundle/{action}"),
        is_get: false,
        fields,
        submit: title.to_owned(),
        cancel: back.clone(),
        back,
    };
    (title.to_owned(), vec![note("info", text), Block::Form(form)])
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_as_the_guide_shows_them() {
        assert_eq!(date("2021-07-14T13:14:26.000Z"), "7/14/2021 1:14:26 PM");
        assert_eq!(date("2021-12-04T00:04:06.500Z"), "12/4/2021 12:04:06 AM");
        assert_eq!(date("nonsense"), "nonsense");
    }
}
