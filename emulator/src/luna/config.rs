//! `Chrystoki.conf` as types: what this library reads of it.
//!
//! Source: chrystoki-conf.md and ha.md section 3 of the fact pack (Documented but where said).

mod cloud;
mod log;
mod presentation;

use std::path::PathBuf;
use std::time::Duration;

use chrystoki_conf::Conf;

pub use self::cloud::{CloudEntry, ServiceEntry};
pub use self::log::{CallLogEntry, HaLog, LogFormat, LoggingMask};
pub use self::presentation::{Presentation, ProtectedPath};
use crate::network::protocol::PORT;

/// What the client side of the library needs to know.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Partitions of emulated HSMs, in the order of their slots.
    pub partitions: Vec<PartitionEntry>,
    /// Appliances on the network; none without any.
    pub network: Option<NetworkEntry>,
    /// Luna Cloud HSM services; none without any.
    pub cloud: Option<CloudEntry>,
    /// HA groups, in the order of their numbers.
    pub groups: Vec<GroupEntry>,
    /// Only HA groups are listed.
    pub ha_only: bool,
    /// HSMs show their admin partitions, and the containers that the configuration does not name.
    pub show_admin_tokens: bool,
    /// How groups recover members.
    pub recovery: Recovery,
    /// Where the HA log goes.
    pub ha_log: HaLog,
    /// How members that hang or went away are noticed.
    pub probing: Probing,
    /// RSA key generation by the old names runs by the FIPS 186-3 ones where the old are barred
    /// (`RSAKeyGenMechRemap`).
    pub remap_rsa_generation: bool,
    /// The other way, where the firmware does not know the FIPS 186-3 ones
    /// (`RSAPre1863KeyGenMechRemap`).
    pub remap_pre_186_3_generation: bool,
    /// Which slots an application sees, under which numbers.
    pub presentation: Presentation,
    /// Where calls are logged, when they are.
    pub call_log: Option<CallLogEntry>,
    /// Switches of which only the names are known: read, so that a wrong value is told, and without
    /// effect.
    pub toggles: Toggles,
    /// The emulator's own section.
    pub emulator: EmulatorEntry,
}

/// One partition of an emulated HSM.
#[derive(Clone, Debug)]
pub struct PartitionEntry {
    /// The partition's serial number.
    pub serial: String,
    /// The directory of its HSM, below the state directory.
    pub hsm: String,
}

/// The section `LunaSA Client`, where it names an appliance.
#[derive(Clone, Debug)]
pub struct NetworkEntry {
    /// Appliances, in the order of their slots.
    pub servers: Vec<ServerEntry>,
    /// The client's certificate (PEM).
    pub certificate: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
    /// The certificates of the appliances (PEM), one after the other.
    pub server_certificates: PathBuf,
    /// How long a silent appliance is waited for.
    pub receive_timeout: Duration,
    /// The system looks after connections at rest.
    pub keep_alive: bool,
    /// The certificate of an appliance has to name its host.
    pub validate_host: bool,
    /// A member of a group is brought back when its appliance can be reached again, and not at the
    /// next `AutoReconnectInterval`. Ours: a test cannot wait for a minute.
    pub recover_at_once: bool,
}

/// One appliance.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerEntry {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// One HA group.
#[derive(Clone, Debug)]
pub struct GroupEntry {
    /// Its label.
    pub label: String,
    /// Its pseudo serial number.
    pub serial: String,
    /// Serial numbers of its members; the first is the primary.
    pub members: Vec<String>,
    /// Serial numbers of those that stand by.
    pub standby: Vec<String>,
    /// Objects are replicated when they are made.
    pub synchronize: bool,
}

/// When members come back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Recovery {
    /// Attempts after a member was lost; none: for ever. 0 switches recovery off.
    pub attempts: Option<u32>,
    /// Between attempts.
    pub interval: Duration,
    /// Sessions and logins come back too after all members were lost.
    pub enhanced: bool,
}

