//! The binary interface: the function list and the symbols.

use luna_client::ck::*;
use luna_client::module::words::{SIGNATURES, Word};

use crate::check::{
    Finding, Mark, Needs, Outcome, Registry, Row, Source, Subject, agree, answers, ensure, same,
};
use crate::stage::Stage;

/// The vendor's functions, one a line, as its published bindings have them.
const VENDOR: &str = include_str!("../../data/vendor_functions.txt");

const ROWS: &[Row] = &[
    Row {
        id: "list.given",
        title: "C_GetFunctionList gives a list",
        source: (Mark::Standard, "section 5.4 (C_GetFunctionList)"),
        needs: Needs::loaded,
        run: |stage| {
            let listed = stage.module.raw().functions().listed;
            ensure(listed, "a function list", "functions by name only")
        },
    },
    Row {
        id: "list.before-initialize",
        title: "C_GetFunctionList may be called before C_Initialize",
        source: (Mark::Standard, "section 5.4 (C_GetFunctionList)"),
        needs: Needs::loaded,
        run: |stage| {
            let (rv, left) = stage.words().call("C_GetFunctionList", &[Word::Cell(0)])?;
            answers("C_GetFunctionList", rv, &[CKR_OK])?;
            let list = left.first().map_or(0, |left| left.len);
            ensure(list != 0, "a pointer to a list", "a null pointer")
        },
    },
    Row {
        id: "list.null",
        title: "C_GetFunctionList with a null pointer is refused",
        source: (Mark::Standard, "section 5.4 (C_GetFunctionList)"),
        needs: Needs::loaded,
        run: |stage| {
            let (rv, _) = stage.words().call("C_GetFunctionList", &[Word::Null])?;
            answers("C_GetFunctionList(NULL)", rv, &[CKR_ARGUMENTS_BAD])
        },
    },
    Row {
        id: "list.stays",
        title: "C_GetFunctionList gives the same list each time",
        source: (Mark::Standard, "section 5.4 (C_GetFunctionList)"),
        needs: Needs::loaded,
        run: |stage| {
            let list = || -> Outcome<u64> {
                let (rv, left) = stage.words().call("C_GetFunctionList", &[Word::Cell(0)])?;
                answers("C_GetFunctionList", rv, &[CKR_OK])?;
                Ok(left.first().map_or(0, |left| left.len))
            };
            let (one, other) = (list()?, list()?);
            agree(one == other, format!("the list is at {one:#x}"), format!("then at {other:#x}"))
        },
    },
    Row {
        id: "version.list",
        title: "the version in the list is that of C_GetInfo",
        source: (Mark::Standard, "section 5.4 (C_GetFunctionList); section 3.1 (CK_INFO)"),
        needs: Needs::public,
        run: |stage| {
            let list = stage.module.raw().functions().list.version;
            let info = stage.context()?.info()?.cryptoki_version;
            agree(
                (list.major, list.minor) == (info.major, info.minor),
                format!("the list has version {}.{}", list.major, list.minor),
                format!("C_GetInfo says {info}"),
            )
        },
    },
    Row {
        id: "version.major",
        title: "the interface is of version 2",
        source: (Mark::Standard, "section 3.1 (CK_INFO)"),
        needs: Needs::public,
        run: |stage| {
            same("the major version", &2, &stage.context()?.info()?.cryptoki_version.major)
        },
    },
    Row {
        id: "info.flags",
        title: "the flags of CK_INFO are 0",
        source: (Mark::Standard, "section 3.1 (CK_INFO)"),
        needs: Needs::public,
        run: |stage| same("the flags", &0, &stage.context()?.info()?.flags),
    },
    Row {
        id: "info.padding",
        title: "the texts of CK_INFO are padded with blanks and not terminated",
        source: (Mark::Standard, "section 3.1 (CK_INFO)"),
        needs: Needs::public,
        run: |stage| {
            let (rv, left) = stage.words().call("C_GetInfo", &[Word::structure()])?;
            answers("C_GetInfo", rv, &[CKR_OK])?;
            let bytes = left.first().map(|left| left.buffer.clone()).unwrap_or_default();
            let texts = [bytes.get(2..34), bytes.get(48..80)];
            let ended = texts.iter().flatten().any(|text| text.contains(&0));
            ensure(!ended, "texts padded with blanks", "a text with a NUL in it")
        },
    },
    Row {
        id: "interface.absent",
        title: "C_GetInterface is not exported by a client of 2.20",
        source: (Mark::Assumed, "no sample and no tool of the vendor uses it"),
        needs: || Needs::loaded().subject(Subject::Luna),
        run: |stage| {
            let there = stage.module.raw().exports("C_GetInterface");
            ensure(!there, "no C_GetInterface", "a C_GetInterface")
        },
    },
];

