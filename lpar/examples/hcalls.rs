//! Prints `docs/hcalls.md`: `cargo run -p lpar --example hcalls > docs/hcalls.md`.

fn main() {
    print!("{}", lpar::hcall::Markdown);
}
