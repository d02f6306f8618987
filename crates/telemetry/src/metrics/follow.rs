//! Which samples follow from a fact, and from an outcome.

use calls::fact::{Fact, TaskPhases};
use calls::outcome::{Outcome, OutcomeKind, Reason};
use calls::trigger::RefusalCode;

use super::{AgentTrouble, Duplicate, Label, Metric, Phase, Sample, SipClass, Way};

/// What is measured by a fact. One arm a fact: a new one does not compile until that is decided.
pub fn from_fact(fact: &Fact) -> Vec<Sample> {
    let one = |sample| vec![sample];
    match fact {
        Fact::MessageRefused { code, .. } => refused(code),
        Fact::DuplicateMessage => one(duplicate(Duplicate::Message)),
        Fact::DuplicateDelivery => one(duplicate(Duplicate::Delivery)),
        Fact::Duplicate { .. } => one(duplicate(Duplicate::Task)),
        Fact::AttemptClaimed { waited_ms, .. } => phase(Phase::Queued, *waited_ms).into_iter().collect(),
        Fact::Deferred { .. } => one(Sample::of(Metric::Deferrals, 1.0)),
        Fact::TaskPhases(phases) => phases_of(*phases),
        Fact::AgentAskedToWait { .. } => one(trouble(AgentTrouble::AskedToWait)),
        Fact::AgentCreated { took_ms, .. } => phase(Phase::Agent, Some(*took_ms)).into_iter().collect(),
        Fact::RoomJoined { took_ms } => phase(Phase::Room, Some(*took_ms)).into_iter().collect(),
        Fact::BargeIn { tail_ms, .. } => {
            let tail = tail_ms.map(|ms| Sample::of(Metric::BargeInTailMilliseconds, ms as f64));
            std::iter::once(Sample::of(Metric::BargeIns, 1.0)).chain(tail).collect()
        }
        Fact::AgentSilent { .. } => one(trouble(AgentTrouble::Silent)),
        Fact::AgentLoops { .. } => one(trouble(AgentTrouble::Loops)),
        Fact::AgentClosed { clean: false, .. } => one(trouble(AgentTrouble::Closed)),
        Fact::SoundTotals {
            callee_audio_seconds,
            agent_audio_seconds,
            callee_concealed_seconds,
            agent_concealed_seconds,
        } => vec![
            Sample::by(Metric::SoundSeconds, Label::Way(Way::ToAgent), *callee_audio_seconds),
            Sample::by(Metric::SoundSeconds, Label::Way(Way::ToCallee), *agent_audio_seconds),
            Sample::by(Metric::ConcealedSeconds, Label::Way(Way::ToAgent), *callee_concealed_seconds),
            Sample::by(Metric::ConcealedSeconds, Label::Way(Way::ToCallee), *agent_concealed_seconds),
        ],
        // How a call ended is measured by its outcome, which has all of it.
        Fact::AgentCreateFailed { .. }
        | Fact::RoomJoinFailed { .. }
        | Fact::DialClaimFailed { .. }
        | Fact::DialNotSent { .. }
        | Fact::DialFailed { .. }
        | Fact::Answered { .. }
        | Fact::FirstAgentAudio { .. }
        | Fact::AgentClosed { clean: true, .. }
        | Fact::Cost(_)
        | Fact::RoomLost { .. }
        | Fact::MaxDuration
        | Fact::Ending { .. } => Vec::new(),
        // Steps on the way, and what is for people.
        Fact::MessageAccepted { .. }
        | Fact::Continued { .. }
        | Fact::TaskLaunched { .. }
        | Fact::ProfilesStale { .. }
        | Fact::TryAgain { .. }
        | Fact::TaskStopped { .. }
        | Fact::Settled { .. }
        | Fact::Stuck { .. }
        | Fact::JobTaken { .. }
        | Fact::WaitingForCaller { .. }
        | Fact::DialClaimed
        | Fact::Dialing { .. }
        | Fact::Ringing { .. }
        | Fact::DialReplyLost { .. }
        | Fact::CallerJoined { .. }
        | Fact::AgentConnected { .. }
        | Fact::AgentStarted
        | Fact::BridgeActive
        | Fact::AgentState { .. }
        | Fact::Said { .. }
        | Fact::SoundSecond(_)
        | Fact::NoPackets { .. }
        | Fact::OnlySilence { .. }
        | Fact::OneWayAudio { .. }
        | Fact::NotTranscribed { .. }
        | Fact::SoundHealed { .. }
        | Fact::AgentMessageIgnored { .. }
        | Fact::Dtmf { .. }
        | Fact::KeysSent { .. }
        | Fact::TransferAsked { .. }
        | Fact::Transferred { .. }
        | Fact::TransferFailed { .. }
        | Fact::ToolFailed { .. }
        | Fact::RoomReconnecting
        | Fact::RoomResumed
        | Fact::RoomRejoined { .. }
        | Fact::CalleeBack { .. }
        | Fact::AgentHangUp { .. }
        | Fact::PlayingOut { .. }
        | Fact::CalleeGone { .. }
        | Fact::Draining
        | Fact::RoomDeleted { .. }
        | Fact::RoomDeleteFailed { .. }
        | Fact::AgentBilled { .. }
        | Fact::OutcomeWritten
        | Fact::OutcomeNotWritten { .. }
        | Fact::RecordingNotStored { .. }
        | Fact::Ignored { .. } => Vec::new(),
    }
}

