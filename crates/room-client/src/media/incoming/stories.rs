//! Stories in virtual time: what the network does, and what is heard then.

use std::sync::Arc;

use super::line::{Arrival, HZ, Line, MS, RATE, arrival, decoded, level, on_time, talking};
use super::*;
use audio::levels::{rms_dbfs, tone};

/// A frame that was guessed is weaker than the tone, and far from silence.
fn is_sound(level: &f64) -> bool {
    *level > -35.0
}

fn is_whole(level: &f64) -> bool {
    (*level + 12.0).abs() < 1.0
}

#[test]
fn a_stream_in_order_is_passed_through_sample_for_sample_as_it_comes() {
    let packets = talking(40, 50, 200);
    let arrivals: Vec<Arrival> = (0..200).map(|n| arrival(n, 7)).collect();
    let mut line = Line::open();
    line.hear(&packets, &arrivals, 4000);
    assert_eq!(line.sound(), decoded(&packets));
    for (arrival, (at, _)) in arrivals.iter().zip(&line.frames) {
        assert_eq!(arrival.at, *at, "packet {} was held back", arrival.n);
    }
    let hop = line.received().hop;
    assert_eq!((hop.frames, hop.lost, hop.late, hop.concealed), (200, 0, 0, 0));
    assert!((30..=50).contains(&hop.silent), "{}", hop.silent);
    assert_eq!(hop.samples, 200 * 320);
    assert!((hop.level_dbfs() + 13.0).abs() < 0.5, "{}", hop.level_dbfs());
}

#[test]
fn a_line_on_which_nothing_comes_is_silence_20_ms_every_20_ms() {
    let mut line = Line::open();
    line.hear(&[], &[], 10_000);
    assert_eq!(line.frames.len(), 500);
    for (n, (at, frame)) in (1..).zip(&line.frames) {
        assert_eq!((*at, rms_dbfs(frame.as_slice())), (20 * MS * n, audio::levels::SILENCE_DBFS));
    }
    assert_eq!((line.received().hop.silent, line.received().hop.concealed), (500, 0));
}

#[test]
fn what_was_said_before_the_stream_is_open_is_not_in_it() {
    let packets = talking(50, 50, 50);
    let (start, mut incoming) = (crate::clock::now(), Incoming::new(RATE).expect("decoder"));
    for (seq, payload) in (0..).zip(&packets[..40]) {
        let payload = Arc::from(&payload[..]);
        incoming.packet(Packet { seq, time: seq * 960, at: start, payload });
    }
    assert_eq!((incoming.frame(), incoming.deadline()), (None, None));
    incoming.open(start);
    assert_eq!(incoming.deadline(), Some(start + 20 * MS));
    let payload = Arc::from(&packets[40][..]);
    incoming.packet(Packet { seq: 40, time: 40 * 960, at: start + MS, payload });
    assert!(incoming.frame().is_some_and(|frame| rms_dbfs(frame.as_slice()) > -20.0));
    assert_eq!(incoming.frame(), None);
}

#[test]
fn packets_up_to_60_ms_late_are_heard_whole_though_they_come_in_disorder() {
    let packets = talking(250, 250, 250);
    let late = [0, 60, 3, 41, 22, 0, 59, 18];
    let arrivals: Vec<Arrival> = (0..250).map(|n| arrival(n, late[n % late.len()])).collect();
    let mut line = Line::open();
    line.hear(&packets, &arrivals, 5000);
    assert_eq!(line.sound(), decoded(&packets));
    assert!(line.received().jitter_ms > 10.0);
    assert_eq!(line.received().hop.lost, 0);
}

