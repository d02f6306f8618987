//! What passes each hop of a call's sound, looked at once a second from the opening of the sound to its close.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audio::{HopCounts, levels};
use calls::sound::{HopSecond, SoundSecond};
use room_client::{AudioOut, InCounts};
use tokio::time::{Interval, MissedTickBehavior};

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Quieter than this is silence, dBFS: line noise of a phone lies below.
const SILENCE_DBFS: f64 = -50.0;

/// What was sent to the agent. Clones count the same.
#[derive(Clone, Default)]
pub struct ToAgent(Arc<Mutex<HopCounts>>);

impl ToAgent {
    /// Counts a frame that is sent now. `dropped`: frames so far that nobody took in time.
    pub fn count(&self, frame: &[i16], dropped: u64) {
        let square_sum = levels::square_sum(frame);
        let silent = levels::dbfs_of(square_sum, frame.len() as u64) <= SILENCE_DBFS;
        let mut counts = self.lock();
        counts.frames += 1;
        counts.late = dropped;
        counts.silent += u64::from(silent);
        counts.samples += frame.len() as u64;
        counts.square_sum += square_sum;
    }

    /// All so far.
    pub fn now(&self) -> HopCounts {
        *self.lock()
    }

    /// Sound that was not silence, milliseconds.
    pub fn heard_ms(&self) -> u64 {
        let counts = self.lock();
        (counts.frames - counts.silent) * u64::from(audio::FRAME_MS)
    }

    fn lock(&self) -> MutexGuard<'_, HopCounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All that had passed the hops of a call at one moment.
#[derive(Clone, Copy, Default)]
struct Passed {
    packets: u64,
    trunk_to_room: HopCounts,
    room_to_agent: HopCounts,
    agent_to_queue: HopCounts,
    queue_to_room: HopCounts,
    reported_lost: u64,
}

/// The hops of a call, and what had passed them when they were looked at last.
pub struct Hops {
    trunk_to_room: InCounts,
    to_agent: ToAgent,
    queue: AudioOut,
    before: Passed,
    beat: Interval,
}

impl Hops {
    /// Looks at them from now on. Must be called within a tokio runtime.
    pub fn watch(trunk_to_room: InCounts, to_agent: ToAgent, queue: AudioOut) -> Self {
        let mut beat = tokio::time::interval(LOOK_EVERY);
        // A process that was held up has not seen what it did not count.
        beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
        beat.reset();
        let before = Passed::default();
        let mut hops = Self { trunk_to_room, to_agent, queue, before, beat };
        // What passed before is not the call's.
        hops.look();
        hops
    }

    /// What passed, once a second is over. Cancel safe.
    pub async fn second(&mut self) -> SoundSecond {
        self.beat.tick().await;
        self.look()
    }

    /// What passed since the last look.
    pub fn look(&mut self) -> SoundSecond {
        let (received, said) = (self.trunk_to_room.now(), self.queue.counts());
        let now = Passed {
            packets: received.packets,
            trunk_to_room: received.hop,
            room_to_agent: self.to_agent.now(),
            agent_to_queue: said.agent_to_queue,
            queue_to_room: said.queue_to_room,
            reported_lost: said.report.lost,
        };
        let before = std::mem::replace(&mut self.before, now);
        let packets = small(now.packets - before.packets);
        SoundSecond {
            packets,
            trunk_to_room: in_words(&now.trunk_to_room.since(&before.trunk_to_room)),
            room_to_agent: in_words(&now.room_to_agent.since(&before.room_to_agent)),
            agent_to_queue: in_words(&now.agent_to_queue.since(&before.agent_to_queue)),
            queue_to_room: in_words(&now.queue_to_room.since(&before.queue_to_room)),
            queued_ms: small(self.queue.queued_ms()),
            jitter_ms: (packets > 0).then(|| tenths(received.jitter_ms)),
            reported_lost: small(now.reported_lost - before.reported_lost),
            round_trip_ms: said.report.round_trip_ms.map(tenths),
        }
    }
}

/// The next second of hops that are watched; none otherwise. Cancel safe.
pub async fn second_of(hops: Option<&mut Hops>) -> SoundSecond {
    match hops {
        Some(hops) => hops.second().await,
        None => std::future::pending().await,
    }
}

fn small(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// More digits would only pretend.
fn tenths(ms: f64) -> f64 {
    (ms * 10.0).round() / 10.0
}

fn in_words(counts: &HopCounts) -> HopSecond {
    HopSecond {
        frames: small(counts.frames),
        late: small(counts.late),
        lost: small(counts.lost),
        recovered: small(counts.recovered),
        concealed: small(counts.concealed),
        silent: small(counts.silent),
        // −120 to 0.
        level_dbfs: (counts.samples > 0).then(|| counts.level_dbfs().round() as i8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_to_the_agent_is_counted_with_its_silence_and_its_level() {
        let counts = ToAgent::default();
        let rate = audio::SampleRate::Hz16000;
        counts.count(&levels::tone(rate, 440.0, -20.0, 320), 0);
        counts.count(&levels::tone(rate, 440.0, -60.0, 320), 2);
        counts.count(&[0; 320], 2);
        let second = in_words(&counts.now());
        assert_eq!((second.frames, second.silent, second.late), (3, 2, 2));
        assert_eq!((second.level_dbfs, counts.heard_ms()), (Some(-25), 20));
    }

    #[test]
    fn a_hop_that_nothing_passes_has_no_level() {
        assert_eq!(in_words(&HopCounts::default()), HopSecond::default());
    }
}
