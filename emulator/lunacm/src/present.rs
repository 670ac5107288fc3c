//! The shapes in which slots, tokens and flags are shown.
//!
//! Sources: lunacm banners of vendor and integration guides (Observed) for physical slots; the labels of the
//! HA block are Assumed.

use std::io;

use luna_ck::*;
use luna_client::{Context, SlotId, TokenInfo};

use crate::console::Console;

/// The client this tool is in the manner of: version and build of the banner printed in the Oracle Key Vault
/// integration guide, 007-000318-001 revision F (Observed).
const CLIENT: &str = "v10.2.0-111";

/// A token model that begins so is an HA group (Observed: `ThalesGroup/luna-ha-bench`).
const HA_MODEL: &str = "LunaVirtual";

/// Firmware from which the FM line is shown (Assumed).
const FM_SINCE: [u64; 2] = [7, 4];

/// The first line of a tool: the shape is the vendor's, the claim is not.
pub fn banner(tool: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("{tool} (64-bit) {CLIENT} (luna-emulator {version}). Not a Thales product.")
}

/// A slot with what is known of its token.
pub(crate) struct Shown {
    pub(crate) slot: SlotId,
    pub(crate) token: TokenInfo,
    description: String,
    /// Three numbers from the vendor's function, or the token's two.
    pub(crate) firmware: Vec<u64>,
    mode: Option<&'static str>,
}

impl Shown {
    pub(crate) fn of(context: &Context, slot: SlotId) -> luna_client::Result<Self> {
        let token = context.token_info(slot)?;
        let description = context.slot_info(slot)?.description;
        let plain = token.firmware_version;
        let firmware = match context.firmware_version(slot) {
            Ok(numbers) => numbers.to_vec(),
            Err(_) => vec![u64::from(plain.major), u64::from(plain.minor)],
        };
        let mode = if token.flags & CKF_ADMIN_TOKEN != 0 {
            admin_mode(context, slot)
        } else {
            mode(context, slot)
        };
        Ok(Self { slot, description, firmware, mode, token })
    }

    pub(crate) fn is_ha_group(&self) -> bool {
        self.token.model.starts_with(HA_MODEL)
    }

    pub(crate) fn firmware(&self) -> String {
        let numbers: Vec<String> = self.firmware.iter().map(u64::to_string).collect();
        numbers.join(".")
    }

    /// As in `Luna User Partition With SO (PW) Signing With Cloning Mode`. A module without the vendor's
    /// functions has none.
    pub(crate) fn configuration(&self) -> String {
        let Some(mode) = self.mode else { return "N/A".to_owned() };
        let kind = if self.is_ha_group() {
            "Luna Virtual HSM"
        } else if self.token.flags & CKF_ADMIN_TOKEN != 0 {
            "Luna HSM Admin Partition"
        } else {
            "Luna User Partition With SO"
        };
        format!("{kind} ({}) {mode}", self.authentication())
    }

    /// As in `Luna User Slot 7.4.0 (PW) Signing With Cloning Mode`.
    pub(crate) fn title(&self) -> String {
        match self.mode {
            Some(_) if self.is_ha_group() => self.configuration(),
            Some(mode) => {
                let kind = if self.token.flags & CKF_ADMIN_TOKEN != 0 { "Admin" } else { "User" };
                format!("Luna {kind} Slot {} ({}) {mode}", self.firmware(), self.authentication())
            }
            None => self.token.model.clone(),
        }
    }

    /// `PW`, or `PED` when the secret is typed on a device of its own.
    fn authentication(&self) -> &'static str {
        if self.token.flags & CKF_PROTECTED_AUTHENTICATION_PATH != 0 { "PED" } else { "PW" }
    }

    /// The block of the banner and of `slot list`.
    pub(crate) fn write(&self, console: &mut Console<'_>) -> io::Result<()> {
        let ha = self.is_ha_group();
        let label = |text: &str| {
            let text = if ha { format!("HSM {text}") } else { text.to_owned() };
            format!("{text} ->")
        };
        let mut row = |name: &str, value: &str| {
            writeln!(console.out, "{}", format!("        {name:<23} {value}").trim_end())
        };
        row("Slot Id ->", &self.slot.to_string())?;
        row(&label("Label"), &self.token.label)?;
        row(&label("Serial Number"), &self.token.serial_number)?;
        row(&label("Model"), &self.token.model)?;
        row(&label("Firmware Version"), &self.firmware())?;
        row(&label("Configuration"), &self.configuration())?;
        if ha {
            row("HSM Status ->", "N/A - HA Group")?;
        } else {
            row("Slot Description ->", &self.description)?;
            let since = self.firmware.get(..2).is_some_and(|numbers| numbers >= &FM_SINCE);
            if self.mode.is_some() && since {
                // No public call tells whether functionality modules are there; the guide's partition has
                // none (Assumed for others).
                row("FM HW Status ->", "Non-FM")?;
            }
        }
        writeln!(console.out)
    }
}

/// The words for what a partition may do with its keys; `None` without the vendor's functions. The wording
/// goes by capability, not by policy (Observed: partitions with the default policies show `Key Export`).
fn mode(context: &Context, slot: SlotId) -> Option<&'static str> {
    let capabilities = context.token_capabilities(slot).ok()?;
    let has =
        |id| capabilities.iter().any(|capability| capability.id == id && capability.value != 0);
    let cloning = has(CONTAINER_CONFIG_PRIVATE_KEY_CLONING);
    Some(match (has(CONTAINER_CONFIG_PRIVATE_KEY_WRAPPING), cloning) {
        (true, true) => "Key Export With Cloning Mode",
        (true, false) => "Key Export Mode",
        (false, true) => "Signing With Cloning Mode",
        (false, false) => "No Backup Mode",
    })
}

