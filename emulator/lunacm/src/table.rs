//! The commands, one row each: object, verb, options, help, function.
//!
//! Source: the vendor's lunacm pages (Documented) for objects, verbs and options; the short forms of `hagroup`
//! are its two letters (`rt` Documented, the others Assumed).

use crate::commands::{
    appid, clientconfig, clone, hagroup, hsm, mechanism, partition, policy, role, slot,
};
use crate::registry::{Command, Kind, Opt, row, secret, switch, value};

const SLOT: Opt = value("slot", "number", "the slot, instead of the current one");
const ROLE: Opt = Opt { short: "n", ..value("name", "role", "po, co, lco or cu") };
const FORCE: Opt = switch("force", "do not ask");
const LABEL: Opt = value("label", "text", "its label, up to 32 characters");
const CO_PASSWORD: Opt = secret("password", "the Crypto Officer's password");
const GROUP: Opt = value("group", "group", "the group, by label or number");
const SERIAL: Opt =
    Opt { short: "se", ..value("serialnumber", "serial", "the member, by its serial number") };
const OF_SLOT: Opt = Opt { short: "sl", ..value("slot", "number", "the member, by its slot") };
const ENABLE: Opt = switch("enable", "switch it on");
const DISABLE: Opt = switch("disable", "switch it off");
const SHOW: Opt = switch("show", "show how it is set");
const MAJOR: Opt = value("major", "number", "the first half of the identity");
const MINOR: Opt = value("minor", "number", "the second half of the identity");
const SERVER: Opt = value("server", "host", "the appliance, by name or address");

const ARCHIVE: Opt = Opt {
    name: "action",
    short: "",
    kind: Kind::Word("list, backup, restore, contents or delete"),
    help: "what to do",
};

const fn named(short: &'static str, command: Command) -> Command {
    Command { short, ..command }
}

