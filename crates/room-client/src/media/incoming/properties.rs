//! What holds whatever the network does.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::line::{Arrival, Line, MS, arrival, decoded, talking};

/// Frames that a stream may be behind its clock: the 60 ms of patience after the frame's own 20, and a frame on its way.
const MOST_BEHIND: f64 = 5.0;

/// And ahead of it: a second, the packet that was let in last, and what may be guessed before it.
const MOST_AHEAD: f64 = 50.0 + 5.0;

/// What becomes of one packet on its way.
#[derive(Clone, Debug)]
struct Fate {
    lost: bool,
    late_ms: u32,
    doubled_ms: Option<u32>,
    /// By how much the sender's clock is off, in frames.
    off: i8,
    /// The sender was silent before it, and saved so many packets.
    saved: u8,
}

fn fate() -> impl Strategy<Value = Fate> {
    let late = prop_oneof![8 => 0..5_u32, 3 => 0..70_u32, 1 => 0..2000_u32];
    let off = prop_oneof![20 => Just(0_i8), 1 => any::<i8>()];
    let saved = prop_oneof![20 => Just(0_u8), 1 => any::<u8>()];
    (prop::bool::weighted(0.1), late, prop::option::weighted(0.1, 0..200_u32), off, saved)
        .prop_map(|(lost, late_ms, doubled_ms, off, saved)| Fate { lost, late_ms, doubled_ms, off, saved })
}

/// What arrives, and when the sender's last packet was due.
fn arrivals(fates: &[Fate]) -> (Vec<Arrival>, u32) {
    let (mut all, mut place) = (Vec::new(), 0);
    for (n, fate) in fates.iter().enumerate() {
        place += usize::from(fate.saved);
        let on_time = arrival(place, 0);
        let time = on_time.time.saturating_add_signed(i64::from(fate.off) * 960);
        let sent = Arrival { n, seq: 70_000 + n as u64, time, at: on_time.at + fate.late_ms * MS };
        if !fate.lost {
            all.push(sent);
            all.extend(fate.doubled_ms.map(|ms| Arrival { at: sent.at + ms * MS, ..sent }));
        }
        place += 1;
    }
    (all, place as u32 * 20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_stream_is_one_second_a_second_whatever_comes(
        fates in prop::collection::vec(fate(), 1..300),
        sleepy_ms in 0..15_u32,
    ) {
        let (arrivals, end_ms) = arrivals(&fates);
        let mut line = Line::open();
        line.sleepy = sleepy_ms * MS;
        line.hear(&talking(30, 50, fates.len()), &arrivals, end_ms + 3000);
        let sleep = f64::from(sleepy_ms) / 20.0;
        for ahead in line.ahead() {
            // Told after each frame: one less before it.
            prop_assert!((-MOST_BEHIND - sleep..=MOST_AHEAD).contains(&ahead), "{} frames ahead", ahead);
        }
        // The sender is gone for long: the clock has caught up with any surplus, or nearly.
        let (frames, due) = (line.frames.len() as f64, f64::from(end_ms + 3000) / 20.0);
        prop_assert!((due - MOST_BEHIND - sleep..=due + MOST_AHEAD).contains(&frames), "{} of {}", frames, due);
        let hop = line.received().hop;
        prop_assert_eq!(hop.frames as usize, line.frames.len());
        prop_assert!(hop.recovered <= hop.lost, "{:?}", hop);
    }

    #[test]
    fn disorder_within_60_ms_and_doubles_are_heard_as_if_nothing_had_been(
        fates in prop::collection::vec((0..=60_u32, prop::option::weighted(0.2, 0..200_u32)), 1..100),
    ) {
        let packets = talking(100, 100, fates.len() + 1);
        let mut arrivals = vec![arrival(0, 0)];
        for (n, (late_ms, doubled_ms)) in (1..).zip(fates) {
            // No two at the very same time: that is what a copy inside another packet looks like.
            let sent = arrival(n, late_ms);
            let sent = Arrival { at: sent.at + MS * n as u32 / 1000, ..sent };
            arrivals.push(sent);
            arrivals.extend(doubled_ms.map(|ms| Arrival { at: sent.at + ms * MS, ..sent }));
        }
        let mut line = Line::open();
        line.hear(&packets, &arrivals, 20 * packets.len() as u32 + 40);
        let (sound, decoded) = (line.sound(), decoded(&packets));
        prop_assert!(sound.starts_with(&decoded), "{} samples of {}", sound.len(), decoded.len());
        prop_assert_eq!(line.received().hop.lost, 0);
    }

    #[test]
    fn what_comes_in_order_waits_for_nothing(
        fates in prop::collection::vec((0..40_u32, any::<bool>()), 1..200),
    ) {
        let packets = talking(100, 100, fates.len());
        let mut line = Line::open();
        let mut latest = Duration::ZERO;
        let arrivals: Vec<Arrival> = (0..)
            .zip(&fates)
            .map(|(n, (late_ms, _))| {
                let sent = arrival(n, *late_ms);
                latest = sent.at.max(latest + MS / 100);
                Arrival { at: latest, ..sent }
            })
            .collect();
        line.hear(&packets, &arrivals, 0);
        let handed: Vec<_> = line.frames.iter().map(|(at, _)| *at).collect();
        // Until the first is there, there is silence.
        let silence = handed.len() - arrivals.len();
        let arrived: Vec<_> = arrivals.iter().map(|arrival| arrival.at).collect();
        prop_assert_eq!(&handed[silence..], &arrived[..]);
    }

    #[test]
    fn no_packet_is_given_on_twice_nor_before_one_that_was_sent_earlier(
        sent in prop::collection::vec((0..400_u16, 0..40_u32), 1..400),
    ) {
        let start = crate::clock::now();
        let (mut order, mut now, mut last) = (super::Order::new(), start, None);
        for (n, after_ms) in sent {
            now += after_ms * MS;
            let payload = Arc::from([&[0x48], &n.to_be_bytes()[..]].concat());
            let packet = super::Packet { seq: n.into(), time: u64::from(n) * 960, at: now, payload };
            if order.push(packet) == super::Place::NewStream {
                last = None;
            }
            while let Some((packet, _)) = order.pop(now, false) {
                prop_assert!(last < Some(packet.seq));
                prop_assert_eq!(packet.payload[1..].to_vec(), (packet.seq as u16).to_be_bytes());
                last = Some(packet.seq);
            }
            prop_assert!(order.deadline().is_none_or(|due| due > now));
        }
    }
}
