//! What goes wrong, and how often.

use crate::clock::{MINUTE, Ms, SECOND};
use crate::dice::Dice;

/// A service that can be away for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// The call folder's object store.
    Store,
    /// The queues.
    Queue,
    /// ECS.
    Ecs,
    /// The parameter store.
    Profiles,
    /// LiveKit's API and signalling.
    Livekit,
    /// The agent's vendor.
    Vendor,
}

const SERVICES: [Service; 6] =
    [Service::Store, Service::Queue, Service::Ecs, Service::Profiles, Service::Livekit, Service::Vendor];

/// How often each thing goes wrong, in a thousand, and who is away until when.
#[derive(Debug)]
pub struct Weather {
    /// A process dies before it sends a request, or right after.
    pub dies: u32,
    /// A task is killed some time in its life.
    pub killed: u32,
    /// A task is told to stop some time in its life.
    pub drained: u32,
    /// A request fails and does nothing.
    pub fails: u32,
    /// A request is done and its reply is lost.
    pub reply_lost: u32,
    /// A write that was given up by who sent it gets through long after.
    pub lands_late: u32,
    /// A message is delivered twice, or again though it was deleted.
    pub doubles: u32,
    /// A process stalls for minutes before it sends.
    pub stalls: u32,
    /// A task never starts.
    pub never_starts: u32,
    /// An event about a task is lost.
    pub event_lost: u32,
    /// A second task is started for an attempt: its client token was forgotten, or ECS did it by itself.
    pub second_task: u32,
    away: [Ms; SERVICES.len()],
    calm: bool,
}

impl Weather {
    /// Of one day: mild, bad or terrible; `worst`: terrible.
    pub fn of_day(dice: &mut Dice, worst: bool) -> Self {
        let drawn = *dice.one_of(&[1, 3, 3, 8]);
        let badness = if worst { 8 } else { drawn };
        Self {
            dies: badness,
            killed: 8 * badness,
            drained: 5 * badness,
            fails: 4 * badness,
            reply_lost: 4 * badness,
            lands_late: badness,
            doubles: 6 * badness,
            stalls: 2 * badness,
            never_starts: 4 * badness,
            event_lost: 20 * badness,
            second_task: 6 * badness,
            away: [0; SERVICES.len()],
            calm: false,
        }
    }

    /// Throws the dice for one of the rates; never true once the weather is calm.
    pub fn strikes(&self, dice: &mut Dice, per_mille: u32) -> bool {
        !self.calm && dice.in_thousand(per_mille)
    }

    /// Is this service away?
    pub fn is_away(&self, service: Service, now: Ms) -> bool {
        now < self.away[service as usize]
    }

    /// Something goes away for a while, unless the weather is calm.
    pub fn change(&mut self, dice: &mut Dice, now: Ms) -> Option<Service> {
        if self.calm {
            return None;
        }
        let service = *dice.one_of(&SERVICES);
        self.away[service as usize] = now + dice.skewed(2 * SECOND, 20 * MINUTE);
        Some(service)
    }

    /// From now on nothing goes wrong any more: what is left must come to its end.
    pub fn calm_down(&mut self) {
        self.calm = true;
        self.away = [0; SERVICES.len()];
    }
}
