//! Looks into a JSON text without taking it apart: serde_json checks it, values stay the text they were.
//! That keeps numbers as they were written (`1.50`, `90071992547409931`) and reads only what is asked for.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Refusal, RefusalCode};

/// Lists and objects in each other, the outermost counted: deeper is not read.
const MAX_DEPTH: usize = 128;

/// A JSON object and where it stands in the message.
pub(super) struct Object<'a> {
    fields: BTreeMap<String, &'a RawValue>,
    path: String,
}

/// A value, by its kind.
enum Kind<'a> {
    Null,
    Bool,
    Number(&'a str),
    Text(String),
    List,
    Object,
}

/// A scalar that can stand for a text.
pub(super) enum Scalar {
    /// A string.
    Text(String),
    /// A number as it was written.
    Number(String),
}

impl Scalar {
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Number(text) => text,
        }
    }
}

impl<'a> Object<'a> {
    /// The one object of a message; of keys that come twice the last counts.
    pub(super) fn of_message(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let not_json = |detail: String| Refusal::new(RefusalCode::NotJson, detail, None);
        let text = std::str::from_utf8(bytes).map_err(|_| not_json("the message is not UTF-8".to_owned()))?;
        let value: &RawValue =
            serde_json::from_str(text).map_err(|error| not_json(format!("not JSON: {error}")))?;
        check_shape(text.as_bytes()).map_err(|detail| not_json(detail.to_owned()))?;
        let not_an_object =
            || Refusal::new(RefusalCode::NotAnObject, "the message is JSON, but no object", None);
        Self::new(value, String::new()).ok_or_else(not_an_object)
    }

    fn new(value: &'a RawValue, path: String) -> Option<Self> {
        Some(Self { fields: parse(value)?, path })
    }

    /// Where a field of this object stands: `metadata.callId`.
    pub(super) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A text, or a number; nothing if it is absent or `null`.
    pub(super) fn scalar(&self, name: &str) -> Result<Option<Scalar>, Refusal> {
        match self.fields.get(name).map_or(Kind::Null, |value| Kind::of(value)) {
            Kind::Null => Ok(None),
            Kind::Text(text) => Ok(Some(Scalar::Text(text))),
            Kind::Number(text) => Ok(Some(Scalar::Number(text.to_owned()))),
            other => Err(self.bad(name, "a text", &other)),
        }
    }

    /// As [`scalar`](Self::scalar), a number as its text.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        Ok(self.scalar(name)?.map(Scalar::into_text))
    }

    /// An object in this one; nothing if it is absent or `null`.
    pub(super) fn object(&self, name: &str) -> Result<Option<Object<'a>>, Refusal> {
        let Some(value) = self.fields.get(name) else { return Ok(None) };
        match Kind::of(value) {
            Kind::Null => Ok(None),
            Kind::Object => Ok(Object::new(value, self.path_of(name))),
            other => Err(self.bad(name, "an object", &other)),
        }
    }

    /// A list of objects in this one, `null` entries left out, each with its place in the list; empty if
    /// the list is absent or `null`.
    pub(super) fn objects(&self, name: &str) -> Result<Vec<Object<'a>>, Refusal> {
        let Some(value) = self.fields.get(name) else { return Ok(Vec::new()) };
        let entries: Vec<&RawValue> = match Kind::of(value) {
            Kind::Null => return Ok(Vec::new()),
            Kind::List => parse(value).unwrap_or_default(),
            other => return Err(self.bad(name, "a list", &other)),
        };
        let mut objects = Vec::new();
        for (index, entry) in entries.into_iter().enumerate() {
            let place = format!("{name}[{index}]");
            match Kind::of(entry) {
                Kind::Null => {}
                Kind::Object => objects.extend(Object::new(entry, self.path_of(&place))),
                other => return Err(self.bad(&place, "an object", &other)),
            }
        }
        Ok(objects)
    }

    fn bad(&self, name: &str, wanted: &str, found: &Kind<'_>) -> Refusal {
        let found = match found {
            Kind::Null => "null",
            Kind::Bool => "true or false",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "a text",
            Kind::List => "a list",
            Kind::Object => "an object",
        };
        let path = self.path_of(name);
        Refusal::new(RefusalCode::BadField, format!("{path} must be {wanted}, but is {found}"), Some(path))
    }
}

impl<'a> Kind<'a> {
    fn of(value: &'a RawValue) -> Self {
        match value.get().as_bytes().first() {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::List,
            Some(b'"') => parse(value).map_or(Self::Null, Self::Text),
            Some(b't' | b'f') => Self::Bool,
            Some(b'n') | None => Self::Null,
            Some(_) => Self::Number(value.get()),
        }
    }
}

/// The whole message was checked before, so a part of the kind that it begins like always reads.
fn parse<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Option<T> {
    serde_json::from_str(value.get()).ok()
}

/// What serde_json leaves open when it only skims a text: how deep it is, and whether `\u` escapes come
/// in pairs where they must (RFC 8259 §8.2). Expects text that is otherwise valid JSON.
fn check_shape(text: &[u8]) -> Result<(), &'static str> {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                at = after_escape(text, at).ok_or("half of a surrogate pair stands alone in a text")?
            }
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err("lists and objects are nested deeper than 128");
                }
            }
            b'}' | b']' if !in_string => depth -= 1,
            _ => {}
        }
    }
    Ok(())
}

/// The place behind the escape whose letter is at `at`; nothing for half of a pair.
fn after_escape(text: &[u8], at: usize) -> Option<usize> {
    if text.get(at) != Some(&b'u') {
        return Some(at + 1);
    }
    match code_unit(text, at + 1)? {
        0xD800..=0xDBFF => {
            let low = text.get(at + 5..at + 7) == Some(b"\\u");
            let low = low && matches!(code_unit(text, at + 7)?, 0xDC00..=0xDFFF);
            low.then_some(at + 11)
        }
        0xDC00..=0xDFFF => None,
        _ => Some(at + 5),
    }
}

fn code_unit(text: &[u8], at: usize) -> Option<u16> {
    let digits = std::str::from_utf8(text.get(at..at + 4)?).ok()?;
    u16::from_str_radix(digits, 16).ok()
}
