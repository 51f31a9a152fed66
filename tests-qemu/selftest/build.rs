//! Hands the linker script to the linker, with more room than the hypervisor has.
fn main() {
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo::rerun-if-changed={root}/../../linker/hypervisor.ld");
    println!("cargo::rustc-link-arg-bins=-T{root}/../../linker/hypervisor.ld");
    println!("cargo::rustc-link-arg-bins=--defsym=image_limit=0x300000");
}
