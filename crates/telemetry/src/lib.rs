//! Facts become what people and machines read. Today: log lines; metrics and CALL_HISTORY events are
//! made from the same facts, by matches as exhaustive as the one in [`line`](fn@line).

pub mod call_history;
mod line;
mod logs;

pub use line::{Line, line};
pub use logs::{CallContext, Format, init, log};
