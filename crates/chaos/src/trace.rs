//! What happened in an attempt, line by line, for who has to find out why.

use calls::ids::{AttemptId, CallKey};
use jiff::Timestamp;

/// Lines, if anybody wants them.
#[derive(Debug)]
pub struct Trace {
    wanted: Option<String>,
    lines: Vec<String>,
}

impl Trace {
    /// Of calls whose key begins so; `None`: of nothing.
    pub fn of(wanted: Option<String>) -> Self {
        Self { wanted, lines: Vec::new() }
    }

    /// Is this call's way to be noted?
    pub fn wants(&self, key: &CallKey) -> bool {
        self.wanted.as_deref().is_some_and(|wanted| key.as_str().starts_with(wanted))
    }

    /// Adds a line.
    pub fn note(&mut self, at: Timestamp, id: &AttemptId, what: String) {
        let time = at.strftime("%d %H:%M:%S%.3f");
        self.lines.push(format!("{time} {}-a{} {what}", id.key.short(), id.number));
    }

    /// All of them.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}
