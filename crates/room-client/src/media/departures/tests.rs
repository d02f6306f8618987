use audio::{FrameKind, SampleRate};
use proptest::prelude::*;

use super::*;
use crate::outlet::AudioOut;

const MS: Duration = Duration::from_millis(1);
const RATE: SampleRate = SampleRate::Hz8000;
const FRAME_SAMPLES: usize = RATE.frame_samples();

/// A queue and a pacer in virtual time. What happens happens at whole milliseconds after the start.
struct Line {
    start: Instant,
    out: AudioOut,
    departures: Departures,
    left: Vec<Left>,
}

/// A packet that has left.
#[derive(Clone, Debug)]
struct Left {
    at_ms: u64,
    frame: u64,
    kind: FrameKind,
    pcm: Vec<i16>,
}

impl Line {
    fn new() -> Self {
        let start = crate::clock::now();
        let (out, departures) = (AudioOut::new(RATE), Departures::new(start));
        Self { start, out, departures, left: Vec::new() }
    }

    fn push(&self, ms: u32) {
        self.say(&vec![1000; RATE.samples_in_ms(ms)]);
    }

    fn say(&self, pcm: &[i16]) {
        assert_eq!(self.out.push(self.out.utterance(), pcm), 0);
    }

    /// What the media task does when it is woken.
    fn look(&mut self, at_ms: u64) {
        let now = self.start + MS * u32::try_from(at_ms).expect("a short story");
        loop {
            let head = self.out.head(self.departures.is_open());
            let Some(Departure { frame, missed }) = self.departures.depart(head, now) else { return };
            let mut pcm = vec![0; FRAME_SAMPLES];
            let kind = self.out.next_frame(&mut pcm, missed).kind;
            self.left.push(Left { at_ms, frame, kind, pcm });
        }
    }

    /// Looks at every millisecond of the span.
    fn run(&mut self, span_ms: std::ops::Range<u64>) {
        span_ms.for_each(|at_ms| self.look(at_ms));
    }

    /// When each packet left, and which it was.
    fn packets(&self) -> Vec<(u64, u64)> {
        self.left.iter().map(|left| (left.at_ms, left.frame)).collect()
    }

    fn heard(&self) -> Vec<i16> {
        self.left.iter().flat_map(|left| left.pcm.iter().copied()).collect()
    }
}

#[test]
fn silence_leaves_on_time_and_lateness_does_not_add_up() {
    let mut line = Line::new();
    for n in 0..100 {
        line.look(n * 20 + 7);
    }
    assert_eq!(line.packets(), (0..100).map(|n| (n * 20 + 7, n)).collect::<Vec<_>>());
}

#[test]
fn the_first_frame_after_silence_leaves_at_once_and_the_rest_keep_its_phase() {
    let mut line = Line::new();
    line.run(0..28);
    line.push(60);
    line.run(28..140);
    // Seven packets would have left by 120 ms in any case; the next silence is in its time again, but for the
    // patience with an agent that may have gone on.
    assert_eq!(line.packets(), [(0, 0), (20, 1), (28, 2), (48, 3), (68, 4), (110, 5), (120, 6)]);
    assert_eq!(line.out.played_ms(), 60);
}

#[test]
fn two_packets_are_never_closer_than_the_room_can_take() {
    let mut line = Line::new();
    line.run(0..21);
    line.push(20);
    line.run(21..60);
    assert_eq!(line.packets(), [(0, 0), (20, 1), (25, 2)]);
}

#[test]
fn a_first_part_waits_for_its_rest_and_not_for_long() {
    let mut line = Line::new();
    line.run(0..22);
    line.push(10);
    line.run(22..32);
    line.push(10);
    line.run(32..52);
    assert_eq!(line.packets(), [(0, 0), (20, 1), (32, 2)]);
    line.run(52..81);
    line.push(10);
    line.run(81..111);
    assert_eq!(line.packets()[3..], [(70, 3), (80, 4), (110, 5)]);
    assert_eq!(line.left.last().map(|left| left.kind), Some(FrameKind::Speech), "a word of 10 ms");
}

