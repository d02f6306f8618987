//! What a call costs: how long what is paid for was used, by its own facts, at the prices of its country's profile.
//!
//! An estimate: what a vendor rounds, waives or discounts beyond [`Price`] is on its bill alone.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fact::Fact;

/// The price of a minute, and how time is rounded before it is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Price {
    /// In [`Prices::currency`].
    pub per_minute: f64,
    /// Less than this is paid as this. Fargate: 60.
    #[serde(default)]
    pub minimum_seconds: u32,
    /// Time is paid in units of so many seconds, the last one whole. LiveKit Cloud and most trunks: 60; Ultravox: 6.
    #[serde(default = "one")]
    pub round_up_to_seconds: u32,
}

/// A country's price table: `prices` of its profile. What has no price is left out of the cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prices {
    /// ISO 4217.
    pub currency: String,
    /// The Fargate task: its vCPU and memory together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Price>,
    /// LiveKit: both who are in the room, the phone's leg and the bridge, together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Price>,
    /// The trunk's provider, for an answered call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk: Option<Price>,
    /// The agent's vendor, from when its agent is spoken with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Price>,
}

/// What is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// [`Prices::task`]
    Task,
    /// [`Prices::room`]
    Room,
    /// [`Prices::trunk`]
    Trunk,
    /// [`Prices::agent`]
    Agent,
}

/// One line of a call's cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CostLine {
    /// What for.
    pub item: Item,
    /// How long it was used.
    pub used_seconds: f64,
    /// How much of that is paid.
    pub billed_seconds: f64,
    /// In the cost's currency, to a millionth.
    pub amount: f64,
}

/// What a call costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// ISO 4217.
    pub currency: String,
    /// All lines together.
    pub total: f64,
    /// One for each thing that has a price and was used.
    pub lines: Vec<CostLine>,
}

/// Measures by a call's facts how long what is paid for is used. An attempt's facts suffice, in their order.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    task: Span,
    room: Span,
    trunk: Span,
    agent: Span,
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Price {
    /// How much of so many seconds is paid for.
    pub fn billed_seconds(&self, used_seconds: f64) -> f64 {
        let unit = f64::from(self.round_up_to_seconds.max(1));
        // What a clock adds to a whole unit is no unit more.
        let units = (used_seconds / unit - 1e-6).ceil().max(0.0);
        (units * unit).max(self.minimum_seconds.into())
    }

    fn amount(&self, billed_seconds: f64) -> f64 {
        to_a_millionth(billed_seconds / 60.0 * self.per_minute)
    }
}

impl Meter {
    /// Of a call that nothing is known of but that it has a task, since then.
    pub fn of_task(since: Timestamp) -> Self {
        Self { task: Span { from: Some(since), until: None }, ..Self::default() }
    }

    /// Takes a fact in.
    pub fn note(&mut self, at: Timestamp, fact: &Fact) {
        match fact {
            Fact::JobTaken { .. } => self.task.begins(at),
            Fact::RoomJoined { .. } => self.room.begins(at),
            Fact::Answered { .. } => self.trunk.begins(at),
            Fact::AgentConnected { .. } => self.agent.begins(at),
            Fact::AgentClosed { .. } => self.agent.ends(at),
            Fact::CalleeGone { .. } | Fact::Transferred { .. } => self.trunk.ends(at),
            Fact::RoomDeleted { .. } => {
                for span in [&mut self.room, &mut self.trunk, &mut self.agent] {
                    span.ends(at);
                }
            }
            Fact::OutcomeWritten => self.task.ends(at),
            _ => {}
        }
    }

    /// What it costs up to `now`. A worker's calls have no task of their own: `has_task` is `false`.
    pub fn cost(&self, prices: &Prices, has_task: bool, now: Timestamp) -> Cost {
        let used = [
            (Item::Task, prices.task.filter(|_| has_task), self.task.seconds(now)),
            (Item::Room, prices.room, self.room.seconds(now)),
            (Item::Trunk, prices.trunk, self.trunk.seconds(now)),
            (Item::Agent, prices.agent, self.agent.seconds(now)),
        ];
        let line = |(item, price, used): (Item, Option<Price>, Option<f64>)| {
            let (price, used_seconds) = (price?, used?);
            let billed_seconds = price.billed_seconds(used_seconds);
            let used_seconds = (used_seconds * 1000.0).round() / 1000.0;
            Some(CostLine { item, used_seconds, billed_seconds, amount: price.amount(billed_seconds) })
        };
        Cost::of(prices.currency.clone(), used.into_iter().filter_map(line).collect())
    }
}

impl Cost {
    fn of(currency: String, lines: Vec<CostLine>) -> Self {
        let total = to_a_millionth(lines.iter().map(|line| line.amount).sum());
        Self { currency, total, lines }
    }

    /// The same with what the agent's vendor says is paid for, whatever was reckoned. `None`: it has no line of it.
    pub fn with_agent_billed(&self, prices: &Prices, billed_seconds: f64) -> Option<Self> {
        let price = prices.agent?;
        let mut lines = self.lines.clone();
        let line = lines.iter_mut().find(|line| line.item == Item::Agent)?;
        (line.billed_seconds, line.amount) = (billed_seconds, price.amount(billed_seconds));
        Some(Self::of(self.currency.clone(), lines))
    }
}

impl Span {
    fn begins(&mut self, at: Timestamp) {
        self.from.get_or_insert(at);
    }

    fn ends(&mut self, at: Timestamp) {
        if self.from.is_some() {
            self.until.get_or_insert(at);
        }
    }

    fn seconds(&self, now: Timestamp) -> Option<f64> {
        Some(self.until.unwrap_or(now).duration_since(self.from?).as_secs_f64().max(0.0))
    }
}

