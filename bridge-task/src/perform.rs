//! The hands: the one match on [`Effect`]. Nothing here waits; slow work is spawned and comes back as news.

mod closing;
mod tools;

use agents::{Agent, Created};
use anyhow::Context as _;
use calls::call::{AudioCommand, Effect, Input, LegEvent, Room, RoomEvent, RoomFailure, SoundEvent};
use calls::fact::Fact;
use calls::ids::Nonce;
use cloud::call_folder::{FactsWriter, draw_nonce};
use room_client::{AudioIn, AudioOut};
use telemetry::CallContext;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::agent::{self, Socket, Sound, Warm};
use crate::clock;
use crate::job::Job;
use crate::known::Known;
use crate::last_resort::LastResort;
use crate::leg::{self, Permit};
use crate::recorder::{self, Tape};
use crate::room::{self, Joined};
use crate::sound::{self, Hops};

/// Packets that may wait for the recorder: two seconds of both directions.
const TAPPED_PACKETS: usize = 200;

/// News for the hands; what it means for the call is in it.
pub enum News {
    /// Only for the call.
    Of(Input),
    /// The room is ours to use.
    Joined(Box<Joined>),
    /// Inbound: this is the callee.
    ListenTo(String),
    /// The agent exists.
    AgentCreated(Created),
}

/// Everything a call in progress holds.
pub struct Hands {
    job: Job,
    livekit: rooms::Livekit,
    agent: Agent,
    inbox: mpsc::UnboundedReceiver<News>,
    news: mpsc::UnboundedSender<News>,
    facts: FactsWriter,
    context: CallContext,
    started_at: jiff::Timestamp,
    joining: Option<JoinHandle<()>>,
    room: Option<room_client::Room>,
    /// The callee's identity in it, once it is known.
    callee: Option<String>,
    out: Option<AudioOut>,
    sound_in: Option<AudioIn>,
    /// While the sound is open.
    hops: Option<Hops>,
    created: Option<Created>,
    warm: Option<Warm>,
    /// The agent's socket, open or being opened.
    socket: Option<JoinHandle<Option<Socket>>>,
    /// The same, being closed.
    closing_socket: Option<JoinHandle<()>>,
    /// What is to be said to it besides the callee's voice.
    to_agent: Option<mpsc::Sender<String>>,
    permit: Option<Permit>,
    tap: Option<mpsc::Sender<room_client::TappedPacket>>,
    tape: mpsc::UnboundedSender<Tape>,
    recorder: JoinHandle<anyhow::Result<()>>,
    outcome_owner: Nonce,
    known: Known,
    /// The outcome to be written is no system error.
    ends_as_business: bool,
    /// What it has cost in the end is told.
    cost_told: bool,
    /// As far as this process is concerned: what its exit code says.
    carried_through: bool,
}

impl Hands {
    /// Ready to work; nothing is done yet.
    pub fn new(job: Job) -> anyhow::Result<Self> {
        let (news, inbox) = mpsc::unbounded_channel();
        let livekit = rooms::Livekit::new(
            &job.plan.profile.livekit.url,
            &job.credentials.livekit_api_key,
            &job.credentials.livekit_api_secret,
        )
        .context("LiveKit")?;
        let agent = Agent::for_profile(&job.plan.profile.agent).context("the agent")?;
        let agent = agent.within_trace(job.reports.traceparent());
        let facts = FactsWriter::start(job.folders.clone(), job.attempt.clone(), job.writer.clone());
        let context = job.log_context();
        let (tap, packets) = mpsc::channel(TAPPED_PACKETS);
        let (tape, told) = mpsc::unbounded_channel();
        let callee = job.callee_identity.clone();
        let record = job.plan.profile.record;
        let (folders, attempt) = (job.folders.clone(), job.attempt.clone());
        let recorder = recorder::start(record, packets, told, folders, attempt, news.clone());
        Ok(Self {
            job,
            livekit,
            agent,
            inbox,
            news,
            facts,
            context,
            started_at: clock::wall(),
            joining: None,
            room: None,
            callee,
            out: None,
            sound_in: None,
            hops: None,
            created: None,
            warm: None,
            socket: None,
            to_agent: None,
            closing_socket: None,
            permit: None,
            tap: Some(tap),
            tape,
            recorder,
            outcome_owner: draw_nonce(),
            known: Known::default(),
            ends_as_business: false,
            cost_told: false,
            carried_through: false,
        })
    }

