//! What an export leaves out, and what it puts a hash in place of.
//!
//! Phone numbers stand not only where one expects them: in ids, in what people say, in what a trunk answers, in a message
//! that is JSON within JSON. So every text is looked through for runs of digits, written in any of the usual ways. The
//! hash is keyed by a secret that is drawn for one export and never written down: the numbers of a country are few enough
//! to be tried one by one, but not without it. It is spelled in letters, so nothing that is left can be a number.

use std::collections::BTreeSet;

use bytes::Bytes;
use calls::phone::MaskedText;
use cloud::call_folder::draw_nonce;
use jiff::Timestamp;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::folder::{Flight, is_recording};

/// A subscriber's number has at least so many digits.
const SHORTEST_NUMBER: usize = 7;
/// Counts and times are below it.
const LARGEST_COUNT: f64 = 1e7;
/// What may stand between the digits of a number, one or two at a time.
const BETWEEN: &[char] = &[' ', '\u{a0}', '-', '.', ',', '/', '(', ')'];
/// What stands in a masked number, as often as it likes.
const MASK: char = '•';
/// Fields that name a person, or a call of theirs.
const NAMES: [&str; 8] =
    ["id", "callId", "customerId", "externalCustomerId", "userId", "fullName", "agentCallId", "numberSha256"];
/// Fields of a message that name nobody. What else its sender puts into it may be anything: a name, an address.
const OF_NOBODY: [&str; 9] = [
    "messageType",
    "source",
    "organizationId",
    "tenantId",
    "campaignId",
    "workflowId",
    "direction",
    "telephonyProvider",
    "voiceId",
];
/// A shorter one would be found everywhere.
const SHORTEST_NAME: usize = 6;
/// Fields with what the agent is told to be and to say.
const PROMPTS: [&str; 3] = ["systemPrompt", "greetingMessage", "prompt"];
const LEFT_OUT: &str = "(left out)";

/// Is what was said kept?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// As it was said.
    Kept,
    /// Left out, and prompts with it.
    LeftOut,
}

/// One export's way of hiding.
pub struct Redaction {
    secret: String,
    old_key: String,
    key: String,
    /// The longest first: one may be a part of another.
    names: Vec<String>,
}

impl Redaction {
    /// Of this call, with a secret of its own.
    pub fn drawn(flight: &Flight) -> Self {
        Self::with(&format!("{}{}", draw_nonce().0, draw_nonce().0), flight)
    }

    fn with(secret: &str, flight: &Flight) -> Self {
        let mut names = BTreeSet::new();
        let texts = flight.files.iter().filter(|(name, _)| !is_recording(name)).map(|(_, bytes)| bytes);
        for value in texts.flat_map(documents).flatten() {
            gather_names(&value, &mut names);
        }
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        let mut redaction =
            Self { secret: secret.to_owned(), old_key: flight.key.clone(), key: String::new(), names };
        // A call's key is 32 hexadecimal digits; these are, and no number is among them.
        redaction.key = redaction.hash(&flight.key).iter().map(|byte| char::from(b'a' + byte % 6)).collect();
        redaction
    }

    /// The call's key in the export.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// A file's path in the export.
    pub fn path(&self, path: &str) -> String {
        self.text(path)
    }

    /// A document, or lines of them.
    pub fn file(&self, bytes: &Bytes, words: Words) -> Vec<u8> {
        rewritten(bytes, |value| self.value(value, words), |text| self.text(text))
    }

    /// Leaves words out and nothing else.
    pub fn nothing_but_words(bytes: &Bytes) -> Vec<u8> {
        rewritten(bytes, without_words, str::to_owned)
    }

    fn value(&self, value: Value, words: Words) -> Value {
        let value = if words == Words::LeftOut { without_words(value) } else { value };
        match value {
            Value::String(text) => Value::String(self.string(&text, words)),
            Value::Number(number) => match number.as_f64() {
                Some(large) if large.abs() >= LARGEST_COUNT => self.text(&number.to_string()).into(),
                Some(part) if !number.is_i64() && !number.is_u64() => {
                    ((part * 1000.0).round() / 1000.0).into()
                }
                _ => Value::Number(number),
            },
            Value::Array(items) => items.into_iter().map(|item| self.value(item, words)).collect(),
            Value::Object(fields) => self.object(fields, words),
            other => other,
        }
    }

    fn object(&self, mut fields: Map<String, Value>, words: Words) -> Value {
        if fields.get("fact").is_some_and(|fact| fact == "dtmf") {
            fields.insert("digit".to_owned(), MASK.to_string().into());
        }
        let field = |(name, value): (String, Value)| {
            let value = match value {
                Value::String(text) if NAMES.contains(&name.as_str()) && !text.is_empty() => {
                    self.name(&text).into()
                }
                Value::Number(number) if NAMES.contains(&name.as_str()) => {
                    self.name(&number.to_string()).into()
                }
                other => self.value(other, words),
            };
            (self.text(&name), value)
        };
        Value::Object(fields.into_iter().map(field).collect())
    }

    fn string(&self, text: &str, words: Words) -> String {
        if let Ok(at) = text.parse::<Timestamp>() {
            return format!("{at:.3}");
        }
        match serde_json::from_str::<Value>(text) {
            Ok(inner @ (Value::Object(_) | Value::Array(_))) => self.body("", inner, words).to_string(),
            _ => self.text(text),
        }
    }

