//! The media task: peer connection, sockets, codec and pacer in one loop that waits for nobody.

mod alarm;
mod arrivals;
mod departures;
mod framing;
mod hearing;
mod incoming;
mod order;
mod sockets;
mod speaking;
mod steady;
mod ways;

use std::time::{Duration, Instant};

use audio::SampleRate;
use audio::opus::CodecError;
use str0m::media::Mid;
use str0m::net::Receive;
use str0m::{Event, IceConnectionState, Input, Output, RtcError};
use tokio::sync::{mpsc, oneshot};

use self::alarm::Alarm;
use self::hearing::Hearing;
use self::sockets::Received;
pub(crate) use self::sockets::Sockets;
use self::speaking::Speaking;
use self::ways::Ways;
use crate::clock;
use crate::inlet::Inlet;
use crate::outlet::AudioOut;
use crate::peer::Peer;
use crate::tap::TappedPacket;

/// str0m paces its connectivity checks at 50 ms; looking this often until connected saves most of it.
const CHECK_PACE: Duration = Duration::from_millis(5);

/// A server that we publish to sends something (RTCP at least) every second. This long without any packet is a
/// lost path: ICE itself takes some twenty seconds to say so.
const QUIET_TIMEOUT: Duration = Duration::from_secs(5);

/// Nothing but the pacer has anything to do without a connection.
const IDLE: Duration = Duration::from_secs(1);

/// Longer than any path's datagram.
const LONGEST_DATAGRAM: usize = 2048;

/// What the session task asks for.
pub(crate) enum Command {
    /// The server's answer (SDP) to the offer on its way.
    Answer(String),
    /// A candidate of the server's (`candidate:…`).
    Candidate(String),
    /// Offer receiving sections: the server needs this many more, or 0 for "offer again".
    OpenSections(u32),
    /// Offer new ICE credentials.
    RestartIce,
    /// Hear the section with this mid, or nobody.
    Hear(Option<String>),
    /// Go on over another connection; nobody is heard of it yet.
    Replace(Box<Replacement>),
    /// Send a message over the reliable data channel.
    Send {
        /// A `DataPacket`.
        data: Vec<u8>,
        /// Told whether the channel took it.
        done: oneshot::Sender<bool>,
    },
    /// Say goodbye and end.
    Close,
}

/// A connection in place of one that is lost.
pub(crate) struct Replacement {
    pub(crate) peer: Peer,
    pub(crate) sockets: Sockets,
    /// What is still to be told of the old one is told to nobody.
    pub(crate) notices: mpsc::UnboundedSender<Notice>,
}

/// What the session task is told.
pub(crate) enum Notice {
    /// Send this offer (SDP).
    Offer(String),
    /// Media flows: DTLS is up for the first time, or ICE has found a way again.
    Connected,
    /// The server is not heard any more.
    Disconnected,
    /// A data channel message.
    Data(Vec<u8>),
    /// The server has closed the connection.
    Closed,
    /// The connection failed for good.
    Failed(String),
}

/// What the media task is made of.
pub(crate) struct Parts {
    pub(crate) peer: Peer,
    pub(crate) sockets: Sockets,
    pub(crate) rate: SampleRate,
    pub(crate) outlet: AudioOut,
    pub(crate) inlet: Inlet,
    pub(crate) tap: Option<mpsc::Sender<TappedPacket>>,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    pub(crate) notices: mpsc::UnboundedSender<Notice>,
}

pub(crate) struct Media {
    peer: Peer,
    sockets: Sockets,
    commands: mpsc::UnboundedReceiver<Command>,
    notices: mpsc::UnboundedSender<Notice>,
    /// We were told to end: what is left is the goodbye.
    closing: bool,
    /// When str0m wants to be called again.
    deadline: Instant,
    /// Whether DTLS was ever up on this connection.
    established: bool,
    /// Whether packets flow: DTLS is up and ICE has a way.
    connected: bool,
    /// Whether ICE itself says that there is no way.
    ice_down: bool,
    last_received: Instant,
    ways: Ways,
    speaking: Speaking,
    hearing: Hearing,
    heard: Option<Mid>,
}

