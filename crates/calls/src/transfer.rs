//! Whom an agent may pass a callee on to. The agent knows names; the numbers behind them stay in the profile.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::phone::{MaskedText, PhoneNumber};

/// The longest address; no number and no user at a host comes near it.
const LONGEST: usize = 255;
/// The longest name of a target.
const LONGEST_NAME: usize = 40;

/// Where a callee is passed on to, as the trunk is asked for it (Refer-To, RFC 3515 §2.1): an E.164 number, or a `tel:`,
/// `sip:` or `sips:` address.
///
/// `Debug` shows it masked; serialised it is the full text, as a job must name it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TransferTarget(String);

/// A text is no address that a call can be passed on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an E.164 number such as +551130000001, or a tel:, sip: or sips: address")]
pub struct NotATarget;

impl TransferTarget {
    /// As LiveKit wants it: a number becomes a `tel:` address.
    pub fn uri(&self) -> String {
        if self.0.starts_with('+') { format!("tel:{}", self.0) } else { self.0.clone() }
    }
}

impl TryFrom<String> for TransferTarget {
    type Error = NotATarget;
    fn try_from(text: String) -> Result<Self, NotATarget> {
        let is_number = |number: &str| PhoneNumber::try_from(number.to_owned()).is_ok();
        let fits = match text.split_once(':') {
            None => is_number(&text),
            Some(("tel", number)) => is_number(number),
            // What would end the header or the address in it has no place here.
            Some(("sip" | "sips", rest)) => {
                let allowed = |byte: u8| byte.is_ascii_graphic() && !b"<>\"\\,".contains(&byte);
                !rest.is_empty() && rest.bytes().all(allowed) && text.len() <= LONGEST
            }
            Some(_) => false,
        };
        if fits { Ok(Self(text)) } else { Err(NotATarget) }
    }
}

impl From<TransferTarget> for String {
    fn from(target: TransferTarget) -> Self {
        target.0
    }
}

impl fmt::Debug for TransferTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&MaskedText::of(&self.0), f)
    }
}

/// May a target be called so? Names go to the agent's vendor, into facts and into logs, so a number is none.
pub fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || c == ' ' || c == '-' || c == '_';
    (1..=LONGEST_NAME).contains(&text.chars().count())
        && text.trim() == text
        && text.chars().all(allowed)
        && String::from(MaskedText::of(text)) == text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn target(text: &str) -> Result<TransferTarget, NotATarget> {
        TransferTarget::try_from(text.to_owned())
    }

    #[test]
    fn a_number_or_an_address_is_a_target_and_shows_itself_masked() {
        for (text, uri) in [
            ("+551130000001", "tel:+551130000001"),
            ("tel:+551130000001", "tel:+551130000001"),
            ("sip:+551130000001@trunk.example;user=phone", "sip:+551130000001@trunk.example;user=phone"),
            ("sips:desk@pbx.example:5061", "sips:desk@pbx.example:5061"),
        ] {
            assert_eq!(target(text).unwrap().uri(), uri);
        }
        assert_eq!(format!("{:?}", target("+551130000001").unwrap()), "+5511••••0001");
        for text in
            ["", "11 3000", "551130000001", "tel:", "tel:0800", "sip:", "sip:a b@c", "http://x.example"]
        {
            assert!(target(text).is_err(), "{text}");
        }
        assert!(target("sip:a@b>\r\nEvil: 1").is_err() && target("sip:a@b,sip:c@d").is_err());
        assert!(target(&format!("sip:{}", "a".repeat(LONGEST))).is_err());
    }

    #[test]
    fn a_name_is_a_word_and_no_number() {
        for name in ["sales", "Segunda via", "nível-2", "a"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", " sales", "+551130000001", "551130000001", "a\n", "sales!", &"x".repeat(41)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
