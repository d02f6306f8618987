//! The peer connection: str0m's `Rtc`, and the offers that we make. No sockets, no waiting.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::format::Codec;
use str0m::media::{Direction, Frequency, MediaKind, MediaTime, Mid, Pt};
use str0m::{Candidate, Input, Rtc, RtcError};

/// The first connectivity check often comes before the server is ready for it and is lost; the default of
/// a quarter second until the next one would be most of a join.
const FIRST_STUN_RTO: Duration = Duration::from_millis(40);

/// More sections than this are not opened, however many the server asks for: we listen to one participant.
const MOST_SECTIONS: usize = 32;

/// How often str0m tells of the server's reports, which come about as often.
const REPORTED_EVERY: Duration = Duration::from_secs(1);

/// One Opus packet to send.
pub(crate) struct AudioPacket {
    /// On the 48 kHz clock, not wrapped.
    pub(crate) rtp_time: u64,
    pub(crate) payload: Arc<[u8]>,
    /// For the audio level header extension (RFC 6464), by which LiveKit knows who speaks.
    pub(crate) level_dbfs: f64,
    /// Sets the marker bit (RFC 3551 §4.1).
    pub(crate) first_of_talk: bool,
}

/// One connection for both directions; all offers come from our side.
pub(crate) struct Peer {
    pub(crate) rtc: Rtc,
    reliable: ChannelId,
    sending: Mid,
    sending_pt: Option<Pt>,
    pending: Option<SdpPendingOffer>,
    /// Sections that we have offered to receive on.
    receiving: Vec<Mid>,
    /// What to offer once the offer on its way is answered: this many sections, old or new.
    wanted_sections: u32,
    wanted_ice_restart: bool,
}

impl Peer {
    /// A connection that sends one audio track under the id `track_id`, and its first offer (SDP), with
    /// `local` (UDP) as its candidates.
    ///
    /// It also offers LiveKit's two data channels, in band: DTMF comes over the reliable one, and the
    /// server calls a client that offers only one of them half connected.
    pub(crate) fn new(
        now: Instant,
        track_id: &str,
        local: &[SocketAddr],
    ) -> Result<(Self, String), RtcError> {
        let mut config = Rtc::builder()
            .clear_codecs()
            // With RED (RFC 2198) toward us: str0m rebuilds from it what was lost.
            .enable_opus(true, true)
            // str0m would hold audio back for a missing packet, up to a second; ordering is ours.
            .set_reordering_size_audio(0)
            .set_stats_interval(Some(REPORTED_EVERY));
        config.set_initial_stun_rto(FIRST_STUN_RTO);
        let mut rtc = config.build(now);
        for candidate in local.iter().filter_map(|at| Candidate::host(*at, "udp").ok()) {
            rtc.add_local_candidate(candidate);
        }
        let mut changes = rtc.sdp_api();
        let track = Some(track_id.to_owned());
        let sending = changes.add_media(MediaKind::Audio, Direction::SendOnly, None, track, None);
        let reliable = changes
            .add_channel_with_config(ChannelConfig { label: "_reliable".into(), ..Default::default() });
        changes.add_channel_with_config(ChannelConfig {
            label: "_lossy".into(),
            ordered: false,
            reliability: Reliability::MaxRetransmits { retransmits: 0 },
            ..Default::default()
        });
        let (offer, pending) = changes.apply().ok_or(RtcError::ChangesOutOfOrder)?;
        let peer = Self {
            rtc,
            reliable,
            sending,
            sending_pt: None,
            pending: Some(pending),
            receiving: Vec::new(),
            wanted_sections: 0,
            wanted_ice_restart: false,
        };
        Ok((peer, opus_first(&offer.to_sdp_string())))
    }

    /// Asks for receiving sections, as the server needs `count` more of them; where it names none, it wants
    /// another offer to use one that has fallen idle. Returns the offer to send, or nothing while another
    /// is on its way: then [`accept_answer`](Self::accept_answer) returns it.
    pub(crate) fn open_sections(&mut self, count: u32) -> Option<String> {
        self.wanted_sections = self.wanted_sections.saturating_add(count.max(1));
        self.offer()
    }

    /// Asks for new ICE credentials, with the local candidates kept. Returns what `open_sections` does.
    pub(crate) fn restart_ice(&mut self) -> Option<String> {
        self.wanted_ice_restart = true;
        self.offer()
    }