    /// What hangs up and tells of it when these hands cannot.
    pub fn last_resort(&self, room: Room) -> LastResort {
        LastResort::new(&self.job, room, self.livekit.clone(), self.outcome_owner.clone(), self.known.clone())
    }

    /// The next news for the call.
    pub async fn next(&mut self) -> Input {
        loop {
            let news = tokio::select! {
                news = self.inbox.recv() => news,
                second = sound::second_of(self.hops.as_mut()) => {
                    return Input::Sound(SoundEvent::Second(second));
                }
            };
            // We hold a sender ourselves, so the channel never closes.
            match news {
                Some(News::Of(input)) => return input,
                Some(News::Joined(joined)) => {
                    let Joined { room, out, sound_in } = *joined;
                    self.known.speaks_through(&out);
                    (self.room, self.out, self.sound_in) = (Some(room), Some(out), Some(sound_in));
                }
                Some(News::ListenTo(identity)) => {
                    self.callee = Some(identity.clone());
                    if let Some(room) = &self.room {
                        room.listen_to(&identity);
                    }
                }
                Some(News::AgentCreated(created)) => {
                    self.known.agent_created(&created.agent_call_id);
                    self.warm = Some(agent::warm_up(&created.join_url));
                    self.created = Some(created);
                }
                None => std::future::pending().await,
            }
        }
    }

