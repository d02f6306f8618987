//! What tells the values of a metric apart. Types that there are few values of, and no other.

use calls::outcome::OutcomeKind;
use calls::profile::CountryProfile;
use calls::trigger::RefusalCode;

/// A deployment's name: one process knows one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage(String);

impl Stage {
    /// The stage that this process was deployed as.
    pub fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a call goes: a country that has a profile, and its trunk's provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    country: String,
    provider: String,
}

impl Place {
    /// The profile's country (ISO 3166-1 alpha-2, as reading the profile has made sure) and provider, `none` where it
    /// names none.
    pub fn of(profile: &CountryProfile) -> Self {
        let provider = profile.provider.clone().unwrap_or_else(|| "none".to_owned());
        Self { country: profile.country.clone(), provider }
    }

    /// ISO 3166-1 alpha-2.
    pub fn country(&self) -> &str {
        &self.country
    }

    /// The trunk's provider.
    pub fn provider(&self) -> &str {
        &self.provider
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every value, for tables and tests.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

words! {
    /// The class of a SIP status (RFC 3261 §7.2).
    SipClass {
        /// Redirection.
        Redirection = "3xx",
        /// The request, or the callee, as it is: busy, unknown, gone.
        Client = "4xx",
        /// The trunk's side.
        Server = "5xx",
        /// Nobody anywhere will take it: declined, busy everywhere.
        Global = "6xx",
        /// There was no SIP status.
        None = "none",
    }
}

words! {
    /// What an agent, or its vendor, did wrong.
    AgentTrouble {
        /// The vendor asked us to wait (429, 503).
        AskedToWait = "asked-to-wait",
        /// The account is refused or has no money.
        Account = "account",
        /// The vendor stayed full.
        Busy = "busy",
        /// No agent could be had for another reason.
        NotCreated = "not-created",
        /// It went away before the answer.
        LostBeforeAnswer = "lost-before-answer",
        /// Its socket closed, or broke, without a word.
        Closed = "closed",
        /// It sent nothing for too long.
        Silent = "silent",
        /// It called its tools in a loop.
        Loops = "loops",
    }
}

words! {
    /// Which way sound goes.
    Way {
        /// The callee's.
        ToAgent = "to-agent",
        /// The agent's.
        ToCallee = "to-callee",
    }
}

words! {
    /// A phase of a start.
    Phase {
        /// From the message to the claimed attempt.
        Queued = "queued",
        /// ECS finds a place and an interface for the task.
        Provisioning = "provisioning",
        /// Its image comes.
        Pull = "pull",
        /// Its container starts.
        Process = "process",
        /// The room is joined.
        Room = "room",
        /// The agent's call is created; at the same time.
        Agent = "agent",
    }
}

words! {
    /// What came twice.
    Duplicate {
        /// Another message of the same call.
        Message = "message",
        /// The same message.
        Delivery = "delivery",
        /// Another task for the same attempt.
        Task = "task",
    }
}

/// A metric's own label: its name and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Label {
    /// How an attempt ended.
    Outcome(OutcomeKind),
    /// The class of a SIP status.
    SipClass(SipClass),
    /// Why a message was refused.
    Code(RefusalCode),
    /// What an agent did wrong.
    Kind(AgentTrouble),
    /// Which way.
    Way(Way),
    /// Of a start.
    Phase(Phase),
    /// What came twice.
    Duplicate(Duplicate),
}

impl Label {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Outcome(_) => "Outcome",
            Self::SipClass(_) => "SipClass",
            Self::Code(_) => "Code",
            Self::Kind(_) => "Kind",
            Self::Way(_) => "Way",
            Self::Phase(_) => "Phase",
            Self::Duplicate(_) => "Duplicate",
        }
    }

    /// Its value.
    pub const fn value(self) -> &'static str {
        match self {
            Self::Outcome(outcome) => outcome.as_str(),
            Self::SipClass(class) => class.as_str(),
            Self::Code(code) => code.as_str(),
            Self::Kind(trouble) => trouble.as_str(),
            Self::Way(way) => way.as_str(),
            Self::Phase(phase) => phase.as_str(),
            Self::Duplicate(duplicate) => duplicate.as_str(),
        }
    }

    /// Every value of every label, for tests.
    pub fn all() -> Vec<Self> {
        let outcomes = OutcomeKind::ALL.iter().map(|outcome| Self::Outcome(*outcome));
        let classes = SipClass::ALL.iter().map(|class| Self::SipClass(*class));
        let codes = RefusalCode::ALL.iter().map(|code| Self::Code(*code));
        let troubles = AgentTrouble::ALL.iter().map(|trouble| Self::Kind(*trouble));
        let ways = Way::ALL.iter().map(|way| Self::Way(*way));
        let phases = Phase::ALL.iter().map(|phase| Self::Phase(*phase));
        let duplicates = Duplicate::ALL.iter().map(|duplicate| Self::Duplicate(*duplicate));
        outcomes
            .chain(classes)
            .chain(codes)
            .chain(troubles)
            .chain(ways)
            .chain(phases)
            .chain(duplicates)
            .collect()
    }
}

impl SipClass {
    /// Of a status, if there was one.
    pub const fn of(status: Option<u16>) -> Self {
        match status {
            Some(300..=399) => Self::Redirection,
            Some(400..=499) => Self::Client,
            Some(500..=599) => Self::Server,
            Some(600..=699) => Self::Global,
            _ => Self::None,
        }
    }
}
