//! One second of sound for one second of time, whatever comes.
//!
//! What is heard is handed on at once. When it falls behind the clock by more than ordinary jitter, something is made up;
//! what comes after all is handed on then, and the surplus is won back in pauses, by leaving out frames in which nobody
//! says anything.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use audio::{FRAME_MS, Frame, SampleRate, levels};

/// How late sound may be before something is made up in its place, in ms: 60 ms, from when it has all come.
const PATIENCE_MS: u32 = 60 + FRAME_MS;

/// So many frames made up in a row are a sender that sends nothing: no patience is needed.
const IDLE_FRAMES: u32 = 10;

/// The most that may be handed on ahead of the clock, in ms: a burst after a stall is heard in full up to this. As much is
/// made up at once at most.
const MOST_AT_ONCE_MS: u32 = 1000;

/// Where that was too much, it goes on when so much is made good, in ms.
const MADE_GOOD_MS: u32 = 100;

/// Called this late, it is we who stood still, not the sender: what has arrived meanwhile is read first.
const STOOD_STILL: Duration = Duration::from_millis(20);

/// How long that may take.
const TO_READ: Duration = Duration::from_millis(10);

/// Two pieces of sound that do not belong together are blended for so long, in ms.
const SEAM_MS: u32 = 5;

/// Pieces over which it is judged whether the sender's clock has fallen behind for good.
const JUDGED_PIECES: u32 = 50;

pub(crate) struct Steady {
    rate: SampleRate,
    /// When the stream began; `None` before.
    opened_at: Option<Instant>,
    /// Samples since then.
    handed: i64,
    pcm: VecDeque<i16>,
    /// Samples made up since the end of what was heard last.
    made_up: usize,
    /// Frames made up in a row, and pieces heard in a row.
    frames_made_up: u32,
    pieces_heard: u32,
    /// Set while what is too far ahead is left out.
    overfull: bool,
    /// Until when we are reading what came while we stood still.
    reading_until: Option<Instant>,
    last_sample: i16,
    /// What the next piece is blended with.
    seam: Vec<i16>,
    pauses: Pauses,
    lag: Lag,
}

impl Steady {
    pub(crate) fn new(rate: SampleRate) -> Self {
        Self {
            rate,
            opened_at: None,
            handed: 0,
            pcm: VecDeque::with_capacity(rate.max_packet_samples()),
            made_up: 0,
            // Nothing was heard yet, as if for long.
            frames_made_up: IDLE_FRAMES,
            pieces_heard: 0,
            overfull: false,
            reading_until: None,
            last_sample: 0,
            seam: Vec::with_capacity(rate.samples_in_ms(SEAM_MS)),
            pauses: Pauses::new(),
            lag: Lag::new(),
        }
    }

    /// The stream begins.
    pub(crate) fn open(&mut self, at: Instant) {
        self.opened_at.get_or_insert(at);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.opened_at.is_some()
    }

