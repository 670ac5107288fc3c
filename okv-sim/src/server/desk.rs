//! What the faces share: the vault, who is logged in, and the one thread that runs slow operations in their order.
//!
//! A slow operation is a [`Job`]: it waits for its turn, tells which step it is at, and keeps what it gave. Pages ask a
//! job how it stands; nothing that only reads waits for one.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::Running;
use super::sessions::Sessions;
use crate::api::{Answer, Call, Options, Service};
use crate::error::Error;
use crate::operation::{self, Account, Operation, Step};
use crate::release::Release;
use crate::secret::Secret;
use crate::texts::Cause;
use crate::vault::Vault;
use crate::view::View;
use crate::watch::Event;

/// How many jobs are remembered.
const REMEMBERED: usize = 200;

/// How many jobs may wait for their turn.
const WAITING: usize = 64;

/// What faces share.
pub(super) struct Desk {
    pub(super) vault: Mutex<Vault>,
    pub(super) view: View,
    pub(super) sessions: Mutex<Sessions>,
    pub(super) running: Running,
    pub(super) started: Instant,
    /// Passwords are stretched two at a time: it is meant to cost, and not to stop everything else.
    pub(super) logins: tokio::sync::Semaphore,
    jobs: Mutex<VecDeque<Arc<Job>>>,
    next: AtomicU64,
    queue: Mutex<Sender<Arc<Job>>>,
    release: Mutex<Option<Arc<Release>>>,
}

/// How far a job is.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    /// The steps that were begun.
    pub(super) steps: Vec<Step>,
    /// Bytes that have gone, of how many.
    pub(super) sent: Option<(usize, usize)>,
    /// When it was its turn.
    pub(super) began: Option<Instant>,
}

/// A slow operation.
pub(super) struct Job {
    pub(super) id: u64,
    pub(super) service: &'static Service,
    /// Who asked; `None` is the server itself.
    pub(super) who: Option<String>,
    /// The page to go back to.
    pub(super) back: String,
    options: Mutex<Option<Options>>,
    progress: Mutex<Progress>,
    outcome: Mutex<Option<Result<Answer, Error>>>,
    done: watch::Sender<bool>,
}

impl Job {
    pub(super) fn progress(&self) -> Progress {
        self.progress.lock().clone()
    }

    /// What it gave; `None` while it waits or runs.
    pub(super) fn outcome(&self) -> Option<Result<Answer, Error>> {
        self.outcome.lock().clone()
    }

    /// Waits until it is over.
    pub(super) async fn wait(&self) -> Result<Answer, Error> {
        let mut done = self.done.subscribe();
        let ended = done.wait_for(|done| *done).await.is_ok();
        let silent = || Err(Error::new(Operation::Serve, Cause::ServerSilent));
        if ended { self.outcome().unwrap_or_else(silent) } else { silent() }
    }
}

