//! What a failed dial means: (SIP code, text, phase) → outcome, reason, may it be tried again.
//!
//! The table is data: [`ROWS`], read from top to bottom, the first row that fits decides. Sources: RFC 3261
//! §21 for the codes, livekit-server's and livekit-sip's own error texts for what comes without a code.
//!
//! An error's HTTP status is not looked at: LiveKit answers 429 for a busy callee and 408 for three
//! different things, and none of them means what HTTP would mean by it.

use crate::outcome::{OutcomeKind, Reason};

/// How a dial failed, as the room's server reported it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialFailure {
    /// The server passed on a SIP status.
    Sip {
        /// The SIP status code.
        code: u16,
        /// Its reason phrase or the server's sentence.
        text: String,
    },
    /// The server answered with an error of its own, no SIP status in it.
    Server {
        /// The Twirp error code, such as `canceled` or `not_found`.
        code: String,
        /// The server's sentence.
        message: String,
    },
    /// The request was never sent: nothing can have rung.
    NotSent {
        /// Why not.
        cause: NotSent,
        /// One sentence.
        detail: String,
    },
    /// The request was sent and its reply never came: the dial may go on.
    ReplyLost {
        /// One sentence.
        detail: String,
    },
}

impl std::fmt::Display for DialFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sip { code, text } => write!(f, "SIP {code}: {text}"),
            Self::Server { code, message } => write!(f, "LiveKit: {code}: {message}"),
            Self::NotSent { cause: NotSent::Unreachable, detail } => {
                write!(f, "LiveKit not reached: {detail}")
            }
            Self::NotSent { cause: NotSent::TooLate, detail } => write!(f, "too late to dial: {detail}"),
            Self::ReplyLost { detail } => write!(f, "the reply to the dial was lost: {detail}"),
        }
    }
}

/// Why a dial request was never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// The server could not be connected to.
    Unreachable,
    /// `inviteBy` had passed when the request was about to leave.
    TooLate,
}

/// How far the phone's side had come when the dial failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No 18x was seen.
    Dialing,
    /// It rang.
    Ringing,
}

/// What a failed dial comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DialVerdict {
    /// Not answered (the campaign's business) or failed (ours).
    pub outcome: OutcomeKind,
    /// Why.
    pub reason: Reason,
    /// The SIP status, only when there was one.
    pub sip_status: Option<u16>,
    /// May a new attempt be made by itself? Only where it is proven that no INVITE left, or where the
    /// profile allows it for a trunk that failed before anything rang.
    pub retryable: bool,
    /// An INVITE may have left and nobody has taken it back: the phone's leg may still come up.
    pub leg_may_follow: bool,
    /// One sentence on what this means, for operators.
    pub note: &'static str,
}

/// Looks a failed dial up in [`ROWS`]. `retry_trunk_errors` is the profile's.
pub fn classify(failure: &DialFailure, phase: Phase, retry_trunk_errors: bool) -> DialVerdict {
    let seen = Seen::of(failure);
    let row = ROWS.iter().find(|row| row.fits(&seen, phase)).unwrap_or(&LAST);
    // What rang is never tried again, whatever the texts say.
    let nothing_rang = phase == Phase::Dialing || matches!(failure, DialFailure::NotSent { .. });
    let retryable = match row.retry {
        Retry::Never | Retry::NotKnown => false,
        Retry::NoInviteLeft => nothing_rang,
        Retry::TrunkErrors => nothing_rang && retry_trunk_errors,
    };
    DialVerdict {
        outcome: row.outcome,
        reason: row.reason,
        sip_status: seen.sip_status(),
        retryable,
        leg_may_follow: row.retry == Retry::NotKnown,
        note: row.note,
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What was seen.
    pub when: When,
    /// Only in this phase; `None`: in both.
    pub phase: Option<Phase>,
    /// The word.
    pub outcome: OutcomeKind,
    /// Why.
    pub reason: Reason,
    /// May it be tried again?
    pub retry: Retry,
    /// One sentence on what it means.
    pub note: &'static str,
}

/// What a row wants to have seen.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// A SIP status from the first to the second, both included.
    Sip(u16, u16),
    /// An error of the server's own: its Twirp code (empty: any), and words that stand in its sentence
    /// (empty: any).
    Server(&'static str, &'static str),
    /// The request never left.
    NotSent(NotSent),
    /// The reply never came.
    ReplyLost,
}