    /// When something has to be made up, unless more is heard before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let due = self.due()?;
        Some(self.reading_until.map_or(due, |until| until.max(due)))
    }

    /// Whether something has to be made up now.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let Some(late) = self.due().and_then(|due| now.checked_duration_since(due)) else {
            self.reading_until = None;
            return false;
        };
        match self.reading_until {
            Some(until) if now < until => false,
            Some(_) => {
                self.forget_most_of(late);
                true
            }
            None if late > STOOD_STILL => {
                self.reading_until = Some(now + TO_READ);
                false
            }
            None => true,
        }
    }

    /// Hands on what was heard, a packet's samples; returns the frames that had to be left out because the stream is too
    /// far ahead.
    pub(crate) fn hear(&mut self, pcm: &[i16], now: Instant) -> u64 {
        let mut left_out = 0;
        for piece in pcm.chunks(self.rate.frame_samples()) {
            let pause = self.pauses.is_one(piece);
            if self.is_overfull(now) {
                left_out += 1;
                self.leave_out(piece);
            } else if pause && self.behind(now) < -self.frame() {
                self.leave_out(piece);
            } else {
                self.append(piece);
                self.lag.note(self.behind(now));
                if pause {
                    self.even_out(piece.len());
                }
            }
            self.pieces_heard = self.pieces_heard.saturating_add(1);
            // One packet now and then is how a sender marks its silence.
            if !pause || self.pieces_heard > 1 {
                self.frames_made_up = 0;
            }
        }
        self.made_up = 0;
        left_out
    }

    /// Hands on a guess at what was missed, before silence if it is the `last`.
    pub(crate) fn make_up(&mut self, pcm: &mut [i16], last: bool) {
        if last {
            let count = pcm.len() as f32;
            for (n, sample) in pcm.iter_mut().enumerate() {
                *sample = (f32::from(*sample) * (1.0 - (n + 1) as f32 / count)) as i16;
            }
        }
        self.seam.clear();
        self.append(pcm);
        self.note_made_up(pcm.len());
    }

    /// Hands on one frame of silence in place of something.
    pub(crate) fn fall_silent(&mut self) {
        self.append_silence();
        if self.is_speaking() {
            // Speech that comes after all begins in the middle of a word.
            self.seam.resize(self.rate.samples_in_ms(SEAM_MS), 0);
        }
        self.note_made_up(self.rate.frame_samples());
    }

    /// Whether the last that was heard was somebody speaking, so that silence would tear it.
    pub(crate) fn is_speaking(&self) -> bool {
        !self.pauses.was_one
    }

    /// Frames made up in a row by now.
    pub(crate) fn frames_made_up(&self) -> u32 {
        self.frames_made_up
    }

    /// Of a hole of `samples` on the sender's clock: the whole frames for which nothing was made up yet.
    pub(crate) fn missing_frames(&self, samples: usize) -> usize {
        let frame = self.rate.frame_samples();
        (samples.saturating_sub(self.made_up) + frame / 2) / frame
    }

    /// Frames of silence that our clock has room for before `samples` that are here.
    pub(crate) fn room_before(&self, samples: usize, now: Instant) -> usize {
        let samples = i64::try_from(samples).unwrap_or(i64::MAX);
        let room = self.behind(now).saturating_sub(samples.saturating_sub(self.frame()));
        usize::try_from(room / self.frame()).unwrap_or(0)
    }

    /// Whether nothing that is not real may be added.
    pub(crate) fn is_full(&self) -> bool {
        self.overfull
    }

    /// The next frame, while there is one.
    pub(crate) fn frame_out(&mut self) -> Option<Frame> {
        let count = self.rate.frame_samples();
        if self.pcm.len() < count {
            return None;
        }
        let mut frame = Frame::silence(self.rate);
        for (to, from) in frame.as_mut_slice().iter_mut().zip(self.pcm.drain(..count)) {
            *to = from;
        }
        Some(frame)
    }

    /// Another stream is heard from now on.
    pub(crate) fn start_again(&mut self) {
        self.made_up = 0;
        self.lag = Lag::new();
        if self.is_speaking() {
            self.seam.resize(self.rate.samples_in_ms(SEAM_MS), self.last_sample);
        }
    }

    fn frame(&self) -> i64 {
        self.rate.frame_samples() as i64
    }

    fn samples(&self, ms: u32) -> i64 {
        self.rate.samples_in_ms(ms) as i64
    }

    /// Samples that the clock is ahead of what was handed on; negative when it is the other way round.
    fn behind(&self, now: Instant) -> i64 {
        let Some(at) = self.opened_at else { return 0 };
        let elapsed =
            now.saturating_duration_since(at).as_nanos() * u128::from(self.rate.hz()) / 1_000_000_000;
        i64::try_from(elapsed).unwrap_or(i64::MAX) - self.handed
    }

    fn due(&self) -> Option<Instant> {
        let patience = if self.frames_made_up >= IDLE_FRAMES { FRAME_MS } else { PATIENCE_MS };
        let at = u64::try_from(self.handed + self.samples(patience)).unwrap_or(0);
        let hz = u64::from(self.rate.hz());
        let part = Duration::from_nanos((at % hz * 1_000_000_000).div_ceil(hz));
        Some(self.opened_at? + Duration::from_secs(at / hz) + part)
    }

    /// Sound that nobody was there to make is not made up for a stall of ours that was longer than what a reader would
    /// still take: the clock is put back instead.
    fn forget_most_of(&mut self, late: Duration) {
        let most = Duration::from_millis(MOST_AT_ONCE_MS.into());
        if let (Some(at), Some(more)) = (&mut self.opened_at, late.checked_sub(most)) {
            *at += more;
        }
    }

    fn is_overfull(&mut self, now: Instant) -> bool {
        let ahead = -self.behind(now);
        let most = self.samples(MOST_AT_ONCE_MS);
        self.overfull = if self.overfull { ahead > most - self.samples(MADE_GOOD_MS) } else { ahead >= most };
        self.overfull
    }

    fn append(&mut self, piece: &[i16]) {
        let length = self.seam.len();
        for (n, (&new, old)) in piece.iter().zip(self.seam.drain(..)).enumerate() {
            let share = (n + 1) as f32 / (length + 1) as f32;
            self.pcm.push_back((f32::from(new) * share + f32::from(old) * (1.0 - share)) as i16);
        }
        self.pcm.extend(piece.iter().skip(length));
        self.last_sample = self.pcm.back().copied().unwrap_or(0);
        self.handed += piece.len() as i64;
    }

    fn append_silence(&mut self) {
        self.seam.clear();
        self.seam.resize(self.rate.samples_in_ms(SEAM_MS), self.last_sample);
        self.append(Frame::silence(self.rate).as_slice());
    }

    fn leave_out(&mut self, piece: &[i16]) {
        if self.seam.is_empty() {
            self.seam.extend(piece.iter().take(self.rate.samples_in_ms(SEAM_MS)));
        }
    }

    /// In a pause: puts right what can be put right without anybody's noticing.
    fn even_out(&mut self, piece: usize) {
        // Part of a frame waits since the sender's packets had another length: it would delay all that comes.
        let part = self.pcm.len() % self.rate.frame_samples();
        if part > 0 && piece == self.rate.frame_samples() {
            self.pcm.truncate(self.pcm.len() - part);
            self.handed -= part as i64;
        }
        if self.lag.is_lasting(self.frame()) {
            self.append_silence();
            self.lag = Lag::new();
        }
    }

    fn note_made_up(&mut self, samples: usize) {
        self.made_up = self.made_up.saturating_add(samples);
        self.frames_made_up = self.frames_made_up.saturating_add(1);
        self.pieces_heard = 0;
    }
}

