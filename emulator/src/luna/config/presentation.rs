//! Which slots an application sees, under which numbers, and how it is told of a PED.
//!
//! Source: chrystoki-conf.md of the fact pack: all of `Presentation` is recalled, no page was found.

use chrystoki_conf::Conf;

/// Slots as the configuration wants them seen.
#[derive(Clone, Debug, Default)]
pub struct Presentation {
    /// Slots are counted from 1 (`OneBaseSlotId`).
    pub one_based: bool,
    /// A partition that cannot be reached at `C_Initialize` keeps a slot, as one without a token
    /// (`ShowEmptySlots`); else it has none, and those behind it move up.
    pub show_empty_slots: bool,
    /// Slot numbers of partitions, by serial number (`ShowUserSlots`). Other partitions of an HSM of
    /// which one is named are hidden; other HSMs' take the numbers that are left (recalled).
    pub user_slots: Vec<(u64, String)>,
    /// Slots kept for USB and backup HSMs, which this module never has (`LunaG5Slots`).
    pub usb_slots: u64,
    /// How tokens tell of a PED (`ProtectedAuthenticationPathFlagStatus`).
    pub protected_path: ProtectedPath,
}

/// When `CKF_PROTECTED_AUTHENTICATION_PATH` is set. The numbers in the file are recalled.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ProtectedPath {
    /// As the HSM is: 0.
    #[default]
    ByToken,
    /// Whatever the HSM is: 1.
    Always,
    /// Whatever the HSM is: 2.
    Never,
}

const SECTION: &str = "Presentation";

/// Without the key; recalled.
const USB_SLOTS: i64 = 3;

impl Presentation {
    pub(super) fn of(conf: &Conf) -> Result<Self, chrystoki_conf::Error> {
        let flag = |key| Ok(conf.flag(SECTION, key)?.unwrap_or(false));
        let usb_slots = conf.number("CardReader", "LunaG5Slots", 0..=16)?.unwrap_or(
            // Nobody has card readers who has not got the section.
            if conf.section("CardReader").is_some() { USB_SLOTS } else { 0 },
        );
        let key = "ProtectedAuthenticationPathFlagStatus";
        Ok(Self {
            one_based: flag("OneBaseSlotId")?,
            show_empty_slots: flag("ShowEmptySlots")?,
            user_slots: user_slots(conf)?,
            usb_slots: u64::try_from(usb_slots).unwrap_or(0),
            protected_path: match conf.number("Misc", key, 0..=2)? {
                Some(1) => ProtectedPath::Always,
                Some(2) => ProtectedPath::Never,
                _ => ProtectedPath::ByToken,
            },
        })
    }
}

/// `slot(serial),slot(serial)`.
fn user_slots(conf: &Conf) -> Result<Vec<(u64, String)>, chrystoki_conf::Error> {
    const KEY: &str = "ShowUserSlots";
    let mut slots: Vec<(u64, String)> = Vec::new();
    for item in conf.list(SECTION, KEY) {
        let wrong = |what: String| conf.wrong(SECTION, KEY, what, "slot(serial),slot(serial)");
        let parts = item.strip_suffix(')').and_then(|item| item.split_once('('));
        let number = parts.and_then(|(number, _)| number.trim().parse::<u32>().ok());
        let (Some(number), Some((_, serial))) = (number, parts) else {
            return Err(wrong(format!("`{item}`")));
        };
        let serial = serial.trim();
        super::check_serial(conf, SECTION, KEY, serial)?;
        if slots.iter().any(|(other, of)| *other == u64::from(number) || of == serial) {
            return Err(wrong(format!("`{item}` after another of its slot or its serial number")));
        }
        slots.push((number.into(), serial.to_owned()));
    }
    Ok(slots)
}
