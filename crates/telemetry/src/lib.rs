//! Facts and outcomes become what people and machines read: log lines, [metrics], and [what upstream is
//! told](call_history).

pub mod call_history;
pub mod examples;
mod line;
mod logs;
pub mod metrics;
pub mod traces;

pub use line::{Line, line};
pub use logs::{CallContext, Format, init, log};
pub use tracing::Level;
