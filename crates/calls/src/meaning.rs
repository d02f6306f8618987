//! What each word of an ending means, whether it is tried again, and what an operator does: the text of
//! `docs/outcomes.md`, beside the words themselves so that none can be without.
//!
//! May it be tried again? The rule is the call folder's: before the dial claim yes, after it never the same attempt,
//! and a new one only where it is certain that no INVITE left.

use crate::outcome::{EndReason, OutcomeKind, Reason};
use crate::trigger::RefusalCode;

/// What a word means to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// What has happened. One or two sentences.
    pub means: &'static str,
    /// Is it tried again without anybody's doing?
    pub again: Again,
    /// What an operator does about it.
    pub to_do: &'static str,
}

/// Is it tried again by itself?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// No.
    Never,
    /// Yes, by a new attempt with a growing delay: nobody was rung.
    NewAttempt,
    /// Where the outcome says `retryable`: it depends on how far the dial had come.
    IfRetryable,
    /// Yes, when it may be: no attempt is used up.
    Later,
    /// When an operator sends the dead letter back (`ocg dlq redrive`).
    ByRedrive,
}

impl Again {
    /// In a table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "no",
            Self::NewAttempt => "yes",
            Self::IfRetryable => "if `retryable`",
            Self::Later => "later",
            Self::ByRedrive => "by redrive",
        }
    }
}

const fn meaning(means: &'static str, again: Again, to_do: &'static str) -> Meaning {
    Meaning { means, again, to_do }
}

use Again::{ByRedrive, IfRetryable, Later, Never, NewAttempt};

impl OutcomeKind {
    /// What it means to people.
    #[rustfmt::skip]
    pub const fn meaning(self) -> Meaning {
        match self {
            Self::Answered => meaning("Somebody took the call. `endReason` says how it ended.", Never, "nothing"),
            Self::NotAnswered => meaning("The phone network's answer, final: `reason` says which.", Never, "nothing; the campaign calls again if it wants to, with a new `id`"),
            Self::Failed => meaning("Ours, LiveKit's, the trunk's or the agent vendor's fault, before anybody answered: `reason` says whose.", IfRetryable, "as the reason says"),
            Self::Unknown => meaning("The dial was permitted and may have rung, and whoever knew is gone.", Never, "look at the trunk's own records before the person is called again"),
            Self::Deferred => meaning("Outside the country's call hours, found out in the task. It is no attempt.", Later, "nothing"),
        }
    }
}

impl Reason {
    /// What it means to people.
    #[rustfmt::skip]
    pub const fn meaning(self) -> Meaning {
        match self {
            Self::NoAnswer => meaning("It rang until the ring time was over.", Never, "nothing; `dial.ringSeconds` in the profile is the ring time"),
            Self::Busy => meaning("The callee is on the phone.", Never, "nothing"),
            Self::Declined => meaning("The callee, or a spam filter on the way, declined the call.", Never, "nothing; much of it: have the carrier look at the caller id's reputation"),
            Self::Unavailable => meaning("Switched off, out of reach, or not to be disturbed.", Never, "nothing"),
            Self::InvalidNumber => meaning("The network does not know the number.", Never, "nothing; the campaign's list is wrong there"),
            Self::DialTimeout => meaning("Our own time limit ran out while the dial was on its way, or its reply was lost; the room told of no answer.", Never, "much of it: LiveKit's SIP service is slow or out of reach"),
            Self::TrunkNoResponse => meaning("Nobody answered the INVITE, or nothing rang until the ring time was over.", Never, "the trunk's address and network, the carrier's status page"),
            Self::TrunkAuth => meaning("The trunk refuses us: credentials, caller id, or the destination is not allowed.", Never, "the trunk in LiveKit; `livekit.callerId` in the profile; the carrier's permissions"),
            Self::TrunkError => meaning("The trunk, or a network behind it, answered 5xx or found no way to talk.", IfRetryable, "the carrier; under load, fewer calls a second. `dial.retryTrunkErrors` in the profile allows a new attempt where nothing rang"),
            Self::OtherSip => meaning("A SIP status with no word of its own here; `sipStatus` has it.", Never, "the status, in RFC 3261 §21 and with the carrier"),
            Self::NoSipService => meaning("LiveKit has no SIP node to take the dial.", IfRetryable, "LiveKit's SIP nodes: do they run, are they full, do they share LiveKit's Redis?"),
            Self::LivekitUnreachable => meaning("No connection to LiveKit, the room could not be joined, or it was lost before anybody answered.", IfRetryable, "`livekit.url` in the profile, the network, the certificate"),
            Self::LivekitAuth => meaning("LiveKit refused our key or secret, or the permission to dial had expired.", IfRetryable, "the country's key and secret (`ocg profile secrets`), the clocks"),
            Self::UnknownTrunk => meaning("LiveKit does not know the trunk.", IfRetryable, "`livekit.trunkId` in the profile"),
            Self::AgentAccount => meaning("The agent vendor refused: no credit (402), or a wrong key (401, 403).", NewAttempt, "the vendor's account and key"),
            Self::AgentBusy => meaning("The agent vendor was full (429, 503) for as long as we could wait.", NewAttempt, "the vendor's concurrency limit, or a slower campaign"),
            Self::AgentError => meaning("The agent vendor failed in another way, gave no address to join, or was not ready in time.", NewAttempt, "the outcome's `detail`; the vendor's status page"),
            Self::AgentLostBeforeAnswer => meaning("The agent went away before anybody answered.", IfRetryable, "the vendor's status page"),
            Self::AttemptsExhausted => meaning("Every attempt failed before the dial; the last error is in the detail. The message is a dead letter.", ByRedrive, "mend what the last error names, then `ocg dlq redrive`"),
            Self::Refused => meaning("The message was refused; `errorType` is the refusal's code. There was no attempt.", ByRedrive, "as the refusal's code says"),
            Self::Unknown => meaning("We do not know whether it rang: LiveKit failed in a way of its own, our own process broke while the phone was dialed, or a task ended without an outcome.", Never, "the outcome's `detail`, the task's log, the trunk's own records"),
            Self::BridgeError => meaning("Our own process failed before anything could ring: it stalled, began after the job's deadline, could not write its claim, or LiveKit could not make sense of its request.", IfRetryable, "the outcome's `detail`, the task's log"),
            Self::Drained => meaning("The task was told to stop before anybody answered, or an operator ended the call (`ocg hangup`).", IfRetryable, "nothing"),
        }
    }
}