/// May a new attempt be made without asking the campaign?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// No: somebody may have been rung, or would only be annoyed.
    Never,
    /// No: whether an INVITE left is not known, and its leg may still come up.
    NotKnown,
    /// Yes: it is certain that no INVITE left.
    NoInviteLeft,
    /// Only with the profile's `retryTrunkErrors`, and only before any 18x.
    TrunkErrors,
}

const fn row(when: When, outcome: OutcomeKind, reason: Reason, retry: Retry, note: &'static str) -> Row {
    Row { when, phase: None, outcome, reason, retry, note }
}

impl Row {
    const fn only(mut self, phase: Phase) -> Self {
        self.phase = Some(phase);
        self
    }

    fn fits(&self, seen: &Seen<'_>, phase: Phase) -> bool {
        self.phase.is_none_or(|only| only == phase)
            && match (self.when, seen) {
                (When::Sip(first, last), Seen::Sip(code)) => (first..=last).contains(code),
                (When::Server(code, words), Seen::Server(seen_code, message)) => {
                    (code.is_empty() || code == *seen_code) && message.contains(words)
                }
                (When::NotSent(cause), Seen::NotSent(seen_cause)) => cause == *seen_cause,
                (When::ReplyLost, Seen::ReplyLost) => true,
                _ => false,
            }
    }
}

use OutcomeKind::{Failed, NotAnswered};
use Phase::{Dialing, Ringing};
use Retry::{Never, NoInviteLeft, NotKnown, TrunkErrors};
use When::{Server, Sip};

