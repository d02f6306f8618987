//! A phone number that can be dialed from anywhere, and never shows itself in a log.

use std::fmt;
use std::str::FromStr;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// An E.164 number (ITU-T E.164: `+`, country code, at most 15 digits in all) that is *possible* by
/// libphonenumber's metadata: the country code exists and the length fits it. It is not "known to be
/// assigned": that metadata ages.
///
/// `Debug` and `Display` show the [mask](Self::masked). Serialised it is the full text: a job must name
/// whom to dial. [`as_e164`](Self::as_e164) is the way to the text in the code.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(String);

/// E.164 allows 15 digits.
const MAX_DIGITS: usize = 15;

impl PhoneNumber {
    /// Reads a number as people write it: with or without `+`, with spaces, dots, dashes or brackets.
    /// What libphonenumber knows to be no part of the international number goes (`+44 (0)20 …` loses its
    /// `0`).
    ///
    /// # Errors
    /// [`NotANumber`] says what is wrong, without repeating the number.
    pub fn parse(text: &str) -> Result<Self, NotANumber> {
        let digits = digits_of(text)?;
        let number = PHONE_NUMBER_UTIL.parse(&digits, None).map_err(|_| NotANumber::UnknownCountryCode)?;
        if number.is_possible_with_reason().is_err() {
            return Err(NotANumber::Length);
        }
        let e164 = number.format_as(PhoneNumberFormat::E164).into_owned();
        if e164.len() > 1 + MAX_DIGITS { Err(NotANumber::Length) } else { Ok(Self(e164)) }
    }

    /// The number itself, such as `+5511912345678`.
    pub fn as_e164(&self) -> &str {
        &self.0
    }

    /// The number for logs and people: `+5511•••••5678`. The first five characters and the last four stay;
    /// a short number loses more of its head, so that at least three digits are always hidden.
    pub fn masked(&self) -> MaskedNumber {
        MaskedNumber(masked(&self.0))
    }

    /// The country that the number belongs to by libphonenumber's metadata (ISO 3166-1 alpha-2); none for a number of
    /// no country, or of a range that the metadata does not know.
    pub fn region(&self) -> Option<String> {
        let number = PHONE_NUMBER_UTIL.parse(&self.0, None).ok()?;
        // What is nobody's own is of the region `001`.
        number.get_region_code().map(|region| region.to_string()).filter(|region| region.len() == 2)
    }

