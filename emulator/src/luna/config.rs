//! `Chrystoki.conf` as types: what this library reads of it.
//!
//! Source: chrystoki-conf.md and ha.md section 3 of the fact pack (Documented but where said).

use std::path::PathBuf;
use std::time::Duration;

use chrystoki_conf::Conf;

/// What the client side of the library needs to know.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Partitions of emulated HSMs, in the order of their slots.
    pub partitions: Vec<PartitionEntry>,
    /// HA groups, in the order of their numbers.
    pub groups: Vec<GroupEntry>,
    /// Only HA groups are listed.
    pub ha_only: bool,
    /// HSMs show their admin partitions, and the containers that the configuration does not name.
    pub show_admin_tokens: bool,
    /// How groups recover members.
    pub recovery: Recovery,
    /// Directory of the HA log, when it is enabled.
    pub ha_log: Option<PathBuf>,
    /// RSA key generation by the old name runs by the FIPS 186-3 one where the old is barred.
    pub remap_rsa_generation: bool,
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

/// The section `Emulator`.
#[derive(Clone, Debug, Default)]
pub struct EmulatorEntry {
    /// Where HSMs keep their state.
    pub state_directory: Option<PathBuf>,
    /// Writes reach the disk itself before a call returns, against loss of power.
    pub durable_against_power_loss: bool,
    /// Failed calls and their reasons are written there.
    pub log_file: Option<PathBuf>,
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
        let log = conf.flag(HA, "haLogStatus")?.unwrap_or(false);
        let durability = conf.choice(EMULATOR, "Durability", &["process", "full"])?;
        let path = |section, key| conf.value(section, key).map(PathBuf::from);
        Ok(Self {
            partitions: partitions(conf)?,
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
            ha_log: if log { path(HA, "haLogPath") } else { None },
            remap_rsa_generation: conf.flag("Misc", "RSAKeyGenMechRemap")?.unwrap_or(false),
            emulator: EmulatorEntry {
                state_directory: path(EMULATOR, "StateDirectory"),
                durable_against_power_loss: durability == Some(1),
                log_file: path(EMULATOR, "LogFile"),
            },
        })
    }
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
    }
}