impl Media {
    pub(crate) fn new(parts: Parts) -> Result<Self, CodecError> {
        Ok(Self {
            peer: parts.peer,
            sockets: parts.sockets,
            commands: parts.commands,
            notices: parts.notices,
            closing: false,
            deadline: clock::now(),
            established: false,
            connected: false,
            ice_down: false,
            last_received: clock::now(),
            ways: Ways::default(),
            speaking: Speaking::new(parts.rate, parts.outlet, parts.tap.clone())?,
            hearing: Hearing::new(parts.rate, parts.inlet, parts.tap)?,
            heard: None,
        })
    }

    /// Runs until it is told to close. A connection that the server closes, or that fails, is told of, and the sound
    /// goes on without one, silent, until there is [another](Command::Replace).
    pub(crate) async fn run(mut self) {
        let mut datagram = vec![0; LONGEST_DATAGRAM];
        let (mut alarm, outlet) = (Alarm::new(), self.speaking.outlet());
        let timer = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(timer);
        loop {
            if let Err(error) = self.drain() {
                self.fail(&error);
            }
            if self.closing && !self.peer.rtc.is_alive() {
                return self.speaking.close();
            }
            timer.as_mut().reset(tokio::time::Instant::from_std(self.wake_at()));
            alarm.set(self.speaking.deadline());
            let done = tokio::select! {
                // A packet's time goes first. What has arrived goes before the time to do without it.
                biased;
                () = alarm.rings() => self.speak(),
                () = outlet.ready() => self.speak(),
                command = self.commands.recv(), if !self.closing => self.obey(command.unwrap_or(Command::Close)),
                Some((stream, candidate)) = self.ways.connected.1.recv() => self.add_tcp(stream, candidate),
                at = self.hearing.opened() => {
                    self.hearing.open(at);
                    Ok(())
                }
                received = self.sockets.receive(&mut datagram) => self.received(received, &datagram),
                () = &mut timer => self.on_time(),
            };
            if let Err(error) = done {
                self.fail(&error);
            }
        }
    }

    fn fail(&mut self, error: &RtcError) {
        self.peer.rtc.disconnect();
        self.notify(Notice::Failed(error.to_string()));
    }

    /// From here on everything is the new connection's.
    fn replace(&mut self, new: Replacement) {
        (self.peer, self.sockets, self.notices) = (new.peer, new.sockets, new.notices);
        self.deadline = clock::now();
        (self.established, self.connected, self.ice_down) = (false, false, false);
        self.ways = Ways::default();
        self.heard = None;
        self.hearing.switch();
    }

    /// Hands out all that str0m has to say. Must follow every change to it.
    fn drain(&mut self) -> Result<(), RtcError> {
        loop {
            match self.peer.rtc.poll_output()? {
                Output::Transmit(transmit) => self.sockets.send(&transmit),
                Output::Event(event) => self.on_event(event),
                Output::Timeout(at) => {
                    let now = clock::now();
                    self.deadline = at;
                    if at > now || !self.peer.rtc.is_alive() {
                        return Ok(());
                    }
                    // Due already (a packet just written is sent by this): a timer would cost a millisecond.
                    self.peer.tick(now)?;
                }
            }
        }
    }

    fn wake_at(&self) -> Instant {
        let now = clock::now();
        let at = match (self.peer.rtc.is_alive(), self.connected) {
            (false, _) => now + IDLE,
            (true, false) => self.deadline.min(now + CHECK_PACE),
            (true, true) => self.deadline.min(self.last_received + QUIET_TIMEOUT),
        };
        [self.hearing.deadline(), self.ways.tcp_due].into_iter().flatten().fold(at, Instant::min)
    }

    fn on_time(&mut self) -> Result<(), RtcError> {
        let now = clock::now();
        let is_alive = self.peer.rtc.is_alive();
        if is_alive && (self.deadline <= now || !self.connected) {
            self.peer.tick(now)?;
            self.drain()?;
        }
        if is_alive && self.connected && now.duration_since(self.last_received) >= QUIET_TIMEOUT {
            self.set_disconnected(now);
        }
        if self.ways.tcp_due.is_some_and(|due| due <= now) {
            self.ways.tcp_due = None;
            self.dial_tcp();
        }
        self.hearing.on_time(now);
        Ok(())
    }

