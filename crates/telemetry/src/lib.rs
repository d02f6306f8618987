//! Facts and outcomes become what people and machines read: log lines, [metrics], [traces], [what upstream is
//! told](call_history), and [the story of a call](flight).

pub mod call_history;
pub mod examples;
pub mod flight;
mod line;
mod logs;
pub mod metrics;
pub mod traces;

pub use line::{Line, line};
pub use logs::{CallContext, Format, init, log};
pub use tracing::Level;
