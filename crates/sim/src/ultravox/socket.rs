//! One call's websocket: what the agent hears and what it makes of it.

mod out;
mod texts;
mod tools;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use super::call::{CallRecord, EndReason, Moment};
use super::pace::Pace;
use super::request::{FirstSpeaker, StartCall};
use super::script::{Line, Misstep, Script};
use super::speech;
use super::talk::{Heard, Talk};
use super::{Command, State};
use crate::mark;
use tools::Waiting;

/// Talk that counts as a turn while the agent is silent, in milliseconds: enough for a short "Alô?".
const TURN_MS: u32 = 100;

/// How the socket comes to its end.
enum End {
    /// We close, with this code.
    Close(u16, EndReason),
    /// The client has closed; its close frame still wants its answer.
    Closed,
    /// The connection is dropped, or already gone.
    Drop(EndReason),
    /// It is left open, and nobody is there.
    Stall,
}

const NORMAL: u16 = 1000;

struct Session {
    state: Arc<State>,
    id: String,
    start: StartCall,
    script: Arc<Script>,
    socket: WebSocket,
    pace: Pace,
    talk: Talk,
    opened: Instant,
    last_audio: Instant,
    /// The first byte of a sample whose second has not come.
    half: Option<u8>,
    next_line: usize,
    /// When the agent begins, if nobody speaks before.
    begins: Option<Instant>,
    /// What is being said, for the transcript.
    saying: Option<String>,
    ordinal: u32,
    speaking: bool,
    /// A text came that is answered once the agent has finished speaking.
    asked_by_text: bool,
    /// The agent is silent until its tool is answered.
    waiting_for_tool: Option<Waiting>,
    /// Set once the end is certain and only the farewell is still to be sent.
    ending: Option<EndReason>,
    missteps: VecDeque<Misstep>,
    muted: bool,
    /// Until when what is sent is held up, and what has been.
    held_until: Option<Instant>,
    held: Vec<Message>,
    /// Somebody asked over REST for the end.
    hung_up: Arc<Notify>,
}

/// Serves the socket of call `id` until the call is over.
pub(super) async fn run(
    state: Arc<State>,
    id: String,
    start: StartCall,
    script: Arc<Script>,
    socket: WebSocket,
) {
    let mut running = state.running.clone();
    let mut session = Session::new(state, id, start, script, socket);
    let end = match session.converse(&mut running).await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    session.end(end, &mut running).await;
}

impl Session {
    fn new(state: Arc<State>, id: String, start: StartCall, script: Arc<Script>, socket: WebSocket) -> Self {
        let now = Instant::now();
        let ahead = script.ahead_ms.map_or(start.client_buffer, |ms| Duration::from_millis(ms.into()));
        let message = script.message_bytes.unwrap_or(start.rates.output.samples_in_ms(script.message_ms) * 2);
        let mut missteps = script.missteps.clone();
        missteps.sort_by_key(|misstep| misstep.at_ms);
        let begins = match start.first_speaker {
            _ if script.echo => None,
            FirstSpeaker::Agent(delay) => Some(now + delay),
            FirstSpeaker::User(fallback) => fallback.map(|delay| now + delay),
        };
        let hung_up = state.with_call(&id, |call| call.hung_up.clone()).unwrap_or_default();
        Self {
            hung_up,
            pace: Pace::new(start.rates.output, ahead.min(start.client_buffer), message, now),
            talk: Talk::new(start.rates.input, script.talk_dbfs, script.turn_end_ms),
            state,
            id,
            start,
            script,
            socket,
            opened: now,
            last_audio: now,
            half: None,
            next_line: 0,
            begins,
            saying: None,
            ordinal: 0,
            speaking: false,
            asked_by_text: false,
            waiting_for_tool: None,
            ending: None,
            missteps: missteps.into(),
            muted: false,
            held_until: None,
            held: Vec::new(),
        }
    }

