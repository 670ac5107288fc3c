//! The life of the library: initialise, finalise, threads, forks, reloads.

use std::ffi::CString;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use luna_client::ck::*;
use luna_client::module::fork::{Forked, forked};
use luna_client::module::words::Word;
use luna_client::{Access, InitArgs, Module};

use crate::check::{Finding, Mark, Needs, Outcome, Registry, Row, answers, ensure, refused};
use crate::stage::Stage;

/// How long a forked child may take.
const CHILD: Duration = Duration::from_secs(20);

const THREADS: usize = 8;

const ROWS: &[Row] = &[
    Row {
        id: "initialize.once",
        title: "C_Initialize and C_Finalize work",
        source: (Mark::Standard, "section 5.4"),
        needs: Needs::alone,
        run: |stage| Ok(stage.module.initialize(stage.init_args())?.finalize()?),
    },
    Row {
        id: "initialize.twice",
        title: "a second C_Initialize is refused",
        source: (Mark::Standard, "section 5.4 (C_Initialize)"),
        needs: Needs::alone,
        run: |stage| {
            let _context = stage.module.initialize(stage.init_args())?;
            let seen = stage.module.initialize(stage.init_args());
            refused("C_Initialize", seen, &[CKR_CRYPTOKI_ALREADY_INITIALIZED])
        },
    },
    Row {
        id: "initialize.again",
        title: "after C_Finalize the library can be initialised again, many times",
        source: (Mark::Standard, "section 5.4 (C_Finalize)"),
        needs: Needs::alone,
        run: |stage| {
            for _ in 0..5 {
                let context = stage.module.initialize(stage.init_args())?;
                context.slots(true)?;
                context.finalize()?;
            }
            Ok(())
        },
    },
    Row {
        id: "initialize.null",
        title: "C_Initialize with a null pointer works",
        source: (Mark::Standard, "section 5.4 (C_Initialize)"),
        needs: Needs::alone,
        run: |stage| {
            if stage.target.reserved.is_some() {
                return Err(Finding::not_applicable("the module wants its configuration there"));
            }
            Ok(stage.module.initialize(InitArgs::SingleThread)?.finalize()?)
        },
    },
    Row {
        id: "initialize.no-locking",
        title: "C_Initialize with arguments and no flags works",
        source: (Mark::Standard, "section 5.4 (C_Initialize), case 1"),
        needs: Needs::alone,
        run: |stage| Ok(stage.module.initialize(flags(stage, 0))?.finalize()?),
    },
    Row {
        id: "initialize.no-threads",
        title: "C_Initialize with CKF_LIBRARY_CANT_CREATE_OS_THREADS works, or says that it needs threads",
        source: (Mark::Standard, "section 5.4 (C_Initialize), CKR_NEED_TO_CREATE_THREADS"),
        needs: Needs::alone,
        run: |stage| {
            let asked = CKF_LIBRARY_CANT_CREATE_OS_THREADS | CKF_OS_LOCKING_OK;
            match stage.module.initialize(flags(stage, asked)) {
                Ok(context) => Ok(context.finalize()?),
                Err(error) => {
                    refused::<()>("C_Initialize", Err(error), &[CKR_NEED_TO_CREATE_THREADS])
                }
            }
        },
    },
    Row {
        id: "finalize.before",
        title: "C_Finalize before C_Initialize is refused",
        source: (Mark::Standard, "section 5.4 (C_Finalize)"),
        needs: Needs::alone,
        run: |stage| {
            let (rv, _) = stage.words().call("C_Finalize", &[Word::Null])?;
            answers("C_Finalize", rv, &[CKR_CRYPTOKI_NOT_INITIALIZED])
        },
    },
    Row {
        id: "finalize.twice",
        title: "a second C_Finalize is refused",
        source: (Mark::Standard, "section 5.4 (C_Finalize)"),
        needs: Needs::alone,
        run: |stage| {
            stage.module.initialize(stage.init_args())?.finalize()?;
            let (rv, _) = stage.words().call("C_Finalize", &[Word::Null])?;
            answers("C_Finalize", rv, &[CKR_CRYPTOKI_NOT_INITIALIZED])
        },
    },
    Row {
        id: "finalize.sessions",
        title: "sessions do not survive C_Finalize",
        source: (Mark::Standard, "section 5.4 (C_Finalize)"),
        needs: Needs::alone,
        run: |stage| {
            let context = stage.module.initialize(stage.init_args())?;
            let slot = stage.find_slot(&context)?;
            let session = context.open_session(slot, Access::ReadOnly)?;
            let handle = session.handle().0;
            context.finalize()?;
            drop(session);
            let (rv, _) = stage.exact().session_info(handle)?;
            answers("C_GetSessionInfo after C_Finalize", rv, &[CKR_CRYPTOKI_NOT_INITIALIZED])?;
            let _context = stage.module.initialize(stage.init_args())?;
            let (rv, _) = stage.exact().session_info(handle)?;
            answers("C_GetSessionInfo of an old session", rv, &[CKR_SESSION_HANDLE_INVALID])
        },
    },
    Row {
        id: "finalize.login",
        title: "a login does not survive C_Finalize",
        source: (Mark::Standard, "section 5.4 (C_Finalize); section 5.6 (C_Login)"),
        needs: Needs::alone,
        run: |stage| {
            let context = stage.module.initialize(stage.init_args())?;
            let slot = stage.find_slot(&context)?;
            let session = stage.logged_in(&context, slot)?;
            context.finalize()?;
            drop(session);
            let context = stage.module.initialize(stage.init_args())?;
            let session = context.open_session(stage.find_slot(&context)?, Access::ReadWrite)?;
            let state = session.info()?.state;
            crate::check::same("the session's state", &CKS_RW_PUBLIC_SESSION, &state)
        },
    },
    Row {
        id: "threads.initialize",
        title: "of threads that initialise at once one does, and the others are told",
        source: (Mark::Standard, "section 5.4 (C_Initialize), CKR_CRYPTOKI_ALREADY_INITIALIZED"),
        needs: Needs::alone,
        run: threads_initialize,
    },
    Row {
        id: "threads.sessions",
        title: "threads with sessions of their own do not disturb each other",
        source: (Mark::Standard, "section 5.4 (C_Initialize), CKF_OS_LOCKING_OK"),
        needs: Needs::alone,
        run: threads_sessions,
    },
    Row {
        id: "threads.finalize",
        title: "C_Finalize while other threads are in calls crashes nothing",
        source: (Mark::Standard, "section 5.4 (C_Finalize): undefined, and a crash helps nobody"),
        needs: Needs::alone,
        run: threads_finalize,
    },
    Row {
        id: "fork.uninitialized",
        title: "in a forked child the library is not initialised",
        source: (Mark::Standard, "section 5.4 (C_Initialize); usage guide, section 2.5"),
        needs: Needs::alone,
        run: |stage| {
            let context = stage.module.initialize(stage.init_args())?;
            let seen = in_child(|| match context.slots(true) {
                Err(error) if error.is(CKR_CRYPTOKI_NOT_INITIALIZED) => 0,
                Err(_) => 1,
                Ok(_) => 2,
            })?;
            ensure(
                seen == Forked::Exited(0),
                "C_GetSlotList in a child answers CKR_CRYPTOKI_NOT_INITIALIZED",
                told(seen, &["", "it answered another code", "it answered CKR_OK"]),
            )
        },
    },
    Row {
        id: "fork.initialize",
        title: "a forked child can initialise the library",
        source: (Mark::Standard, "section 5.4 (C_Initialize); usage guide, section 2.5"),
        needs: Needs::alone,
        run: |stage| {
            let _context = stage.module.initialize(stage.init_args())?;
            let (module, args) = (stage.module.clone(), stage.init_args());
            let seen = in_child(move || match module.initialize(args) {
                Ok(context) => u8::from(context.slots(true).is_err()) * 2,
                Err(_) => 1,
            })?;
            ensure(
                seen == Forked::Exited(0),
                "C_Initialize and C_GetSlotList work in a child",
                told(seen, &["", "C_Initialize was refused", "C_GetSlotList was refused"]),
            )
        },
    },
    Row {
        id: "fork.parent",
        title: "what a forked child does leaves the parent's session alone",
        source: (Mark::Standard, "section 5.4 (C_Initialize); usage guide, section 2.5"),
        needs: Needs::alone,
        run: |stage| {
            let context = stage.module.initialize(stage.init_args())?;
            let session = context.open_session(stage.find_slot(&context)?, Access::ReadOnly)?;
            let (module, args) = (stage.module.clone(), stage.init_args());
            in_child(move || u8::from(module.initialize(args).is_err()))?;
            session.info()?;
            session.random(16)?;
            Ok(())
        },
    },
    Row {
        id: "load.twice",
        title: "the file loaded twice is one library",
        source: (Mark::Standard, "section 5.4 (C_Initialize)"),
        needs: Needs::alone,
        run: |stage| {
            let _context = stage.module.initialize(stage.init_args())?;
            let other = Module::load(&stage.target.module)?;
            let seen = other.initialize(stage.init_args());
            refused("C_Initialize", seen, &[CKR_CRYPTOKI_ALREADY_INITIALIZED])
        },
    },
    Row {
        id: "load.reload",
        title: "load, use, finalise, unload, and again",
        source: (Mark::Standard, "section 5.4 (C_Finalize)"),
        needs: Needs::alone,
        run: |stage| {
            for _ in 0..3 {
                let module = Module::load(&stage.target.module)?;
                let context = module.initialize(stage.init_args())?;
                context.slots(true)?;
                context.finalize()?;
            }
            Ok(())
        },
    },
    Row {
        id: "exit.initialized",
        title: "a process that ends without C_Finalize ends well",
        source: (Mark::Standard, "section 5.4 (C_Finalize)"),
        needs: Needs::alone,
        run: |stage| {
            let context = stage.module.initialize(stage.init_args())?;
            let session = context.open_session(stage.find_slot(&context)?, Access::ReadOnly)?;
            // The worker ends after this check: a crash of it there is found by who started it.
            stage.abandon(context, session);
            Ok(())
        },
    },
];

