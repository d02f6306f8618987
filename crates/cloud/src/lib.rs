//! What a call leaves behind, where its settings come from, and how it is asked for: the call folder in an
//! object store, country profiles, the queues, and the tasks.

pub mod call_folder;
pub mod launch;
pub mod profiles;
pub mod queue;
mod said;
pub mod tasks;

pub use said::said;
