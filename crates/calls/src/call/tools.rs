//! The tools that the agent has at our end. One that is refused, or does not work, is answered in words that the agent
//! can act upon; the call goes on.

use std::time::{Duration, Instant};

use super::state::{State, Talk};
use super::{Call, Effect, TOOL_LOOP_CALLS, TOOL_LOOP_WITHIN};
use crate::fact::Fact;
use crate::keys::{Stroke, Strokes};
use crate::outcome::EndReason;
use crate::tools::{SEND_DIGITS, ToolCall};

/// From one key to the next. livekit-sip takes a quarter of a second for each (tone and pause) and queues what comes
/// sooner.
pub const KEY_EVERY: Duration = Duration::from_millis(250);
/// What a pause between keys adds.
pub const KEY_PAUSE: Duration = Duration::from_millis(500);

/// What any tool is told once it is too late for it.
const TOO_LATE: &str = "nothing was done: the call is ending";

/// Keys on their way to the callee's end.
#[derive(Debug)]
pub(super) struct Sending {
    /// Of the agent's call of the tool.
    id: String,
    rest: Strokes,
    sent: usize,
    next: Instant,
}

impl Sending {
    /// When the next stroke is due.
    pub(super) fn due(&self) -> Instant {
        self.next
    }
}

impl Call {
    pub(super) fn run_tool(&mut self, mut talk: Talk, id: String, call: ToolCall, now: Instant) -> State {
        if self.is_tool_loop(&mut talk, call.tool(), now) {
            self.answer_too_late(id);
            return self.say_goodbye(talk, EndReason::AgentClosed, now);
        }
        match call {
            ToolCall::SendDigits(strokes) => {
                self.send_keys(&mut talk, id, strokes, now);
                State::Talking(talk)
            }
            ToolCall::TransferCall(to) => self.begin_transfer(talk, id, to, now),
        }
    }

    /// Tools whose answers it does not take in keep an agent busy for ever, and the callee waiting.
    pub(super) fn is_tool_loop(&mut self, talk: &mut Talk, tool: &str, now: Instant) -> bool {
        talk.tool_calls.push_back(now);
        talk.tool_calls.retain(|at| now.saturating_duration_since(*at) <= TOOL_LOOP_WITHIN);
        let calls = talk.tool_calls.len();
        if calls <= TOOL_LOOP_CALLS {
            return false;
        }
        self.record(Fact::AgentLoops { tool: tool.to_owned(), calls });
        let within = TOOL_LOOP_WITHIN.as_secs();
        talk.detail =
            Some(format!("the agent called tools {calls} times within {within} s, {tool} the last"));
        true
    }

    /// The agent asks for something although its call ends.
    pub(super) fn answer_too_late(&mut self, id: String) {
        self.answer_tool(id, TOO_LATE);
    }

    fn send_keys(
        &mut self,
        talk: &mut Talk,
        id: String,
        strokes: Result<Strokes, &'static str>,
        now: Instant,
    ) {
        let strokes = match strokes {
            _ if !self.plan.profile.agent.digits_tool => Err("keys are not to be sent in this call"),
            _ if talk.sending.is_some() => Err("other keys are still being sent"),
            strokes => strokes,
        };
        match strokes {
            Ok(rest) => {
                talk.sending = Some(Sending { id, rest, sent: 0, next: now });
                self.press_due(talk, now);
            }
            Err(why) => self.refuse_tool(id, SEND_DIGITS, &format!("no key was sent: {why}")),
        }
    }

    /// Presses what is due, and answers the tool once all was pressed and the last tone has ended.
    pub(super) fn press_due(&mut self, talk: &mut Talk, now: Instant) {
        let Some(mut sending) = talk.sending.take() else { return };
        while now >= sending.next {
            match sending.rest.next() {
                Some(Stroke::Press(key)) => {
                    self.want(Effect::PressKey(key));
                    sending.sent += 1;
                    sending.next = now + KEY_EVERY;
                }
                Some(Stroke::Pause) => sending.next = now + KEY_PAUSE,
                None => {
                    self.record(Fact::KeysSent { keys: sending.sent });
                    return self.tool_is_done(
                        talk,
                        sending.id,
                        &format!("{} keys were sent", sending.sent),
                        now,
                    );
                }
            }
        }
        talk.sending = Some(sending);
    }

    /// A key did not leave us: the rest stays here too.
    pub(super) fn key_not_sent(&mut self, talk: &mut Talk, detail: &str, now: Instant) {
        let Some(sending) = talk.sending.take() else { return };
        let before = sending.sent.saturating_sub(1);
        let all = sending.sent + sending.rest.keys();
        let result = format!("only {before} of {all} keys were sent: {detail}");
        self.record(Fact::ToolFailed { tool: SEND_DIGITS.to_owned(), detail: result.clone() });
        self.tool_is_done(talk, sending.id, &result, now);
    }

    /// The agent was still for as long as its tool ran: only now its silence begins to count.
    pub(super) fn tool_is_done(&mut self, talk: &mut Talk, id: String, result: &str, now: Instant) {
        talk.silent_since = talk.silent_since.map(|_| now);
        self.answer_tool(id, result);
    }

    pub(super) fn refuse_tool(&mut self, id: String, tool: &str, why: &str) {
        self.record(Fact::ToolFailed { tool: tool.to_owned(), detail: why.to_owned() });
        self.answer_tool(id, why);
    }

    fn answer_tool(&mut self, id: String, result: &str) {
        self.want(Effect::AnswerTool { id, result: result.to_owned() });
    }
}
