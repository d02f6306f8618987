//! From the agent's socket: sound to the playout queue, texts to the call.

use std::collections::BTreeSet;
use std::time::Duration;

use agents::{Agent, Event, Role, Transcripts};
use calls::call::{AgentEvent, Input, SoundEvent};
use calls::fact::Speaker;
use calls::tools::ToolCall;
use futures_util::StreamExt as _;
use futures_util::stream::SplitStream;
use room_client::AudioOut;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::WebSocket;
use super::writer::PING_EVERY;
use crate::clock;
use crate::last_word::LastWord;
use crate::perform::News;

/// How often it is told that something came, and looked whether nothing did.
const BEAT: Duration = Duration::from_secs(1);
/// Nothing came for so many whole beats, not even the answers to two pings: nobody is there any more. What came last
/// came a part of a beat before them.
const SILENT_BEATS: u64 = 2 * PING_EVERY.as_secs() - 1;
/// How long the end of what was cut is waited for; where packets leave, the next one has it.
const LONGEST_TAIL: Duration = Duration::from_millis(500);
/// Kinds of messages that are not understood are noted once each, and not more kinds than this.
const MOST_KINDS: usize = 32;

pub(super) struct Reader {
    agent: Agent,
    out: AudioOut,
    answers: mpsc::Sender<String>,
    news: mpsc::UnboundedSender<News>,
    transcripts: Transcripts,
    noted: BTreeSet<String>,
    /// Samples of the message at hand; kept for its room.
    samples: Vec<i16>,
    /// The first half of a sample whose second half comes with the next message.
    half: Option<u8>,
    /// Since the last beat: anything at all; something that the agent said or did.
    came: bool,
    heard: bool,
    /// Whole beats in which nothing came.
    silent_beats: u64,
}

impl Reader {
    pub(super) fn new(
        agent: Agent,
        out: AudioOut,
        answers: mpsc::Sender<String>,
        news: mpsc::UnboundedSender<News>,
    ) -> Self {
        Self {
            agent,
            out,
            answers,
            news,
            transcripts: Transcripts::default(),
            noted: BTreeSet::new(),
            samples: Vec::new(),
            half: None,
            came: false,
            heard: false,
            silent_beats: 0,
        }
    }