/// The table. `docs/outcomes.md` shows it to people.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row(Sip(408, 408), NotAnswered, Reason::NoAnswer, Never, "It rang and nobody took the call.").only(Ringing),
    row(Sip(408, 408), Failed, Reason::TrunkNoResponse, Never, "The trunk gave up before anything rang.").only(Dialing),
    row(Sip(480, 480), NotAnswered, Reason::Unavailable, Never, "Switched off, out of reach, or not to be disturbed."),
    row(Sip(486, 486), NotAnswered, Reason::Busy, Never, "The callee is on the phone."),
    row(Sip(600, 600), NotAnswered, Reason::Busy, Never, "The callee is busy everywhere."),
    row(Sip(603, 603), NotAnswered, Reason::Declined, Never, "The callee, or a spam filter on the way, declined the call."),
    row(Sip(404, 404), NotAnswered, Reason::InvalidNumber, Never, "The network does not know the number."),
    row(Sip(484, 484), NotAnswered, Reason::InvalidNumber, Never, "The number is incomplete."),
    row(Sip(604, 604), NotAnswered, Reason::InvalidNumber, Never, "The number exists nowhere."),
    row(Sip(401, 401), Failed, Reason::TrunkAuth, Never, "The trunk wants other credentials."),
    row(Sip(403, 403), Failed, Reason::TrunkAuth, Never, "The trunk forbids the call: credentials, caller id, or the destination is not allowed."),
    row(Sip(407, 407), Failed, Reason::TrunkAuth, Never, "A proxy of the trunk wants other credentials."),
    row(Sip(500, 599), Failed, Reason::TrunkError, TrunkErrors, "The trunk or a network behind it failed."),
    row(Sip(100, 699), Failed, Reason::OtherSip, Never, "A SIP status with no word of its own here."),
    row(Server("canceled", "(0 intermediate responses)"), Failed, Reason::TrunkNoResponse, Never, "Nobody answered the INVITE: the trunk's address or network is wrong, or it is down."),
    row(Server("canceled", ""), NotAnswered, Reason::NoAnswer, Never, "It rang until the ring time was over.").only(Ringing),
    row(Server("canceled", ""), Failed, Reason::TrunkNoResponse, Never, "The ring time was over before anything rang.").only(Dialing),
    row(Server("deadline_exceeded", ""), NotAnswered, Reason::DialTimeout, Never, "Our own time limit for the request ran out."),
    row(Server("unavailable", "cpu exhausted"), Failed, Reason::NoSipService, NoInviteLeft, "Every SIP node is at its CPU limit: add nodes, or dial slower."),
    row(Server("unavailable", "no response from servers"), Failed, Reason::NoSipService, NoInviteLeft, "No SIP node took the call: none runs, or it uses another Redis."),
    row(Server("internal", "sip not connected"), Failed, Reason::NoSipService, NoInviteLeft, "LiveKit runs without Redis, so it has no SIP."),
    row(Server("unavailable", ""), Failed, Reason::NoSipService, NotKnown, "LiveKit or something before it was not available; whether an INVITE left is not known."),
    row(Server("not_found", ""), Failed, Reason::UnknownTrunk, NoInviteLeft, "LiveKit does not know the trunk: see livekit.trunkId in the profile."),
    row(Server("unauthenticated", ""), Failed, Reason::LivekitAuth, NoInviteLeft, "LiveKit refused our API key or secret, or the permission to dial had expired."),
    row(Server("permission_denied", ""), Failed, Reason::LivekitAuth, NoInviteLeft, "Our LiveKit API key may not dial."),
    row(Server("failed_precondition", "required auth"), Failed, Reason::TrunkAuth, Never, "The trunk wants credentials and LiveKit has none for it."),
    row(Server("failed_precondition", ""), Failed, Reason::TrunkError, Never, "LiveKit and the trunk found no way to talk, such as no codec in common."),
    row(Server("invalid_argument", ""), Failed, Reason::BridgeError, NoInviteLeft, "LiveKit refused the request as invalid: see livekit.trunkId and livekit.callerId in the profile."),
    row(Server("malformed", ""), Failed, Reason::BridgeError, NoInviteLeft, "LiveKit could not read the request."),
    row(Server("bad_route", ""), Failed, Reason::NoSipService, NoInviteLeft, "There is no SIP API at this address: see livekit.url in the profile."),
    LAST,
    row(When::NotSent(NotSent::Unreachable), Failed, Reason::LivekitUnreachable, NoInviteLeft, "LiveKit could not be reached."),
    row(When::NotSent(NotSent::TooLate), Failed, Reason::BridgeError, NoInviteLeft, "We stalled between the claim and the dial, so the dial was not sent."),
    row(When::ReplyLost, NotAnswered, Reason::DialTimeout, NotKnown, "The reply to the dial was lost, and the room told of no answer."),
];

/// What no other row knows: an error after the request had been sent, so it may have rung.
const LAST: Row =
    row(Server("", ""), Failed, Reason::Unknown, NotKnown, "LiveKit failed in a way that we do not know.");

/// A failure as the table looks at it.
enum Seen<'a> {
    Sip(u16),
    Server(&'a str, &'a str),
    NotSent(NotSent),
    ReplyLost,
}

impl<'a> Seen<'a> {
    fn of(failure: &'a DialFailure) -> Self {
        match failure {
            DialFailure::Sip { code: code @ 100..=699, .. } => Self::Sip(*code),
            DialFailure::Sip { text, .. } => Self::Server("", text),
            DialFailure::Server { code, message } => {
                status_in(message).map_or(Self::Server(code, message), Self::Sip)
            }
            DialFailure::NotSent { cause, .. } => Self::NotSent(*cause),
            DialFailure::ReplyLost { .. } => Self::ReplyLost,
        }
    }

    const fn sip_status(&self) -> Option<u16> {
        match self {
            Self::Sip(code) => Some(*code),
            _ => None,
        }
    }
}

/// The status in livekit-sip's own sentence, `sip status: 486: Busy Here`: a server that passes on the
/// sentence but not the details has told it all the same.
fn status_in(message: &str) -> Option<u16> {
    let (_, rest) = message.split_once("sip status: ")?;
    let digits = rest
        .get(..3)
        .filter(|digits| !rest[digits.len()..].starts_with(|next: char| next.is_ascii_digit()))?;
    digits.parse().ok().filter(|code| (100..=699).contains(code))
}

#[cfg(test)]
mod tests;