    /// SHA-256 of the E.164 text as 64 hex digits, for finding a person's calls without storing the number.
    pub fn sha256(&self) -> String {
        Sha256::digest(self.0.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A number that cannot be dialed any more: what facts hold, and what stands where people read.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MaskedNumber(String);

impl fmt::Debug for MaskedNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for MaskedNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<MaskedNumber> for String {
    fn from(number: MaskedNumber) -> Self {
        number.0
    }
}

/// A text from outside with whatever could be a phone number in it masked: identities that LiveKit makes of
/// callers' numbers, reason phrases of trunks that repeat whom they were asked to call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MaskedText(String);

/// A subscriber's number has at least so many digits; fewer in a row are a code, a port, a year.
const SHORTEST_NUMBER: usize = 7;
/// Hexadecimal words from this length on are ids: no number in any notation is that long.
const SHORTEST_ID: usize = 20;
/// How a UUID is written (RFC 9562 §4): digits between its dashes.
const UUID: [usize; 5] = [8, 4, 4, 4, 12];

impl MaskedText {
    /// Masks every run of seven digits or more as [`PhoneNumber::masked`] does, but for those inside a UUID or
    /// another long hexadecimal word.
    pub fn of(text: &str) -> Self {
        let mut masks = String::with_capacity(text.len());
        let mut done = 0;
        while let Some(start) = text[done..].find(|c: char| c.is_ascii_digit()).map(|at| done + at) {
            let end = end_of(text, start, |byte| byte.is_ascii_digit());
            let plus = usize::from(text[done..start].ends_with('+'));
            masks.push_str(&text[done..start - plus]);
            let run = &text[start - plus..end];
            if end - start < SHORTEST_NUMBER || is_in_an_id(text, start, end) {
                masks.push_str(run);
            } else {
                masks.push_str(&masked(run));
            }
            done = end;
        }
        masks.push_str(&text[done..]);
        Self(masks)
    }
}

impl fmt::Display for MaskedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<MaskedText> for String {
    fn from(text: MaskedText) -> Self {
        text.0
    }
}

/// The first five characters and the last four stay; of a short number less of its head.
fn masked(number: &str) -> String {
    let len = number.len();
    let head = len.saturating_sub(7).clamp(1, 5);
    let tail = len.saturating_sub(4).max(head + 3).min(len);
    format!("{}{}{}", &number[..head], "•".repeat(tail - head), &number[tail..])
}

/// Is the run of digits from `start` to `end` a part of an id?
fn is_in_an_id(text: &str, start: usize, end: usize) -> bool {
    let (from, to) = around(text, start, end, |byte| byte.is_ascii_hexdigit());
    let has_letter = |word: &str| word.bytes().any(|byte| byte.is_ascii_alphabetic());
    if to - from >= SHORTEST_ID && has_letter(&text[from..to]) {
        return true;
    }
    let (word_from, word_to) = around(text, start, end, |byte| byte.is_ascii_hexdigit() || byte == b'-');
    let mut at = word_from;
    let parts: Vec<(usize, usize)> = text[word_from..word_to]
        .split('-')
        .map(|part| {
            let begins = at;
            at += part.len() + 1;
            (begins, part.len())
        })
        .collect();
    parts.windows(UUID.len()).any(|five| {
        five.iter().map(|(_, length)| *length).eq(UUID) && five.iter().any(|(begins, _)| *begins == from)
    })
}

fn end_of(text: &str, start: usize, belongs: impl Fn(u8) -> bool) -> usize {
    start + text.as_bytes()[start..].iter().take_while(|byte| belongs(**byte)).count()
}

/// `start..end`, extended to both sides by what belongs to it.
fn around(text: &str, start: usize, end: usize, belongs: impl Fn(u8) -> bool) -> (usize, usize) {
    let before = text.as_bytes()[..start].iter().rev().take_while(|byte| belongs(**byte)).count();
    (start - before, end_of(text, end, belongs))
}

/// `+` and the digits of `text`; refuses whatever else than digits and separators stands in it.
fn digits_of(text: &str) -> Result<String, NotANumber> {
    let mut digits = String::with_capacity(1 + MAX_DIGITS);
    digits.push('+');
    let mut plus_seen = false;
    for character in text.chars() {
        match character {
            '0'..='9' if digits.len() > 3 * MAX_DIGITS => return Err(NotANumber::Length),
            '0'..='9' => digits.push(character),
            '+' if !plus_seen && digits.len() == 1 => plus_seen = true,
            // Spaces and dashes also as text programs write them: no-break space, U+2010 to U+2015.
            ' ' | '\u{a0}' | '\u{202f}' | '-' | '\u{2010}'..='\u{2015}' | '.' | '(' | ')' | '[' | ']' => {}
            _ => return Err(NotANumber::Character),
        }
    }
    if digits.len() == 1 { Err(NotANumber::NoDigits) } else { Ok(digits) }
}

/// Why a text is no phone number. The text itself is not in it: this goes into logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotANumber {
    /// Nothing to dial.
    #[error("there is no digit in it")]
    NoDigits,
    /// Letters, control characters, a second `+` …
    #[error("there is something else in it than digits, one + in front, spaces, dots, dashes and brackets")]
    Character,
    /// No country has it.
    #[error("it does not begin with a country code")]
    UnknownCountryCode,
    /// Too short or too long for its country.
    #[error("its length does not fit its country code")]
    Length,
}

impl FromStr for PhoneNumber {
    type Err = NotANumber;
    fn from_str(text: &str) -> Result<Self, NotANumber> {
        Self::parse(text)
    }
}

/// A stored number is taken as it stands, only its shape is looked at: what was planned is dialed, even
/// by a later version whose metadata reads it otherwise.
impl TryFrom<String> for PhoneNumber {
    type Error = NotANumber;
    fn try_from(text: String) -> Result<Self, NotANumber> {
        let digits = text.strip_prefix('+').ok_or(NotANumber::Character)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotANumber::Character);
        }
        match digits.len() {
            0 => Err(NotANumber::NoDigits),
            1..=MAX_DIGITS if !digits.starts_with('0') => Ok(Self(text)),
            1..=MAX_DIGITS => Err(NotANumber::UnknownCountryCode),
            _ => Err(NotANumber::Length),
        }
    }
}

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> Self {
        number.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.masked().fmt(f)
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.masked(), f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_belongs_to_a_country() {
        let region = |text: &str| PhoneNumber::parse(text).unwrap().region();
        assert_eq!(region("+5511987654321").as_deref(), Some("BR"));
        assert_eq!(region("+16044011234").as_deref(), Some("CA"), "two countries have +1");
        assert_eq!(region("+80012345678"), None, "an international toll-free number");
    }

    #[test]
    fn the_ways_people_write_a_number_are_one_number() {
        for text in [
            "+5511912345678",
            "5511912345678",
            "+55 11 91234-5678",
            "+55 (11) 9.1234.5678",
            " [55] 11 91234\u{2011}5678",
            "(+55)11\u{a0}912345678",
        ] {
            assert_eq!(PhoneNumber::parse(text).unwrap().as_e164(), "+5511912345678", "{text}");
        }
        assert_eq!(PhoneNumber::parse("+44 (0)20 7183 8750").unwrap().as_e164(), "+442071838750");
        assert_eq!(PhoneNumber::parse("56912345678").unwrap().as_e164(), "+56912345678");
    }

    #[test]
    fn everything_else_is_refused_with_a_reason() {
        use NotANumber::{Character, Length, NoDigits, UnknownCountryCode};
        for (text, why) in [
            ("", NoDigits),
            (" +-", NoDigits),
            ("abc", Character),
            ("++56912345678", Character),
            ("+56+912345678", Character),
            ("56+912345678", Character),
            ("+5691234\n5678", Character),
            ("+56912345678\r", Character),
            ("+5691234\t5678", Character),
            ("+5691234\x005678", Character),
            ("+56912345678;ext=1", Character),
            ("+٥٦٩١٢٣٤٥٦٧٨", Character),
            ("+56", UnknownCountryCode),
            ("+0056912345678", UnknownCountryCode),
            ("+999123456789", UnknownCountryCode),
            ("+55111", Length),
            ("+5511912345678901234", Length),
            (&"5".repeat(1_000_000), Length),
        ] {
            assert_eq!(PhoneNumber::parse(text), Err(why), "{}", &text[..text.len().min(30)]);
        }
    }

    #[test]
    fn a_log_never_shows_the_middle() {
        let number = PhoneNumber::parse("+5511912349999").unwrap();
        assert_eq!(number.to_string(), "+5511•••••9999");
        assert_eq!(format!("{:?}", Some(&number)), "Some(+5511•••••9999)");
        let short = PhoneNumber::try_from("+2902158".to_owned()).unwrap();
        assert_eq!(short.masked().to_string(), "+•••2158");
    }

    #[test]
    fn a_text_from_outside_shows_no_number() {
        for (text, shown) in [
            ("sip_+5521987000003", "sip_+5521•••••0003"),
            ("sip_5521987000003", "sip_55219••••0003"),
            ("486 for <sip:+5521987000003@trunk>;tag=1", "486 for <sip:+5521•••••0003@trunk>;tag=1"),
            ("face-5521987000003", "face-55219••••0003"),
            ("5521987000003/21987000003", "55219••••0003/2198•••0003"),
            ("1234567", "1•••567"),
            ("at 127.0.0.1:65535 in 2026, 123456", "at 127.0.0.1:65535 in 2026, 123456"),
            ("01234567890123456789abcdef012345-a1", "01234567890123456789abcdef012345-a1"),
            ("12345678-1234-4234-8234-123456789012", "12345678-1234-4234-8234-123456789012"),
            ("12345678-1234-4234-8234-1234567890123", "1•••5678-1234-4234-8234-12345••••0123"),
            ("já 5521987000003 é", "já 55219••••0003 é"),
            ("", ""),
        ] {
            assert_eq!(MaskedText::of(text).to_string(), shown, "{text}");
        }
    }

    #[test]
    fn a_stored_number_is_the_whole_number_and_comes_back_as_it_stood() {
        let number = PhoneNumber::parse("+55 11 91234 9999").unwrap();
        assert_eq!(serde_json::to_string(&number).unwrap(), r#""+5511912349999""#);
        // No longer possible, perhaps, but planned: dialed as planned.
        assert_eq!(serde_json::from_str::<PhoneNumber>(r#""+55111""#).unwrap().as_e164(), "+55111");
        for bad in
            [r#""""#, r#""+""#, r#""5511""#, r#""+05511""#, r#""+55 11""#, r#""+1234567890123456""#, "55"]
        {
            assert!(serde_json::from_str::<PhoneNumber>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_digest_is_of_the_e164_text() {
        // printf '+5511912349999' | sha256sum
        let number = PhoneNumber::parse("5511912349999").unwrap();
        assert_eq!(number.sha256(), "d1257ef297aa33f3455702a42e8347fa0c8ab26b23cab6750167283ed5913020");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_is_read_reads_back(text in "[-+ .()\\[\\]0-9a\u{0}\u{a0}]{0,24}") {
            if let Ok(number) = PhoneNumber::parse(&text) {
                let e164 = number.as_e164().to_owned();
                prop_assert!(e164.len() <= 16 && e164.starts_with('+'));
                prop_assert!(e164[1..].bytes().all(|b| b.is_ascii_digit()));
                prop_assert!(number.masked().to_string().matches('•').count() >= 1);
                prop_assert_eq!(PhoneNumber::try_from(e164).unwrap(), number);
            }
        }
    }
}