    fn speak(&mut self) -> Result<(), RtcError> {
        let now = clock::now();
        match self.speaking.next_packet(now) {
            Some(packet) => self.peer.send_audio(now, packet),
            None => Ok(()),
        }
    }

    fn obey(&mut self, command: Command) -> Result<(), RtcError> {
        let offer = match command {
            Command::Replace(new) => {
                self.replace(*new);
                None
            }
            Command::Close => {
                self.closing = true;
                self.peer.rtc.close()?;
                None
            }
            // The session has not heard yet that this connection is over.
            _ if !self.peer.rtc.is_alive() => None,
            Command::Answer(sdp) => {
                let offer = self.peer.accept_answer(&sdp)?;
                self.drain()?;
                for line in sdp.lines().filter_map(|line| line.strip_prefix("a=")) {
                    if line.starts_with("candidate:") {
                        self.add_candidate(line)?;
                    }
                }
                offer
            }
            Command::Candidate(candidate) => {
                self.add_candidate(&candidate)?;
                None
            }
            Command::OpenSections(count) => self.peer.open_sections(count),
            Command::RestartIce => self.peer.restart_ice(),
            Command::Hear(mid) => {
                self.hear(mid.as_deref().map(Mid::from));
                None
            }
            Command::Send { data, done } => {
                // Who asked may have gone.
                let _ = done.send(self.peer.send_data(&data));
                None
            }
        };
        if let Some(offer) = offer {
            self.notify(Notice::Offer(offer));
        }
        Ok(())
    }

    fn hear(&mut self, mid: Option<Mid>) {
        if self.heard != mid {
            self.heard = mid;
            self.hearing.switch();
        }
    }

    fn received(&mut self, from: Received, datagram: &[u8]) -> Result<(), RtcError> {
        if !self.peer.rtc.is_alive() {
            return Ok(());
        }
        let now = clock::now();
        let (bytes, to) = (&datagram[..from.length], from.destination);
        // Not STUN, DTLS, RTP or RTCP: a stray packet.
        let Ok(receive) = Receive::new(from.proto, from.source, to, bytes) else { return Ok(()) };
        self.last_received = now;
        if self.established && !self.ice_down {
            self.set_connected();
        }
        self.peer.rtc.handle_input(Input::Receive(now, receive))?;
        if self.connected {
            return Ok(());
        }
        self.drain()?;
        self.tick_and_drain()
    }

    /// A fresh connection has no deadline of its own until its first tick, and paces its checks slowly.
    fn tick_and_drain(&mut self) -> Result<(), RtcError> {
        self.peer.tick(clock::now())?;
        self.drain()
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Connected => {
                self.established = true;
                self.set_connected();
            }
            Event::IceConnectionStateChange(state) => match state {
                IceConnectionState::Disconnected => {
                    self.ice_down = true;
                    self.set_disconnected(clock::now());
                }
                IceConnectionState::Connected | IceConnectionState::Completed => {
                    self.ice_down = false;
                    // Before DTLS is up for the first time this says nothing yet.
                    if self.established {
                        self.last_received = clock::now();
                        self.set_connected();
                    }
                }
                _ => {}
            },
            Event::MediaData(data) if self.heard == Some(data.mid) => self.hearing.hear(&data),
            Event::MediaEgressStats(stats) => self.speaking.reported(&stats),
            Event::ChannelData(data) => self.notify(Notice::Data(data.data)),
            Event::Closed => self.notify(Notice::Closed),
            _ => {}
        }
    }

    fn set_connected(&mut self) {
        if !self.connected {
            self.connected = true;
            self.ways.tcp_due = None;
            self.speaking.begin(clock::now());
            self.notify(Notice::Connected);
        }
    }

    fn set_disconnected(&mut self, now: Instant) {
        if self.connected {
            self.connected = false;
            self.ways.tcp_due = Some(now);
            self.notify(Notice::Disconnected);
        }
    }

    /// The session task may be over already, which ends this one through its command channel.
    fn notify(&self, notice: Notice) {
        let _ = self.notices.send(notice);
    }
}

#[cfg(test)]
mod bad_input;
