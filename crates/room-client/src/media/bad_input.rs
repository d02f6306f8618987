//! A server that answers, trickles and asks for sections as it likes: the media task obeys or fails, and stays small.

use ::bad_input::{Change, changed, within};
use bolero::TypeGenerator;
use str0m::Rtc;
use str0m::change::SdpOffer;

use super::incoming::Incoming;
use super::order::Packet;
use super::ways::{MOST_CANDIDATES, MOST_TCP_CANDIDATES};
use super::*;
use crate::inlet::inlet;

const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"m=audio 9 UDP/TLS/RTP/SAVPF 111",
    b"m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    b"a=mid:",
    b"a=candidate:",
    b"a=inactive",
    b"a=sendrecv",
    b"a=rtpmap:111 opus/48000/2",
    b"a=rtpmap:0 PCMU/8000",
    b"a=fmtp:111 ",
    b"a=group:BUNDLE ",
    b"a=ice-ufrag:",
    b"a=ice-pwd:",
    b"a=setup:active",
    b"a=setup:actpass",
    b"a=fingerprint:sha-256 ",
    b"a=ssrc:4294967295 cname:x",
    b"a=extmap:255 urn:ietf:params:rtp-hdrext:sdes:mid",
    b"a=rid:",
    b"a=simulcast:",
    b"4294967296",
    b"-1",
    b" ",
    b":",
    b"\0",
    b"\xff",
];

const CANDIDATES: &[&[u8]] = &[
    b"candidate:1 1 udp 2130706431 127.0.0.1 7882 typ host",
    b"candidate:2 1 tcp 1671430143 127.0.0.1 7881 typ host tcptype passive",
    b"candidate:3 1 udp 1 ::1 65535 typ srflx raddr 0.0.0.0 rport 0",
    b"candidate:4 1 udp 4294967295 0.0.0.0 0 typ relay raddr 255.255.255.255 rport 65535",
    b"candidate:5 1 udp 2130706431 example.invalid 7882 typ host",
    b"candidate:6 65535 udp 2130706431 224.0.0.1 1 typ prflx",
    b"candidate:7 1 udp 2130706431 ::ffff:127.0.0.1 7882 typ host generation 0 ufrag x network-cost 999",
];

/// Opus packets of 20 ms: SILK with a copy of the one before, CELT, and nothing but their head.
const PACKETS: &[&[u8]] = &[&[0x48, 0xff, 0x10, 0x20, 0x30, 0x40], &[0xf8, 0xff, 0xfe], &[0x48]];

/// All that a call's session may hold for its media.
const MEMORY: usize = 8 << 20;

#[derive(Clone, Debug, TypeGenerator)]
enum Said {
    Answer(Vec<Change>),
    Candidate(u8, Vec<Change>),
    OpenSections(u32),
    RestartIce,
    Hear(Option<String>),
}

/// One packet of whoever is heard, and how long after the one before it.
#[derive(Clone, Debug, TypeGenerator)]
struct Sent {
    after_ms: u8,
    /// Near where the stream is, or anywhere.
    seq: Result<i8, u64>,
    time: Result<i16, u64>,
    payload: Vec<Change>,
}

/// A media task before its first packet, and a server that knows how to answer it.
struct Stage {
    media: Media,
    notices: mpsc::UnboundedReceiver<Notice>,
    offer: String,
    server: Rtc,
}

impl Stage {
    fn new() -> Self {
        let (peer, offer) = Peer::new(clock::now(), "track", &[]).expect("an offer");
        let (notify, notices) = mpsc::unbounded_channel();
        let parts = Parts {
            peer,
            sockets: Sockets::default(),
            rate: SampleRate::Hz16000,
            outlet: AudioOut::new(SampleRate::Hz16000),
            inlet: inlet().0,
            tap: None,
            commands: mpsc::unbounded_channel().1,
            notices: notify,
        };
        let media = Media::new(parts).expect("a codec");
        Self { media, notices, offer, server: Rtc::new(clock::now()) }
    }