    /// Takes the answer to the offer on its way; returns the next offer, if more was wanted meanwhile.
    /// An answer nobody waits for is ignored (the server repeats one after a resume).
    pub(crate) fn accept_answer(&mut self, sdp: &str) -> Result<Option<String>, RtcError> {
        let Some(pending) = self.pending.take() else { return Ok(None) };
        let answer = SdpAnswer::from_sdp_string(sdp)?;
        self.rtc.sdp_api().accept_answer(pending, answer)?;
        // Ours is plain Opus (`disable_red`), whatever the answer allows.
        self.rtc.direct_api().set_red_send(self.sending, false);
        Ok(self.offer())
    }

    fn offer(&mut self) -> Option<String> {
        if self.pending.is_some() {
            return None;
        }
        let wanted = std::mem::take(&mut self.wanted_sections);
        // An answer turns a section without a track inactive, and the server puts the next track on it all
        // the same: whatever is idle is offered again.
        let idle = self.receiving.iter().filter(|mid| {
            self.rtc.media(**mid).is_some_and(|media| media.direction() == Direction::Inactive)
        });
        let idle: Vec<Mid> = if wanted > 0 { idle.copied().collect() } else { Vec::new() };
        let mut changes = self.rtc.sdp_api();
        for mid in &idle {
            changes.set_direction(*mid, Direction::RecvOnly);
        }
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let more = wanted.saturating_sub(idle.len()).min(MOST_SECTIONS.saturating_sub(self.receiving.len()));
        for _ in 0..more {
            self.receiving.push(changes.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None));
        }
        if std::mem::take(&mut self.wanted_ice_restart) {
            changes.ice_restart(true);
        }
        let (offer, pending) = changes.apply()?;
        self.pending = Some(pending);
        Some(opus_first(&offer.to_sdp_string()))
    }

    /// Lets time pass.
    pub(crate) fn tick(&mut self, now: Instant) -> Result<(), RtcError> {
        self.rtc.handle_input(Input::Timeout(now))
    }

    /// Sends a message over the reliable data channel. `false`: the channel is not there, or full.
    pub(crate) fn send_data(&mut self, data: &[u8]) -> bool {
        self.rtc
            .channel(self.reliable)
            .is_some_and(|mut channel| matches!(channel.write(true, data), Ok(true)))
    }

    /// Sends one packet. Dropped by str0m while not connected.
    pub(crate) fn send_audio(&mut self, now: Instant, packet: AudioPacket) -> Result<(), RtcError> {
        let Some(writer) = self.rtc.writer(self.sending) else { return Ok(()) };
        let pt = match self.sending_pt {
            Some(pt) => pt,
            None => {
                let opus = writer.payload_params().find(|p| p.spec().codec == Codec::Opus).map(|p| p.pt());
                let Some(pt) = opus else { return Ok(()) };
                *self.sending_pt.insert(pt)
            }
        };
        let level = packet.level_dbfs.clamp(-127.0, 0.0) as i8;
        writer.audio_level(level, level > SPEAKING_DBFS).start_of_talkspurt(packet.first_of_talk).write(
            pt,
            now,
            MediaTime::new(packet.rtp_time, Frequency::FORTY_EIGHT_KHZ),
            packet.payload,
        )
    }
}

/// An offer that prefers Opus, as browsers do. str0m names RED first, and the server takes the first format of a sending
/// section for what is sent: it would tell everybody of RED, and nobody would hear the Opus. Leaving RED out of the
/// sending section alone will not do: str0m offers no more of it after an answer without.
fn opus_first(sdp: &str) -> String {
    sdp.replace("SAVPF 63 111\r\n", "SAVPF 111 63\r\n")
}

/// Above this a frame counts as voice in the header extension; the queue's silence is exactly zero.
const SPEAKING_DBFS: i8 = -60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_prefers_opus_and_has_red() {
        let (_, offer) = Peer::new(crate::clock::now(), "track", &[]).expect("an offer");
        let audio: Vec<&str> = offer.lines().filter(|line| line.starts_with("m=audio")).collect();
        assert_eq!(audio, ["m=audio 9 UDP/TLS/RTP/SAVPF 111 63"], "{offer}");
        assert!(offer.contains("a=rtpmap:63 red/48000/2") && offer.contains("a=fmtp:63 111/111"), "{offer}");
    }
}
