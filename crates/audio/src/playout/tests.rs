use super::*;
use proptest::prelude::*;

const RATE: SampleRate = SampleRate::Hz8000;
const FRAME: usize = 160;
const FADE: usize = 40;

fn next(playout: &mut Playout) -> (Vec<i16>, FrameKind) {
    let mut out = vec![i16::MAX; FRAME];
    let kind = playout.next_frame(&mut out);
    (out, kind)
}

#[test]
fn an_empty_queue_plays_silence() {
    let mut playout = Playout::new(RATE, Duration::from_secs(1));
    assert_eq!(next(&mut playout), (vec![0; FRAME], FrameKind::Silence));
    assert_eq!((playout.played(), playout.clear()), (0, 0));
}

#[test]
fn what_does_not_fit_is_counted_and_the_oldest_is_kept() {
    let mut playout = Playout::new(RATE, Duration::from_millis(20));
    assert_eq!(playout.push(&[1; 100]), 0);
    assert_eq!(playout.push(&[2; 100]), 40);
    assert_eq!((playout.queued(), playout.dropped()), (FRAME, 40));
    let (frame, _) = next(&mut playout);
    assert_eq!((&frame[..100], &frame[100..]), (&[1; 100][..], &[2; 60][..]));
}

#[test]
fn an_underrun_slides_to_silence_even_across_a_frame_border() {
    let mut playout = Playout::new(RATE, Duration::from_secs(1));
    playout.push(&[8000; FRAME]);
    assert_eq!(next(&mut playout), (vec![8000; FRAME], FrameKind::Speech));
    let (frame, kind) = next(&mut playout);
    assert_eq!(kind, FrameKind::Silence);
    assert!(frame[0] > 7500 && frame[..FADE].is_sorted_by(|a, b| a > b));
    assert_eq!(frame[FADE - 1..], [0; FRAME - FADE + 1]);
    playout.push(&[-8000; 150]);
    let (frame, kind) = next(&mut playout);
    assert_eq!((kind, &frame[..150]), (FrameKind::Speech, &[-8000; 150][..]));
    assert!(frame[150] > -8000 && frame[159] < -5000, "the slide begins in this frame …");
    assert_eq!(next(&mut playout).0[30..], [0; 130], "… and ends in the next");
}

#[test]
fn a_clear_fades_out_within_5_ms_and_lets_new_speech_in() {
    let mut playout = Playout::new(RATE, Duration::from_secs(10));
    playout.push(&[8000; 5 * FRAME]);
    next(&mut playout);
    assert_eq!(playout.clear(), 4 * FRAME - FADE);
    assert_eq!(playout.cleared(), (4 * FRAME - FADE) as u64);
    playout.push(&[100; FRAME]);
    let (frame, _) = next(&mut playout);
    assert!(frame[0] > 7500 && frame[..FADE].is_sorted_by(|a, b| a > b) && frame[FADE - 1] == 0);
    assert_eq!(frame[FADE..], [100; FRAME - FADE]);
    assert_eq!(next(&mut playout).0[..FADE], [100; FADE]);
}

#[test]
fn what_a_stall_has_cost_is_won_back_at_the_next_pause() {
    let mut playout = Playout::new(RATE, Duration::from_secs(30));
    // The agent keeps pace, stalls for 300 ms, sends them all at once, and keeps pace again.
    for arrived in [1; 50].into_iter().chain([0; 15]).chain([16]).chain([1; 50]) {
        playout.push(&[7000; FRAME].repeat(arrived));
        next(&mut playout);
    }
    assert_eq!(playout.queued(), 15 * FRAME, "not a word of it is skipped");
    // It has said what it had to say, and is silent for as long as people are between two sentences.
    (0..15).for_each(|_| drop(next(&mut playout)));
    playout.push(&[9; FRAME]);
    assert_eq!(next(&mut playout), (vec![9; FRAME], FrameKind::Speech), "what comes next is heard at once");
}

/// Speech and pauses of so many frames each, in turns.
fn talk(frames: &[usize]) -> Vec<i16> {
    let loud = (0..).map(|nth| if nth % 2 == 0 { 7000 } else { 3 });
    frames.iter().zip(loud).flat_map(|(frames, sample)| vec![sample; frames * FRAME]).collect()
}