#[test]
fn a_lost_packet_is_rebuilt_from_the_next_and_delays_nothing_that_follows() {
    let packets = talking(19, 25, 100);
    let mut line = Line::open();
    line.hear(&packets, &on_time((0..100).filter(|n| n % 10 != 9)), 1981);
    assert_eq!(line.frames.len(), 99);
    for (n, level) in line.levels().iter().enumerate().filter(|(n, _)| (5..19).contains(&(n % 25))) {
        assert!(*level > -16.0, "frame {n}: {level}");
    }
    let hop = line.received().hop;
    assert_eq!(
        (hop.lost, hop.recovered, hop.late),
        (9, 6, 0),
        "six of them in talk, of which there are copies"
    );
    // Three packets wait for the lost one, 60 ms at most, and then the stream is where it was.
    for (n, (at, _)) in (0..).zip(&line.frames) {
        let late = at.saturating_sub(20 * MS * n);
        assert!(late <= if n % 10 == 9 { 80 * MS } else { 60 * MS }, "frame {n}: {late:?}");
        assert!((3..9).contains(&(n % 10)) == late.is_zero() || n < 9 || n % 10 == 3, "{n}: {late:?}");
    }
}

#[test]
fn a_lost_packet_of_which_there_is_no_copy_is_guessed() {
    let encoder = opus_without_fec();
    let packets: Vec<Vec<u8>> = tone(RATE, HZ, -12.0, 100 * 320).chunks(320).map(encoder).collect();
    let mut line = Line::open();
    line.hear(&packets, &on_time((0..100).filter(|n| n % 10 != 9)), 1981);
    assert_eq!(line.frames.len(), 99);
    assert!(line.levels()[5..].iter().all(is_sound), "{:?}", line.levels());
    let hop = line.received().hop;
    assert_eq!((hop.lost, hop.recovered, hop.concealed), (9, 0, 9));
}

fn opus_without_fec() -> impl FnMut(&[i16]) -> Vec<u8> {
    let mut encoder = audio::opus::Encoder::with_bitrate(RATE, 16_000).expect("encoder");
    move |frame| {
        let mut packet = [0; 1275];
        let length = encoder.encode(frame, &mut packet).expect("encodes");
        assert!(!carries_fec(&packet[..length]));
        packet[..length].to_vec()
    }
}

#[test]
fn a_late_packet_changes_nothing() {
    let packets = talking(100, 100, 100);
    let lost = on_time((0..100).filter(|n| n % 10 != 9));
    let (mut without, mut with) = (Line::open(), Line::open());
    without.hear(&packets, &lost, 2000);
    let late = (0..9).map(|n| arrival(n * 10 + 9, 95));
    with.hear(&packets, &lost.iter().copied().chain(late).collect::<Vec<_>>(), 2000);
    assert_eq!(with.frames, without.frames);
    assert_eq!((with.received().hop.late, with.received().hop.lost), (9, 9));
}

#[test]
fn a_long_hole_is_guessed_then_silent_and_sound_goes_on_with_its_first_packet() {
    let packets = talking(200, 200, 200);
    let mut line = Line::open();
    line.hear(&packets, &on_time((0..50).chain(100..200)), 4000);
    let levels = line.levels();
    assert!(levels[10..50].iter().all(is_whole));
    assert!(is_sound(&levels[50]), "{:?}", &levels[48..56]);
    assert!(levels[53..98].iter().all(|&level| level < -60.0), "{:?}", &levels[53..98]);
    let back = line.frames.iter().position(|(at, frame)| *at >= 2000 * MS && level(frame) > -20.0);
    assert_eq!(line.frames[back.expect("it goes on")].0, 2020 * MS, "as soon as something is due");
    assert!(levels[105..].iter().all(is_whole), "{:?}", &levels[105..]);
    assert_eq!((line.received().hop.lost, line.received().hop.concealed), (50, 3));
    assert!((199..=202).contains(&line.frames.len()), "{}", line.frames.len());
}

