//! An operation under way: which step it is at, and how it ended.

use askama::Template as _;
use axum::http::StatusCode;
use axum::response::Response;

use super::frame::{self, Shown};
use super::pages::Ask;
use super::view::{Block, JobView, StepView};
use crate::operation::{Account, Step};
use crate::server::desk::{Desk, Job};
use crate::server::json;

fn title(job: &Job) -> String {
    let about = job.service.about;
    let mut letters = about.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let whole = first + letters.as_str();
    whole.split([':', ';', ',']).next().unwrap_or_default().to_owned()
}

/// Steps as they are shown: those of the operation itself, with those of a verification inside it.
fn steps(taken: &[Step], over: bool, well: bool) -> Vec<StepView> {
    let last = taken.len().saturating_sub(1);
    let mut shown = Vec::new();
    for (at, step) in taken.iter().enumerate() {
        let class = match (at == last, over, well) {
            (false, ..) | (true, true, true) => "done",
            (true, true, false) => "failed",
            (true, false, _) => "now",
        };
        // Those of a verification inside another operation stand a little aside.
        let class = match taken.first() {
            Some(first) if first.sequence() != step.sequence() => format!("{class} within"),
            _ => class.to_owned(),
        };
        let (number, of, name) = (step.number(), step.of(), step.name());
        shown.push(StepView { text: format!("{number} of {of}: {name}"), class });
    }
    shown
}

fn view(desk: &Desk, job: &Job) -> JobView {
    let (progress, outcome) = (job.progress(), job.outcome());
    let (over, well, text, at) = match &outcome {
        None => (false, true, String::new(), String::new()),
        Some(Ok(answer)) => (true, answer.well, answer.text.clone(), String::new()),
        Some(Err(error)) => {
            let at = [error.step, error.verification_step];
            let at: Vec<_> = at.iter().flatten().map(ToString::to_string).collect();
            (true, false, desk.describe(error), at.join(", "))
        }
    };
    let now = match (progress.began, progress.sent) {
        (None, _) => "Waiting for the operation before it to end".to_owned(),
        (Some(began), Some((gone, of))) if gone < of => {
            format!("Sending, {gone} of {of} bytes, {} s", began.elapsed().as_secs())
        }
        (Some(began), _) => format!("Under way for {} s", began.elapsed().as_secs()),
    };
    let by = job.who.as_deref().map_or_else(|| "the server".to_owned(), str::to_owned);
    let now = format!("{now}. Asked for by {by}.");
    JobView {
        id: job.id,
        title: title(job),
        over,
        well,
        text,
        at,
        steps: steps(&progress.steps, over, well),
        now,
        back: job.back.clone(),
    }
}

pub(super) fn show(ask: &Ask<'_>, id: u64) -> Response {
    let here = format!("/jobs/{id}");
    let seen =
        ask.desk.job(id).filter(|job| json::allowed(&ask.session.account, job.service).is_ok());
    let Some(job) = seen else {
        let text =
            "This operation is no longer remembered. Its outcome is in the audit trail.".to_owned();
        let blocks = vec![Block::Note { class: "bad", text }];
        let (status, title) = (StatusCode::NOT_FOUND, "Not found".to_owned());
        return frame::show(ask, Shown { status, title, id: "home", here, blocks, job: None });
    };
    let view = view(ask.desk, &job);
    let release = ask.desk.release();
    let pages = release.as_ref().map(|release| release.pages()).unwrap_or_default();
    let menu =
        pages.iter().find(|(_, entry)| entry.address() == job.back).map_or("home", |it| it.0);
    let title = view.title.clone();
    let status = StatusCode::OK;
    frame::show(ask, Shown { status, title, id: menu, here, blocks: Vec::new(), job: Some(view) })
}

pub(super) fn fragment(desk: &Desk, account: &Account, id: u64) -> Option<String> {
    let job = desk.job(id).filter(|job| json::allowed(account, job.service).is_ok())?;
    view(desk, &job).render().ok()
}