    async fn converse(
        &mut self,
        running: &mut watch::Receiver<bool>,
    ) -> Result<std::convert::Infallible, End> {
        let mut commands = self.state.commands.subscribe();
        self.tell("callStarted", json!({"type": "call_started", "callId": self.id})).await?;
        self.tell_state("listening").await?;
        loop {
            let due = self.due();
            tokio::select! {
                message = self.socket.recv() => match message {
                    Some(Ok(message)) => self.take(message).await?,
                    Some(Err(_)) | None => return Err(End::Drop(EndReason::ConnectionError)),
                },
                () = self.hung_up.notified() => return Err(End::Close(NORMAL, EndReason::Hangup)),
                () = sleep_until(due) => self.tick(Instant::now()).await?,
                Ok(command) = commands.recv() => match command {
                    Command::GoWrong(trouble) => self.misstep(trouble).await?,
                    Command::Say(line, ahead) => self.say_ahead(&line, ahead).await?,
                },
                _ = running.changed() => return Err(End::Drop(EndReason::SystemError)),
            }
        }
    }

    /// When something has to be done although nothing comes in.
    fn due(&self) -> Instant {
        let speech_ends = self.speaking.then(|| self.pace.playback_ends());
        let misstep = self.missteps.front().map(|misstep| self.at(misstep));
        let idle = self.start.media_idle_timeout.map(|idle| self.last_audio + idle);
        let over = self.opened + self.start.max_duration;
        let speech = self.pace.due().or(speech_ends);
        let tool = self.waiting_for_tool.as_ref().map(|waiting| waiting.until);
        let dues = [self.begins, speech, misstep, idle, self.held_until, tool];
        dues.into_iter().flatten().fold(over, Instant::min)
    }

    async fn tick(&mut self, now: Instant) -> Result<(), End> {
        if now >= self.opened + self.start.max_duration {
            return Err(End::Close(NORMAL, EndReason::Timeout));
        }
        if self.start.media_idle_timeout.is_some_and(|idle| now >= self.last_audio + idle) {
            return Err(End::Close(NORMAL, EndReason::ConnectionError));
        }
        if self.held_until.is_some_and(|until| now >= until) {
            self.let_go().await?;
        }
        if self.missteps.front().is_some_and(|misstep| now >= self.at(misstep))
            && let Some(misstep) = self.missteps.pop_front()
        {
            self.misstep(misstep.does).await?;
        }
        self.give_up_tool(now).await?;
        if self.begins.is_some_and(|at| now >= at) {
            self.say_next().await?;
        }
        if self.pace.due().is_some_and(|at| now >= at) {
            let message = self.pace.take(now);
            self.send_audio(message).await?;
            if self.pace.all_sent() {
                self.line_sent().await?;
            }
        }
        if self.speaking && !self.pace.speaking(now) {
            self.speaking = false;
            self.tell_state("listening").await?;
            if std::mem::take(&mut self.asked_by_text) {
                self.say_next().await?;
            }
        }
        Ok(())
    }

    async fn take(&mut self, message: Message) -> Result<(), End> {
        match message {
            Message::Binary(bytes) => self.hear(&bytes).await,
            Message::Text(text) => self.read(text.as_str()).await,
            Message::Ping(_) | Message::Pong(_) => Ok(()),
            Message::Close(_) => Err(End::Closed),
        }
    }

    async fn hear(&mut self, bytes: &[u8]) -> Result<(), End> {
        let (now, at_us) = (Instant::now(), Timestamp::now().as_microsecond());
        let pcm = self.samples(bytes);
        self.last_audio = now;
        let keep = self.script.keep_audio;
        self.record(|call| {
            call.uplink.count(bytes.len(), &pcm, now);
            if keep {
                call.heard.extend_from_slice(&pcm);
                call.times.heard.push(Moment { at_us, bytes: bytes.len() });
            }
        });
        if self.script.echo {
            return self.send_audio(bytes.to_vec()).await;
        }
        let speaking = self.pace.speaking(now);
        let interruption_ms = self.start.minimum_interruption.as_millis() as u32;
        for heard in self.talk.hear(&pcm, if speaking { interruption_ms } else { TURN_MS }) {
            match heard {
                Heard::Started => {
                    self.begins = None;
                    if self.pace.speaking(now) {
                        self.record(|call| call.interruptions += 1);
                        self.interrupt().await?;
                    }
                }
                Heard::Ended { talk_ms } => self.answer(talk_ms).await?,
            }
        }
        Ok(())
    }

