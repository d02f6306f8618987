//! The flight recorder: a call's facts as somebody reads them who was not there.
//!
//! Each fact has a lane, in which it is shown, and a bearing, which says how much it matters; its words are those of
//! [`line`]. [`Findings`] puts all of a call into a few sentences: why it ended, whether both sides were heard, what
//! went wrong. Pure, so that a terminal, a page and a test say the same.

mod findings;
mod heard;
mod phases;
mod wrong;

use calls::fact::{Fact, Speaker};
use calls::outcome::Outcome;
use calls::settle::Follow;
use jiff::Timestamp;
use serde::Serialize;

pub use findings::{Figure, Findings, Tone};
pub use phases::{Phase, phases};
pub use wrong::Wrong;

use crate::{Line, line};

/// An attempt as its folder keeps it.
#[derive(Clone, Debug, Default)]
pub struct Attempt {
    /// Which, from 1.
    pub number: u32,
    /// What happened, in order of time.
    pub facts: Vec<(Timestamp, Fact)>,
    /// How it ended, if it did.
    pub outcome: Option<Outcome>,
    /// What followed it, if it is settled.
    pub next: Option<Follow>,
}

impl Attempt {
    /// When the callee answered.
    pub fn answered_at(&self) -> Option<Timestamp> {
        self.find(|fact| matches!(fact, Fact::Answered { .. }))
    }

    /// When the first fact like this was noted.
    pub fn find(&self, like: impl Fn(&Fact) -> bool) -> Option<Timestamp> {
        self.facts.iter().find(|(_, fact)| like(fact)).map(|(at, _)| *at)
    }
}

/// Who or what a fact is about: a row of its own wherever facts are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    /// The message's way: routing, and what became of the attempt afterwards.
    Routing,
    /// The task that carries the call.
    Task,
    /// LiveKit's room.
    Room,
    /// Dial, ring, answer: the phone's leg.
    Phone,
    /// What the person does.
    Callee,
    /// The agent and its vendor.
    Agent,
    /// Keys, transfers and other tools of the agent's.
    Tools,
    /// How it sounds.
    Sound,
    /// The end and tidying up.
    End,
}

impl Lane {
    /// All of them, as they are drawn from top to bottom.
    pub const ALL: [Self; 9] = [
        Self::Routing,
        Self::Task,
        Self::Room,
        Self::Phone,
        Self::Callee,
        Self::Agent,
        Self::Tools,
        Self::Sound,
        Self::End,
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Routing => "routing",
            Self::Task => "task",
            Self::Room => "room",
            Self::Phone => "phone",
            Self::Callee => "callee",
            Self::Agent => "agent",
            Self::Tools => "tools",
            Self::Sound => "sound",
            Self::End => "end",
        }
    }
}

/// How much a fact matters to who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearing {
    /// Comes every second: for curves, not for lists.
    Beat,
    /// For who looks closely.
    Note,
    /// A step of the call's life.
    Step,
    /// Something went wrong, and what is to be done about it; `None`: as the attempt's outcome says, whose cause it is.
    Trouble(Option<&'static str>),
}

/// A fact, placed and in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is shown.
    pub lane: Lane,
    /// How much it matters.
    pub bearing: Bearing,
    /// The same words for the same kind of fact.
    pub title: &'static str,
    /// What is particular about this one; may be empty.
    pub detail: String,
}

/// A fact as it is shown. What was said is in it: who reads a recorder may know that.
pub fn entry(fact: &Fact) -> Entry {
    let (lane, bearing) = place(fact);
    let Line { title, detail, .. } = line(fact, true);
    Entry { lane, bearing, title, detail }
}

const VENDOR_LIMIT: &str = "many of these: the vendor's limit of calls, or a slower campaign";
const MEDIA: &str = "many at once: the way between the carrier and LiveKit's SIP nodes, its firewall and RTP ports; one \
                     call: its telephone";
const SILENCE: &str = "one call: a muted telephone, or nobody there; many: a codec that the trunk does not really have, or a \
                       carrier that answers before the person does";
const ONE_WAY: &str = "the vendor's own record of the call, the profile's voice and sampleRate; where frames reach the \
                       queue and none the room, it is ours: report it";
const NOT_UNDERSTOOD: &str = "listen to the callee: music, noise, an answering machine, torn words; many: the profile's \
                              languageHint, the vendor's status page";
const RECONNECT: &str = "LiveKit's log and the network to it; sound goes on unless the room was joined anew";