pub(super) fn register(registry: &mut Registry) {
    registry.rows("initialisation", ROWS);
}

fn flags(stage: &Stage, flags: CK_FLAGS) -> InitArgs {
    let text = stage.target.reserved.as_ref().and_then(|text| CString::new(text.as_str()).ok());
    InitArgs::Flags(flags, text)
}

fn in_child(body: impl FnOnce() -> u8) -> Outcome<Forked> {
    forked(CHILD, body).map_err(|error| Finding::not_applicable(format!("no fork: {error}")))
}

fn told(seen: Forked, codes: &[&str]) -> String {
    match seen {
        Forked::Exited(code) => {
            let text = usize::try_from(code).ok().and_then(|code| codes.get(code));
            text.map_or_else(|| format!("the child ended with {code}"), |text| (*text).to_owned())
        }
        Forked::Killed(signal) => format!("the child was killed by signal {signal}"),
        Forked::Hung => "the child hung".into(),
    }
}

fn threads_initialize(stage: &mut Stage) -> Outcome {
    let (worked, told) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let barrier = std::sync::Barrier::new(THREADS);
    let (module, args) = (stage.module.clone(), stage.init_args());
    let contexts = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let args = args.clone();
                    barrier.wait();
                    let seen = module.initialize(args);
                    match &seen {
                        Ok(_) => worked.fetch_add(1, Ordering::Relaxed),
                        Err(error) if error.is(CKR_CRYPTOKI_ALREADY_INITIALIZED) => {
                            told.fetch_add(1, Ordering::Relaxed)
                        }
                        Err(_) => 0,
                    };
                    seen.ok()
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect::<Vec<_>>()
    });
    drop(contexts);
    let (worked, told) = (worked.into_inner(), told.into_inner());
    ensure(
        worked == 1 && told == THREADS - 1,
        format!("1 succeeds, {} answer CKR_CRYPTOKI_ALREADY_INITIALIZED", THREADS - 1),
        format!("{worked} succeeded, {told} answered so"),
    )
}

