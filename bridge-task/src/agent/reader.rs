//! From the agent's socket: sound to the playout queue, texts to the call.

use std::collections::BTreeSet;
use std::time::Duration;

use agents::{Agent, Event, Role, Transcripts};
use calls::call::{AgentEvent, Input, SoundEvent};
use calls::fact::Speaker;
use futures_util::StreamExt as _;
use futures_util::stream::SplitStream;
use room_client::AudioOut;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::WebSocket;
use super::writer::PING_EVERY;
use crate::last_word::LastWord;
use crate::perform::News;

/// Nothing came for this long, not even the answer to a ping: nobody is there any more.
const SILENT_FOR: Duration = Duration::from_secs(PING_EVERY.as_secs() + 10);
/// Kinds of messages that are not understood are noted once each, and not more kinds than this.
const MOST_KINDS: usize = 32;

pub(super) struct Reader {
    agent: Agent,
    out: AudioOut,
    news: mpsc::UnboundedSender<News>,
    transcripts: Transcripts,
    noted: BTreeSet<String>,
    /// Samples of the message at hand; kept for its room.
    samples: Vec<i16>,
    /// The first half of a sample whose second half comes with the next message.
    half: Option<u8>,
}

impl Reader {
    pub(super) fn new(agent: Agent, out: AudioOut, news: mpsc::UnboundedSender<News>) -> Self {
        Self {
            agent,
            out,
            news,
            transcripts: Transcripts::default(),
            noted: BTreeSet::new(),
            samples: Vec::new(),
            half: None,
        }
    }

    /// Runs until the socket ends, and tells of that, whatever happens.
    pub(super) async fn run(mut self, mut stream: SplitStream<WebSocket>) {
        let broken = AgentEvent::Closed { clean: false, detail: "our reader of its socket broke".to_owned() };
        let last_word = LastWord::new(&self.news, Input::Agent(broken));
        let (clean, detail) = loop {
            match tokio::time::timeout(SILENT_FOR, stream.next()).await {
                Ok(Some(Ok(Message::Binary(bytes)))) => self.play(&bytes),
                Ok(Some(Ok(Message::Text(text)))) => self.understand(&text),
                Ok(Some(Ok(Message::Close(frame)))) => {
                    let code = frame.map(|frame| u16::from(frame.code));
                    let said = code.map_or_else(|| "no code".to_owned(), |code| format!("code {code}"));
                    break (matches!(code, None | Some(1000 | 1001)), format!("its socket closed ({said})"));
                }
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(Error::ConnectionClosed))) => break (true, "its socket closed".to_owned()),
                Ok(Some(Err(error))) => break (false, format!("its socket broke: {error}")),
                Ok(None) => break (false, "its socket ended without a word".to_owned()),
                Err(_) => break (false, format!("nothing came for {} s", SILENT_FOR.as_secs())),
            }
        };
        for said in self.transcripts.take_open() {
            self.said(said.role, said.text);
        }
        last_word.say(Input::Agent(AgentEvent::Closed { clean, detail }));
    }

    fn play(&mut self, bytes: &[u8]) {
        join_samples(&mut self.half, bytes, &mut self.samples);
        if self.out.push(&self.samples) > 0 {
            self.note_once("sound beyond the minute that fits the queue".to_owned());
        }
    }

    fn understand(&mut self, text: &str) {
        match self.agent.decode_text(text) {
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
                let _ = self.news.send(News::Of(Input::Sound(SoundEvent::Flushed { dropped_ms })));
            }
            Event::HangUp { detail } => self.tell(AgentEvent::HangUp { detail: detail.unwrap_or_default() }),
            Event::ToolCall { tool, .. } => self.note_once(format!("a call of the unknown tool {tool}")),
            Event::Pong => {}
            Event::Ignored { kind } => self.note_once(kind),
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
