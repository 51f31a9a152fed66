//! Hands the linker script to the linker; with a model of a chip in it the image has more room.
fn main() {
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo::rerun-if-changed={root}/../linker/hypervisor.ld");
    println!("cargo::rustc-link-arg-bins=-T{root}/../linker/hypervisor.ld");
    // Debuggers would take the lines of functions that were left out for those of address 0.
    println!("cargo::rustc-link-arg-bins=-zdead-reloc-in-nonalloc=.debug_*=0xffffffffffffffff");
    // Functions of the same instructions, such as a generic one for two types of a size, are kept once.
    println!("cargo::rustc-link-arg-bins=--icf=all");
    if std::env::var_os("CARGO_FEATURE_P7IOC").is_some() {
        println!("cargo::rustc-link-arg-bins=--defsym=image_limit=0x180000");
    }
}
