//! Why there is no agent.

use std::time::Duration;

use calls::outcome::Reason;

/// An agent's call could not be created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct AgentFailure {
    /// What kind of failure; the outcome's reason follows from it.
    pub kind: FailureKind,
    /// The HTTP status, when there was one.
    pub status: Option<u16>,
    /// When the vendor wants to be asked again, if it said so.
    pub retry_after: Option<Duration>,
    /// One sentence for people, without anything secret and without a phone number.
    pub detail: String,
}

/// What kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The account has no credit (402), or its key is refused (401, 403). A person has to mend that;
    /// every other call of this account fails the same way.
    Account,
    /// The vendor is full (429, 503). Later it may work.
    Busy,
    /// Anything else.
    Error,
}

impl FailureKind {
    /// The word for it in an outcome.
    pub fn reason(self) -> Reason {
        match self {
            Self::Account => Reason::AgentAccount,
            Self::Busy => Reason::AgentBusy,
            Self::Error => Reason::AgentError,
        }
    }
}

impl AgentFailure {
    pub(crate) fn error(status: Option<u16>, detail: impl Into<String>) -> Self {
        Self { kind: FailureKind::Error, status, retry_after: None, detail: detail.into() }
    }
}