#[test]
fn a_burst_after_a_stall_is_heard_in_full_and_its_surplus_won_back_in_the_next_pause() {
    // Four seconds of talk, one of pause, again and again.
    let packets = talking(200, 250, 1000);
    let mut arrivals = on_time(0..1000);
    for arrival in &mut arrivals[60..100] {
        arrival.at = 1990 * MS + MS * arrival.n as u32 / 10;
    }
    let mut line = Line::open();
    line.hear(&packets, &arrivals, 19_981);
    let heard = line.frames.iter().filter(|(_, frame)| level(frame) > -20.0).count();
    assert!((798..=804).contains(&heard), "{heard} frames of talk, of 800 and what was guessed");
    assert_eq!((line.received().hop.lost, line.received().hop.late), (0, 0));
    let ahead = line.ahead();
    assert!(ahead[100..200].iter().any(|&ahead| ahead > 30.0), "the burst was handed on");
    assert!(ahead[300..].iter().all(|ahead| (-1.0..2.1).contains(ahead)), "{:?}", &ahead[300..]);
    assert!((1000..=1001).contains(&line.frames.len()), "{}", line.frames.len());
}

#[test]
fn a_burst_of_more_than_a_second_is_cut_to_one() {
    let packets = talking(1000, 1000, 600);
    let mut arrivals = on_time(0..600);
    for arrival in &mut arrivals[50..350] {
        arrival.at = 6960 * MS + MS * arrival.n as u32 / 10;
    }
    let mut line = Line::open();
    line.hear(&packets, &arrivals, 12_000);
    assert!(line.ahead().iter().all(|&ahead| ahead <= 52.0));
    assert!(line.received().hop.late >= 240, "{}", line.received().hop.late);
    // What is said then is heard whole, though there is no pause to win anything back.
    let levels = line.levels();
    let tail = &levels[levels.len() - 200..];
    assert!(tail.iter().all(is_whole), "{tail:?}");
}

/// A sender that saves its breath: `DTX` sends one packet every 400 ms of a pause, and its clock goes on.
#[test]
fn what_a_sender_does_not_send_is_silence_and_no_loss() {
    let packets = talking(50, 100, 1000);
    let sent = (0..1000).filter(|n| n % 100 < 60 || n % 20 == 0);
    let arrivals: Vec<Arrival> = sent.zip(0..).map(|(n, seq)| Arrival { seq, ..arrival(n, 11) }).collect();
    let mut line = Line::open();
    line.hear(&packets, &arrivals, 20_000);
    let hop = line.received().hop;
    assert_eq!((hop.lost, hop.concealed, hop.late, hop.recovered), (0, 0, 0, 0));
    assert!((999..=1000).contains(&line.frames.len()), "{}", line.frames.len());
    assert!(line.ahead().iter().all(|ahead| (-4.1..=1.0).contains(ahead)), "{:?}", line.ahead());
    // Each talk begins with its packet.
    for n in (100..1000).step_by(100) {
        let began = line.frames.iter().find(|(at, frame)| *at >= 20 * MS * n && level(frame) > -30.0);
        assert_eq!(began.expect("it begins").0, 20 * MS * n + 11 * MS);
    }
}

#[test]
fn a_sender_whose_clock_stands_still_while_it_is_muted_is_heard_at_once_when_it_is_not() {
    let packets = talking(200, 200, 200);
    let mut arrivals = on_time(0..200);
    for arrival in &mut arrivals[100..] {
        arrival.at += 10_000 * MS;
    }
    let mut line = Line::open();
    line.hear(&packets, &arrivals, 14_000);
    let again = line.frames.iter().find(|(at, frame)| *at > 5000 * MS && is_sound(&level(frame)));
    assert_eq!(again.expect("it is heard").0, 12_000 * MS);
    assert!(line.levels()[603..].iter().all(is_whole));
    assert!((699..=701).contains(&line.frames.len()), "{}", line.frames.len());
}

