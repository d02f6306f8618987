//! `ocg`, for the people who operate the gateway.
fn main() {}
