//! Endpoints, their groups, virtual wallets and keys. That the tabs are there is Documented, what stands on them is
//! Assumed, after the words of the guides.

use super::pages::{Ask, Made};
use super::view::{Action, Block, Cell, Field, FieldKind, Form, Table, time};
use crate::operation::{ENDPOINT_PLATFORMS, ENDPOINT_TYPES, SecurityObject};
use crate::release::Release;
use crate::store::{Access, Endpoint, EndpointStatus, Holder};

/// The most rows a page shows.
const MOST: usize = 500;

fn form(target: &str, submit: &str, back: &str, fields: Vec<Field>) -> Block {
    Block::Form(Form {
        target: format!("/do/{target}"),
        is_get: false,
        fields,
        submit: submit.into(),
        cancel: back.into(),
        back: back.into(),
    })
}

fn name_field(ask: &Ask<'_>, name: &'static str, label: &str) -> Field {
    Field::new(name, label, FieldKind::Text)
        .value(ask.typed(name, ""))
        .longest(64)
        .help("1 to 64 letters, digits and . _ -")
        .required()
}

fn description(ask: &Ask<'_>) -> Field {
    Field::new("description", "Description", FieldKind::Text)
        .value(ask.typed("description", ""))
        .longest(256)
}

fn select(name: &'static str, label: &str, words: &[String]) -> Field {
    let choices: Vec<_> = words.iter().map(|it| (it.as_str(), it.as_str())).collect();
    Field::new(name, label, FieldKind::Select).choices(&choices)
}

/// The same with nothing chosen at first.
fn select_or_none(name: &'static str, label: &str, none: &str, words: &[String]) -> Field {
    let mut choices = vec![("", none)];
    choices.extend(words.iter().map(|it| (it.as_str(), it.as_str())));
    Field::new(name, label, FieldKind::Select).choices(&choices)
}

fn names(all: &[Endpoint]) -> Vec<String> {
    all.iter().map(|it| it.name.clone()).collect()
}

fn buttons(it: &Endpoint, here: &str) -> Vec<Action> {
    let call = |label, action: &str| {
        Action::call(label, &format!("admin/endpoint/{action}"), here).with("endpoint", &it.name)
    };
    let mut actions = Vec::new();
    match it.status {
        EndpointStatus::Registered => actions.push(call("Show token", "get-enrollment-token")),
        EndpointStatus::Enrolled => actions.push(call("Suspend", "suspend").confirm(&format!(
            "Refuse {} until it is resumed? Whoever uses its keys stops.",
            it.name
        ))),
        EndpointStatus::Suspended => actions.push(call("Resume", "resume")),
    }
    if it.status != EndpointStatus::Registered {
        actions.push(call("Re-enroll", "re-enroll").confirm(&format!(
            "Give {} a new token? Its certificate is refused from now on.",
            it.name
        )));
    }
    actions.push(call("Delete", "delete").confirm(&format!(
        "Remove {} for good? Its objects stay, but only those in a wallet can still be reached.",
        it.name
    )));
    actions
}

pub(super) fn endpoints(ask: &Ask<'_>, _: &Release) -> Made {
    let here = ask.address("endpoints");
    let all = ask.desk.view.endpoints()?;
    let rows = all.iter().map(|it| {
        vec![
            it.name.as_str().into(),
            it.kind.as_str().into(),
            it.platform.as_str().into(),
            it.description.as_str().into(),
            Cell::status(it.status.name()),
            it.enrolled_at.as_deref().map_or_else(|| "-".to_owned(), time).into(),
            Cell::actions(buttons(it, &here)),
        ]
    });
    let text = format!(
        "Endpoints reach this server by KMIP at {}. Hand the token to the endpoint's owner, who redeems it on the \
         page Endpoint Enrollment of the login, or by okv-sim enroll.",
        ask.desk.view.kmip_server()?
    );
    let table = Table {
        caption: "Endpoints".into(),
        columns: vec![
            "Endpoint Name",
            "Type",
            "Platform",
            "Description",
            "Status",
            "Enrolled (UTC)",
            "",
        ],
        rows: rows.collect(),
        empty: "No endpoint is registered.".into(),
    };
    let add = Action::link("Add", format!("{here}/add")).primary();
    let blocks =
        vec![Block::Note { class: "info", text }, Block::Actions(vec![add]), Block::Table(table)];
    Ok(("Endpoints".into(), blocks))
}

pub(super) fn add_endpoint(ask: &Ask<'_>, _: &Release) -> Made {
    let own = |words: &[&str]| words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let kind = select("type", "Type", &own(ENDPOINT_TYPES)).value(ask.typed("type", "ORACLE_DB"));
    let platform = select("platform", "Platform", &own(ENDPOINT_PLATFORMS))
        .value(ask.typed("platform", "LINUX64"));
    let fields =
        vec![name_field(ask, "endpoint", "Endpoint Name"), kind, platform, description(ask)];
    let back = ask.address("endpoints");
    Ok(("Register Endpoint".into(), vec![form("admin/endpoint/create", "Register", &back, fields)]))
}

