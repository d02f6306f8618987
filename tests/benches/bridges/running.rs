//! A call that is carried by either bridge.

use anyhow::{Context as _, Result};
use calls::fact::Fact;
use jiff::Timestamp;
use sim::stack::{Arrival, Call, Packets};
use sim::ultravox::Ultravox;
use sim::{stack, ultravox};
use tests::{EndedCall, LiveCall, Scene, Stage};

use crate::python::PythonCall;
use crate::{Bridge, Settings};

/// A call that runs.
pub enum Running {
    /// By `bridge-task`, which was started then.
    Ours(Box<LiveCall>, f64),
    /// By the Python bridge.
    Python(PythonCall),
}

/// What the times of a call are made from; all in Unix milliseconds.
pub struct Seen {
    /// When the bridge was in the room.
    pub joined_ms: f64,
    /// When the agent's call existed.
    pub agent_created_ms: f64,
    /// What the phone saw.
    pub leg: Call,
}

impl Running {
    /// Starts the bridge's process on a call to `person`.
    pub async fn start(
        scene: &Scene,
        settings: &Settings,
        bridge: Bridge,
        person: stack::Script,
        agent: ultravox::Script,
    ) -> Result<Self> {
        if bridge == Bridge::Python {
            return Ok(Self::Python(PythonCall::start(scene, settings, person, agent).await?));
        }
        let arranged = scene.arrange().person(person).agent(agent);
        // The other bridge records nothing.
        let arranged = arranged.profile("/agent/firstSpeaker", "agent").profile("/record", false);
        let mut call = arranged.plan().await?;
        let started = now_ms();
        call.start_task()?;
        Ok(Self::Ours(Box::new(call), started))
    }

    /// When its process was started, in Unix milliseconds.
    pub fn started_ms(&self) -> f64 {
        match self {
            Self::Ours(_, started) => *started,
            Self::Python(call) => call.started_ms(),
        }
    }

    /// Its process.
    pub fn pid(&mut self) -> Result<u32> {
        match self {
            Self::Ours(call, _) => Ok(call.task(0)?.id()),
            Self::Python(call) => Ok(call.pid()),
        }
    }

    /// Waits until the phone's call is as `wanted`.
    pub async fn phone(&self, what: &str, wanted: impl Fn(&Call) -> bool) -> Result<Call> {
        match self {
            Self::Ours(call, _) => call.phone(what, wanted).await,
            Self::Python(call) => call.phone(what, wanted).await,
        }
    }

    /// The agent's vendor.
    pub fn vendor(&self) -> &Ultravox {
        match self {
            Self::Ours(call, _) => call.vendor(),
            Self::Python(call) => call.vendor(),
        }
    }

    /// The packets that have reached the phone.
    pub async fn arrivals(&self) -> Result<Vec<Arrival>> {
        let leg = self.phone("the call is there", |_| true).await?;
        self.stage().stack().await.phone()?.arrivals(&leg.id).await
    }

    /// What was in them, and in those that the phone sent, if it was told to keep them.
    pub async fn packets(&self) -> Result<Packets> {
        let leg = self.phone("the call is there", |_| true).await?;
        self.stage().stack().await.phone()?.packets(&leg.id).await
    }

    fn stage(&self) -> &Stage {
        match self {
            Self::Ours(call, _) => call.stage(),
            Self::Python(call) => call.stage(),
        }
    }

    /// Waits until the agent hears the callee.
    pub async fn is_talking(&self) -> Result<()> {
        match self {
            Self::Ours(call, _) => call.is_talking().await,
            Self::Python(call) => call.is_talking().await,
        }
    }

    /// The rate of the agent's sound, and how many seconds of it have reached the agent.
    pub fn agent_has_heard(&self) -> Result<(u64, f64)> {
        let agents = self.vendor().calls();
        let agent = agents.first().context("no agent was created")?;
        let hz = agent.request["medium"]["serverWebSocket"]["inputSampleRate"].as_u64();
        let hz = hz.filter(|hz| *hz > 0).context("the agent's call has no rate")?;
        Ok((hz, agent.bytes_received as f64 / (hz * 2) as f64))
    }

    /// The person hangs up.
    pub async fn callee_hangs_up(&self) -> Result<()> {
        match self {
            Self::Ours(call, _) => call.callee_hangs_up().await,
            Self::Python(call) => call.callee_hangs_up().await,
        }
    }

    /// Waits for the end of the process, and that nothing is left behind.
    pub async fn ends(self) -> Result<Seen> {
        match self {
            Self::Ours(call, _) => seen(&call.ends().await?),
            Self::Python(call) => call.ends().await,
        }
    }
}

fn seen(ended: &EndedCall) -> Result<Seen> {
    let at = |wanted: fn(&Fact) -> bool| {
        let fact = ended.kept.facts.iter().find(|recorded| wanted(&recorded.fact));
        fact.map(|recorded| ms(recorded.at)).context("a fact is missing")
    };
    Ok(Seen {
        joined_ms: at(|fact| matches!(fact, Fact::RoomJoined { .. }))?,
        agent_created_ms: at(|fact| matches!(fact, Fact::AgentCreated { .. }))?,
        leg: ended.leg()?.clone(),
    })
}

/// The wall clock, in Unix milliseconds.
pub fn now_ms() -> f64 {
    ms(Timestamp::now())
}

fn ms(at: Timestamp) -> f64 {
    at.as_microsecond() as f64 / 1000.0
}