fn threads_sessions(stage: &mut Stage) -> Outcome {
    let context = stage.module.initialize(stage.init_args())?;
    let slot = stage.find_slot(&context)?;
    let failed = std::thread::scope(|scope| {
        let work = || -> luna_client::Result<bool> {
            let session = context.open_session(slot, Access::ReadOnly)?;
            let mut seen = Vec::new();
            for _ in 0..50 {
                seen.push(session.random(16)?);
                session.info()?;
            }
            session.close()?;
            Ok(seen.windows(2).all(|pair| pair.first() != pair.last()))
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        let results = threads.into_iter().map(|thread| thread.join());
        results.filter(|result| !matches!(result, Ok(Ok(true)))).count()
    });
    crate::check::same("threads that failed", &0, &failed)
}

fn threads_finalize(stage: &mut Stage) -> Outcome {
    let context = stage.module.initialize(stage.init_args())?;
    let slot = stage.find_slot(&context)?;
    let (stop, odd) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..THREADS / 2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let (Err(error), ..) = (context.token_info(slot),) else { continue };
                    let known =
                        [CKR_CRYPTOKI_NOT_INITIALIZED, CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED]
                            .iter()
                            .any(|rv| error.is(*rv));
                    if !known {
                        odd.fetch_add(1, Ordering::Relaxed);
                    }
                    std::thread::yield_now();
                }
            });
        }
        std::thread::sleep(Duration::from_millis(20));
        let ended = stage.words().call("C_Finalize", &[Word::Null]);
        std::thread::sleep(Duration::from_millis(20));
        stop.store(true, Ordering::Relaxed);
        ended
    })?;
    let odd = odd.into_inner();
    crate::check::same("answers that say neither that all is well nor that it has ended", &0, &odd)
}