pub(super) fn groups(ask: &Ask<'_>, _: &Release) -> Made {
    let here = ask.address("endpoint_groups");
    let view = &ask.desk.view;
    let all = view.endpoint_groups()?;
    let mut rows = Vec::new();
    for group in &all {
        let members = view.group_members(&group.name)?;
        let removes = members.iter().map(|member| {
            Action::call(
                &format!("Remove {member}"),
                "manage-access/endpoint-group/remove-endpoint",
                &here,
            )
            .with("endpointGroup", &group.name)
            .with("endpoint", member)
        });
        let delete = Action::call("Delete", "manage-access/endpoint-group/delete", &here)
            .with("endpointGroup", &group.name)
            .confirm(&format!("Remove the group {} with its access to wallets?", group.name));
        let mut actions: Vec<_> = removes.collect();
        actions.push(delete);
        rows.push(vec![
            group.name.as_str().into(),
            group.description.as_str().into(),
            members.join(", ").into(),
            Cell::actions(actions),
        ]);
    }
    let table = Table {
        caption: "Endpoint Groups".into(),
        columns: vec!["Group Name", "Description", "Endpoints", ""],
        rows,
        empty: "There is no endpoint group.".into(),
    };
    let create = Action::link("Create", format!("{here}/create")).primary();
    let mut blocks = vec![Block::Actions(vec![create]), Block::Table(table)];
    let endpoints = view.endpoints()?;
    if !all.is_empty() && !endpoints.is_empty() {
        let groups: Vec<_> = all.iter().map(|it| it.name.clone()).collect();
        let fields = vec![
            select("endpointGroup", "Endpoint Group", &groups).required(),
            select("endpoint", "Endpoint", &names(&endpoints)).required(),
        ];
        blocks.push(Block::Heading("Add an endpoint to a group"));
        let service = "manage-access/endpoint-group/add-endpoint";
        blocks.push(form(service, "Add", &here, fields));
    }
    Ok(("Endpoint Groups".into(), blocks))
}

pub(super) fn create_group(ask: &Ask<'_>, _: &Release) -> Made {
    let fields = vec![name_field(ask, "endpointGroup", "Group Name"), description(ask)];
    let back = ask.address("endpoint_groups");
    let service = "manage-access/endpoint-group/create";
    Ok(("Create Endpoint Group".into(), vec![form(service, "Create", &back, fields)]))
}

pub(super) fn wallets(ask: &Ask<'_>, _: &Release) -> Made {
    let here = ask.address("wallets");
    let view = &ask.desk.view;
    let (all, grants, endpoints) = (view.virtual_wallets()?, view.grants()?, view.endpoints()?);
    let rows = all.iter().map(|wallet| {
        let page = format!("{here}/access?wallet={}", wallet.name);
        let holders: Vec<_> = grants
            .iter()
            .filter(|it| it.wallet.eq_ignore_ascii_case(&wallet.name))
            .map(|it| it.holder.name())
            .collect();
        let defaults: Vec<_> = endpoints
            .iter()
            .filter(|it| {
                let its = it.default_wallet.as_deref();
                its.is_some_and(|its| its.eq_ignore_ascii_case(&wallet.name))
            })
            .map(|it| it.name.as_str())
            .collect();
        let delete = Action::call("Delete", "manage-access/wallet/delete", &here)
            .with("wallet", &wallet.name)
            .confirm(&format!(
                "Remove the wallet {}? Its objects stay with the endpoints that made them; who shared them loses them.",
                wallet.name
            ));
        vec![
            Cell::link(wallet.name.clone(), page),
            wallet.description.as_str().into(),
            holders.join(", ").into(),
            defaults.join(", ").into(),
            Cell::actions(vec![delete]),
        ]
    });
    let table = Table {
        caption: "Wallets".into(),
        columns: vec!["Wallet Name", "Description", "Access", "Default Wallet Of", ""],
        rows: rows.collect(),
        empty: "There is no virtual wallet.".into(),
    };
    let create = Action::link("Create", format!("{here}/create")).primary();
    let mut blocks = vec![Block::Actions(vec![create]), Block::Table(table)];
    if !endpoints.is_empty() {
        let wallets: Vec<_> = all.iter().map(|it| it.name.clone()).collect();
        let fields = vec![
            select("endpoint", "Endpoint", &names(&endpoints)).required(),
            select_or_none("wallet", "Default Wallet", "none", &wallets)
                .help("New objects of the endpoint go there; it gets all rights to the wallet."),
        ];
        blocks.push(Block::Heading("Set a default wallet"));
        blocks.push(form("manage-access/wallet/set-default", "Save", &here, fields));
    }
    Ok(("Wallets".into(), blocks))
}

pub(super) fn create_wallet(ask: &Ask<'_>, _: &Release) -> Made {
    let fields = vec![name_field(ask, "wallet", "Wallet Name"), description(ask)];
    let back = ask.address("wallets");
    let block = form("manage-access/wallet/create", "Create", &back, fields);
    Ok(("Create Wallet".into(), vec![block]))
}

