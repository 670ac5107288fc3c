//! How the module is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Threads of the host that once called the module run destructors of thread-local values of
    // linked crates when they end, which may be after the host unloaded the module. Never unmapped,
    // the code is still there then.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