/// How members that hang or went away are noticed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Probing {
    /// How long `CA_GetCurrentHAState` waits for the members of a group (`statusTimeout`).
    pub status_timeout: Duration,
    /// How long a member may be silent before its liveness is probed (`ProbeTimeout`); none: it is not.
    /// Milliseconds in the file, as its neighbour ReceiveTimeout's (Assumed).
    pub probe_timeout: Option<Duration>,
    /// A group leaves a member at once that is deactivated (`failover_on_deactivation`).
    pub failover_on_deactivation: bool,
}

/// Switches of which no source says what they do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Toggles {
    /// `Session/AutoCleanUpDisabled`.
    pub auto_clean_up_disabled: bool,
    /// `Toggles/legacy_memory`.
    pub legacy_memory: bool,
    /// `Toggles/lunacm_cv_ha_ui`.
    pub lunacm_cv_ha_ui: bool,
}

/// The section `Emulator`.
#[derive(Clone, Debug, Default)]
pub struct EmulatorEntry {
    /// Where HSMs keep their state.
    pub state_directory: Option<PathBuf>,
    /// Writes reach the disk itself before a call returns, against loss of power.
    pub durable_against_power_loss: bool,
    /// Failed calls and their reasons are written there.
    pub log_file: Option<PathBuf>,
    /// The form of that log and of the call log.
    pub log_format: LogFormat,
    /// Only who may read what belongs to the client's group sees HSMs, as with the vendor's client.
    pub checks_access: bool,
}

const EMULATOR: &str = "Emulator";
const HA: &str = "HAConfiguration";
const TOKEN: &str = "VirtualToken";

/// Group and partition numbers in key names have two digits.
const MOST_NUMBERED: usize = 100;

impl ClientConfig {
    /// Reads what is needed; unknown sections and keys are other readers'.
    ///
    /// # Errors
    /// A value that makes no sense, with its file, line and key.
    pub fn of(conf: &Conf) -> Result<Self, chrystoki_conf::Error> {
        let attempts = conf.number(HA, "reconnAtt", -1..=500)?.unwrap_or(0);
        let interval = conf.number(HA, "AutoReconnectInterval", 60..=1200)?.unwrap_or(60);
        let modes = ["activeBasic", "activeEnhanced"];
        let mode = conf.choice(TOKEN, "VirtualTokenActiveRecovery", &modes)?;
        let durability = conf.choice(EMULATOR, "Durability", &["process", "full"])?;
        let path = |section, key| conf.value(section, key).map(PathBuf::from);
        Ok(Self {
            partitions: partitions(conf)?,
            network: network(conf)?,
            cloud: CloudEntry::of(conf)?,
            groups: groups(conf)?,
            ha_only: conf.flag(HA, "HAOnly")?.unwrap_or(false),
            // A network client never sees an admin partition unless it says so (recalled).
            show_admin_tokens: conf.flag("Presentation", "ShowAdminTokens")?.unwrap_or(false),
            recovery: Recovery {
                attempts: u32::try_from(attempts).ok(),
                interval: Duration::from_secs(u64::try_from(interval).unwrap_or(60)),
                // Which of the two holds without the key is not published; the samples have
                // activeEnhanced (Assumed).
                enhanced: mode != Some(0),
            },
            ha_log: HaLog::of(conf)?,
            probing: probing(conf)?,
            remap_rsa_generation: conf.flag("Misc", "RSAKeyGenMechRemap")?.unwrap_or(false),
            remap_pre_186_3_generation: conf
                .flag("Misc", "RSAPre1863KeyGenMechRemap")?
                .unwrap_or(false),
            presentation: Presentation::of(conf)?,
            call_log: CallLogEntry::of(conf)?,
            toggles: toggles(conf)?,
            emulator: EmulatorEntry {
                state_directory: path(EMULATOR, "StateDirectory"),
                durable_against_power_loss: durability == Some(1),
                log_file: path(EMULATOR, "LogFile"),
                log_format: LogFormat::of(conf)?,
                checks_access: conf.flag(EMULATOR, "CheckAccess")?.unwrap_or(true),
            },
        })
    }
}

