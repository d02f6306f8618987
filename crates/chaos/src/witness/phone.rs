//! Beside the phone: who may ring it, when, and how often.

use calls::hours::Hours;
use calls::ids::AttemptId;
use calls::outcome::OutcomeKind;

use super::may_follow;
use crate::clock::{MINUTE, Ms};
use crate::livekit::{Dialed, LEEWAY, LegNumber};
use crate::store::{AttemptFolder, Job};
use crate::world::{Pid, World};

/// From the look at the call hours to the INVITE: the claim's own tries, `inviteBy`, leeway.
const DIAL_TAKES: Ms = 3 * MINUTE;

impl World {
    /// An INVITE leaves.
    pub(crate) fn watch_invite(&mut self, pid: Pid, dialed: &Dialed) {
        let id = &dialed.attempt;
        self.note(id, || format!("phone: INVITE by {pid}"));
        self.witness.count("invites");
        let truth = self.witness.truth(id);
        truth.invites += 1;
        if truth.invites > 1 {
            self.violated(id, "a second INVITE of one attempt");
        }
        // A dial that was on its way when its task died may still ring once, and is hung up; nobody knew better.
        let says = |folder: &AttemptFolder| Some(folder.outcome()?.says.outcome);
        if self.store.attempt(id).and_then(says).is_some_and(|outcome| outcome != OutcomeKind::Unknown) {
            self.violated(id, "an INVITE of an attempt that has an outcome");
        }
        if self.witness.given_up.get(&id.key).is_some_and(|next| id.number < *next) {
            self.violated(id, "an INVITE of an attempt that was given up");
        }
        if self.witness.hung_up.get(&id.key).is_some_and(|from| id.number >= *from) {
            self.violated(id, "an INVITE after a person was told that nobody rings");
        }
        self.watch_permission(pid, id);
        for before in 1..id.number {
            self.watch_another(&AttemptId::new(id.key.clone(), before), id);
        }
        self.watch_hours(id);
        self.watch_pace(dialed);
    }

    /// Nobody is rung outside the call hours, but for what a dial may take from its claim on.
    fn watch_hours(&mut self, id: &AttemptId) {
        let Some(job) = self.store.attempt(id).and_then(|folder| folder.job.as_ref()) else { return };
        let profile = &job.is.plan.profile;
        let is_shut = |at| matches!(Hours::of(profile, self.clock.wall_at(at)), Hours::Shut { .. });
        let now = self.clock.now();
        if is_shut(now) && is_shut(now.saturating_sub(DIAL_TAKES)) {
            self.violated(id, "rung outside the call hours");
        }
    }

    /// Never more live calls of a country than there may be. (A leg whose attempt is settled is nobody's call.)
    fn watch_pace(&mut self, dialed: &Dialed) {
        let Some(job) = self.store.attempt(&dialed.attempt).and_then(|folder| folder.job.as_ref()) else {
            return;
        };
        let Some(most) = job.is.plan.profile.max_concurrent_calls else { return };
        // Its place is given back when `next.json` is there, and its mark goes after that.
        let is_open = |id: &AttemptId| {
            self.store.open.contains_key(id) && self.store.attempt(id).is_some_and(|seen| seen.next.is_none())
        };
        let legs = self.livekit.legs.values().map(|leg| &leg.dialed);
        let others = legs.filter(|leg| leg.country == dialed.country && is_open(&leg.attempt));
        let others: Vec<String> = others.map(|leg| leg.attempt.to_string()).collect();
        let live = others.len() + 1;
        if u32::try_from(live).is_ok_and(|live| live > most) {
            let (id, country, others) = (&dialed.attempt, &dialed.country, others.join(", "));
            self.violated(
                id,
                format!("{live} calls to {country} at once, {most} are allowed; beside {others}"),
            );
        }
    }

    /// Nor are more under way, from their claim until it is written what follows.
    pub(crate) fn watch_under_way(&mut self, id: &AttemptId, job: &Job) {
        let profile = &job.plan.profile;
        let Some(most) = profile.max_concurrent_calls else { return };
        let is_under_way = |id: &AttemptId| {
            let folder = self.store.attempt(id).filter(|folder| folder.next.is_none());
            let job = folder.and_then(|folder| folder.job.as_ref());
            job.is_some_and(|job| job.is.plan.profile.country == profile.country)
        };
        let under_way = self.store.open.keys().filter(|id| is_under_way(id)).count() + 1;
        if u32::try_from(under_way).is_ok_and(|under_way| under_way > most) {
            let country = &profile.country;
            self.violated(id, format!("{under_way} calls to {country} are under way, {most} are allowed"));
        }
    }

    fn watch_permission(&mut self, pid: Pid, id: &AttemptId) {
        let now = self.clock.now();
        let claim = self.store.attempt(id).and_then(|folder| folder.dial());
        let Some(claim) = claim else { return self.violated(id, "an INVITE without a dial claim") };
        let (by, permits) = (claim.by, claim.failed.is_none() && claim.decision.is_none());
        let invite_by = self.clock.ms_of_wall(claim.invite_by);
        if by != pid || !permits {
            self.violated(id, "an INVITE by who does not hold the dial claim");
        }
        if now > invite_by + LEEWAY {
            self.violated(id, "an INVITE after inviteBy");
        }
    }

    /// Another attempt may follow only an outcome that allows it, and only if nothing rang in truth.
    fn watch_another(&mut self, before: &AttemptId, id: &AttemptId) {
        let outcome = self.store.attempt(before).and_then(|folder| folder.outcome());
        let allowed = outcome.is_some_and(may_follow);
        let truth = self.witness.attempts.get(before).cloned().unwrap_or_default();
        if !allowed {
            self.violated(
                id,
                format!("it follows attempt {}, whose outcome does not allow it", before.number),
            );
        }
        if truth.rings > 0 || (truth.invites > 0 && !truth.trunk_error) {
            self.violated(id, format!("an INVITE of attempt {} had left before", before.number));
        }
    }

    /// The phone rings.
    pub(crate) fn watch_ring(&mut self, leg: LegNumber) {
        let Some(id) = self.livekit.legs.get(&leg).map(|leg| leg.dialed.attempt.clone()) else { return };
        self.note(&id, || "phone: rings".to_owned());
        self.witness.count("rings");
        self.witness.truth(&id).rings += 1;
        let rings = self.witness.rings.entry(id.key.clone()).or_default();
        *rings += 1;
        if *rings > 1 {
            self.witness.double_rings += 1;
            self.violated(&id, "a second ring of one call");
        }
    }

    /// Somebody answers.
    pub(crate) fn watch_answer(&mut self, leg: LegNumber) {
        let Some(id) = self.livekit.legs.get(&leg).map(|leg| leg.dialed.attempt.clone()) else { return };
        self.note(&id, || "phone: answered".to_owned());
        self.witness.count("answers");
    }

    /// A dial comes to nothing.
    pub(crate) fn watch_failure(&mut self, leg: LegNumber) {
        let Some(leg) = self.livekit.legs.get(&leg) else { return };
        let (id, trunk_error) = (leg.dialed.attempt.clone(), leg.is_trunk_error());
        self.note(&id, || format!("phone: fails, by the trunk {trunk_error}"));
        self.witness.truth(&id).trunk_error |= trunk_error;
    }
}
