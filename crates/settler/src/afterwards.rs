//! What can be told of an attempt only when its task is gone: how that was started, and what the agent's vendor bills.

use std::time::Duration;

use agents::Agent;
use calls::cost::{Cost, Meter};
use calls::fact::Fact;
use jiff::Timestamp;
use telemetry::traces::{Process, TRACEPARENT};
use tokio::time::timeout;

use crate::ASIDE_WITHIN;
use crate::hands::Hands;

/// A worker settles at once, and a vendor has to reckon first.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(400);

impl Hands<'_> {
    /// Told once: by who has settled the attempt.
    pub(crate) async fn tell_afterwards(&mut self) {
        if self.seen_of().is_none_or(|seen| seen.next.is_some()) {
            return;
        }
        if let Some(phases) = self.phases {
            self.record(Fact::TaskPhases(phases));
        }
        // A vendor that does not say so soon leaves what was reckoned.
        if let Ok(Some((seconds, cost))) = timeout(ASIDE_WITHIN, self.billed()).await {
            self.record(Fact::AgentBilled { seconds });
            self.record(Fact::Cost(cost));
        }
    }

    /// Tells what there is of the call's trace, once something was settled.
    pub(crate) async fn send_trace(&self) {
        let is_settled = self.facts.iter().any(|(_, fact)| matches!(fact, Fact::Settled { .. }));
        let (Some(traces), true, Some((began, _))) = (&self.settler.traces, is_settled, self.facts.first())
        else {
            return;
        };
        let upstream = self.standing.message.as_ref().and_then(|message| message.attributes.get(TRACEPARENT));
        let traces = traces.within(upstream.map(String::as_str));
        let mut trace = traces.begin(Process::Settle, self.settling.attempt(), *began);
        self.facts.iter().for_each(|(at, fact)| trace.note(*at, fact));
        traces.send(trace.take(Timestamp::now())).await;
    }

    /// What an attempt that left no outcome has cost: as far as its own facts reach, which is where its task ended, as
    /// far as anybody knows. `None`: nothing has a price, or the facts cannot be read, which keeps nothing from being
    /// settled.
    pub(crate) async fn cost_as_recorded(&self) -> Option<Cost> {
        let profile = &self.plan().ok()?.profile;
        let prices = profile.prices.as_ref()?;
        let reading = self.settler.folders.facts(self.settling.attempt());
        let facts = timeout(ASIDE_WITHIN, reading).await.ok()?.ok()?;
        let mut meter = Meter::default();
        facts.iter().for_each(|recorded| meter.note(recorded.at, &recorded.fact));
        let last = facts.last()?.at;
        Some(meter.cost(prices, self.settler.tasks.is_some(), last))
    }

    /// What the agent's vendor bills of a call that has a price, and what the call has cost by that.
    async fn billed(&self) -> Option<(f64, Cost)> {
        let outcome = self.written.as_ref().or_else(|| self.seen_of()?.outcome.as_ref())?;
        // Who wrote the outcome may only have known of the agent by the claim.
        let claimed = || self.seen_of()?.dial.as_ref()?.agent_call_id.as_ref();
        let (cost, agent_call_id) =
            (outcome.cost.as_ref()?, outcome.agent_call_id.as_ref().or_else(claimed)?);
        let profile = &self.plan().ok()?.profile;
        let prices = profile.prices.as_ref()?;
        // Nobody asks for what would change nothing.
        cost.with_agent_billed(prices, 0.0)?;
        let keys = self.settler.credentials.of(&profile.country).await.ok()?;
        let agent = Agent::for_profile(&profile.agent).ok()?;
        loop {
            if let Some(seconds) = agent.billed_seconds(agent_call_id, &keys.agent_api_key).await {
                return Some((seconds, cost.with_agent_billed(prices, seconds)?));
            }
            tokio::time::sleep(ASK_AGAIN_AFTER).await;
        }
    }
}
