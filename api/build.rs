//! Builds again when the embedded web app or the embedded examples change.

fn main() {
    println!("cargo:rerun-if-changed=../frontend/dist");
    println!("cargo:rerun-if-changed=../workflows");
}