/// Where a fact belongs. One arm a fact: a new fact does not compile until somebody has said whose it is, and whether
/// it is trouble.
#[rustfmt::skip]
fn place(fact: &Fact) -> (Lane, Bearing) {
    use Bearing::{Beat, Note, Step, Trouble};
    use Lane::{Agent, Callee, End, Phone, Room, Routing, Sound, Task, Tools};
    /// The outcome's reason says what to do.
    const CAUSE: Bearing = Trouble(None);
    const fn do_this(what: &'static str) -> Bearing { Trouble(Some(what)) }
    match fact {
        Fact::MessageAccepted { .. } => (Routing, Step),
        Fact::MessageRefused { .. } => (Routing, do_this("ocg dlq show: the dead letter has the field at fault")),
        Fact::DuplicateMessage => (Routing, do_this("nothing: it is called once. To call again, the sender uses a new id")),
        Fact::DuplicateDelivery => (Routing, Note),
        Fact::Continued { .. } => (Routing, Step),
        Fact::AttemptClaimed { .. } => (Routing, Step),
        Fact::TaskLaunched { .. } => (Task, Step),
        Fact::TaskPhases(_) => (Task, Step),
        Fact::ProfilesStale { .. } => (Routing, do_this("nothing for this call; the parameter store, or the router's way to it")),
        Fact::TryAgain { .. } => (Routing, do_this("nothing if it went on; else what the detail names")),
        Fact::Deferred { .. } => (Routing, Step),
        Fact::TaskStopped { .. } => (Task, Step),
        Fact::Settled { .. } => (Routing, Step),
        Fact::Stuck { .. } => (Routing, do_this("a person has to look: nobody settles this by itself")),
        Fact::JobTaken { .. } => (Task, Step),
        Fact::AgentCreated { .. } => (Agent, Step),
        Fact::AgentAskedToWait { .. } => (Agent, do_this(VENDOR_LIMIT)),
        Fact::AgentCreateFailed { .. } => (Agent, CAUSE),
        Fact::RoomJoined { .. } => (Room, Step),
        Fact::RoomJoinFailed { .. } => (Room, CAUSE),
        Fact::WaitingForCaller { .. } => (Room, Step),
        Fact::DialClaimed => (Phone, Step),
        Fact::Duplicate { .. } => (Task, do_this("nothing: another task has the permission to ring, nobody is dialed twice")),
        Fact::DialClaimFailed { .. } => (Phone, CAUSE),
        Fact::Dialing { .. } => (Phone, Step),
        Fact::DialNotSent { .. } => (Phone, CAUSE),
        Fact::Ringing { .. } => (Phone, Step),
        Fact::DialReplyLost { .. } => (Phone, do_this("many of these: LiveKit's SIP service is slow or out of reach")),
        // A busy callee is nobody's fault. Where it is one, the outcome says so.
        Fact::DialFailed { .. } => (Phone, Step),
        Fact::CallerJoined { .. } => (Phone, Step),
        Fact::Answered { .. } => (Phone, Step),
        Fact::AgentConnected { .. } => (Agent, Step),
        Fact::AgentStarted => (Agent, Note),
        Fact::BridgeActive => (Sound, Step),
        Fact::FirstAgentAudio { .. } => (Sound, Step),
        Fact::AgentState { .. } => (Agent, Note),
        Fact::Said { by: Speaker::Callee, .. } => (Callee, Step),
        Fact::Said { by: Speaker::Agent, .. } => (Agent, Step),
        Fact::BargeIn { .. } => (Callee, Step),
        Fact::SoundSecond(_) => (Sound, Beat),
        Fact::NoPackets { .. } => (Sound, do_this(MEDIA)),
        Fact::OnlySilence { .. } => (Sound, do_this(SILENCE)),
        Fact::OneWayAudio { .. } => (Sound, do_this(ONE_WAY)),
        Fact::NotTranscribed { .. } => (Sound, do_this(NOT_UNDERSTOOD)),
        Fact::SoundHealed { .. } => (Sound, Step),
        Fact::AgentMessageIgnored { .. } => (Agent, Note),
        Fact::Dtmf { .. } => (Callee, Step),
        Fact::KeysSent { .. } => (Tools, Step),
        Fact::TransferAsked { .. } => (Tools, Step),
        Fact::Transferred { .. } => (Tools, Step),
        Fact::TransferFailed { .. } => (Tools, do_this("the trunk must allow REFER, and the target must answer in its ring time; some trunks want a sip: address")),
        Fact::ToolFailed { .. } => (Tools, do_this("the agent was told these words; the profile says what it may do on the line")),
        Fact::RoomReconnecting => (Room, do_this(RECONNECT)),
        Fact::RoomResumed => (Room, Step),
        Fact::RoomRejoined { .. } => (Room, Step),
        Fact::CalleeBack { .. } => (Phone, Step),
        Fact::AgentHangUp { .. } => (Agent, Step),
        Fact::AgentClosed { clean, .. } => (Agent, if *clean { Step } else { CAUSE }),
        Fact::AgentSilent { .. } => (Agent, CAUSE),
        Fact::AgentLoops { .. } => (Agent, do_this("the agent's prompt and its tools: it asked the same again and again")),
        Fact::PlayingOut { .. } => (Agent, Step),
        Fact::CalleeGone { .. } => (Phone, Step),
        Fact::RoomLost { .. } => (Room, CAUSE),
        Fact::MaxDuration => (End, Step),
        Fact::Draining => (Task, CAUSE),
        Fact::Ending { .. } => (End, Step),
        Fact::RoomDeleted { .. } => (End, Step),
        Fact::RoomDeleteFailed { .. } => (End, do_this("the sweep deletes it; until then the line may be open: ocg hangup")),
        Fact::OutcomeWritten => (End, Note),
        Fact::OutcomeNotWritten { .. } => (End, do_this("nothing if an outcome is there: somebody else wrote it first; else the store")),
        Fact::SoundTotals { .. } => (Sound, Note),
        Fact::Cost(_) => (End, Step),
        Fact::AgentBilled { .. } => (Agent, Step),
        Fact::RecordingNotStored { .. } => (Sound, do_this("the task's disk and the bucket; the call itself was not harmed")),
        Fact::Ignored { .. } => (Task, Note),
    }
}

#[cfg(test)]
mod tests;