/// ISO 4217, as far as one can see.
pub(crate) fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn to_a_millionth(amount: f64) -> f64 {
    (amount * 1e6).round() / 1e6
}

fn one() -> u32 {
    1
}

impl Item {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Room => "room",
            Self::Trunk => "trunk",
            Self::Agent => "agent",
        }
    }
}

impl std::fmt::Display for Cost {
    /// `0.0712 USD: trunk 0.035, agent 0.03, …`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.total, self.currency)?;
        let lines = self.lines.iter().map(|line| format!("{} {}", line.item.as_str(), line.amount));
        let lines: Vec<String> = lines.collect();
        if lines.is_empty() { Ok(()) } else { write!(f, ": {}", lines.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn price(per_minute: f64, minimum_seconds: u32, round_up_to_seconds: u32) -> Option<Price> {
        Some(Price { per_minute, minimum_seconds, round_up_to_seconds })
    }

    /// As the vendors' pages have them: Fargate's minimum minute, LiveKit and trunk by the minute, Ultravox by 6 s.
    fn prices() -> Prices {
        Prices {
            currency: "USD".to_owned(),
            task: price(0.0002, 60, 1),
            room: price(0.005, 0, 60),
            trunk: price(0.03, 0, 60),
            agent: price(0.05, 0, 6),
        }
    }

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_millisecond((seconds * 1000.0) as i64).unwrap()
    }

    fn metered(facts: &[(f64, Fact)]) -> Meter {
        let mut meter = Meter::default();
        facts.iter().for_each(|(seconds, fact)| meter.note(at(*seconds), fact));
        meter
    }

    fn job_taken() -> Fact {
        Fact::JobTaken { country: "BR".to_owned(), to: None, room: "r".to_owned() }
    }

    fn conversation() -> Vec<(f64, Fact)> {
        vec![
            (0.0, job_taken()),
            (0.1, Fact::RoomJoined { took_ms: 100 }),
            (10.0, Fact::Answered { after_ms: 9000 }),
            (10.1, Fact::AgentConnected { took_ms: 100 }),
            (73.0, Fact::CalleeGone { detail: "hung up".to_owned() }),
            (73.2, Fact::AgentClosed { clean: true, detail: String::new() }),
            (73.5, Fact::RoomDeleted { took_ms: 300 }),
            (74.0, Fact::OutcomeWritten),
        ]
    }

    fn billed(cost: &Cost) -> Vec<(Item, f64)> {
        cost.lines.iter().map(|line| (line.item, line.billed_seconds)).collect()
    }

    #[test]
    fn each_vendor_rounds_as_its_price_says() {
        let cost = metered(&conversation()).cost(&prices(), true, at(500.0));
        let wanted = [(Item::Task, 74.0), (Item::Room, 120.0), (Item::Trunk, 120.0), (Item::Agent, 66.0)];
        assert_eq!(billed(&cost), wanted);
        assert_eq!(cost.to_string(), "0.125247 USD: task 0.000247, room 0.01, trunk 0.06, agent 0.055");
    }

    #[test]
    fn a_call_under_way_costs_what_it_has_cost_so_far() {
        let so_far = metered(&conversation()[..4]).cost(&prices(), true, at(16.1));
        let wanted = [(Item::Task, 60.0), (Item::Room, 60.0), (Item::Trunk, 60.0), (Item::Agent, 6.0)];
        assert_eq!(billed(&so_far), wanted);
    }

    #[test]
    fn nobody_pays_for_a_phone_that_only_rang_but_the_task_and_the_room() {
        let rang = [
            (0.0, job_taken()),
            (0.1, Fact::RoomJoined { took_ms: 100 }),
            (30.0, Fact::DialFailed { sip_status: Some(486), detail: "busy".to_owned() }),
            (30.2, Fact::RoomDeleted { took_ms: 200 }),
        ];
        let cost = metered(&rang).cost(&prices(), true, at(31.0));
        assert_eq!(billed(&cost), [(Item::Task, 60.0), (Item::Room, 60.0)]);
    }

    #[test]
    fn a_workers_calls_have_no_task_and_what_has_no_price_is_left_out() {
        let prices = Prices { trunk: None, ..prices() };
        let cost = metered(&conversation()).cost(&prices, false, at(80.0));
        assert_eq!(billed(&cost), [(Item::Room, 120.0), (Item::Agent, 66.0)]);
    }

    #[test]
    fn the_vendors_own_word_counts_whatever_was_reckoned() {
        let reckoned = metered(&conversation()).cost(&prices(), true, at(90.0));
        let cost = reckoned.with_agent_billed(&prices(), 60.0).unwrap();
        assert_eq!(cost.lines.last().map(|line| (line.billed_seconds, line.amount)), Some((60.0, 0.05)));
        assert_eq!(cost.total, 0.120247);
        let rang = Cost { lines: Vec::new(), ..reckoned };
        assert_eq!(rang.with_agent_billed(&prices(), 60.0), None);
    }

    proptest! {
        #[test]
        fn what_is_paid_is_at_least_what_was_used_and_less_than_a_unit_and_the_minimum_more(
            used in 0.0..10_000.0f64, minimum_seconds in 0..120u32, round_up_to_seconds in 1..120u32,
        ) {
            let price = Price { per_minute: 1.0, minimum_seconds, round_up_to_seconds };
            let billed = price.billed_seconds(used);
            let unit = f64::from(round_up_to_seconds);
            prop_assert!(billed >= used - unit * 1e-6);
            prop_assert!(billed < used + unit || billed == f64::from(minimum_seconds));
        }
    }
}
