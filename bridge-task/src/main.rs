//! The Fargate binary.
fn main() {}
