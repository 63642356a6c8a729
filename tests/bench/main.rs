//! Measures runs per second.
fn main() {}