#[test]
fn steps_of_20_ms_in_the_senders_clock_tear_nothing() {
    let packets = talking(500, 500, 500);
    let mut arrivals = on_time(0..500);
    for arrival in &mut arrivals {
        arrival.at += 5 * MS;
        arrival.time = match arrival.n {
            100..200 => arrival.time + 960,
            200..300 => arrival.time + 1920,
            300..400 => arrival.time - 960,
            _ => arrival.time,
        };
    }
    let mut line = Line::open();
    line.hear(&packets, &arrivals, 10_000);
    assert_eq!(line.sound(), decoded(&packets));
    assert_eq!((line.received().hop.lost, line.received().hop.concealed), (0, 0));
}

#[test]
fn a_path_that_becomes_20_ms_longer_tears_nothing_and_is_made_good_in_a_pause() {
    let packets = talking(150, 200, 600);
    let arrivals: Vec<Arrival> =
        (0..600).map(|n| arrival(n, if n < 60 { 15 } else { 15 + 20 * (n as u32 / 60).min(2) })).collect();
    let mut line = Line::open();
    line.hear(&packets, &arrivals, 12_000);
    let talk = line.frames.iter().filter(|(_, frame)| level(frame) > -20.0).count();
    assert!((450..=453).contains(&talk), "{talk}");
    assert_eq!((line.received().hop.lost, line.received().hop.concealed), (0, 0));
    let ahead = line.ahead();
    assert!(ahead[400..].iter().all(|ahead| (-2.0..=1.0).contains(ahead)), "{:?}", &ahead[400..]);
}

#[test]
fn clocks_that_drift_apart_are_brought_together_in_pauses_and_no_word_is_torn() {
    for per_mille in [-2_i32, 2] {
        let packets = talking(200, 250, 5000);
        let mut arrivals = on_time(0..5000);
        for arrival in &mut arrivals {
            arrival.at = arrival.at * (1000 + per_mille) as u32 / 1000 + 10 * MS;
        }
        let mut line = Line::open();
        line.hear(&packets, &arrivals, 100_000);
        let talk = line.frames.iter().filter(|(_, frame)| level(frame) > -20.0).count();
        assert!((4000..=4020).contains(&talk), "{talk} frames of talk");
        assert_eq!((line.received().hop.lost, line.received().hop.concealed), (0, 0));
        let ahead = line.ahead();
        assert!(ahead.iter().all(|ahead| (-3.0..=3.0).contains(ahead)), "{per_mille}: {ahead:?}");
    }
}

#[test]
fn a_new_stream_and_another_participant_are_heard_with_their_first_packet() {
    let packets = talking(100, 100, 100);
    let mut line = Line::open();
    line.hear(&packets, &on_time(0..50), 1000);
    let mut arrivals = on_time(50..75);
    for arrival in &mut arrivals {
        (arrival.seq, arrival.time) = (arrival.seq % 100, arrival.time % 100_000);
    }
    line.hear(&packets, &arrivals, 1500);
    line.incoming.switch();
    line.hear(&packets, &on_time(75..100), 2000);
    assert!(line.levels()[5..].iter().all(is_sound), "{:?}", line.levels());
    assert_eq!((line.received().hop.lost, line.received().hop.late), (0, 0));
    assert_eq!(line.frames.len(), 100);
}

#[test]
fn when_we_stood_still_what_came_meanwhile_is_read_before_anything_is_made_up() {
    let packets = talking(100, 100, 100);
    let mut line = Line::open();
    line.hear(&packets, &on_time(0..50), 981);
    // For 400 ms nobody looks at the clock or the socket; then at the clock first.
    let late = line.start + 1381 * MS;
    line.incoming.poll(late);
    assert_eq!(line.incoming.frame(), None);
    let mut arrivals = on_time(50..100);
    for arrival in &mut arrivals[..20] {
        arrival.at = 1377 * MS + MS * arrival.n as u32 / 10;
    }
    line.hear(&packets, &arrivals, 2000);
    assert_eq!(line.sound(), decoded(&packets));
    // And if nothing came, it is made up all the same.
    line.incoming.poll(line.start + 2600 * MS);
    line.hear(&packets, &[], 2700);
    assert!((134..=135).contains(&line.frames.len()), "{}", line.frames.len());
}

