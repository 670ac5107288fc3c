//! The timer: the periodic check of the HSM, and the schedule of backups.
//!
//! Five minutes between two checks unless set otherwise (Documented). A check is a job like any other: it waits for
//! its turn, and while an operation is at the HSM anyway none is added. Releases without an alert do not check.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::desk::Desk;
use crate::api::{self, Options, Service};
use crate::operation;
use crate::secret::Secret;
use crate::vault::State;

/// How often the timer looks.
const TICK: Duration = Duration::from_millis(500);

/// Runs for as long as the server does.
pub(super) async fn run(desk: Arc<Desk>) {
    let mut checked = Instant::now();
    loop {
        tokio::time::sleep(TICK).await;
        // Somebody is at it: what is due comes after.
        if desk.busy().is_some() {
            continue;
        }
        if is_check_due(&desk, checked) {
            ask(&desk, api::service("hsm", "check", "run").ok(), Vec::new()).await;
            checked = Instant::now();
        }
        if desk.view.is_open() {
            let due = {
                let desk = Arc::clone(&desk);
                tokio::task::spawn_blocking(move || operation::due_backups(&desk.view)).await
            };
            for name in due.ok().and_then(Result::ok).unwrap_or_default() {
                let service = api::service("backup", "schedule", "run").ok();
                ask(&desk, service, vec![("name".to_owned(), Secret::from(name))]).await;
            }
        }
    }
}

fn is_check_due(desk: &Desk, checked: Instant) -> bool {
    let checks = desk.release().is_ok_and(|release| release.alerts.value);
    let interval = desk.view.check_interval_s().unwrap_or(300);
    let enabled = !matches!(desk.view.state(), State::NotEnabled | State::CredentialSet);
    checks && enabled && checked.elapsed() >= Duration::from_secs(interval.into())
}

/// What comes of it is in the alerts, the traces and the list of backups.
async fn ask(desk: &Arc<Desk>, service: Option<&'static Service>, came: Vec<(String, Secret)>) {
    let Some(service) = service else { return };
    if let Ok(options) = Options::read(service, came) {
        let _ = desk.call(service, options, None).await;
    }
}
