//! Packets as they arrive, given on in their order: by sequence number, with what the RTP time says about a hole.
//!
//! A packet in its turn is given on at once. Where one is missing, the later ones wait for it a little; then they go on,
//! and the hole before them is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use audio::opus::packet_duration_48k;

/// How long a missing packet is waited for, from the arrival of the first after it.
const REORDERED: Duration = Duration::from_millis(60);

/// Packets that wait at most. So many behind a hole are a burst after a stall: what is missing there is lost.
const MOST_HELD: usize = 32;

/// A step in sequence numbers beyond this is a new stream: ten seconds of packets of 20 ms.
const NEW_STREAM: u64 = 500;

/// A stream that starts again a little behind where it was looks like late packets; but those come between others, and
/// not on and on. This many in a row, over this long, are a new stream.
const LATE_IN_A_ROW: u32 = 5;
const LATE_FOR: Duration = Duration::from_millis(300);

/// A packet with its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Packet {
    /// RTP sequence number, extended.
    pub(crate) seq: u64,
    /// RTP time, extended: the 48 kHz clock.
    pub(crate) time: u64,
    /// When it arrived.
    pub(crate) at: Instant,
    pub(crate) payload: Arc<[u8]>,
}

/// What was before a packet, as far as can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hole {
    /// Packets that never came, whose sound is missing.
    pub(crate) lost: u64,
    /// Time on the sender's clock between the end of the packet before and this one. With nothing lost, the sender was silent.
    pub(crate) ticks: u64,
}

/// What became of a packet that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It will be given on in its turn.
    Kept,
    /// The same, and whatever was before it has nothing to do with it.
    NewStream,
    /// Its turn is over.
    Late,
    /// It is here already, or nobody could decode it.
    Useless,
}

pub(crate) struct Order {
    /// Sequence number and RTP time that are next.
    next: Option<(u64, u64)>,
    /// By sequence number.
    held: Vec<Packet>,
    late: Option<(Instant, u32)>,
}

impl Order {
    pub(crate) fn new() -> Self {
        Self { next: None, held: Vec::with_capacity(MOST_HELD), late: None }
    }

    /// Takes a packet as it arrives.
    pub(crate) fn push(&mut self, packet: Packet) -> Place {
        if packet_duration_48k(&packet.payload).is_none() {
            return Place::Useless;
        }
        let Some((next, _)) = self.next else { return self.start_with(packet) };
        if packet.seq.abs_diff(next) > NEW_STREAM {
            return self.start_with(packet);
        }
        if packet.seq < next {
            return if self.starts_again(packet.at) { self.start_with(packet) } else { Place::Late };
        }
        let Err(place) = self.held.binary_search_by_key(&packet.seq, |held| held.seq) else {
            return Place::Useless;
        };
        self.late = None;
        self.held.insert(place, packet);
        Place::Kept
    }

    /// The next packet, if it is there or its turn: to be called until there is none, after every change and at
    /// [`deadline`](Self::deadline). `hurried`, it does not wait for what is missing.
    pub(crate) fn pop(&mut self, now: Instant, hurried: bool) -> Option<(Packet, Hole)> {
        let hole = self.hole()?;
        if hole.lost > 0 && !hurried && self.held.len() < MOST_HELD && now < self.deadline()? {
            return None;
        }
        let packet = self.held.remove(0);
        let duration = packet_duration_48k(&packet.payload).unwrap_or(0);
        self.next = Some((packet.seq.saturating_add(1), packet.time.saturating_add(duration.into())));
        Some((packet, hole))
    }