#[test]
fn after_a_long_stall_of_ours_a_second_is_made_up_and_no_more() {
    let mut line = Line::open();
    line.incoming.poll(line.start + 3_600_000 * MS);
    line.incoming.poll(line.start + 3_600_010 * MS);
    line.take(3_600_010 * MS);
    assert_eq!(line.frames.len(), 51);
}

#[test]
fn a_packet_that_came_as_a_copy_in_the_next_counts_as_lost_and_recovered() {
    let packets = talking(100, 100, 100);
    let mut arrivals = on_time(0..100);
    for n in (10..100).step_by(10) {
        arrivals[n].at = arrivals[n + 1].at;
    }
    let mut line = Line::open();
    line.hear(&packets, &arrivals, 1990);
    assert_eq!(line.sound(), decoded(&packets));
    let Received { packets, hop, jitter_ms } = line.received();
    assert_eq!((packets, hop.lost, hop.recovered, hop.concealed), (91, 9, 9, 0));
    assert!(jitter_ms < 0.01);
}

#[test]
fn packets_of_another_length_are_cut_into_frames_and_leave_no_delay_behind() {
    for (ms, samples, count) in [(10, 160, 399), (60, 960, 30)] {
        let mut encoder = audio::opus::Encoder::with_fec(RATE, 5).expect("encoder");
        let mut packet = [0; 1275];
        let packets: Vec<Vec<u8>> = tone(RATE, HZ, -12.0, samples * count)
            .chunks(samples)
            .map(|frame| {
                let length = encoder.encode(frame, &mut packet).expect("encodes");
                packet[..length].to_vec()
            })
            .collect();
        let arrivals: Vec<Arrival> = (0..count)
            .map(|n| Arrival {
                at: ms * MS * n as u32,
                n,
                seq: n as u64,
                time: n as u64 * 48 * u64::from(ms),
            })
            .collect();
        let mut line = Line::open();
        line.hear(&packets, &arrivals, ms * count as u32);
        let sound = line.sound();
        assert_eq!(sound, decoded(&packets)[..sound.len()]);
        assert_eq!(sound.len() / 320, samples * count / 320, "{ms} ms");
        // Half a frame may wait. With the next pause it is gone.
        let again = talking(5, 10, 20);
        let end = arrivals[count - 1];
        let next: Vec<Arrival> = (0..20)
            .map(|n| Arrival {
                at: end.at + ms * MS + 20 * MS * n as u32,
                n,
                seq: end.seq + 1 + n as u64,
                time: end.time + 48 * u64::from(ms) + n as u64 * 960,
            })
            .collect();
        line.hear(&again, &next, 0);
        let (at, last) = line.frames.last().expect("frames");
        assert_eq!(*at, next[19].at);
        assert_eq!(last.as_slice(), &decoded_after(&packets, &again)[..]);
    }
}

/// The last frame of what one decoder makes of all of them.
fn decoded_after(first: &[Vec<u8>], then: &[Vec<u8>]) -> Vec<i16> {
    let all = decoded(&[first, then].concat());
    all[all.len() - 320..].to_vec()
}

#[test]
fn a_packet_that_cannot_be_decoded_is_a_lost_one() {
    let mut packets = talking(50, 50, 50);
    packets[20] = Vec::new();
    packets[30] = vec![0x4b, 0x3f];
    let mut line = Line::open();
    line.hear(&packets, &on_time(0..50), 1000);
    assert_eq!(line.received().hop.lost, 2);
    assert!(line.levels()[5..].iter().all(is_sound), "{:?}", line.levels());
    assert_eq!(line.frames.len(), 50);
}
