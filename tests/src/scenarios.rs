//! What must be true whoever carries the calls: the router function with a task each, or a worker. The same bodies are
//! told of both; the test binaries `deployed` and `worker` say of whom.

pub mod calls;
pub mod messages;
pub mod trouble;
