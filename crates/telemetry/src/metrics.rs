//! Metrics: what there are, what tells them apart, and which follow from a [`Fact`] and from an [`Outcome`]. They go to
//! CloudWatch as lines of the log ([`emf`]), and to whoever asks the worker ([`prometheus`]).
//!
//! Every value of a label is a series that is paid for, so a label is a type that there are few values of: a stage, a
//! country that has a profile with its trunk's provider, and words of closed lists. Ids and numbers have no way in.

pub mod emf;
mod follow;
mod labels;
pub mod prometheus;

use calls::fact::Fact;
use calls::outcome::Outcome;
use jiff::Timestamp;

pub use follow::{from_fact, from_outcome};
pub use labels::{AgentTrouble, Duplicate, Label, Phase, Place, SipClass, Stage, Way};
use prometheus::Prometheus;

macro_rules! metrics {
    ($($(#[doc = $doc:literal])* $variant:ident: $unit:ident, $kind:ident, $labels:expr;)*) => {
        /// What is measured. Its name is the same in CloudWatch; Prometheus has it in its own spelling.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Metric { $($(#[doc = $doc])* $variant,)* }

        impl Metric {
            /// Every one, for tables and tests.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }

            /// What one of it is.
            pub const fn unit(self) -> Unit {
                match self { $(Self::$variant => Unit::$unit,)* }
            }

            /// How its values become one.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)* }
            }

            /// What tells its values apart, besides the stage.
            pub const fn labels(self) -> Labels {
                match self { $(Self::$variant => $labels,)* }
            }

            /// What it is, in words.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),*).trim_ascii(),)* }
            }
        }
    };
}

const PLACE: Labels = Labels { place: true, own: None };
const STAGE: Labels = Labels { place: false, own: None };

const fn by(own: &'static str) -> Labels {
    Labels { place: true, own: Some(own) }
}

const fn only_by(own: &'static str) -> Labels {
    Labels { place: false, own: Some(own) }
}

metrics! {
    /// Attempts that ended, by how.
    Calls: Count, Sum, by("Outcome");
    /// 1 for an attempt that was answered, 0 for one that was not: its average is the answer rate.
    Answered: Count, Share, PLACE;
    /// 1 for an attempt that failed by no fault of the callee, 0 for any other that was dialed.
    DialFailed: Count, Share, PLACE;
    /// Dials that failed or were not answered, by the class of their SIP status.
    DialFailures: Count, Sum, by("SipClass");
    /// From the dial to the answer.
    TimeToAnswerSeconds: Seconds, Spread, PLACE;
    /// From the answer to the end.
    TalkSeconds: Seconds, Spread, PLACE;
    /// From the answer to the first agent audio on the wire.
    FirstAgentAudioSeconds: Seconds, Spread, PLACE;
    /// What a call cost, in the currency of its country's prices.
    CallCost: Count, Spread, PLACE;
    /// What the agent or its vendor did wrong, by kind.
    AgentErrors: Count, Sum, by("Kind");
    /// Sound that was more than silence, each way.
    SoundSeconds: Seconds, Sum, by("Way");
    /// Sound that was made up because it was missing, each way.
    ConcealedSeconds: Seconds, Sum, by("Way");
    /// How the callee's sound would be rated, 1 to 4.5 (ITU-T G.107, an estimate).
    Mos: Count, Spread, PLACE;
    /// Times that a callee interrupted the agent.
    BargeIns: Count, Sum, PLACE;
    /// From the vendor's word of it to the last stale packet.
    BargeInTailMilliseconds: Milliseconds, Spread, PLACE;
    /// How long each phase took from a message to a task that is ready to dial.
    StartPhaseMilliseconds: Milliseconds, Spread, by("Phase");
    /// What came twice and was not dialed twice, by what it was.
    Duplicates: Count, Sum, only_by("Duplicate");
    /// Messages that were refused or given up, by code.
    Refusals: Count, Sum, only_by("Code");
    /// How long a message that did not go through has waited since it was sent.
    WaitedSeconds: Seconds, Spread, STAGE;
    /// Times that calls were put off, for call hours or pace.
    Deferrals: Count, Sum, STAGE;
    /// What a sweep could not do.
    SweepProblems: Count, Last, STAGE;
    /// Attempts that a sweep left open.
    OpenAttempts: Count, Last, STAGE;
    /// Those of them that need a person.
    StuckAttempts: Count, Last, STAGE;
    /// Since the oldest of them was last marked.
    OldestOpenSeconds: Seconds, Last, STAGE;
}

/// Of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// So many of something, or a number without a unit.
    Count,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

/// How values become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// They are added up.
    Sum,
    /// Each is 0 or 1: their average counts.
    Share,
    /// They are spread out: how many were how large.
    Spread,
    /// The last one counts.
    Last,
}

/// What tells the values of a metric apart, besides the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Labels {
    /// Country and provider.
    pub place: bool,
    /// One of [`Label`], by its name.
    pub own: Option<&'static str>,
}

/// One value of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Which.
    pub metric: Metric,
    /// Its own label, where it has one.
    pub label: Option<Label>,
    /// In its unit.
    pub value: f64,
}

impl Sample {
    /// A value of a metric that has no label of its own.
    pub const fn of(metric: Metric, value: f64) -> Self {
        Self { metric, label: None, value }
    }

    /// A value of one that has.
    pub const fn by(metric: Metric, label: Label, value: f64) -> Self {
        Self { metric, label: Some(label), value }
    }
}

/// Where samples go. Nowhere, unless something is set.
#[derive(Clone, Debug, Default)]
pub struct Meters {
    /// To CloudWatch, by way of standard output, as this stage's.
    pub emf: Option<Stage>,
    /// To whoever asks this process.
    pub prometheus: Option<Prometheus>,
}

impl Meters {
    /// Takes in what follows from a fact.
    pub fn fact(&self, at: Timestamp, place: Option<&Place>, fact: &Fact) {
        self.take(at, place, &follow::from_fact(fact));
    }

    /// Takes in how an attempt ended.
    pub fn outcome(&self, at: Timestamp, place: &Place, outcome: &Outcome) {
        self.take(at, Some(place), &follow::from_outcome(outcome));
    }

    /// Takes samples in. Those that need a place are left out without one.
    pub fn take(&self, at: Timestamp, place: Option<&Place>, samples: &[Sample]) {
        let known = |sample: &&Sample| place.is_some() || !sample.metric.labels().place;
        let samples: Vec<Sample> = samples.iter().filter(known).copied().collect();
        if let Some(stage) = &self.emf {
            emf::lines(at, stage, place, &samples).iter().for_each(|line| emf::emit(line));
        }
        if let Some(prometheus) = &self.prometheus {
            samples.iter().for_each(|sample| prometheus.take(place, sample));
        }
    }
}