#[test]
fn messages_that_come_a_little_late_tear_no_word_and_move_no_deadline() {
    let mut line = Line::new();
    line.run(0..30);
    let late_ms = [0, 3, 0, 9, 0, 17, 1, 0];
    let mut at_ms = 30;
    for (nth, late) in (0..).zip(late_ms) {
        let comes = 30 + nth * 20 + late;
        line.run(at_ms..comes);
        line.push(20);
        at_ms = comes;
    }
    line.run(at_ms..190);
    let left: Vec<u64> = line.left[2..].iter().map(|left| left.at_ms).collect();
    assert_eq!(left, [30, 53, 70, 99, 110, 147, 152, 170]);
    assert!(line.left[2..].iter().all(|left| left.pcm == [1000; FRAME_SAMPLES]));
    assert_eq!(line.out.counts().queue_to_room.concealed, 0);
}

#[test]
fn an_agent_that_is_too_late_is_waited_for_no_longer() {
    let mut line = Line::new();
    line.push(20);
    line.run(0..35);
    line.push(40);
    line.run(35..80);
    let kinds: Vec<FrameKind> = line.left.iter().map(|left| left.kind).collect();
    assert_eq!(line.packets(), [(0, 0), (30, 1), (35, 2), (55, 3)]);
    assert_eq!(kinds, [FrameKind::Speech, FrameKind::Silence, FrameKind::Speech, FrameKind::Speech]);
    assert!(line.left[1].pcm[0] > 900 && line.left[1].pcm[39] == 0, "it slides to silence");
    assert_eq!(line.out.counts().queue_to_room.concealed, 1);
}

#[test]
fn after_a_stall_of_ours_one_packet_leaves_and_the_room_is_told_of_those_that_did_not() {
    let mut line = Line::new();
    line.push(400);
    line.run(0..41);
    line.look(139);
    line.run(140..190);
    assert_eq!(line.packets(), [(0, 0), (20, 1), (40, 2), (139, 6), (144, 7), (160, 8), (180, 9)]);
    assert_eq!(line.out.counts().queue_to_room.lost, 3);
}

#[test]
fn a_stall_in_silence_is_skipped_too() {
    let mut line = Line::new();
    line.run(0..21);
    line.push(20);
    line.look(121);
    assert_eq!(line.packets(), [(0, 0), (20, 1), (121, 6)]);
}

#[test]
fn after_a_clear_the_cut_leaves_in_its_time_and_nothing_is_waited_for() {
    let mut line = Line::new();
    line.run(0..8);
    line.push(30_000);
    line.run(8..51);
    assert!(line.out.clear() > 29_900);
    line.run(51..90);
    // 68 is when the next packet of speech would have left: within 20 ms of the clear.
    assert_eq!(line.packets()[1..], [(8, 1), (28, 2), (48, 3), (68, 4)]);
    let cut = &line.left[4];
    assert!(cut.pcm[0] > 900 && cut.pcm[39..].iter().all(|sample| *sample == 0));
    line.run(90..121);
    assert!(line.left[5..].iter().all(|left| left.pcm == [0; FRAME_SAMPLES]));
}

#[test]
fn a_clear_while_the_agent_is_waited_for_ends_the_waiting() {
    let mut line = Line::new();
    line.push(20);
    line.run(0..22);
    line.out.clear();
    line.run(22..25);
    assert_eq!(line.packets(), [(0, 0), (22, 1)]);
}

#[test]
fn the_delay_of_a_stall_of_the_agents_is_won_back_at_its_next_pause() {
    let mut line = Line::new();
    // In real time, a stall of 300 ms after 200 ms, all of that at once, in real time again until 1000 ms.
    for at_ms in 0..1000 {
        match at_ms {
            200..500 => {}
            500 => line.push(320),
            _ if at_ms % 20 == 0 => line.push(20),
            _ => {}
        }
        line.look(at_ms);
    }
    assert_eq!(line.out.queued_ms(), 300, "not a word is skipped");
    line.run(1000..1493);
    line.push(20);
    let sent = line.left.len();
    line.look(1493);
    assert_eq!((line.left.len(), line.left[sent].kind), (sent + 1, FrameKind::Speech), "heard at once");
    assert_eq!(line.out.played_ms(), 1020);
}