/// What is measured by how an attempt ended. One that was put off was no dial.
pub fn from_outcome(outcome: &Outcome) -> Vec<Sample> {
    let kind = outcome.outcome;
    let mut samples = vec![Sample::by(Metric::Calls, Label::Outcome(kind), 1.0)];
    let (answered, failed) = match kind {
        OutcomeKind::Answered => (1.0, 0.0),
        OutcomeKind::NotAnswered => (0.0, 0.0),
        OutcomeKind::Failed | OutcomeKind::Unknown => (0.0, 1.0),
        OutcomeKind::Deferred => return samples,
    };
    samples.push(Sample::of(Metric::Answered, answered));
    samples.push(Sample::of(Metric::DialFailed, failed));
    if kind != OutcomeKind::Answered {
        let class = Label::SipClass(SipClass::of(outcome.sip_status));
        samples.push(Sample::by(Metric::DialFailures, class, 1.0));
    }
    samples.extend(agent_trouble(outcome).map(trouble));
    let measured = [
        (Metric::TimeToAnswerSeconds, outcome.answer_delay_seconds),
        (Metric::TalkSeconds, outcome.duration_seconds),
        (Metric::FirstAgentAudioSeconds, outcome.first_agent_audio_seconds),
        (Metric::Mos, outcome.mos),
        (Metric::CallCost, outcome.cost.as_ref().map(|cost| cost.total)),
    ];
    samples.extend(measured.into_iter().filter_map(|(metric, value)| Some(Sample::of(metric, value?))));
    samples
}

/// What was wrong before the answer stands in the reason; what was wrong after it is told by facts of its own.
fn agent_trouble(outcome: &Outcome) -> Option<AgentTrouble> {
    let is = |reason: Reason| outcome.reason.as_deref() == Some(reason.as_str());
    let found = [
        (Reason::AgentAccount, AgentTrouble::Account),
        (Reason::AgentBusy, AgentTrouble::Busy),
        (Reason::AgentError, AgentTrouble::NotCreated),
        (Reason::AgentLostBeforeAnswer, AgentTrouble::LostBeforeAnswer),
    ];
    found.into_iter().find(|(reason, _)| is(*reason)).map(|(_, trouble)| trouble)
}

fn refused(code: &str) -> Vec<Sample> {
    let known = RefusalCode::ALL.iter().find(|known| known.as_str() == code);
    known.map(|code| Sample::by(Metric::Refusals, Label::Code(*code), 1.0)).into_iter().collect()
}

fn duplicate(what: Duplicate) -> Sample {
    Sample::by(Metric::Duplicates, Label::Duplicate(what), 1.0)
}

fn trouble(kind: AgentTrouble) -> Sample {
    Sample::by(Metric::AgentErrors, Label::Kind(kind), 1.0)
}

fn phase(phase: Phase, took_ms: Option<u64>) -> Option<Sample> {
    Some(Sample::by(Metric::StartPhaseMilliseconds, Label::Phase(phase), took_ms? as f64))
}

fn phases_of(phases: TaskPhases) -> Vec<Sample> {
    let steps = [
        (Phase::Provisioning, phases.provisioning_ms),
        (Phase::Pull, phases.pull_ms),
        (Phase::Process, phases.process_ms),
    ];
    steps.into_iter().filter_map(|(step, took_ms)| phase(step, took_ms)).collect()
}
