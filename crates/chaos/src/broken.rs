//! Rules broken on purpose: a simulation that does not notice them proves nothing.

use clap::ValueEnum;

/// A rule that the simulation's hands break, for a test. The core itself is never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Rule {
    /// A task dials although it could not take the dial claim.
    SkipDialClaim,
    /// A task that lost the dial claim, or never had it, writes an outcome all the same.
    OutcomeWithoutHolding,
    /// A task does not look at the clock before it dials, and its token does not expire.
    DialAfterInviteBy,
    /// A router gives a claimed message up without taking its dial claim.
    GiveUpWithoutClaim,
    /// A router acknowledges a message before its dead letter is sent.
    AckBeforeDeadLetter,
    /// A router refuses a message whose identity is claimed already.
    RefuseAfterClaim,
    /// A settler deletes the room, ends the agent and tells upstream before `unknown` is written.
    ActBeforeUnknownIsWritten,
    /// An `unknown` attempt is taken for one that may be tried again.
    RedialUnknown,
    /// Each router begins as many calls to a country as all of them together may.
    WholePaceEach,
    /// A hang-up goes on as if it had taken the dial claim.
    HangUpWithoutClaim,
    /// A router panics in the midst of a message, as a core with a bug would.
    PanicOnTheWay,
}

impl Rule {
    /// As it is entered.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}