    /// When a packet that is missing is given up.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.held.iter().map(|packet| packet.at).min().map(|first| first + REORDERED)
    }

    /// Sound that waits, in ticks of the 48 kHz clock.
    pub(crate) fn held_ticks(&self) -> u64 {
        self.held.iter().filter_map(|packet| packet_duration_48k(&packet.payload)).map(u64::from).sum()
    }

    /// What is before the first packet that waits. Sequence numbers that are missing while no time is are no loss: somebody
    /// on the way took out what was no sound.
    fn hole(&self) -> Option<Hole> {
        let first = self.held.first()?;
        let Some((seq, time)) = self.next else { return Some(Hole::default()) };
        let ticks = first.time.saturating_sub(time);
        Some(Hole { lost: if ticks == 0 { 0 } else { first.seq - seq }, ticks })
    }

    fn start_with(&mut self, packet: Packet) -> Place {
        self.next = Some((packet.seq, packet.time));
        self.late = None;
        self.held.clear();
        self.held.push(packet);
        Place::NewStream
    }

    fn starts_again(&mut self, at: Instant) -> bool {
        let (since, count) = self.late.get_or_insert((at, 0));
        *count += 1;
        *count >= LATE_IN_A_ROW && at.saturating_duration_since(*since) >= LATE_FOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const MS: Duration = Duration::from_millis(1);

    /// A sender of 20 ms packets: the n-th in its place, arriving at `ms`.
    struct Story {
        start: Instant,
        order: Order,
    }

    impl Story {
        fn new() -> Self {
            Self { start: clock::now(), order: Order::new() }
        }

        fn arrive(&mut self, ms: u32, n: u64) -> Place {
            self.arrive_as(ms, 70_000 + n, 1_000_000 + n * 960)
        }

        fn arrive_as(&mut self, ms: u32, seq: u64, time: u64) -> Place {
            // Code 0, 20 ms of SILK.
            self.order.push(Packet { seq, time, at: self.start + MS * ms, payload: Arc::from([0x48, 0]) })
        }

        /// What goes on at `ms`: numbers of packets, each with the packets lost before it.
        fn goes_on(&mut self, ms: u32) -> Vec<(u64, u64)> {
            let now = self.start + MS * ms;
            std::iter::from_fn(|| self.order.pop(now, false))
                .map(|(packet, hole)| (packet.seq - 70_000, hole.lost))
                .collect()
        }
    }

    #[test]
    fn a_packet_in_its_turn_goes_on_at_once() {
        let mut story = Story::new();
        for n in 0..10 {
            story.arrive(n * 20, n.into());
            assert_eq!(story.goes_on(n * 20), [(n.into(), 0)]);
            assert_eq!(story.order.deadline(), None);
        }
    }

    #[test]
    fn neighbours_that_came_the_wrong_way_round_are_put_right() {
        let mut story = Story::new();
        story.arrive(0, 0);
        assert_eq!(story.goes_on(0), [(0, 0)]);
        story.arrive(38, 2);
        assert_eq!(story.goes_on(38), []);
        story.arrive(41, 1);
        assert_eq!(story.goes_on(41), [(1, 0), (2, 0)]);
        assert_eq!(story.arrive(42, 1), Place::Late);
        assert_eq!((story.arrive(60, 4), story.arrive(60, 4)), (Place::Kept, Place::Useless));
    }

    #[test]
    fn a_missing_packet_is_waited_for_60_ms_from_the_first_after_it() {
        let mut story = Story::new();
        story.arrive(0, 0);
        story.goes_on(0);
        for n in [2, 3, 4] {
            story.arrive(n * 20, n.into());
            assert_eq!(story.goes_on(n * 20), []);
        }
        assert_eq!(story.order.deadline(), Some(story.start + 100 * MS));
        assert_eq!(story.goes_on(99), []);
        assert_eq!(story.goes_on(100), [(2, 1), (3, 0), (4, 0)]);
        assert_eq!(story.arrive(101, 1), Place::Late);
    }

    #[test]
    fn a_second_hole_has_a_wait_of_its_own() {
        let mut story = Story::new();
        story.arrive(0, 0);
        story.goes_on(0);
        story.arrive(40, 2);
        story.arrive(80, 4);
        assert_eq!(story.goes_on(100), [(2, 1)]);
        assert_eq!(story.order.deadline(), Some(story.start + 140 * MS));
        assert_eq!(story.goes_on(140), [(4, 1)]);
    }

    #[test]
    fn numbers_that_are_missing_while_no_time_is_are_not_waited_for() {
        let mut story = Story::new();
        story.arrive_as(0, 70_000, 0);
        story.goes_on(0);
        story.arrive_as(20, 70_005, 960);
        assert_eq!(story.goes_on(20), [(5, 0)]);
    }

    #[test]
    fn time_that_is_missing_while_no_number_is_is_the_senders_silence() {
        let mut story = Story::new();
        story.arrive_as(0, 70_000, 0);
        story.goes_on(0);
        story.arrive_as(400, 70_001, 19_200);
        let (_, hole) = story.order.pop(story.start + 400 * MS, false).expect("in its turn");
        assert_eq!(hole, Hole { lost: 0, ticks: 19_200 - 960 });
    }

    #[test]
    fn a_new_stream_is_taken_wherever_its_numbers_start() {
        let mut story = Story::new();
        story.arrive(0, 0);
        story.goes_on(0);
        assert_eq!(story.arrive_as(20, 3, 0), Place::NewStream, "far behind");
        assert_eq!(story.arrive_as(20, u64::MAX, u64::MAX), Place::NewStream, "far ahead");
        assert!(story.order.pop(story.start, false).is_some());
        // A little behind it: its packets look late at first.
        let mut story = Story::new();
        for n in 0..100 {
            story.arrive(n * 20, n.into());
        }
        story.goes_on(2000);
        let places: Vec<Place> = (0..20).map(|n| story.arrive(2000 + n * 20, n.into())).collect();
        let started = places.iter().position(|&place| place == Place::NewStream).expect("starts again");
        assert_eq!(started, 15, "300 ms of it are lost");
    }

    #[test]
    fn no_more_than_a_burst_is_held() {
        let mut story = Story::new();
        story.arrive(0, 0);
        story.goes_on(0);
        for n in 0..400 {
            story.arrive(20, 400 - n);
            story.goes_on(20);
            assert!(story.order.held.len() < MOST_HELD);
        }
    }
}