/// How far behind the clock the sound is for good: the least, over the last second or so.
struct Lag {
    least: i64,
    least_before: i64,
    pieces: u32,
}

impl Lag {
    fn new() -> Self {
        Self { least: i64::MAX, least_before: 0, pieces: 0 }
    }

    fn note(&mut self, behind: i64) {
        self.least = self.least.min(behind);
        self.pieces += 1;
        if self.pieces == JUDGED_PIECES {
            self.least_before = self.least;
            (self.least, self.pieces) = (i64::MAX, 0);
        }
    }

    fn is_lasting(&self, samples: i64) -> bool {
        self.least_before >= samples && self.least >= samples
    }
}

/// Tells pauses from speech, by how loud the quietest of the last seconds was.
struct Pauses {
    floor_dbfs: f64,
    was_one: bool,
}

impl Pauses {
    /// Louder than this is no pause, however even.
    const LOUDEST_DBFS: f64 = -35.0;
    /// Quieter than this always is one.
    const QUIET_DBFS: f64 = -60.0;
    /// So much above the quietest it still is one.
    const MARGIN_DB: f64 = 6.0;
    /// The quietest is forgotten by so much a piece: 5 dB a second.
    const FORGOTTEN_DB: f64 = 0.1;

    fn new() -> Self {
        Self { floor_dbfs: Self::LOUDEST_DBFS, was_one: true }
    }

    fn is_one(&mut self, piece: &[i16]) -> bool {
        let level = levels::rms_dbfs(piece);
        self.floor_dbfs = level.min(self.floor_dbfs + Self::FORGOTTEN_DB);
        let quiet = (self.floor_dbfs + Self::MARGIN_DB).clamp(Self::QUIET_DBFS, Self::LOUDEST_DBFS);
        self.was_one = level < quiet;
        self.was_one
    }
}