/// What an agent in real time has queued after each frame, when it is held up for 15 frames after `before` of them.
fn queued_with_a_stall(sound: &[i16], before: usize) -> (Vec<usize>, Playout) {
    let mut playout = Playout::new(RATE, Duration::from_secs(30));
    let queued = (1..=sound.len() / FRAME).map(|nth| {
        match nth {
            _ if nth <= before || nth > before + 15 => playout.push(&sound[(nth - 1) * FRAME..nth * FRAME]),
            _ if nth == before + 15 => playout.push(&sound[before * FRAME..nth * FRAME]),
            _ => 0,
        };
        next(&mut playout);
        playout.queued() / FRAME
    });
    (queued.collect(), playout)
}

#[test]
fn what_a_stall_has_cost_is_won_back_at_a_pause_that_is_sent_as_sound() {
    let sound = talk(&[50, 30, 50]);
    let (queued, playout) = queued_with_a_stall(&sound, 20);
    assert_eq!(queued[36..64], [14; 28], "while it speaks, not a word is skipped");
    assert_eq!(queued.last(), Some(&3), "as much is kept as an agent that keeps pace has queued");
    assert_eq!(playout.skipped(), 11 * FRAME as u64);
}

#[test]
fn a_short_pause_is_kept_and_so_is_one_that_nothing_is_behind_for() {
    let (queued, _) = queued_with_a_stall(&talk(&[50, 5, 50]), 20);
    assert_eq!(queued.last(), Some(&14));
    let mut ahead = Playout::new(RATE, Duration::from_secs(30));
    ahead.push(&talk(&[50, 100, 50]));
    (0..150).for_each(|_| drop(next(&mut ahead)));
    assert_eq!((ahead.queued() / FRAME, ahead.skipped()), (50, 0), "an agent that runs ahead is not behind");
}

#[test]
fn what_our_own_stall_has_cost_is_won_back_too_and_not_more() {
    let mut playout = Playout::new(RATE, Duration::from_secs(30));
    playout.push(&talk(&[50, 100, 50]));
    next(&mut playout);
    playout.missed(10);
    (0..149).for_each(|_| drop(next(&mut playout)));
    assert_eq!((playout.skipped() / FRAME as u64, playout.queued() / FRAME), (10, 40));
}

#[test]
fn the_queue_grows_past_what_was_reserved_up_to_its_bound() {
    let mut playout = Playout::new(RATE, Duration::from_secs(30));
    assert_eq!(playout.push(&[5; 30 * 8000]), 0);
    assert_eq!(playout.push(&[5; 3]), 3);
    for _ in 0..1500 {
        assert_eq!(next(&mut playout).0, [5; FRAME]);
    }
    assert!(playout.is_empty());
}

#[test]
fn the_order_holds_over_a_long_call() {
    // Room for 808 samples, no multiple of a frame: frames straddle the seam of the ring buffer.
    let mut playout = Playout::new(RATE, Duration::from_millis(101));
    let (mut said, mut heard) = (0u32, 0u32);
    let sample = |n: u32| (n % 30_011) as i16;
    while heard < 10 * 60 * 8000 {
        let chunk: Vec<i16> = (0..333).map(|n| sample(said + n)).collect();
        assert_eq!(playout.push(&chunk), 0);
        said += 333;
        while playout.queued() >= FRAME {
            let (frame, _) = next(&mut playout);
            assert!(frame.iter().zip(heard..).all(|(s, n)| *s == sample(n)), "after {heard} samples");
            heard += FRAME as u32;
        }
    }
}

#[test]
fn what_waits_is_told_and_a_cut_is_not_to_be_waited_for() {
    let mut playout = Playout::new(RATE, Duration::from_secs(1));
    assert_eq!(playout.head(), Head::Nothing);
    playout.clear();
    assert_eq!(playout.head(), Head::Nothing, "there was nothing to cut");
    playout.push(&[1; 100]);
    assert_eq!(playout.head(), Head::Part);
    playout.push(&[1; 100]);
    assert_eq!(playout.head(), Head::Frame);
    playout.clear();
    assert_eq!(playout.head(), Head::Cut);
    playout.push(&[1; FRAME]);
    assert_eq!(playout.head(), Head::Frame);
    next(&mut playout);
    assert_eq!(playout.head(), Head::Part, "the cut is over");
    playout.push(&[1; FRAME - FADE]);
    next(&mut playout);
    playout.clear();
    assert_eq!((playout.head(), playout.queued()), (Head::Cut, 0), "the slide from its last sample");
    next(&mut playout);
    assert_eq!(playout.head(), Head::Nothing);
}

