//! What the module shows the loader: its names, and the libraries it asks for.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

use std::collections::BTreeSet;

use luna_tests::artefacts;
use object::elf::{DT_NEEDED, FileHeader64};
use object::read::elf::{Dyn, FileHeader};
use object::{Endianness, Object, ObjectSymbol};

fn listed() -> BTreeSet<String> {
    include_str!("../data/functions.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect()
}

/// Names that other libraries of the process can bind to.
fn exported(bytes: &[u8]) -> BTreeSet<String> {
    let file = object::File::parse(bytes).unwrap();
    file.dynamic_symbols()
        .filter(|symbol| symbol.is_definition() && symbol.is_global())
        .map(|symbol| symbol.name().unwrap().to_owned())
        .collect()
}

#[test]
fn exactly_the_functions_are_exported() {
    let listed = listed();
    assert_eq!(listed.iter().filter(|name| name.starts_with("C_")).count(), 68);
    assert_eq!(listed.iter().filter(|name| name.starts_with("CA_")).count(), 279);

    let path = artefacts::module();
    let exported = exported(&std::fs::read(&path).unwrap());
    let lacking: Vec<_> = listed.difference(&exported).collect();
    // A library linked into the module must not answer for the host's own copy of it.
    let surplus: Vec<_> = exported.difference(&listed).collect();
    assert!(lacking.is_empty(), "{} lacks {lacking:?}", path.display());
    assert!(surplus.is_empty(), "{} also exports {surplus:?}", path.display());
}

#[test]
fn no_interface_list_is_exported() {
    let exported = exported(&std::fs::read(artefacts::module()).unwrap());
    assert!(exported.contains("C_GetFunctionList"));
    assert!(!exported.contains("C_GetInterface") && !exported.contains("C_GetInterfaceList"));
}

#[test]
fn only_libraries_of_the_c_library_are_asked_for() {
    let bytes = std::fs::read(artefacts::module()).unwrap();
    let header = FileHeader64::<Endianness>::parse(&*bytes).unwrap();
    let endian = header.endian().unwrap();
    let sections = header.sections(endian, &*bytes).unwrap();
    let (dynamic, strings) = sections.dynamic(endian, &*bytes).unwrap().expect("a dynamic section");
    let strings = sections.strings(endian, &*bytes, strings).unwrap();
    let needed: Vec<&str> = dynamic
        .iter()
        .filter(|entry| entry.tag32(endian) == Some(DT_NEEDED))
        .map(|entry| std::str::from_utf8(entry.string(endian, strings).unwrap()).unwrap())
        .collect();
    let expected = ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2"];
    assert!(needed.contains(&"libc.so.6"), "{needed:?}");
    for name in needed {
        assert!(expected.contains(&name), "the module asks for {name}");
    }
}