    /// Runs until the socket ends, and tells of that, whatever happens.
    pub(super) async fn run(mut self, mut stream: SplitStream<WebSocket>) {
        let broken = AgentEvent::Closed { clean: false, detail: "our reader of its socket broke".to_owned() };
        let last_word = LastWord::new(&self.news, Input::Agent(broken));
        let mut beats = tokio::time::interval(BEAT);
        // A process that was held up has not listened for so long: that is one beat, not many.
        beats.set_missed_tick_behavior(MissedTickBehavior::Skip);
        beats.reset();
        let (clean, detail) = loop {
            let message = tokio::select! {
                message = stream.next() => message,
                _ = beats.tick() => match self.beat() {
                    Some(detail) => break (false, detail),
                    None => continue,
                },
            };
            self.came = true;
            match message {
                Some(Ok(Message::Binary(bytes))) => self.play(&bytes),
                Some(Ok(Message::Text(text))) => self.understand(&text),
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map(|frame| u16::from(frame.code));
                    let said = code.map_or_else(|| "no code".to_owned(), |code| format!("code {code}"));
                    break (matches!(code, None | Some(1000 | 1001)), format!("its socket closed ({said})"));
                }
                Some(Ok(_)) => {}
                Some(Err(Error::ConnectionClosed)) => break (true, "its socket closed".to_owned()),
                Some(Err(error)) => break (false, format!("its socket broke: {error}")),
                None => break (false, "its socket ended without a word".to_owned()),
            }
        };
        for said in self.transcripts.take_open() {
            self.said(said.role, said.text);
        }
        last_word.say(Input::Agent(AgentEvent::Closed { clean, detail }));
    }

    /// Tells of an agent that was heard from. What it said ahead and is still being played counts: it has no reason
    /// to say more. Returns why nobody is there any more, if so.
    fn beat(&mut self) -> Option<String> {
        if std::mem::take(&mut self.heard) || self.out.queued_ms() > 0 {
            self.tell(AgentEvent::Heard);
        }
        self.silent_beats = if std::mem::take(&mut self.came) { 0 } else { self.silent_beats + 1 };
        let gone = self.silent_beats >= SILENT_BEATS;
        gone.then(|| format!("nothing came for {} s, not even an answer to our pings", SILENT_BEATS))
    }

    fn play(&mut self, bytes: &[u8]) {
        self.heard = true;
        let utterance = self.out.utterance();
        join_samples(&mut self.half, bytes, &mut self.samples);
        if self.out.push(utterance, &self.samples) > 0 {
            self.note_once("sound beyond the minute that fits the queue".to_owned());
        }
    }

    fn understand(&mut self, text: &str) {
        let event = self.agent.decode_text(text);
        self.heard |= event != Event::Pong;
        match event {
            Event::CallStarted { .. } => self.tell(AgentEvent::Started),
            Event::State(state) => self.tell(AgentEvent::State(state)),
            Event::Transcript { role, text, ordinal, is_final } => {
                if let Some(said) = self.transcripts.take(role, &text, ordinal, is_final) {
                    self.said(said.role, said.text);
                }
            }
            Event::ClearPlayout => {
                // Here and not by way of the call: what comes behind this message must stay behind it.
                let dropped_ms = self.out.clear();
                let told = clock::now();
                // The first half of a sample that was cut is not the beginning of the next utterance.
                self.half = None;
                let (out, news) = (self.out.clone(), self.news.clone());
                tokio::spawn(async move {
                    let is_silent = timeout(LONGEST_TAIL, out.silenced()).await.is_ok();
                    let tail_ms = is_silent.then(|| clock::ms_since(told));
                    let _ = news.send(News::Of(Input::Sound(SoundEvent::Flushed { dropped_ms, tail_ms })));
                });
            }
            Event::HangUp { detail } => self.tell(AgentEvent::HangUp { detail: detail.unwrap_or_default() }),
            Event::ToolCall { tool, invocation_id: id, parameters } => self.asks(tool, id, &parameters),
            Event::Pong => {}
            Event::Ignored { kind } => self.note_once(kind),
        }
    }

    /// What is ours the call decides about; what is nobody's is answered here.
    fn asks(&mut self, tool: String, id: String, parameters: &Value) {
        match ToolCall::of(&tool, parameters) {
            Some(call) => self.tell(AgentEvent::Asks { id, call }),
            None => {
                // One that does not take its answers in gets no more of them; the call hears of it all the same.
                let _ = self.answers.try_send(self.agent.no_such_tool(&id, &tool));
                self.note_once(format!("a call of the unknown tool {tool}"));
                self.tell(AgentEvent::CalledTool { tool });
            }
        }
    }

    fn said(&self, role: Role, text: String) {
        let by = match role {
            Role::Callee => Speaker::Callee,
            Role::Agent => Speaker::Agent,
        };
        self.tell(AgentEvent::Said { by, text });
    }

    fn note_once(&mut self, kind: String) {
        if self.noted.len() < MOST_KINDS && self.noted.insert(kind.clone()) {
            self.tell(AgentEvent::NotUnderstood { detail: kind });
        }
    }

    fn tell(&self, event: AgentEvent) {
        // A receiver that is gone has ended the call already.
        let _ = self.news.send(News::Of(Input::Agent(event)));
    }
}

/// Little-endian bytes to samples, whatever the cut: a message may end in the middle of a sample.
fn join_samples(half: &mut Option<u8>, bytes: &[u8], samples: &mut Vec<i16>) {
    samples.clear();
    let mut bytes = bytes;
    if let (Some(low), [high, rest @ ..]) = (*half, bytes) {
        samples.push(i16::from_le_bytes([low, *high]));
        *half = None;
        bytes = rest;
    }
    let pairs = bytes.chunks_exact(2);
    if let [low] = pairs.remainder() {
        *half = Some(*low);
    }
    samples.extend(pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sample_is_lost_or_shifted_however_the_messages_are_cut() {
        let run = bolero::check!().with_test_time(std::time::Duration::from_secs(2));
        run.with_type::<Vec<Vec<u8>>>().for_each(|messages| {
            let (mut half, mut heard, mut samples) = (None, Vec::new(), Vec::new());
            for message in messages {
                join_samples(&mut half, message, &mut samples);
                heard.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
            }
            heard.extend(half);
            assert_eq!(heard, messages.concat());
        });
    }

    #[test]
    fn an_empty_message_changes_nothing() {
        let (mut half, mut samples) = (Some(7), Vec::new());
        join_samples(&mut half, &[], &mut samples);
        assert_eq!((half, samples.len()), (Some(7), 0));
    }
}
