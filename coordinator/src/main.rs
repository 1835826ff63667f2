//! Part of Cutover.
fn main() {}