fn probing(conf: &Conf) -> Result<Probing, chrystoki_conf::Error> {
    let seconds = conf.number(HA, "statusTimeout", 0..=60)?.unwrap_or(3);
    // The vendor's pages name the key under either section.
    let probe = match conf.number(HA, "ProbeTimeout", 0..=600_000)? {
        Some(probe) => Some(probe),
        None => conf.number("LunaSA Client", "ProbeTimeout", 0..=600_000)?,
    };
    Ok(Probing {
        status_timeout: Duration::from_secs(u64::try_from(seconds).unwrap_or(3)),
        probe_timeout: probe
            .and_then(|ms| u64::try_from(ms).ok())
            .filter(|ms| *ms > 0)
            .map(Duration::from_millis),
        failover_on_deactivation: conf.flag(HA, "failover_on_deactivation")?.unwrap_or(false),
    })
}

fn toggles(conf: &Conf) -> Result<Toggles, chrystoki_conf::Error> {
    let flag = |section, key| Ok(conf.flag(section, key)?.unwrap_or(false));
    Ok(Toggles {
        auto_clean_up_disabled: flag("Session", "AutoCleanUpDisabled")?,
        legacy_memory: flag("Toggles", "legacy_memory")?,
        lunacm_cv_ha_ui: flag("Toggles", "lunacm_cv_ha_ui")?,
    })
}

fn partitions(conf: &Conf) -> Result<Vec<PartitionEntry>, chrystoki_conf::Error> {
    let mut partitions: Vec<PartitionEntry> = Vec::new();
    for number in 0..MOST_NUMBERED {
        let key = format!("Partition{number:02}");
        let Some(serial) = conf.value(EMULATOR, &key) else { continue };
        check_serial(conf, EMULATOR, &key, serial)?;
        if partitions.iter().any(|other| other.serial == serial) {
            return Err(conf.wrong(EMULATOR, &key, format!("`{serial}` again"), "another serial"));
        }
        let key = format!("{key}Hsm");
        let hsm = conf.value(EMULATOR, &key).ok_or_else(|| {
            conf.wrong(EMULATOR, &key, "missing", "the directory of the partition's HSM")
        })?;
        if hsm.is_empty() || !hsm.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(conf.wrong(EMULATOR, &key, format!("`{hsm}`"), "letters, digits and `-`"));
        }
        partitions.push(PartitionEntry { serial: serial.to_owned(), hsm: hsm.to_owned() });
    }
    Ok(partitions)
}

const CLIENT: &str = "LunaSA Client";

/// Source: chrystoki-conf.md section 3 (Documented but where said).
fn network(conf: &Conf) -> Result<Option<NetworkEntry>, chrystoki_conf::Error> {
    let mut servers = Vec::new();
    for number in 0..MOST_NUMBERED {
        let key = format!("ServerName{number:02}");
        let Some(host) = conf.value(CLIENT, &key).filter(|host| !host.is_empty()) else { continue };
        let port = conf.number(CLIENT, &format!("ServerPort{number:02}"), 1..=65_535)?;
        let port = port.and_then(|port| u16::try_from(port).ok());
        servers.push(ServerEntry { host: host.to_owned(), port: port.unwrap_or(PORT) });
    }
    let wanted = conf.flag(CLIENT, "NetClient")?.unwrap_or(true);
    // Bounds of ours: the vendor names none.
    let patience = conf.number(CLIENT, "ReceiveTimeout", 100..=3_600_000)?.unwrap_or(20_000);
    let keep_alive = conf.flag(CLIENT, "TCPKeepAlive")?.unwrap_or(true);
    let validate_host = conf.flag("Misc", "ValidateHost")?.unwrap_or(false);
    let recover_at_once = conf.flag(EMULATOR, "RecoverAtOnce")?.unwrap_or(false);
    if servers.is_empty() || !wanted {
        return Ok(None);
    }
    let file = |key: &str| {
        let missing =
            || conf.wrong(CLIENT, key, "missing", "the file (PEM), since ServerName00 is there");
        conf.value(CLIENT, key).map(PathBuf::from).ok_or_else(missing)
    };
    Ok(Some(NetworkEntry {
        servers,
        certificate: file("ClientCertFile")?,
        key: file("ClientPrivKeyFile")?,
        server_certificates: file("ServerCAFile")?,
        receive_timeout: Duration::from_millis(u64::try_from(patience).unwrap_or(20_000)),
        keep_alive,
        validate_host,
        recover_at_once,
    }))
}