    /// The callee's turn is over: the next line, or the end if there is none.
    async fn answer(&mut self, talk_ms: u32) -> Result<(), End> {
        self.record(|call| call.callee_turns += 1);
        self.ordinal += 1;
        if !self.script.understands_nothing {
            let text = format!("({talk_ms} ms of talk)");
            self.tell_transcript("user", json!({"text": text, "delta": null, "final": true})).await?;
        }
        let busy = self.ending.is_some() || self.waiting_for_tool.is_some();
        if busy || self.pace.speaking(Instant::now()) {
            return Ok(());
        }
        if self.next_line < self.script.lines.len() {
            self.tell_state("thinking").await?;
            return self.say_next().await;
        }
        if self.script.hang_up { Err(End::Close(NORMAL, EndReason::AgentHangup)) } else { Ok(()) }
    }

    async fn say_next(&mut self) -> Result<(), End> {
        self.begins = None;
        let Some(line) = self.script.lines.get(self.next_line).cloned() else { return Ok(()) };
        self.next_line += 1;
        self.say(&line).await
    }

    /// Says a line up to `ahead` before it is to be heard, and so all that follows it.
    async fn say_ahead(&mut self, line: &Line, ahead: Duration) -> Result<(), End> {
        self.begins = None;
        self.pace.runs_ahead(ahead.min(self.start.client_buffer));
        self.say(line).await
    }

    async fn say(&mut self, line: &Line) -> Result<(), End> {
        let rate = self.start.rates.output;
        let (pcm, text) = match line {
            Line::Speech(name) => (speech::pcm(name, rate).unwrap_or_default(), speech::text(name)),
            Line::Monologue { ms } => {
                (speech::monologue(rate, *ms).unwrap_or_default(), Some("(a monologue)"))
            }
            Line::Mark => (mark::mark(rate), Some("(a mark)")),
            Line::Tone { hz, ms } => {
                (audio::levels::tone(rate, *hz, -12.0, rate.samples_in_ms(*ms)), Some("(a tone)"))
            }
        };
        let text = text.unwrap_or_default();
        self.pace.begin(&pcm);
        self.record(|call| call.lines_begun += 1);
        self.speaking = true;
        self.tell_state("speaking").await?;
        // The first half replaces, the second is appended: a client has to know both.
        self.ordinal += 1;
        let middle = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
        let (first, second) = text.split_at(middle);
        self.saying = Some(text.to_owned());
        self.tell_transcript("agent", json!({"text": first, "delta": null, "final": false})).await?;
        self.tell_transcript("agent", json!({"text": null, "delta": second, "final": false})).await
    }

    async fn line_sent(&mut self) -> Result<(), End> {
        self.finish_transcript().await?;
        if let Some(reason) = self.ending {
            return Err(End::Close(NORMAL, reason));
        }
        if self.script.hang_up && self.next_line == self.script.lines.len() {
            return Err(End::Close(NORMAL, EndReason::AgentHangup));
        }
        Ok(())
    }

    async fn finish_transcript(&mut self) -> Result<(), End> {
        match self.saying.take() {
            Some(text) => {
                self.tell_transcript("agent", json!({"text": text, "delta": null, "final": true})).await
            }
            None => Ok(()),
        }
    }

    /// Stops speaking, and has the client forget what it has not played.
    async fn interrupt(&mut self) -> Result<(), End> {
        let half = self.pace.interrupt(Instant::now());
        if !half.is_empty() {
            self.send_audio(half).await?;
        }
        let spelling =
            if self.script.camel_case_clear { "playbackClearBuffer" } else { "playback_clear_buffer" };
        let at_us = Timestamp::now().as_microsecond();
        self.tell("playbackClearBuffer", json!({"type": spelling})).await?;
        self.record(|call| {
            call.clears_sent += 1;
            call.times.cleared.push(at_us);
        });
        self.finish_transcript().await?;
        self.speaking = false;
        self.tell_state("listening").await
    }

    fn at(&self, misstep: &Misstep) -> Instant {
        self.opened + Duration::from_millis(misstep.at_ms.into())
    }

    fn record(&self, change: impl FnOnce(&mut CallRecord)) {
        self.state.with_call(&self.id, change);
    }

    /// The samples that `bytes` complete; an odd last byte waits for the next message.
    fn samples(&mut self, bytes: &[u8]) -> Vec<i16> {
        let joined: Vec<u8> = self.half.take().into_iter().chain(bytes.iter().copied()).collect();
        let (samples, half) = joined.as_chunks::<2>();
        self.half = half.first().copied();
        samples.iter().map(|sample| i16::from_le_bytes(*sample)).collect()
    }
}