pub(super) fn register(registry: &mut Registry) {
    registry.rows("abi", ROWS);
    for (function, _) in SIGNATURES.iter().copied() {
        let source = Source::standard("section 5.4 (C_GetFunctionList)");
        let title = format!("{function} stands in the list");
        let needs = Needs::loaded;
        registry.add(format!("abi.listed.{function}"), title, source, needs(), move |stage| {
            listed(stage, function)
        });
        // All clients of the vendor that look functions up one by one rely on it.
        let source = Source::vendor(Mark::Documented, "pycryptoki, cryptoki/func_defs.py");
        let title = format!("{function} is exported by its name");
        registry.add(format!("abi.exported.{function}"), title, source, needs(), move |stage| {
            if stage.module.raw().vendor().CA_GetTokenPolicies.is_none() {
                return Err(Finding::not_applicable("the standard asks for the list alone"));
            }
            let there = stage.module.raw().exports(function);
            ensure(there, format!("a symbol {function}"), "none")
        });
        if function == "C_Initialize" || function == "C_GetFunctionList" {
            continue;
        }
        let source = Source::standard("section 5.1.5 (CKR_CRYPTOKI_NOT_INITIALIZED)");
        let title = format!("{function} before C_Initialize is refused");
        let id = format!("abi.not-initialized.{function}");
        registry.add(id, title, source, needs(), move |stage| before(stage, function));
    }
    for name in VENDOR.lines().filter(|line| !line.is_empty()) {
        let source = Source::vendor(Mark::Documented, "pycryptoki, cryptoki/func_defs.py");
        let title = format!("{name} is exported by its name");
        let needs = Needs::loaded();
        registry.add(format!("abi.vendor.{name}"), title, source, needs, move |stage| {
            if stage.module.raw().vendor().CA_GetTokenPolicies.is_none() {
                return Err(Finding::not_applicable("the library is not the vendor's"));
            }
            let there = stage.module.raw().exports(name);
            ensure(there, format!("a symbol {name}"), "none")
        });
    }
}

fn listed(stage: &mut Stage, function: &'static str) -> Outcome {
    // Nothing but a missing function is refused as missing; wrong words are refused before anything is called.
    match stage.words().call(function, &[]) {
        Err(luna_client::Error::Refused { .. }) => {}
        other => return Err(Finding::unlike("a refusal", format!("{other:?}"))),
    }
    let there = stage.words().has(function);
    ensure(there, format!("{function} in the list"), "a null pointer")
}

/// Every argument null or 0: nothing could be read or written, if the function did more than refuse.
fn before(stage: &mut Stage, function: &'static str) -> Outcome {
    let places = luna_client::module::words::places(function).unwrap_or_default();
    debug_assert!(!places.is_empty(), "{function}");
    let words: Vec<_> = places
        .iter()
        .map(|place| if place.is_pointer() { Word::Null } else { Word::Number(0) })
        .collect();
    if !stage.words().has(function) {
        return Err(Finding::not_applicable(format!("the module does not have {function}")));
    }
    let (rv, _) = stage.words().call(function, &words)?;
    // Old functions of parallel sessions always answer so; a wait for slots may not be there at all.
    let others: &[CK_RV] = match function {
        "C_GetFunctionStatus" | "C_CancelFunction" => &[CKR_FUNCTION_NOT_PARALLEL],
        _ => &[],
    };
    answers(
        &format!("{function} before C_Initialize"),
        rv,
        &[&[CKR_CRYPTOKI_NOT_INITIALIZED], others].concat(),
    )
}
