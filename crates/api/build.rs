//! Rebuilds the crate when the built web page changes, since the page is embedded into it.

fn main() {
    println!("cargo::rerun-if-changed=../../web/dist");
}