#[test]
fn a_stall_of_ours_is_won_back_at_the_next_pause_too() {
    let mut line = Line::new();
    for at_ms in 0..1000 {
        if at_ms % 20 == 0 {
            line.push(20);
        }
        if !(200..500).contains(&at_ms) {
            line.look(at_ms);
        }
    }
    assert_eq!(line.out.queued_ms(), 300);
    line.run(1000..1493);
    line.push(20);
    line.look(1493);
    assert_eq!((line.out.queued_ms(), line.out.played_ms()), (0, 1020));
}

#[derive(Clone, Debug)]
enum Step {
    /// The agent sends so many samples.
    Push(usize),
    /// Time passes, and the media task is there when it is to be.
    Wait(u64),
    /// Time passes, and our process stands still.
    Stall(u64),
    Clear,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let sizes = prop_oneof![4 => 1usize..400, 1 => 400usize..8000, 2 => Just(FRAME_SAMPLES)];
    let step = prop_oneof![
        6 => sizes.prop_map(Step::Push),
        8 => (1u64..45).prop_map(Step::Wait),
        2 => (40u64..400).prop_map(Step::Wait),
        1 => (1u64..200).prop_map(Step::Stall),
        1 => Just(Step::Clear),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    #[test]
    fn whatever_comes_the_room_gets_its_packets_in_their_time(steps in steps()) {
        let mut line = Line::new();
        let (mut at_ms, mut stalled_until) = (0, Vec::new());
        for step in &steps {
            match *step {
                Step::Push(samples) => line.say(&vec![1000; samples]),
                Step::Clear => drop(line.out.clear()),
                Step::Wait(ms) => {
                    line.run(at_ms..at_ms + ms);
                    at_ms += ms;
                    continue;
                }
                Step::Stall(ms) => {
                    at_ms += ms;
                    stalled_until.push((at_ms - ms, at_ms));
                }
            }
            line.look(at_ms);
        }
        line.run(at_ms..at_ms + 50);
        let stalled = |from: u64, to: u64| stalled_until.iter().any(|(begin, end)| *begin < to && from < *end);
        for pair in line.left.windows(2) {
            let ([before, after], gap_ms) = (pair, pair[1].at_ms - pair[0].at_ms) else { unreachable!() };
            prop_assert!(gap_ms >= 5, "a burst: {before:?} {after:?}");
            if !stalled(before.at_ms, after.at_ms) {
                prop_assert!(after.frame == before.frame + 1 && gap_ms <= 50, "a gap: {before:?} {after:?}");
            }
            prop_assert!(after.frame > before.frame);
        }
        for left in &line.left {
            let time_ms = left.frame * 20;
            prop_assert!(left.at_ms + 20 >= time_ms, "more than a frame ahead: {left:?}");
            if !stalled(left.at_ms.saturating_sub(40), left.at_ms) {
                prop_assert!(left.at_ms <= time_ms + 10, "late: {left:?}");
            }
        }
    }

    #[test]
    fn all_that_is_said_is_heard_in_order(steps in steps()) {
        let mut line = Line::new();
        let (mut at_ms, mut said) = (0, Vec::new());
        for step in steps {
            match step {
                Step::Push(samples) => {
                    let pcm: Vec<i16> = (0..samples).map(|n| ((said.len() + n) % 30_000 + 2000) as i16).collect();
                    line.say(&pcm);
                    said.extend(pcm);
                }
                Step::Wait(ms) => {
                    line.run(at_ms..at_ms + ms);
                    at_ms += ms;
                }
                Step::Stall(ms) => at_ms += ms,
                Step::Clear => {}
            }
            line.look(at_ms);
        }
        line.run(at_ms..at_ms + line.out.queued_ms() + 100);
        prop_assert_eq!(line.out.queued_ms(), 0);
        // What was heard is what was said, with the slides into silence and the silence between.
        let (mut heard, mut next) = (line.heard().into_iter(), 0);
        while next < said.len() {
            let sample = heard.next();
            prop_assert!(sample.is_some(), "{next} of {} samples were heard", said.len());
            next += usize::from(sample == Some(said[next]));
        }
    }
}