#[test]
fn a_hole_is_told_from_a_pause_and_from_an_interruption() {
    let concealed_after = |silent_frames: usize, cut: bool| {
        let mut playout = Playout::new(RATE, Duration::from_secs(1));
        playout.push(&[8000; 2 * FRAME]);
        next(&mut playout);
        if cut {
            playout.clear();
        }
        (0..=silent_frames).for_each(|_| drop(next(&mut playout)));
        playout.push(&[8000; FRAME]);
        next(&mut playout);
        playout.concealed()
    };
    assert_eq!([0, 1, 25].map(|frames| concealed_after(frames, false)), [0, 1, 25]);
    assert_eq!(concealed_after(26, false), 0, "people make pauses");
    assert_eq!(concealed_after(5, true), 0, "nobody waited for more");
}

#[test]
fn a_frame_that_is_speech_in_part_is_a_hole_if_the_rest_comes_late() {
    let mut playout = Playout::new(RATE, Duration::from_secs(1));
    for part in [FRAME, FRAME / 2, FRAME / 2] {
        playout.push(&vec![8000; part]);
        next(&mut playout);
    }
    assert_eq!(playout.concealed(), 1);
}

#[test]
fn room_for_half_a_minute_is_given_back() {
    let mut playout = Playout::new(RATE, Duration::from_secs(60));
    let reserved = playout.queue.capacity();
    playout.push(&[5; 30 * 8000]);
    (0..1500).for_each(|_| drop(next(&mut playout)));
    assert!(playout.is_empty() && playout.queue.capacity() == reserved);
}

#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    Play,
    Clear,
}

fn steps(clears: bool) -> impl Strategy<Value = Vec<Step>> {
    let push = (0usize..900).prop_map(Step::Push);
    let step = if clears {
        prop_oneof![3 => push, 4 => Just(Step::Play), 1 => Just(Step::Clear)].boxed()
    } else {
        prop_oneof![3 => push, 4 => Just(Step::Play)].boxed()
    };
    prop::collection::vec(step, 0..120)
}

proptest! {
    #[test]
    fn nothing_is_lost_or_reordered_whatever_the_chunks(steps in steps(false)) {
        let mut playout = Playout::new(RATE, Duration::from_secs(600));
        let (mut pushed, mut heard) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Push(len) => {
                    let chunk: Vec<i16> = (0..len).map(|n| ((pushed.len() + n) % 30_000 + 2000) as i16).collect();
                    prop_assert_eq!(playout.push(&chunk), 0);
                    pushed.extend(chunk);
                }
                _ => {
                    let speech = playout.queued().min(FRAME);
                    let (frame, kind) = next(&mut playout);
                    prop_assert_eq!(kind == FrameKind::Speech, speech > 0);
                    heard.extend_from_slice(&frame[..speech]);
                    prop_assert!(frame[speech..].iter().skip(FADE).all(|s| *s == 0));
                }
            }
            prop_assert_eq!(playout.queued(), pushed.len() - heard.len());
        }
        prop_assert_eq!(playout.played(), heard.len() as u64);
        prop_assert_eq!(&heard[..], &pushed[..heard.len()]);
    }

    #[test]
    fn nothing_stale_is_heard_more_than_5_ms_after_a_clear(steps in steps(true)) {
        let mut playout = Playout::new(RATE, Duration::from_millis(100));
        let (mut pushed, mut dropped, mut cleared) = (0u64, 0u64, 0u64);
        // Speech of an even number of clears is +1000, of an odd one −1000: staleness has a sign.
        let (mut voice, mut since_clear) = (1000i16, usize::MAX);
        for step in steps {
            match step {
                Step::Push(len) => {
                    pushed += len as u64;
                    dropped += playout.push(&vec![voice; len]) as u64;
                }
                Step::Clear => {
                    cleared += playout.clear() as u64;
                    prop_assert!(playout.queued() <= FADE);
                    (voice, since_clear) = (-voice, 0);
                }
                Step::Play => {
                    let (frame, _) = next(&mut playout);
                    for sample in frame {
                        let stale = since_clear >= FADE && sample.signum() == -voice.signum();
                        prop_assert!(!stale, "{since_clear} samples after the clear");
                        since_clear = since_clear.saturating_add(1);
                    }
                }
            }
            prop_assert_eq!(pushed, playout.played() + playout.queued() as u64 + dropped + cleared);
        }
        prop_assert_eq!((playout.dropped(), playout.cleared()), (dropped, cleared));
    }
}