    /// Does what the call asks.
    pub fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::JoinRoom => self.join_room(),
            Effect::CreateAgent => self.create_agent(),
            Effect::ClaimDial { failed_before_dial } => self.claim_dial(failed_before_dial),
            Effect::Dial => self.dial(),
            Effect::ConnectAgent => self.connect_agent(),
            Effect::Audio(AudioCommand::Open) => self.open_sound(),
            Effect::Audio(AudioCommand::PlayOut) => self.play_out(true),
            Effect::Audio(AudioCommand::AwaitPlayed) => self.play_out(false),
            Effect::Audio(AudioCommand::Close) => self.close_sound(),
            Effect::AskWhyAgentEnded => self.ask_why_agent_ended(),
            Effect::TellTyped(keys) => self.tell_agent(self.agent.keys_pressed(&keys)),
            Effect::PressKey(key) => self.press_key(key),
            Effect::Transfer { to, ring } => self.transfer(to, ring),
            Effect::AnswerTool { id, result } => self.tell_agent(self.agent.tool_result(&id, &result)),
            Effect::EndAgent => self.tell_agent(self.agent.end_call()),
            Effect::CloseAgent => self.close_agent(),
            Effect::DeleteRoom => self.delete_room(),
            Effect::WriteOutcome(ending) => self.write_outcome(ending),
            Effect::Record(fact) => self.record(fact),
            // `run` takes this one itself: there is nothing left to perform.
            Effect::Finish => {}
        }
    }

    fn record(&mut self, fact: Fact) {
        telemetry::log(&self.context, &fact);
        let moment = matches!(
            fact,
            Fact::DialClaimed | Fact::Dialing { .. } | Fact::Answered { .. } | Fact::Ending { .. }
        );
        // Another task carries the call through: to leave is all that is left to do, and no failure.
        self.carried_through |= match &fact {
            Fact::Duplicate { .. } => true,
            Fact::OutcomeWritten => self.ends_as_business,
            _ => false,
        };
        if matches!(fact, Fact::Answered { .. })
            && let Some(answered) = self.job.answered.take()
        {
            // Who waited may have gone.
            let _ = answered.send(());
        }
        let at = clock::wall();
        self.known.note(&fact, clock::now(), at);
        let cost = self.known.cost_due(&fact, self.job.plan.profile.prices.as_ref(), self.job.alone, at);
        self.job.reports.fact(at, &fact);
        self.facts.note(at, fact);
        if let Some(cost) = cost {
            self.record(Fact::Cost(cost));
        }
        if moment {
            self.facts.flush();
        }
    }

    fn tell(&self, input: Input) {
        let _ = self.news.send(News::Of(input));
    }

    /// Runs slow work beside the loop; its result is news.
    fn spawn(&self, work: impl Future<Output = Input> + 'static + Send) {
        let news = self.news.clone();
        tokio::spawn(async move { drop(news.send(News::Of(work.await))) });
    }

    fn join_room(&mut self) {
        let rate = audio::SampleRate::try_from(self.job.plan.profile.agent.sample_rate);
        let config = match (rate, self.tap.take()) {
            (Ok(rate), Some(tap)) => room::config(&self.job, &self.livekit, rate, tap),
            (Err(unsupported), _) => Err(unsupported.to_string()),
            (_, None) => Err("the room is joined already".to_owned()),
        };
        match config {
            Ok(config) => {
                let work = room::join(config, self.job.callee_identity.clone(), self.news.clone());
                self.joining = Some(tokio::spawn(work));
            }
            Err(detail) => {
                self.tell(Input::Room(RoomEvent::JoinFailed { failure: RoomFailure::Other, detail }));
            }
        }
    }

    fn create_agent(&self) {
        let (plan, attempt) = (self.job.plan.clone(), self.job.attempt.clone());
        let api_key = self.job.credentials.agent_api_key.clone();
        tokio::spawn(agent::create(self.agent.clone(), plan, attempt, api_key, self.news.clone()));
    }

    fn claim_dial(&mut self, failed_before_dial: Option<String>) {
        let permit = match leg::permit(&self.livekit) {
            Ok(permit) => permit,
            Err(detail) => return self.tell(Input::Leg(LegEvent::ClaimFailed { detail })),
        };
        let agent_call_id = self.created.as_ref().map(|created| created.agent_call_id.clone());
        let may_dial = failed_before_dial.is_none();
        let claim = leg::claim(&self.job, agent_call_id, permit.invite_by(), failed_before_dial);
        self.permit = may_dial.then_some(permit);
        let (folders, attempt) = (self.job.folders.clone(), self.job.attempt.clone());
        self.spawn(async move { leg::claim_result(folders.claim_dial(&attempt, &claim).await) });
    }

    fn dial(&mut self) {
        self.tell(Input::Leg(LegEvent::Dialing));
        let permit = self.permit.take();
        self.spawn(leg::dial(self.livekit.clone(), leg::dial_request(&self.job), permit));
    }

    fn connect_agent(&mut self) {
        let (Some(created), Some(sound_in), Some(out)) = (&self.created, self.sound_in.take(), &self.out)
        else {
            return;
        };
        let (agent, url, warm) = (self.agent.clone(), created.join_url.clone(), self.warm.take());
        let sound = Sound::new(sound_in, self.known.to_agent.clone(), out.clone());
        self.to_agent = Some(sound.texts.0.clone());
        self.socket = Some(tokio::spawn(agent::connect(agent, url, warm, sound, self.news.clone())));
    }

    /// From the answer on a lost room is joined anew; before it, a dial that nobody hears of is given up.
    fn open_sound(&mut self) {
        if let Some(room) = &self.room {
            room.rejoin_when_lost(room::rejoin(&self.job, &self.livekit));
        }
        if let Some(sound_in) = &self.sound_in {
            sound_in.open();
        }
        let _ = self.tape.send(Tape::Start(clock::now()));
        let Some(out) = self.out.clone() else { return };
        if let Some(sound_in) = &self.sound_in {
            let to_agent = self.known.to_agent.clone();
            self.hops = Some(Hops::watch(sound_in.counts(), to_agent, out.clone()));
        }
        self.spawn(async move {
            out.first_speech().await;
            Input::Sound(SoundEvent::FirstAgentAudio)
        });
    }

    fn play_out(&mut self, last_words: bool) {
        let Some(out) = self.out.clone() else { return self.tell(Input::Sound(SoundEvent::PlayedOut)) };
        if last_words {
            self.record(Fact::PlayingOut { queued_ms: out.queued_ms() });
        }
        self.spawn(async move {
            out.drained().await;
            Input::Sound(SoundEvent::PlayedOut)
        });
    }

    fn close_sound(&mut self) {
        let _ = self.tape.send(Tape::Stop(clock::now()));
        self.sound_in = None;
        if let Some(mut hops) = self.hops.take() {
            // The part of a second that is left.
            self.tell(Input::Sound(SoundEvent::Second(hops.look())));
        }
    }

    fn ask_why_agent_ended(&self) {
        let Some(created) = &self.created else { return };
        let (agent, id) = (self.agent.clone(), created.agent_call_id.clone());
        self.spawn(agent::ask_why(agent, id, self.job.credentials.agent_api_key.clone()));
    }

    /// One that takes no more texts gets none; the call ends without its consent, if it was to end.
    fn tell_agent(&self, text: String) {
        if let Some(to_agent) = &self.to_agent {
            let _ = to_agent.try_send(text);
        }
    }

    /// A socket that opens only now is closed as well.
    fn close_agent(&mut self) {
        self.warm = None;
        let Some(socket) = self.socket.take() else { return };
        self.closing_socket = Some(tokio::spawn(async move {
            if let Ok(Some(socket)) = socket.await {
                socket.close().await;
            }
        }));
    }
}