fn groups(conf: &Conf) -> Result<Vec<GroupEntry>, chrystoki_conf::Error> {
    let mut groups = Vec::new();
    for number in 0..MOST_NUMBERED {
        let prefix = format!("VirtualToken{number:02}");
        let Some(label) = conf.value(TOKEN, &format!("{prefix}Label")) else { continue };
        let members_key = format!("{prefix}Members");
        let members: Vec<String> =
            conf.list(TOKEN, &members_key).into_iter().map(str::to_owned).collect();
        if members.is_empty() || members.len() > luna_ck::CK_HA_MAX_MEMBERS {
            return Err(conf.wrong(
                TOKEN,
                &members_key,
                format!("{} members", members.len()),
                "1 to 32 serial numbers, with commas between",
            ));
        }
        for member in &members {
            check_serial(conf, TOKEN, &members_key, member)?;
        }
        let serial_key = format!("{prefix}SN");
        let serial = conf.value(TOKEN, &serial_key).map(str::to_owned);
        if let Some(serial) = &serial {
            check_serial(conf, TOKEN, &serial_key, serial)?;
        }
        // A 1 before the first member's (Documented).
        let serial =
            serial.unwrap_or_else(|| format!("1{}", members.first().map_or("", String::as_str)));
        let standby = conf.list(HA, &format!("{label}StandbyMembers"));
        groups.push(GroupEntry {
            label: label.to_owned(),
            serial,
            standby: standby.into_iter().map(str::to_owned).collect(),
            synchronize: conf.flag("HASynchronize", label)?.unwrap_or(true),
            members,
        });
    }
    Ok(groups)
}

