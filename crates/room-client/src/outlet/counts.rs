//! What passes the two hops of the agent's voice: into the queue, and out of it.

use audio::{HopCounts, SampleRate, levels};

/// Not louder than this is silence, dBFS: what the queue itself adds is exactly zero.
const SILENCE_DBFS: f64 = -60.0;

/// What passed the hops toward the room so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OutCounts {
    /// From the agent into the queue, in frames' worth of sound. Late: did not fit into the queue, or was of an
    /// utterance that had been cut.
    pub agent_to_queue: HopCounts,
    /// Packets to the room. Concealed: holes in the agent's speech that slid to silence; pauses are none. Lost: times of
    /// a packet that passed without one, as our own process stood still.
    pub queue_to_room: HopCounts,
    /// What became of those, as far as the server has told.
    pub report: Report,
}

/// What the room's server reports of our packets (RTCP receiver report, RFC 3550 §6.4).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Report {
    /// From us to the server and back, milliseconds, when it reported last. `None` until it has answered our first
    /// sender report, which leaves after 5 s.
    pub round_trip_ms: Option<f64>,
    /// Packets that have left us and did not reach it, over all connections.
    pub lost: u64,
}

/// The same while it is being counted: in samples, as messages have any length.
pub(super) struct Passed {
    frame: usize,
    came: Message,
    late_samples: u64,
    went: HopCounts,
    report: Report,
}

/// What there is to count in a message of the agent's.
#[derive(Default)]
pub(super) struct Message {
    samples: u64,
    silent_samples: u64,
    square_sum: f64,
}

impl Message {
    /// Looked at in pieces of a frame.
    pub(super) fn of(pcm: &[i16], rate: SampleRate) -> Self {
        let mut message = Self::default();
        for piece in pcm.chunks(rate.frame_samples()) {
            let (samples, square_sum) = (piece.len() as u64, levels::square_sum(piece));
            message.samples += samples;
            message.square_sum += square_sum;
            if levels::dbfs_of(square_sum, samples) <= SILENCE_DBFS {
                message.silent_samples += samples;
            }
        }
        message
    }
}

impl Passed {
    pub(super) fn new(rate: SampleRate) -> Self {
        Self {
            frame: rate.frame_samples(),
            came: Message::default(),
            late_samples: 0,
            went: HopCounts::default(),
            report: Report::default(),
        }
    }

    /// A message was taken into the queue.
    pub(super) fn came(&mut self, message: &Message) {
        self.came.samples += message.samples;
        self.came.silent_samples += message.silent_samples;
        self.came.square_sum += message.square_sum;
    }

    /// So many samples came in vain.
    pub(super) fn came_late(&mut self, samples: usize) {
        self.late_samples += samples as u64;
    }

    /// A frame leaves for the room, after `missed` whose time has passed. Returns its level.
    pub(super) fn went(&mut self, pcm: &[i16], missed: u64) -> f64 {
        let square_sum = levels::square_sum(pcm);
        let level_dbfs = levels::dbfs_of(square_sum, pcm.len() as u64);
        self.went.frames += 1;
        self.went.lost += missed;
        self.went.silent += u64::from(level_dbfs <= SILENCE_DBFS);
        self.went.samples += pcm.len() as u64;
        self.went.square_sum += square_sum;
        level_dbfs
    }

    /// The server has told this.
    pub(super) fn reported(&mut self, report: Report) {
        self.report = report;
    }

    /// All of it, with the queue's own count of holes.
    pub(super) fn counts(&self, concealed: u64) -> OutCounts {
        let frames = |samples: u64| samples / self.frame as u64;
        OutCounts {
            agent_to_queue: HopCounts {
                frames: frames(self.came.samples),
                silent: frames(self.came.silent_samples),
                late: frames(self.late_samples),
                samples: self.came.samples,
                square_sum: self.came.square_sum,
                ..HopCounts::default()
            },
            queue_to_room: HopCounts { concealed, ..self.went },
            report: self.report,
        }
    }
}