    fn hear(&mut self, said: &Said) -> Result<(), RtcError> {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let command = match said {
            Said::Answer(changes) => Command::Answer(text(changed(self.answer().as_bytes(), changes, WORDS))),
            Said::Candidate(which, changes) => {
                let candidate = CANDIDATES[usize::from(*which) % CANDIDATES.len()];
                Command::Candidate(text(changed(candidate, changes, WORDS)))
            }
            Said::OpenSections(count) => Command::OpenSections(*count),
            Said::RestartIce => Command::RestartIce,
            Said::Hear(mid) => Command::Hear(mid.clone()),
        };
        self.media.obey(command)?;
        while let Ok(notice) = self.notices.try_recv() {
            if let Notice::Offer(offer) = notice {
                self.offer = offer;
            }
        }
        Ok(())
    }

    /// What an honest server would say.
    fn answer(&mut self) -> String {
        let offer = SdpOffer::from_sdp_string(&self.offer).expect("our offer is one");
        self.server.sdp_api().accept_offer(offer).map(|answer| answer.to_sdp_string()).unwrap_or_default()
    }
}

#[test]
fn whatever_packets_come_the_stream_stays_near_its_clock_and_small() {
    bolero::check!().with_test_time(Duration::from_secs(8)).with_type::<Vec<Sent>>().for_each(|all| {
        within(MEMORY, || {
            let (start, mut incoming) = (clock::now(), Incoming::new(SampleRate::Hz48000).expect("a codec"));
            incoming.open(start);
            let (mut now, mut seq, mut time, mut frames) = (start, 0_u64, 0_u64, 0_u128);
            for (sent, packet) in all.iter().zip(PACKETS.iter().cycle()) {
                now += Duration::from_millis(sent.after_ms.into());
                while incoming.deadline().is_some_and(|due| due <= now) {
                    incoming.poll(incoming.deadline().unwrap_or(now));
                    frames += std::iter::from_fn(|| incoming.frame()).count() as u128;
                }
                seq = sent.seq.map_or_else(|far| far, |near| seq.wrapping_add_signed(near.into()));
                time = sent.time.map_or_else(|far| far, |near| time.wrapping_add_signed(near.into()));
                let payload = changed(packet, &sent.payload, &[]).into();
                incoming.packet(Packet { seq, time, at: now, payload });
                frames += std::iter::from_fn(|| incoming.frame()).count() as u128;
                let due = now.duration_since(start).as_millis() / 20;
                // Behind by its patience, ahead by a second, the longest packet and what was guessed before it.
                assert!(frames + 5 >= due && frames <= due + 50 + 6 + 6, "{frames} frames, {due} are due");
            }
        });
    });
}

fn with_runtime(test: impl FnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _entered = runtime.enter();
    test();
}

#[test]
fn whatever_the_server_answers_the_media_task_obeys_or_fails() {
    with_runtime(|| {
        bolero::check!().with_test_time(Duration::from_secs(8)).with_type::<Vec<Said>>().for_each(|all| {
            within(MEMORY, || {
                let mut stage = Stage::new();
                // An error ends the connection.
                let _ = all.iter().try_for_each(|said| stage.hear(said));
            });
        });
    });
}

#[test]
fn a_server_that_asks_for_without_end_gets_a_little() {
    with_runtime(|| {
        within(MEMORY, || {
            let mut stage = Stage::new();
            for n in 0..2000_u16 {
                stage.hear(&Said::OpenSections(u32::MAX)).expect("obeyed");
                for (proto, rest) in [("udp", ""), ("tcp", " tcptype passive")] {
                    let candidate = format!("candidate:1 1 {proto} 1 127.0.0.1 {} typ host{rest}", 1000 + n);
                    stage.media.obey(Command::Candidate(candidate)).expect("obeyed");
                }
                if n % 500 == 0 {
                    stage.hear(&Said::Answer(Vec::new())).expect("an honest answer");
                }
            }
            assert!(stage.offer.matches("m=audio").count() <= 33, "our own and 32 more");
            assert_eq!(
                (stage.media.ways.udp.len(), stage.media.ways.tcp.len()),
                (MOST_CANDIDATES, MOST_TCP_CANDIDATES)
            );
        });
    });
}
