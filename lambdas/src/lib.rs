//! The functions behind the queues: each binary is a `main` over one handler here.

pub mod router;
pub mod settings;
pub mod traces;
pub mod watcher;