fn check_serial(
    conf: &Conf,
    section: &str,
    key: &str,
    serial: &str,
) -> Result<(), chrystoki_conf::Error> {
    if (1..=18).contains(&serial.len()) && serial.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    Err(conf.wrong(section, key, format!("`{serial}`"), "a serial number of 1 to 18 digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ClientConfig, chrystoki_conf::Error> {
        ClientConfig::of(&Conf::parse(text, "Chrystoki.conf")?)
    }

    #[test]
    fn a_group_is_read_as_the_vendor_writes_it() {
        let config = read(
            "VirtualToken = {\n VirtualToken00Label = grp;\n VirtualToken00SN = 11234840370164;\n \
             VirtualToken00Members = 1234840370164, 1234924189183;\n \
             VirtualTokenActiveRecovery = activeBasic;\n}\nHASynchronize = { grp = 0; }\n\
             HAConfiguration = { HAOnly = 1; reconnAtt = -1; AutoReconnectInterval = 120; }\n",
        )
        .unwrap();
        let group = &config.groups[0];
        assert_eq!((group.label.as_str(), group.serial.as_str()), ("grp", "11234840370164"));
        assert_eq!(group.members, ["1234840370164", "1234924189183"]);
        assert!(!group.synchronize && config.ha_only && !config.recovery.enhanced);
        assert_eq!(config.recovery.attempts, None);
        assert_eq!(config.recovery.interval, Duration::from_secs(120));
    }

    #[test]
    fn wrong_values_name_line_and_key() {
        for (text, line, key) in [
            ("HAConfiguration = {\n reconnAtt = soon;\n}", 2, "reconnAtt"),
            (
                "VirtualToken = {\n VirtualToken00Label = g;\n VirtualToken00Members = 12x;\n}",
                3,
                "VirtualToken00Members",
            ),
            ("Emulator = {\n Partition00 = 123;\n Partition00Hsm = ../up;\n}", 3, "Partition00Hsm"),
            ("Emulator = {\n Durability = maybe;\n}", 2, "Durability"),
            ("Emulator = {\n LogFormat = xml;\n}", 2, "LogFormat"),
            ("Emulator = {\n CheckAccess = 2;\n}", 2, "CheckAccess"),
            ("Presentation = {\n OneBaseSlotId = 2;\n}", 2, "OneBaseSlotId"),
            ("Presentation = {\n ShowEmptySlots = some;\n}", 2, "ShowEmptySlots"),
            ("Presentation = {\n ShowUserSlots = 1:123;\n}", 2, "ShowUserSlots"),
            ("Presentation = {\n ShowUserSlots = 1(12),1(13);\n}", 2, "ShowUserSlots"),
            ("CardReader = {\n LunaG5Slots = -1;\n}", 2, "LunaG5Slots"),
            (
                "Misc = {\n ProtectedAuthenticationPathFlagStatus = 3;\n}",
                2,
                "ProtectedAuthenticationPathFlagStatus",
            ),
            ("HAConfiguration = {\n logLen = 1;\n}", 2, "logLen"),
            ("HAConfiguration = {\n statusTimeout = 61;\n}", 2, "statusTimeout"),
            ("LunaSA Client = {\n ProbeTimeout = soon;\n}", 2, "ProbeTimeout"),
            ("CkLog2 = {\n NewFormat = old;\n}", 2, "NewFormat"),
            ("CkLog2 = {\n LoggingMask = Nothing;\n}", 2, "LoggingMask"),
            ("Toggles = {\n legacy_memory = 7;\n}", 2, "legacy_memory"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.line(), Some(line), "{error}");
            assert!(error.to_string().contains(key), "{error}");
        }
    }

    #[test]
    fn nothing_configured_is_a_client_without_an_hsm() {
        let config = read("Chrystoki2 = { LibUNIX64 = x; }").unwrap();
        assert!(config.partitions.is_empty() && config.groups.is_empty());
        assert!(config.call_log.is_none() && !config.ha_log.is_on());
    }

    #[test]
    fn what_every_key_means() {
        let config = read(
            "Presentation = { OneBaseSlotId = 1; ShowEmptySlots = yes; ShowAdminTokens = yes;\n \
             ShowUserSlots = 3(1234), 1(5678); }\nCardReader = { LunaG5Slots = 0; }\n\
             Misc = { ProtectedAuthenticationPathFlagStatus = 2; RSAPre1863KeyGenMechRemap = 1; }\n\
             HAConfiguration = { haLogToStdout = enabled; logLen = 262144; statusTimeout = 5;\n \
             failover_on_deactivation = 1; haLogStatus = enabled; haLogPath = /var/log; }\n\
             LunaSA Client = { ProbeTimeout = 1500; }\n\
             Session = { AutoCleanUpDisabled = 1; }\n\
             CkLog2 = { LoggingFile = /tmp/log; File = /tmp/old; LoggingMask = ALL_FUNC; }\n\
             Emulator = { LogFormat = json; CheckAccess = 0; }\n",
        )
        .unwrap();
        let shown = &config.presentation;
        assert!(shown.one_based && shown.show_empty_slots && config.show_admin_tokens);
        assert_eq!(shown.user_slots, [(3, "1234".to_owned()), (1, "5678".to_owned())]);
        assert_eq!(shown.usb_slots, 0);
        assert_eq!(shown.protected_path, ProtectedPath::Never);
        assert!(config.remap_pre_186_3_generation && !config.remap_rsa_generation);
        assert_eq!(config.probing.probe_timeout, Some(Duration::from_millis(1500)));
        assert_eq!(config.probing.status_timeout, Duration::from_secs(5));
        assert!(config.probing.failover_on_deactivation && config.toggles.auto_clean_up_disabled);
        assert_eq!(config.ha_log.file, Some("/var/log/haErrorLog.txt".into()));
        assert!(config.ha_log.to_stdout && config.ha_log.rotate_bytes == 262_144);
        let log = config.call_log.unwrap();
        assert_eq!(log.file, Some("/tmp/log".into()));
        assert!(log.mask.takes("C_Login") && log.compact && !log.to_stdout);
        assert_eq!(config.emulator.log_format, LogFormat::Json);
        assert!(!config.emulator.checks_access);
    }
}