impl EndReason {
    /// What it means to people. What was answered is never dialed again by itself.
    #[rustfmt::skip]
    pub const fn meaning(self) -> Meaning {
        match self {
            Self::CalleeHangup => meaning("The person hung up.", Never, "nothing"),
            Self::AgentHangup => meaning("The agent said goodbye; its last words were played (5 s at most).", Never, "nothing"),
            Self::AgentClosed => meaning("The agent's connection broke or went silent without asking for the end; the line was closed at once.", Never, "the vendor's status page; the network between"),
            Self::Transferred => meaning("The agent had the callee passed on to one of the profile's `transfer.targets`, who took the call. What they said to each other is not ours.", Never, "nothing"),
            Self::SilenceWatchdog => meaning("The agent sent nothing for too long, though its connection stood.", Never, "the vendor's own record of the call (`agentCallId`)"),
            Self::MaxDuration => meaning("The longest call that the profile allows was over.", Never, "nothing; `dial.maxCallSeconds` in the profile"),
            Self::RoomLost => meaning("LiveKit's server went away and was not back within half a minute, the room was deleted by somebody else, or another bridge took our place in it.", Never, "LiveKit's log; a clash of identities if the room was named by hand"),
            Self::MediaLost => meaning("The phone's leg went away without hanging up, did not come back after LiveKit's server did, or no sound of it came any more: its server or its connection was lost.", Never, "LiveKit's SIP nodes, the network to them"),
            Self::BridgeError => meaning("Our own process failed.", Never, "the task's log: this is a mistake of ours"),
            Self::Drained => meaning("The task was told to stop (a deployment, Spot) and the time that it may still take was over.", Never, "nothing; deploy when fewer calls are up"),
            Self::Operator => meaning("Somebody ended it: `ocg hangup`, or the phone's leg or its room was removed on LiveKit's side.", Never, "nothing"),
            Self::Unknown => meaning("Somebody answered, and who knew the rest is gone.", Never, "the facts in the call's folder, the task's log"),
        }
    }
}

impl RefusalCode {
    /// What it means to people. A refused message is a dead letter, at once.
    #[rustfmt::skip]
    pub const fn meaning(self) -> Meaning {
        match self {
            Self::NotJson => meaning("It is not one JSON text in UTF-8 (a byte order mark, something behind it, half a surrogate pair), or nested deeper than 128.", ByRedrive, "have the sender mend it and send it again"),
            Self::NotAnObject => meaning("It is JSON, but no object.", ByRedrive, "have the sender mend it and send it again"),
            Self::WrongMessageType => meaning("`messageType` is not `TRIGGER_CALL`: another service's message on our queue, perhaps.", ByRedrive, "have the sender use its own queue"),
            Self::MissingPrompt => meaning("`metadata.subject.prompt.text` is missing or blank.", ByRedrive, "have the sender mend it, or patch the letter (`ocg dlq redrive --help`)"),
            Self::NoPhoneNumbers => meaning("No entry of `metadata.phoneNumbers` has a number.", ByRedrive, "have the sender mend it, or patch the letter"),
            Self::InvalidPhoneNumber => meaning("The number to dial cannot exist: its length does not fit its country, it begins with no country code, or it is no number at all.", ByRedrive, "have the sender mend it, or patch the letter"),
            Self::NoProfileForPrefix => meaning("No country profile claims the number. It is never dialed over another country's trunk.", ByRedrive, "`ocg profile put` if the country is to be called, then redrive"),
            Self::BadField => meaning("A field is of the wrong kind; `RefusalPath` says which.", ByRedrive, "have the sender mend it, or patch the letter"),
            Self::Expired => meaning("It waited longer than the deployment allows.", ByRedrive, "redrive it if it is still wanted: its age begins anew"),
            Self::AttemptsExhausted => meaning("Every attempt failed before the dial; nobody was rung. `RefusalDetail` has the last error.", ByRedrive, "mend what the error names, then redrive: the same call goes on"),
            Self::ReceivesExhausted => meaning("The message was received too often without a start; nobody was rung.", ByRedrive, "mend what kept it (`ocg calls find`, the router's log), then redrive"),
        }
    }
}
