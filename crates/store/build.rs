//! Rebuilds the crate when a migration changes: the folder is embedded by a macro, which cargo cannot see.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