/// The same of an HSM's admin partition, by the HSM's own capability (Assumed).
fn admin_mode(context: &Context, slot: SlotId) -> Option<&'static str> {
    let capabilities = context.hsm_capabilities(slot).ok()?;
    let clones = capabilities.iter().any(|it| it.id == HSM_CONFIG_CLONING && it.value != 0);
    Some(if clones { "Signing With Cloning Mode" } else { "No Backup Mode" })
}

/// Token flags by name, the standard's and the vendor's. Source: PKCS#11 v2.40, `CK_TOKEN_INFO`.
pub(crate) const TOKEN_FLAGS: &[(CK_FLAGS, &str)] = &[
    (CKF_RNG, "CKF_RNG"),
    (CKF_WRITE_PROTECTED, "CKF_WRITE_PROTECTED"),
    (CKF_LOGIN_REQUIRED, "CKF_LOGIN_REQUIRED"),
    (CKF_USER_PIN_INITIALIZED, "CKF_USER_PIN_INITIALIZED"),
    (CKF_RESTORE_KEY_NOT_NEEDED, "CKF_RESTORE_KEY_NOT_NEEDED"),
    (CKF_CLOCK_ON_TOKEN, "CKF_CLOCK_ON_TOKEN"),
    (CKF_PROTECTED_AUTHENTICATION_PATH, "CKF_PROTECTED_AUTHENTICATION_PATH"),
    (CKF_DUAL_CRYPTO_OPERATIONS, "CKF_DUAL_CRYPTO_OPERATIONS"),
    (CKF_TOKEN_INITIALIZED, "CKF_TOKEN_INITIALIZED"),
    (CKF_SECONDARY_AUTHENTICATION, "CKF_SECONDARY_AUTHENTICATION"),
    (CKF_USER_PIN_COUNT_LOW, "CKF_USER_PIN_COUNT_LOW"),
    (CKF_USER_PIN_FINAL_TRY, "CKF_USER_PIN_FINAL_TRY"),
    (CKF_USER_PIN_LOCKED, "CKF_USER_PIN_LOCKED"),
    (CKF_USER_PIN_TO_BE_CHANGED, "CKF_USER_PIN_TO_BE_CHANGED"),
    (CKF_SO_PIN_COUNT_LOW, "CKF_SO_PIN_COUNT_LOW"),
    (CKF_SO_PIN_FINAL_TRY, "CKF_SO_PIN_FINAL_TRY"),
    (CKF_SO_PIN_LOCKED, "CKF_SO_PIN_LOCKED"),
    (CKF_SO_PIN_TO_BE_CHANGED, "CKF_SO_PIN_TO_BE_CHANGED"),
    (CKF_ADMIN_TOKEN, "CKF_ADMIN_TOKEN"),
];

/// Mechanism flags by name. Source: PKCS#11 v2.40, `CK_MECHANISM_INFO`.
pub(crate) const MECHANISM_FLAGS: &[(CK_FLAGS, &str)] = &[
    (CKF_HW, "CKF_HW"),
    (CKF_ENCRYPT, "CKF_ENCRYPT"),
    (CKF_DECRYPT, "CKF_DECRYPT"),
    (CKF_DIGEST, "CKF_DIGEST"),
    (CKF_SIGN, "CKF_SIGN"),
    (CKF_SIGN_RECOVER, "CKF_SIGN_RECOVER"),
    (CKF_VERIFY, "CKF_VERIFY"),
    (CKF_VERIFY_RECOVER, "CKF_VERIFY_RECOVER"),
    (CKF_GENERATE, "CKF_GENERATE"),
    (CKF_GENERATE_KEY_PAIR, "CKF_GENERATE_KEY_PAIR"),
    (CKF_WRAP, "CKF_WRAP"),
    (CKF_UNWRAP, "CKF_UNWRAP"),
    (CKF_DERIVE, "CKF_DERIVE"),
    (CKF_EC_F_P, "CKF_EC_F_P"),
    (CKF_EC_F_2M, "CKF_EC_F_2M"),
    (CKF_EC_ECPARAMETERS, "CKF_EC_ECPARAMETERS"),
    (CKF_EC_NAMEDCURVE, "CKF_EC_NAMEDCURVE"),
    (CKF_EC_UNCOMPRESS, "CKF_EC_UNCOMPRESS"),
    (CKF_EC_COMPRESS, "CKF_EC_COMPRESS"),
];

/// The names of the bits that are set; what has no name is one number at the end.
pub(crate) fn flag_names(flags: CK_FLAGS, names: &[(CK_FLAGS, &str)]) -> Vec<String> {
    let named = names.iter().filter(|(bit, _)| flags & bit != 0);
    let mut shown: Vec<String> = named.map(|(_, name)| (*name).to_owned()).collect();
    let rest = names.iter().fold(flags, |rest, (bit, _)| rest & !bit);
    if rest != 0 {
        shown.push(format!("0x{rest:x}"));
    }
    shown
}

/// A count, or the standard's words for not having one.
pub(crate) fn count(value: CK_ULONG) -> String {
    match value {
        CK_UNAVAILABLE_INFORMATION => "N/A".to_owned(),
        CK_EFFECTIVELY_INFINITE => "unlimited".to_owned(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_without_a_name_are_not_lost() {
        assert_eq!(
            flag_names(0x405, TOKEN_FLAGS),
            ["CKF_RNG", "CKF_LOGIN_REQUIRED", "CKF_TOKEN_INITIALIZED"]
        );
        assert_eq!(flag_names(0x8000_0001, TOKEN_FLAGS), ["CKF_RNG", "0x80000000"]);
    }
}
