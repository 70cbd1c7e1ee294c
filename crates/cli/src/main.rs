//! What does a person type?
fn main() {}
