//! Message attributes within SQS's limits (SendMessage, MessageAttributeValue): at most ten, none empty, no
//! control characters, and all of them counted into the message's size.

use std::fmt::Write as _;

/// The most that a message may carry.
pub const MOST: usize = 10;
/// Body and attributes together, in bytes.
pub const LONGEST_MESSAGE: usize = 1 << 20;

/// One message attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// `String`, `Number` or `Binary`, with a suffix of the sender's if there is one.
    pub data_type: String,
    /// Its value.
    pub content: Content,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Of a string or a number.
    Text(String),
    /// Of a binary.
    Bytes(Vec<u8>),
}

impl Attribute {
    /// A text, escaped where SQS would refuse it; `None` for an empty one, which SQS refuses too.
    pub fn text(name: &str, text: &str) -> Option<Self> {
        let content = Content::Text(escaped(text));
        (!text.is_empty()).then(|| Self { name: name.to_owned(), data_type: "String".to_owned(), content })
    }

    /// Its value, if it is a text.
    pub fn as_text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            Content::Bytes(_) => None,
        }
    }

    /// What it adds to the size of a message, in bytes.
    pub fn size(&self) -> usize {
        let content = match &self.content {
            Content::Text(text) => text.len(),
            Content::Bytes(bytes) => bytes.len(),
        };
        self.name.len() + self.data_type.len() + content
    }
}

/// As many of `attributes` as fit beside a body of this size, the first ones first; of two with one name the
/// first.
pub fn that_fit(attributes: impl IntoIterator<Item = Attribute>, body_bytes: usize) -> Vec<Attribute> {
    let mut left = LONGEST_MESSAGE.saturating_sub(body_bytes);
    let mut fitting: Vec<Attribute> = Vec::with_capacity(MOST);
    for attribute in attributes {
        let is_new = fitting.iter().all(|other| other.name != attribute.name);
        if fitting.len() < MOST && is_new && attribute.size() <= left {
            left -= attribute.size();
            fitting.push(attribute);
        }
    }
    fitting
}

/// SQS takes the characters of XML 1.0 (§2.2): what else there is becomes `\u{…}`.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        let allowed =
            matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        if allowed {
            safe.push(c);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_sqs_refuses_is_escaped_or_left_out() {
        assert_eq!(Attribute::text("CallId", ""), None);
        let hostile = Attribute::text("CallId", "a\u{0}b\u{1b}[31m\u{ffff}é\n").unwrap();
        assert_eq!(hostile.content, Content::Text("a\\u{0}b\\u{1b}[31m\\u{ffff}é\n".to_owned()));
    }

    #[test]
    fn ten_at_most_each_name_once_the_first_ones_first() {
        let many = (0..30).map(|n| Attribute::text(&format!("a{}", n / 2), &n.to_string()).unwrap());
        let kept: Vec<_> = that_fit(many, 0).into_iter().map(|a| (a.name, a.content)).collect();
        let wanted: Vec<_> = (0..10).map(|n| (format!("a{n}"), Content::Text((2 * n).to_string()))).collect();
        assert_eq!(kept, wanted);
    }

    #[test]
    fn what_does_not_fit_beside_the_body_is_left_out_and_what_is_smaller_still_fits() {
        let long = Attribute::text("Long", &"x".repeat(100)).unwrap();
        let short = Attribute::text("Short", "x").unwrap();
        assert_eq!(
            that_fit([long.clone(), short.clone()], LONGEST_MESSAGE - 100),
            std::slice::from_ref(&short)
        );
        assert_eq!(that_fit([long.clone(), short.clone()], 1000).len(), 2);
        assert_eq!(that_fit([long, short], LONGEST_MESSAGE), []);
    }
}