pub(super) fn wallet(ask: &Ask<'_>, _: &Release) -> Made {
    let view = &ask.desk.view;
    let name = crate::operation::virtual_wallet(view, &ask.typed("wallet", ask.asked("wallet")))?;
    let here = format!("{}/access?wallet={name}", ask.address("wallets"));
    let grants = view.grants()?;
    let rows = grants.iter().filter(|it| it.wallet.eq_ignore_ascii_case(&name)).map(|grant| {
        let (kind, option) = match &grant.holder {
            Holder::Endpoint(_) => ("Endpoint", "endpoint"),
            Holder::EndpointGroup(_) => ("Endpoint Group", "endpointGroup"),
        };
        let remove = Action::call("Remove", "manage-access/wallet/delete-access", &here)
            .with("wallet", &name)
            .with(option, grant.holder.name())
            .confirm("Take this access away? It ends at once.");
        vec![
            grant.holder.name().into(),
            kind.into(),
            grant.access.title().into(),
            Cell::actions(vec![remove]),
        ]
    });
    let table = Table {
        caption: "Access".into(),
        columns: vec!["Name", "Kind", "Access Level", ""],
        rows: rows.collect(),
        empty: "Nobody has access to this wallet.".into(),
    };
    let levels: Vec<_> = Access::ALL.iter().map(|(name, title, _)| (*name, *title)).collect();
    let groups: Vec<_> = view.endpoint_groups()?.into_iter().map(|it| it.name).collect();
    let fields = vec![
        Field::new("wallet", "", FieldKind::Hidden).value(name.clone()),
        select_or_none("endpoint", "Endpoint", "none", &names(&view.endpoints()?))
            .value(ask.typed("endpoint", ""))
            .help("An endpoint, or"),
        select_or_none("endpointGroup", "Endpoint Group", "none", &groups)
            .value(ask.typed("endpointGroup", ""))
            .help("a group of endpoints."),
        Field::new("access", "Access Level", FieldKind::Select)
            .choices(&levels)
            .value(ask.typed("access", "RO"))
            .required(),
    ];
    let mut objects = view.security_objects()?;
    objects.retain(|it| it.wallets.iter().any(|wallet| wallet.eq_ignore_ascii_case(&name)));
    let blocks = vec![
        Block::Table(table),
        Block::Heading("Give access"),
        form("manage-access/wallet/add-access", "Save", &here, fields),
        Block::Table(object_table(&objects, "Contents", &here, Some(&name))),
        Block::Actions(vec![Action::link("All wallets", ask.address("wallets"))]),
    ];
    Ok((name, blocks))
}

fn object_table(all: &[SecurityObject], caption: &str, here: &str, wallet: Option<&str>) -> Table {
    let hidden = all.len().saturating_sub(MOST);
    let rows = all.iter().skip(hidden).map(|it| {
        let mut row: Vec<Cell> = vec![
            it.uuid.as_str().into(),
            it.names.join(", ").into(),
            it.kind.into(),
            if it.state.is_empty() { "-".into() } else { Cell::status(it.state) },
            it.creator.as_deref().unwrap_or("-").into(),
            it.wallets.join(", ").into(),
        ];
        if let Some(wallet) = wallet {
            let remove = Action::call("Remove", "managed-object/wallet/delete-member", here)
                .with("wallet", wallet)
                .with("uuid", &it.uuid)
                .confirm("Take this object out of the wallet? Who shared it loses it.");
            row.push(Cell::actions(vec![remove]));
        }
        row
    });
    let mut columns = vec!["Unique Identifier", "Name", "Type", "State", "Creator", "Wallets"];
    if wallet.is_some() {
        columns.push("");
    }
    let caption = match hidden {
        0 => caption.to_owned(),
        hidden => format!("{caption} ({hidden} older ones are not shown)"),
    };
    Table { caption, columns, rows: rows.collect(), empty: "There is nothing.".into() }
}

/// What endpoints made, below what administrators stored.
pub(super) fn keys(ask: &Ask<'_>) -> Result<Vec<Block>, crate::Error> {
    let view = &ask.desk.view;
    let here = ask.address("keys");
    let all = view.security_objects()?;
    let mut blocks =
        vec![Block::Table(object_table(&all, "Security objects of endpoints", &here, None))];
    let wallets: Vec<_> = view.virtual_wallets()?.into_iter().map(|it| it.name).collect();
    if !all.is_empty() && !wallets.is_empty() {
        let fields = vec![
            Field::new("uuid", "Unique Identifier", FieldKind::Text)
                .value(ask.typed("uuid", ""))
                .longest(64)
                .required(),
            select("wallet", "Wallet", &wallets).required(),
        ];
        blocks.push(Block::Heading("Put an object into a wallet"));
        blocks.push(form("managed-object/wallet/add-member", "Add", &here, fields));
    }
    Ok(blocks)
}
