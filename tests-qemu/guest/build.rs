//! Links the payload at 4 MiB by `linker/guest.ld`.

use std::env;
use std::path::PathBuf;

fn main() {
    let here = env::var_os("CARGO_MANIFEST_DIR").map_or_else(PathBuf::new, PathBuf::from);
    let script = here.join("../../linker/guest.ld");
    println!("cargo::rerun-if-changed={}", script.display());
    println!("cargo::rerun-if-changed=src");
    if env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("powerpc64") {
        println!("cargo::rustc-link-arg-bins=-T{}", script.display());
    }
}