    /// JSON within JSON is somebody else's: the message. Of its texts only those are kept that name nobody.
    fn body(&self, name: &str, value: Value, words: Words) -> Value {
        match value {
            Value::Object(fields) => {
                let field = |(name, value): (String, Value)| {
                    let value = match PROMPTS.contains(&name.as_str()) {
                        true => self.value(value, words),
                        false => self.body(&name, value, words),
                    };
                    (self.text(&name), value)
                };
                Value::Object(fields.into_iter().map(field).collect())
            }
            Value::Array(items) => items.into_iter().map(|item| self.body(name, item, words)).collect(),
            Value::String(text) if text.is_empty() || OF_NOBODY.contains(&name) => self.text(&text).into(),
            Value::String(text) => match self.text(&text) {
                hidden if hidden != text && !NAMES.contains(&name) => hidden.into(),
                _ => self.name(&text).into(),
            },
            other => self.value(other, words),
        }
    }

    /// A text without a number, a name or the call's key in it.
    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for name in &self.names {
            text = text.replace(name.as_str(), &self.name(name));
        }
        if self.old_key.len() >= 8 {
            text = text.replace(&self.old_key, &self.key);
            text = text.replace(&self.old_key[..8], &self.key[..8]);
        }
        self.without_numbers(&text)
    }

    fn without_numbers(&self, text: &str) -> String {
        let mut hidden = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_numeric()) {
            let plus = usize::from(rest[..start].ends_with('+'));
            let (run, digits) = run_of(&rest[start..]);
            hidden.push_str(&rest[..start - plus]);
            if digits.chars().filter(|c| *c != MASK).count() >= SHORTEST_NUMBER {
                hidden.push_str(&self.number(&digits));
            } else {
                hidden.push_str(&rest[start - plus..start + run]);
            }
            rest = &rest[start + run..];
        }
        hidden + rest
    }

    /// Masked first: where only that is known it is the same person all the same.
    fn number(&self, digits: &str) -> String {
        let masked = match digits.contains(MASK) {
            true => format!("+{digits}"),
            false => String::from(MaskedText::of(&format!("+{digits}"))),
        };
        self.name(&masked)
    }

    fn name(&self, name: &str) -> String {
        let letters =
            self.hash(name).iter().take(10).map(|byte| char::from(b'a' + byte % 26)).collect::<String>();
        format!("[{letters}]")
    }

    fn hash(&self, text: &str) -> [u8; 32] {
        Sha256::new().chain_update(&self.secret).chain_update([0]).chain_update(text).finalize().into()
    }
}

/// How long the number at the beginning of a text is, with all that stands between its digits; and its digits.
fn run_of(text: &str) -> (usize, String) {
    let (mut end, mut digits, mut between) = (0, String::new(), 0);
    for (at, c) in text.char_indices() {
        if c.is_numeric() || c == MASK {
            digits.push(c);
            end = at + c.len_utf8();
            between = 0;
        } else if BETWEEN.contains(&c) && between < 2 {
            between += 1;
        } else {
            break;
        }
    }
    (end, digits)
}

/// What was said and prompted, replaced.
fn without_words(value: Value) -> Value {
    match value {
        Value::Object(mut fields) => {
            let is =
                |fields: &Map<String, Value>, fact: &str| fields.get("fact").is_some_and(|it| it == fact);
            if is(&fields, "said") {
                fields.insert("text".to_owned(), LEFT_OUT.into());
            }
            if is(&fields, "agent-hang-up") {
                fields.insert("detail".to_owned(), LEFT_OUT.into());
            }
            let field = |(name, value): (String, Value)| {
                let is_prompt = PROMPTS.contains(&name.as_str()) && !value.is_null();
                (name, if is_prompt { LEFT_OUT.into() } else { without_words(value) })
            };
            Value::Object(fields.into_iter().map(field).collect())
        }
        Value::Array(items) => items.into_iter().map(without_words).collect(),
        Value::String(text) => match serde_json::from_str::<Value>(&text) {
            Ok(inner @ (Value::Object(_) | Value::Array(_))) => without_words(inner).to_string().into(),
            _ => Value::String(text),
        },
        other => other,
    }
}

fn gather_names(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if let (true, Value::String(text)) = (NAMES.contains(&name.as_str()), value)
                    && is_nobodys_word(text)
                {
                    names.insert(text.clone());
                }
                gather_names(value, names);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| gather_names(item, names)),
        Value::String(text) => {
            if let Ok(inner @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str::<Value>(text) {
                gather_names(&inner, names);
            }
        }
        _ => {}
    }
}

/// Is it a name that can be looked for in any text? `busy` may be an id, and is a word all the same.
fn is_nobodys_word(name: &str) -> bool {
    name.len() >= SHORTEST_NAME && name.chars().any(|c| c.is_ascii_digit() || c.is_uppercase() || c == ' ')
}

/// A file's document, or one of each line; `None` where there is none.
fn documents(bytes: &Bytes) -> Vec<Option<Value>> {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(whole) => vec![Some(whole)],
        Err(_) => bytes.split(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).ok()).collect(),
    }
}

/// The same file, each document and each other line of it rewritten.
fn rewritten(bytes: &Bytes, document: impl Fn(Value) -> Value, other: impl Fn(&str) -> String) -> Vec<u8> {
    if let Ok(whole) = serde_json::from_slice::<Value>(bytes) {
        let end = if bytes.ends_with(b"\n") { "\n" } else { "" };
        return format!("{}{end}", document(whole)).into_bytes();
    }
    let lines = bytes.split(|byte| *byte == b'\n').map(|line| match serde_json::from_slice::<Value>(line) {
        Ok(value) => document(value).to_string(),
        Err(_) => other(&String::from_utf8_lossy(line)),
    });
    lines.collect::<Vec<_>>().join("\n").into_bytes()
}

#[cfg(test)]
mod tests;
