//! Whether a call may begin now, and what becomes of its message if not.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use super::identity::Mark;
use super::step::State;
use super::{Effect, Routing};
use crate::fact::{Fact, NotNow};
use crate::hours::Hours;
use crate::plan::CallPlan;
use crate::settle::LONGEST_DELAY;

/// A call that found no place comes again within this, then within twice as long each time.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(14);
/// However often it found none.
const ASK_AGAIN_WITHIN: Duration = Duration::from_secs(4 * 60 - 1);

impl Routing {
    /// Within the call hours, and at the pace of its country. What the profile does not limit is not asked.
    pub(super) fn begin_now_or_later(&mut self, plan: Box<CallPlan>) -> State {
        let profile = &plan.profile;
        if let Hours::Shut { until } = Hours::of(profile, self.now) {
            return self.put_back(NotNow::CallHours, until.duration_since(self.now).unsigned_abs());
        }
        let (at_once, per_second) = (profile.max_concurrent_calls, profile.calls_per_second);
        if at_once.is_none() && per_second.is_none() {
            return self.put_job(plan);
        }
        let country = profile.country.clone();
        self.want(Effect::TakePlace { attempt: self.attempt(), country, at_once, per_second });
        State::TakingPlace { plan }
    }

    pub(super) fn put_back(&mut self, why: NotNow, wait: Duration) -> State {
        // Where many wait, each asks ever more seldom, and not all at once; when the call hours begin is known.
        let patience = match why {
            NotNow::CallHours => Duration::ZERO,
            NotNow::TooManyCalls | NotNow::TooManyPerSecond => {
                let doublings = self.times_put_back.min(10);
                let longest = ASK_AGAIN_AFTER.saturating_mul(1 << doublings).min(ASK_AGAIN_WITHIN);
                longest.mul_f64(0.25 + 0.75 * share_of(&self.delivery.message_id))
            }
        };
        let delay = Duration::from_secs(wait.max(patience).as_secs().saturating_add(1)).min(LONGEST_DELAY);
        self.record(Fact::Deferred { why, delay_seconds: delay.as_secs() });
        self.want(Effect::PutBack { attempt: self.attempt(), nth: self.next_put_back(), delay });
        State::PuttingBack
    }

    /// The number of the put-back that this delivery becomes.
    pub(super) fn next_put_back(&self) -> u32 {
        self.times_put_back.saturating_add(1)
    }

    /// This is a put-back, and a later one of the call is on its way. A put-back whose note was lost is put back
    /// twice: without this its copies, each with an id of the queue's own, would be as many calls' worth of messages.
    pub(super) fn is_overtaken(&self) -> bool {
        let nth = self.delivery.put_back.filter(|_| self.identity.mark == Mark::Counts);
        nth.is_some_and(|nth| nth < self.times_put_back)
    }
}

/// Between 0 and 1, evenly over all messages: where chance is wanted, and the same message has to have the same.
fn share_of(message_id: &str) -> f64 {
    let mut hasher = DefaultHasher::new();
    message_id.hash(&mut hasher);
    hasher.finish() as f64 / u64::MAX as f64
}