impl Desk {
    /// Takes the vault over and starts the thread.
    pub(super) fn new(vault: Vault, running: Running) -> std::io::Result<Arc<Self>> {
        let (queue, turns) = mpsc::channel::<Arc<Job>>();
        let view = vault.view();
        let watch = vault.core.watch.clone();
        let desk = Arc::new(Self {
            vault: Mutex::new(vault),
            view,
            sessions: Mutex::default(),
            running,
            started: Instant::now(),
            logins: tokio::sync::Semaphore::new(2),
            jobs: Mutex::default(),
            next: AtomicU64::new(1),
            queue: Mutex::new(queue),
            release: Mutex::new(None),
        });
        let weak = Arc::downgrade(&desk);
        let names = std::thread::Builder::new().name("okv-operations".into());
        names.spawn(move || {
            while let Ok(job) = turns.recv() {
                let Some(desk) = weak.upgrade() else { return };
                job.progress.lock().began = Some(Instant::now());
                let looking = Arc::clone(&job);
                watch.set(Some(Box::new(move |event: &Event<'_>| {
                    let mut progress = looking.progress.lock();
                    match event {
                        Event::Step(step) => progress.steps.push(*step),
                        Event::Sent { gone, of } => progress.sent = Some((*gone, *of)),
                        _ => {}
                    }
                    Ok(())
                })));
                let options = job.options.lock().take().unwrap_or_default();
                let call = Call { vault: &desk.vault, view: &desk.view, options: &options };
                let outcome = (job.service.run)(&call);
                watch.set(None);
                desk.look_after(job.service, &outcome);
                *job.outcome.lock() = Some(outcome);
                job.done.send_replace(true);
            }
        })?;
        Ok(desk)
    }

    /// The installed release.
    pub(super) fn release(&self) -> Result<Arc<Release>, Error> {
        let name = self.view.status()?.release;
        let mut known = self.release.lock();
        match &*known {
            Some(release) if release.name == name => Ok(Arc::clone(release)),
            _ => {
                let release = Arc::new(Release::named(&name)?);
                *known = Some(Arc::clone(&release));
                Ok(release)
            }
        }
    }

    /// An error in the installed release's words.
    pub(super) fn describe(&self, error: &Error) -> String {
        self.release().map_or_else(|_| error.to_string(), |release| release.describe(error))
    }

    /// Puts a slow operation in the queue.
    pub(super) fn submit(
        &self,
        service: &'static Service,
        options: Options,
        who: Option<&str>,
        back: &str,
    ) -> Result<Arc<Job>, Error> {
        let job = Arc::new(Job {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            service,
            who: who.map(str::to_owned),
            back: back.to_owned(),
            options: Mutex::new(Some(options)),
            progress: Mutex::default(),
            outcome: Mutex::new(None),
            done: watch::Sender::new(false),
        });
        let mut jobs = self.jobs.lock();
        if jobs.iter().filter(|job| job.outcome.lock().is_none()).count() >= WAITING {
            let detail = "too many operations wait for their turn";
            return Err(Error::new(Operation::Serve, Cause::WrongState).with_detail(detail));
        }
        if self.queue.lock().send(Arc::clone(&job)).is_err() {
            return Err(Error::new(Operation::Serve, Cause::ServerSilent));
        }
        // What is over and old is forgotten; what is not over is not.
        while jobs.len() >= REMEMBERED && jobs.front().is_some_and(|it| it.outcome().is_some()) {
            jobs.pop_front();
        }
        jobs.push_back(Arc::clone(&job));
        Ok(job)
    }

    /// The job of this number.
    pub(super) fn job(&self, id: u64) -> Option<Arc<Job>> {
        self.jobs.lock().iter().find(|job| job.id == id).map(Arc::clone)
    }

    /// The job that runs now or waits first.
    pub(super) fn busy(&self) -> Option<Arc<Job>> {
        self.jobs.lock().iter().find(|job| job.outcome.lock().is_none()).map(Arc::clone)
    }

    /// Runs a service and waits for it, off the threads that answer.
    pub(super) async fn call(
        self: &Arc<Self>,
        service: &'static Service,
        options: Options,
        who: Option<&str>,
    ) -> Result<Answer, Error> {
        let answer = if service.slow {
            self.submit(service, options, who, "/")?.wait().await
        } else {
            let desk = Arc::clone(self);
            let run = tokio::task::spawn_blocking(move || {
                let (vault, view) = (&desk.vault, &desk.view);
                let answer = (service.run)(&Call { vault, view, options: &options });
                desk.look_after(service, &answer);
                answer
            });
            run.await.unwrap_or_else(|error| {
                Err(Error::new(Operation::Serve, Cause::ServerSilent).with_detail(error))
            })
        };
        answer
    }

    /// What an operation does to those who are logged in.
    fn look_after(&self, service: &Service, answer: &Result<Answer, Error>) {
        let Ok(answer) = answer else { return };
        match (service.category, service.resource, service.action) {
            ("backup", "restore", "start") => self.sessions.lock().end_all(),
            ("admin", "account", "delete" | "set-password") => {
                self.sessions.lock().end_of(answer.value["name"].as_str().unwrap_or_default());
            }
            _ => {}
        }
    }

    /// How long the server has been up.
    pub(super) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Desk {
    /// The account of this name and password.
    ///
    /// # Errors
    /// [`Cause::LoginsTooMany`], [`Cause::LoginRefused`]; either is in the audit trail.
    pub(super) async fn log_in(
        self: &Arc<Self>,
        name: &str,
        password: Secret,
        from: IpAddr,
    ) -> Result<Account, Error> {
        let wait = self.sessions.lock().wait(name, from);
        if let Some(wait) = wait {
            let detail = format!("wait {} seconds", wait.as_secs() + 1);
            return Err(Error::new(Operation::Account, Cause::LoginsTooMany).with_detail(detail));
        }
        let silent = |error: &dyn std::fmt::Display| {
            Error::new(Operation::Serve, Cause::ServerSilent).with_detail(error)
        };
        let _turn = self.logins.acquire().await.map_err(|error| silent(&error))?;
        let (desk, asked) = (Arc::clone(self), name.to_owned());
        let checked = tokio::task::spawn_blocking(move || {
            let checked = operation::check_password(&desk.view.store, &asked, &password);
            if checked.is_err() {
                // One that cannot be written stops nobody.
                let _ = desk.view.store.change(|change| change.audit("login", "LoginRefused"));
            }
            checked
        });
        let checked = checked.await.map_err(|error| silent(&error))?;
        let mut sessions = self.sessions.lock();
        match &checked {
            Ok(_) => sessions.forgive(name, from),
            Err(_) => sessions.count(name, from),
        }
        checked
    }
}

impl Desk {
    /// The data directory.
    pub(super) fn data(&self) -> &std::path::Path {
        self.running
            .certificate
            .parent()
            .and_then(std::path::Path::parent)
            .unwrap_or(&self.running.certificate)
    }
}
