//! How often the HSM is checked: the monitoring interval of the page to configure alerts (Documented).

use super::Operation;
use crate::error::Error;
use crate::texts::Cause;
use crate::vault::Vault;

/// Seconds. Bounds Assumed: one second is for tests, a day the longest that makes sense.
const INTERVAL_S: std::ops::RangeInclusive<u32> = 1..=86_400;

pub(crate) fn set_check_interval(vault: &mut Vault, seconds: u32) -> Result<(), Error> {
    let operation = Operation::Alerts;
    if !INTERVAL_S.contains(&seconds) {
        let detail = format!("{seconds}; the interval is 1 to 86400 seconds");
        return Err(Error::new(operation, Cause::OptionUnusable).with_detail(detail));
    }
    if !vault.view.release()?.alerts.value {
        return Err(Error::new(operation, Cause::NotInThisRelease));
    }
    let changed = vault.core.store.change(|change| {
        change.check_interval_s(seconds)?;
        change.audit(operation.name(), "success")
    });
    changed.map_err(|error| Error::store(operation, &error))
}
