//! Which spans follow from a fact.

use calls::fact::Fact;

/// A part of what a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Queued,
    CreateAgent,
    JoinRoom,
    Dial,
    ConnectAgent,
    Talk,
    Transfer,
    TidyUp,
    DeleteRoom,
}

impl Part {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::CreateAgent => "create agent",
            Self::JoinRoom => "join room",
            Self::Dial => "dial",
            Self::ConnectAgent => "connect agent",
            Self::Talk => "talk",
            Self::Transfer => "transfer",
            Self::TidyUp => "tidy up",
            Self::DeleteRoom => "delete room",
        }
    }

    /// Is it somebody else's answer that is waited for?
    pub(super) const fn is_request(self) -> bool {
        match self {
            Self::CreateAgent
            | Self::JoinRoom
            | Self::Dial
            | Self::ConnectAgent
            | Self::Transfer
            | Self::DeleteRoom => true,
            Self::Queued | Self::Talk | Self::TidyUp => false,
        }
    }
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Followed {
    Begins(Part),
    /// Why it failed, if it did.
    Ends(Part, Option<String>),
    /// It is over, and took so many milliseconds.
    Took(Part, u64),
    /// A point in time within the process's own span.
    Event,
}

/// One arm a fact: a new fact does not compile until it is decided what a trace shows of it.
pub(super) fn follow(fact: &Fact) -> Vec<Followed> {
    use Followed::{Begins, Ends, Event, Took};
    match fact {
        Fact::AttemptClaimed { waited_ms, .. } => {
            waited_ms.map(|ms| Took(Part::Queued, ms)).into_iter().collect()
        }
        Fact::AgentCreated { took_ms, .. } => vec![Took(Part::CreateAgent, *took_ms)],
        Fact::RoomJoined { took_ms } => vec![Took(Part::JoinRoom, *took_ms)],
        Fact::Dialing { .. } => vec![Begins(Part::Dial)],
        Fact::DialNotSent { detail } | Fact::DialFailed { detail, .. } => {
            vec![Ends(Part::Dial, Some(detail.clone()))]
        }
        Fact::Answered { .. } => vec![Ends(Part::Dial, None), Begins(Part::Talk)],
        Fact::AgentConnected { took_ms } => vec![Took(Part::ConnectAgent, *took_ms)],
        Fact::TransferAsked { .. } => vec![Begins(Part::Transfer)],
        Fact::Transferred { .. } => vec![Ends(Part::Transfer, None)],
        Fact::TransferFailed { detail, .. } => vec![Ends(Part::Transfer, Some(detail.clone()))],
        Fact::Ending { .. } => vec![
            Ends(Part::Dial, None),
            Ends(Part::Talk, None),
            Ends(Part::Transfer, None),
            Begins(Part::TidyUp),
        ],
        Fact::RoomDeleted { took_ms } => vec![Took(Part::DeleteRoom, *took_ms)],
        Fact::OutcomeWritten => vec![Ends(Part::TidyUp, None)],
        // What is told all the time, or is a word of somebody's.
        Fact::SoundSecond(_)
        | Fact::AgentState { .. }
        | Fact::Said { .. }
        | Fact::Cost(_)
        | Fact::Ignored { .. } => Vec::new(),
        Fact::MessageAccepted { .. }
        | Fact::MessageRefused { .. }
        | Fact::DuplicateMessage
        | Fact::DuplicateDelivery
        | Fact::Continued { .. }
        | Fact::TaskLaunched { .. }
        | Fact::ProfilesStale { .. }
        | Fact::TryAgain { .. }
        | Fact::Deferred { .. }
        | Fact::TaskPhases(_)
        | Fact::TaskStopped { .. }
        | Fact::Settled { .. }
        | Fact::Stuck { .. }
        | Fact::JobTaken { .. }
        | Fact::AgentAskedToWait { .. }
        | Fact::AgentCreateFailed { .. }
        | Fact::RoomJoinFailed { .. }
        | Fact::WaitingForCaller { .. }
        | Fact::DialClaimed
        | Fact::Duplicate { .. }
        | Fact::DialClaimFailed { .. }
        | Fact::Ringing { .. }
        | Fact::DialReplyLost { .. }
        | Fact::CallerJoined { .. }
        | Fact::AgentStarted
        | Fact::BridgeActive
        | Fact::FirstAgentAudio { .. }
        | Fact::BargeIn { .. }
        | Fact::NoPackets { .. }
        | Fact::OnlySilence { .. }
        | Fact::OneWayAudio { .. }
        | Fact::NotTranscribed { .. }
        | Fact::SoundHealed { .. }
        | Fact::AgentMessageIgnored { .. }
        | Fact::Dtmf { .. }
        | Fact::KeysSent { .. }
        | Fact::ToolFailed { .. }
        | Fact::RoomReconnecting
        | Fact::RoomResumed
        | Fact::RoomRejoined { .. }
        | Fact::CalleeBack { .. }
        | Fact::AgentHangUp { .. }
        | Fact::AgentClosed { .. }
        | Fact::AgentSilent { .. }
        | Fact::AgentLoops { .. }
        | Fact::PlayingOut { .. }
        | Fact::CalleeGone { .. }
        | Fact::RoomLost { .. }
        | Fact::MaxDuration
        | Fact::Draining
        | Fact::RoomDeleteFailed { .. }
        | Fact::AgentBilled { .. }
        | Fact::OutcomeNotWritten { .. }
        | Fact::SoundTotals { .. }
        | Fact::RecordingNotStored { .. } => vec![Event],
    }
}