/// Groups by object, in the order of the help.
pub(crate) static COMMANDS: &[Command] = &[
    row("slot", "list", &[], "Show all slots", slot::list),
    row(
        "slot",
        "set",
        &[value("slot", "number", "the slot that commands shall be about")],
        "Choose the current slot",
        slot::set,
    ),
    row("partition", "contents", &[], "Show the objects of the partition", partition::contents),
    row(
        "partition",
        "showinfo",
        &[SLOT],
        "Show the partition's identity, state and storage",
        partition::show_info,
    ),
    row(
        "partition",
        "showmechanism",
        &[value("m", "mechanism", "one mechanism by name or number, with its properties")],
        "Show the mechanisms of the partition",
        mechanism::show,
    ),
    row(
        "partition",
        "showpolicies",
        &[
            SLOT,
            switch("verbose", "also what a change does"),
            value("exporttemplate", "file", "write the policies to a template, and show nothing"),
        ],
        "Show the partition's capabilities and policies",
        policy::show,
    ),
    row(
        "partition",
        "changepolicy",
        &[
            SLOT,
            value("policy", "numbers", "one or more, with commas"),
            value("value", "numbers", "as many values"),
            FORCE,
        ],
        "Change policies of the partition (Partition SO)",
        policy::change,
    ),
    row(
        "partition",
        "init",
        &[
            LABEL,
            secret("password", "the Partition SO's new password"),
            secret("domain", "the cloning domain"),
            Opt { short: "def", ..switch("defaultdomain", "the domain every HSM has by default") },
            switch("auth", "log in as Partition SO afterwards"),
            value("applytemplate", "file", "set the policies of a template afterwards"),
            FORCE,
        ],
        "Initialize the partition; all objects in it are destroyed",
        partition::init,
    ),
    row(
        "partition",
        "clear",
        &[FORCE],
        "Destroy the objects of the partition (Crypto Officer)",
        partition::clear,
    ),
    row(
        "partition",
        "clone",
        &[
            value("objects", "handles", "one or more, with commas, or 0 for all"),
            value("slot", "number", "the slot they shall be cloned to"),
            CO_PASSWORD,
            FORCE,
        ],
        "Clone objects to another partition of the domain (Crypto Officer)",
        clone::objects,
    ),
    row(
        "partition",
        "changelabel",
        &[LABEL],
        "Give the partition another label (Partition SO)",
        partition::change_label,
    ),
    row(
        "partition",
        "restart",
        &[FORCE],
        "Close every session that this client has on the partition",
        partition::restart,
    ),
    row(
        "partition",
        "archive",
        &[
            ARCHIVE,
            SLOT,
            value("partition", "label", "the backup, by its label"),
            CO_PASSWORD,
            value("objects", "handles", "one or more, with commas"),
            FORCE,
        ],
        "Back up to a backup HSM, restore from it, show what is on it",
        partition::archive,
    ),
    row("role", "list", &[], "Show the roles of the slot", role::list),
    row("role", "show", &[ROLE], "Show the state of a role", role::show),
    row("role", "login", &[ROLE, secret("password", "the role's password")], "Log in", role::login),
    row("role", "logout", &[], "Log out", role::logout),
    row(
        "role",
        "init",
        &[ROLE, secret("password", "the role's first password")],
        "Initialize a role (co by po; cu and lco by co)",
        role::init,
    ),
    row(
        "role",
        "changepw",
        &[
            ROLE,
            secret("oldpw", "the password as it is"),
            secret("newpw", "the password as it shall be"),
        ],
        "Change the password of a role",
        role::change_password,
    ),
    row(
        "role",
        "resetpw",
        &[ROLE, secret("password", "the role's new password")],
        "Reset the password of a role (co by po; cu and lco by co)",
        role::reset_password,
    ),
    row(
        "role",
        "createchallenge",
        &[ROLE],
        "Make a role's challenge (PED partitions)",
        role::create_challenge,
    ),
    row(
        "role",
        "deactivate",
        &[ROLE],
        "Forget a role's kept login (PED partitions)",
        role::deactivate,
    ),
    row(
        "role",
        "recoveryinit",
        &[ROLE, value("keyhandle", "handle", "an RSA private key, instead of a new one")],
        "Set up the key that recovery logins are answered with",
        role::recovery_init,
    ),
    row(
        "role",
        "recoverylogin",
        &[
            ROLE,
            value("slot", "number", "the slot that is logged in and answers"),
            value("keyhandle", "handle", "the private key that answers"),
        ],
        "Log in with the answer of a partition that is logged in",
        role::recovery_login,
    ),
    named(
        "c",
        row(
            "hagroup",
            "creategroup",
            &[SERIAL, OF_SLOT, LABEL, CO_PASSWORD],
            "Make an HA group of one partition",
            hagroup::members::create,
        ),
    ),
    named(
        "d",
        row(
            "hagroup",
            "deletegroup",
            &[value("label", "group", "the group, by label or number"), FORCE],
            "Take a group out of the configuration; its partitions stay as they are",
            hagroup::members::delete,
        ),
    ),
    named(
        "am",
        row(
            "hagroup",
            "addmember",
            &[
                SERIAL,
                OF_SLOT,
                GROUP,
                CO_PASSWORD,
                switch("force", "copy what the new member holds, without asking"),
            ],
            "Add a partition to a group",
            hagroup::members::add,
        ),
    ),
    named(
        "rm",
        row(
            "hagroup",
            "removemember",
            &[
                SERIAL,
                OF_SLOT,
                GROUP,
                secret("password", "not needed: the partition stays as it is"),
                FORCE,
            ],
            "Take a partition out of a group; it stays as it is",
            hagroup::members::remove,
        ),
    ),
    named(
        "as",
        row(
            "hagroup",
            "addstandby",
            &[SERIAL, OF_SLOT, GROUP],
            "Let a member stand by",
            hagroup::members::add_standby,
        ),
    ),
    named(
        "rs",
        row(
            "hagroup",
            "removestandby",
            &[SERIAL, OF_SLOT, GROUP],
            "Let a standby member work again",
            hagroup::members::remove_standby,
        ),
    ),
    named(
        "l",
        row(
            "hagroup",
            "listgroups",
            &[GROUP, secret("password", "to find out what members lack")],
            "Show the HA groups and the state of their members",
            hagroup::list_groups,
        ),
    ),
    named(
        "s",
        row(
            "hagroup",
            "synchronize",
            &[GROUP, CO_PASSWORD, ENABLE, DISABLE],
            "Give every member what the others have, or switch replication",
            hagroup::synchronize::run,
        ),
    ),
    named(
        "ho",
        row(
            "hagroup",
            "haonly",
            &[ENABLE, DISABLE, SHOW],
            "Show applications the groups alone",
            hagroup::settings::ha_only,
        ),
    ),
    named(
        "rt",
        row(
            "hagroup",
            "retry",
            &[value("count", "number", "0 to 500, or -1 for ever; 0 switches recovery off")],
            "Set how often a lost member is tried",
            hagroup::settings::retry,
        ),
    ),
    named(
        "i",
        row(
            "hagroup",
            "interval",
            &[value("interval", "seconds", "60 to 1200")],
            "Set how long to wait between tries",
            hagroup::settings::interval,
        ),
    ),
    named(
        "rmo",
        row(
            "hagroup",
            "recoverymode",
            &[value("mode", "mode", "activeBasic or activeEnhanced")],
            "Set what recovery brings back",
            hagroup::settings::recovery_mode,
        ),
    ),
    named(
        "re",
        row(
            "hagroup",
            "recover",
            &[GROUP, secret("password", "to bring the members that come back up to date too")],
            "Try lost members now",
            hagroup::synchronize::recover,
        ),
    ),
    named(
        "hl",
        row(
            "hagroup",
            "halog",
            &[
                ENABLE,
                DISABLE,
                value("path", "directory", "where haErrorLog.txt is written"),
                value("maxlength", "bytes", "at which the log begins anew, 256000 or more"),
                SHOW,
            ],
            "Set the log of members lost and back",
            hagroup::settings::ha_log,
        ),
    ),
    row(
        "clientconfig",
        "verify",
        &[],
        "Show the partitions this client reaches",
        clientconfig::verify,
    ),
    row(
        "clientconfig",
        "listservers",
        &[],
        "Show the appliances of this client",
        clientconfig::list_servers,
    ),
    row(
        "clientconfig",
        "deleteserver",
        &[SERVER, FORCE],
        "Take an appliance out of the configuration",
        clientconfig::delete_server,
    ),
    row(
        "clientconfig",
        "deploy",
        &[
            SERVER,
            value("client", "name", "the name this client is registered by"),
            value("partition", "label", "the partition to be assigned"),
            value("user", "name", "the appliance's administrator"),
            secret("password", "that user's password"),
            switch("verbose", "show each step"),
            FORCE,
        ],
        "Register this client with an appliance, in one step",
        clientconfig::deploy,
    ),
    row(
        "clientconfig",
        "restart",
        &[FORCE],
        "Read the configuration again; who is logged in is logged out",
        clientconfig::restart,
    ),
    row("hsm", "showinfo", &[], "Show the HSM's identity, state and storage", hsm::show_info),
    row(
        "hsm",
        "showpolicies",
        &[switch("verbose", "also what a change does")],
        "Show the HSM's capabilities and policies",
        hsm::show_policies,
    ),
    row(
        "hsm",
        "showmechanism",
        &[value("m", "mechanism", "one mechanism by name or number, with its properties")],
        "Show the mechanisms of the HSM",
        hsm::show_mechanism,
    ),
    row(
        "hsm",
        "init",
        &[
            LABEL,
            secret("password", "the HSM SO's new password"),
            secret("domain", "the cloning domain"),
            FORCE,
        ],
        "Initialize the HSM; all partitions are destroyed",
        hsm::init,
    ),
    row("hsm", "reset", &[FORCE], "Return the HSM to how it left the factory", hsm::reset),
    row(
        "hsm",
        "changehsmpolicy",
        &[
            value("policy", "numbers", "one or more, with commas"),
            value("value", "numbers", "as many values"),
            FORCE,
        ],
        "Change policies of the HSM (HSM SO)",
        hsm::change_policy,
    ),
    row("appid", "set", &[MAJOR, MINOR], "Take another application identity", appid::set),
    row(
        "appid",
        "open",
        &[MAJOR, MINOR],
        "Keep an identity's logins beyond its processes",
        appid::open,
    ),
    row("appid", "close", &[MAJOR, MINOR], "End an identity and its logins", appid::close),
    row("appid", "info", &[], "Show the application identity", appid::info),
];

/// Objects of which no command is served on a partition of a network HSM, and why. Whatever follows them is
/// refused as not supported.
pub(crate) static UNSUPPORTED: &[(&str, &str)] = &[
    ("stm", "secure transport mode is a matter of the HSM's administrator"),
    ("ped", "no PED is connected: this client reaches partitions with passwords"),
    ("audit", "the audit log is the auditor's, on the HSM's admin partition"),
    ("stc", "this client reaches partitions over NTLS, not over a secure trusted channel"),
    ("remotebackup", "no backup HSM is connected to be offered to others"),
    ("srk", "the secure recovery key is a matter of the HSM's administrator"),
];
