//! Reads one profile and says, in a sentence, which field is wrong.

use std::str::FromStr;

use jiff::tz::TimeZone;
use rlibphonenumber::{PHONE_NUMBER_UTIL, Region};
use serde_json::{Map, Value};

use super::CountryProfile;
use crate::cost::{Price, is_currency};
use crate::hours::CallHours;
use crate::phone::PhoneNumber;
use crate::transfer::{TransferTarget, is_name};

/// More names than this an agent does not choose well from.
const MOST_TARGETS: usize = 20;

/// Why a profile cannot be used: whose, which field, what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("profile {}: {field}: {detail}", .country.as_deref().unwrap_or("of an unknown country"))]
pub struct ProfileError {
    /// ISO 3166-1 alpha-2, where it could be read (or where whoever read the profile knows it).
    pub country: Option<String>,
    /// The field, such as `livekit.url`; `json` for a text that is no JSON object.
    pub field: String,
    /// What is wrong with it.
    pub detail: String,
    /// The prefixes that the profile claims, where they could be read: its numbers are "try again".
    pub(super) prefixes: Vec<String>,
    /// It is switched off, so nothing waits for it.
    pub(super) disabled: bool,
}

impl ProfileError {
    /// Names the country from where the profile was found, if the profile itself does not tell.
    #[must_use]
    pub fn found_under(mut self, country: &str) -> Self {
        if self.country.is_none() && is_country(country) {
            self.country = Some(country.to_owned());
        }
        self
    }
}

impl CountryProfile {
    /// Reads a profile as it stands in a file or a parameter. Unknown fields are ignored, `null` is absent,
    /// `v` is 1 if there is none, `prefixes` the country's calling code.
    ///
    /// # Errors
    /// [`ProfileError`] names the country and the first field that is wrong.
    pub fn from_json(text: &str) -> Result<Self, ProfileError> {
        match serde_json::from_str(text) {
            Ok(value) => Self::from_value(value),
            Err(error) => Err(Problem::new("json", error.to_string()).of(&Value::Null)),
        }
    }

    /// As [`from_json`](Self::from_json), for a profile that was put together by other means.
    ///
    /// # Errors
    /// [`ProfileError`] names the country and the first field that is wrong.
    pub fn from_value(mut value: Value) -> Result<Self, ProfileError> {
        drop_nulls(&mut value);
        checked(&mut value).map_err(|problem| problem.of(&value))?;
        serde_json::from_value(value.clone())
            .map_err(|error| Problem::new("json", error.to_string()).of(&value))
    }
}

/// What is wrong, before it is known whose profile it is.
pub(super) struct Problem {
    field: &'static str,
    detail: String,
}

impl Problem {
    pub(super) fn new(field: &'static str, detail: impl Into<String>) -> Self {
        Self { field, detail: detail.into() }
    }

    /// Whose it is, as far as the rest of the profile tells.
    pub(super) fn of(self, value: &Value) -> ProfileError {
        let country = value["country"].as_str().filter(|country| is_country(country)).map(str::to_owned);
        let prefixes = value["prefixes"].as_array().into_iter().flatten();
        let prefixes = prefixes.filter_map(Value::as_str).filter(|prefix| is_prefix(prefix));
        ProfileError {
            country,
            field: self.field.to_owned(),
            detail: self.detail,
            prefixes: prefixes.map(str::to_owned).collect(),
            disabled: value["enabled"] == false,
        }
    }
}

/// What a field must be.
enum Kind {
    Text,
    Bool,
    Whole(u64, u64),
    Number(f64, f64),
    OneOf(&'static [&'static str]),
    Rate,
    Targets,
    Url(&'static [&'static str]),
    CallerId,
    Currency,
    Price,
    CallHours,
    TimeZone,
}

/// Every field but `v`, `country` and `prefixes`, which need more than one look: name, what it must be,
/// whether it must be there.
const FIELDS: &[(&str, Kind, bool)] = &[
    ("provider", Kind::Text, false),
    ("enabled", Kind::Bool, false),
    ("record", Kind::Bool, false),
    // The limit is ours: each call that is under way is an object that every beginning call counts.
    ("maxConcurrentCalls", Kind::Whole(1, 10_000), false),
    ("callsPerSecond", Kind::Number(0.01, 1_000.0), false),
    ("callHours", Kind::CallHours, false),
    ("timeZone", Kind::TimeZone, false),
    ("livekit.url", Kind::Url(&["wss", "https", "ws", "http"]), true),
    ("livekit.trunkId", Kind::Text, true),
    ("livekit.callerId", Kind::CallerId, true),
    ("livekit.krisp", Kind::Bool, false),
    ("dial.ringSeconds", Kind::Whole(1, 60), false),
    ("dial.maxCallSeconds", Kind::Whole(1, 86_400), false),
    ("dial.retryTrunkErrors", Kind::Bool, false),
    ("agent.provider", Kind::OneOf(&["ultravox"]), false),
    ("agent.callsUrl", Kind::Url(&["https", "http"]), false),
    ("agent.voice", Kind::Text, true),
    ("agent.languageHint", Kind::Text, false),
    ("agent.model", Kind::Text, false),
    ("agent.temperature", Kind::Number(0.0, 1.0), false),
    ("agent.firstSpeaker", Kind::OneOf(&["callee", "agent"]), false),
    // The upper limit is ours: a later greeting meets nobody.
    ("agent.greetingDelaySeconds", Kind::Number(0.0, 300.0), false),
    ("agent.silenceSeconds", Kind::Whole(0, 3_600), false),
    ("agent.voicemailGuard", Kind::Bool, false),
    ("agent.hangUpTool", Kind::Bool, false),
    ("agent.digitsTool", Kind::Bool, false),
    ("agent.sampleRate", Kind::Rate, false),
    ("agent.recordByAgent", Kind::Bool, false),
    ("transfer.targets", Kind::Targets, false),
    // The vendor's agent waits 40 s for a tool.
    ("transfer.ringSeconds", Kind::Whole(1, 30), false),
    ("prices.currency", Kind::Currency, false),
    ("prices.task", Kind::Price, false),
    ("prices.room", Kind::Price, false),
    ("prices.trunk", Kind::Price, false),
    ("prices.agent", Kind::Price, false),
];

fn checked(value: &mut Value) -> Result<(), Problem> {
    let profile = value.as_object_mut().ok_or_else(|| Problem::new("json", "must be an object"))?;
    if *profile.entry("v").or_insert_with(|| 1.into()) != 1 {
        return Err(Problem::new("v", "must be 1"));
    }
    for section in ["livekit", "dial", "agent", "transfer", "prices"] {
        if profile.get(section).is_some_and(|value| !value.is_object()) {
            return Err(Problem::new(section, "must be an object"));
        }
    }
    let country = country_of(profile)?;
    let names_prefixes =
        profile.get("prefixes").is_some_and(|prefixes| prefixes.as_array().is_none_or(|all| !all.is_empty()));
    let prefixes_fit = |all: &Vec<Value>| all.iter().all(|prefix| prefix.as_str().is_some_and(is_prefix));
    if names_prefixes && !profile["prefixes"].as_array().is_some_and(prefixes_fit) {
        return Err(Problem::new("prefixes", "must be a list of texts such as \"+55\""));
    }
    if let Some(problem) = field_problems(profile).next() {
        return Err(problem);
    }
    if profile.get("prices").is_some_and(|prices| prices.get("currency").is_none()) {
        return Err(Problem::new("prices.currency", "is missing"));
    }
    if profile.contains_key("callHours") && !profile.contains_key("timeZone") {
        return Err(Problem::new(
            "timeZone",
            "must say whose hours callHours are, such as \"America/Sao_Paulo\"",
        ));
    }
    // Last, so that a profile that fails before claims no prefix that it did not name.
    if !names_prefixes {
        let code = calling_code(&country).ok_or_else(|| {
            Problem::new(
                "prefixes",
                format!("{country} has no calling code by libphonenumber: name the prefixes"),
            )
        })?;
        profile.insert("prefixes".to_owned(), vec![code].into());
    }
    Ok(())
}

/// Everything that is wrong with fields that can be looked at one by one.
pub(super) fn field_problems(profile: &Map<String, Value>) -> impl Iterator<Item = Problem> {
    FIELDS.iter().filter_map(|(field, kind, required)| match field_of(profile, field) {
        Some(found) => kind.check(found).err().map(|detail| Problem::new(field, detail)),
        None => required.then(|| Problem::new(field, "is missing")),
    })
}

fn field_of<'a>(profile: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    match field.split_once('.') {
        Some((section, name)) => profile.get(section)?.get(name),
        None => profile.get(field),
    }
}

/// Is there such a field in a profile?
pub(super) fn is_known(field: &str) -> bool {
    const OTHERS: [&str; 8] = ["v", "country", "prefixes", "livekit", "dial", "agent", "transfer", "prices"];
    OTHERS.contains(&field) || FIELDS.iter().any(|(known, ..)| *known == field)
}

fn country_of(profile: &Map<String, Value>) -> Result<String, Problem> {
    match profile.get("country") {
        None => Err(Problem::new("country", "is missing")),
        Some(Value::String(country)) if is_country(country) => Ok(country.clone()),
        Some(_) => Err(Problem::new("country", "must be two capital letters such as \"BR\"")),
    }
}

impl Kind {
    fn check(&self, value: &Value) -> Result<(), String> {
        let fits = match self {
            Self::Text => value.as_str().is_some_and(|text| !text.trim().is_empty()),
            Self::Bool => value.is_boolean(),
            Self::Whole(least, most) => {
                value.as_u64().is_some_and(|number| (*least..=*most).contains(&number))
            }
            Self::Number(least, most) => {
                value.as_f64().is_some_and(|number| (*least..=*most).contains(&number))
            }
            Self::OneOf(words) => value.as_str().is_some_and(|text| words.contains(&text)),
            Self::Rate => matches!(value.as_u64(), Some(8_000 | 16_000 | 24_000 | 48_000)),
            Self::Targets => value.as_object().is_some_and(are_targets),
            Self::Url(schemes) => value.as_str().is_some_and(|text| is_url(text, schemes)),
            Self::CallerId => value.as_str().is_some_and(is_caller_id),
            Self::Currency => value.as_str().is_some_and(is_currency),
            Self::Price => is_price(value),
            Self::CallHours => {
                value.as_array().is_some_and(|all| !all.is_empty() && all.iter().all(is_call_hours))
            }
            Self::TimeZone => value.as_str().is_some_and(|name| TimeZone::get(name).is_ok()),
        };
        if fits { Ok(()) } else { Err(self.wish()) }
    }

    fn wish(&self) -> String {
        match self {
            Self::Text => "must be a text that is not blank".to_owned(),
            Self::Bool => "must be true or false".to_owned(),
            Self::Whole(least, most) => format!("must be a whole number from {least} to {most}"),
            Self::Number(least, most) => format!("must be a number from {least} to {most}"),
            Self::OneOf(words) => format!("must be one of: {}", words.join(", ")),
            Self::Rate => "must be 8000, 16000, 24000 or 48000".to_owned(),
            Self::Targets => format!(
                "must be an object of at most {MOST_TARGETS} names (letters, digits, -, _ and spaces, no number) to \
                 E.164 numbers, tel:, sip: or sips: addresses, such as {{\"sales\": \"+551130000001\"}}"
            ),
            Self::Url(schemes) => {
                format!("must be an address that begins with {}://", schemes.join(":// or "))
            }
            Self::CallerId => "must be an E.164 number such as \"+551130000000\"".to_owned(),
            Self::Currency => "must be three capital letters such as \"USD\"".to_owned(),
            Self::Price => {
                "must be an object of perMinute (a number from 0) and, where they differ from 0 and 1, \
                            minimumSeconds and roundUpToSeconds (from 1), such as {\"perMinute\": 0.05, \
                            \"roundUpToSeconds\": 6}"
                    .to_owned()
            }
            Self::CallHours => "must be a list of texts such as \"mon-fri 08:00-20:00\"".to_owned(),
            Self::TimeZone => "must be an IANA time zone such as \"America/Sao_Paulo\"".to_owned(),
        }
    }
}

fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn is_prefix(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (1..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_url(text: &str, schemes: &[&str]) -> bool {
    url::Url::parse(text)
        .is_ok_and(|url| schemes.contains(&url.scheme()) && url.has_host() && text.contains("://"))
}

fn are_targets(targets: &Map<String, Value>) -> bool {
    let is_target =
        |value: &Value| value.as_str().is_some_and(|text| TransferTarget::try_from(text.to_owned()).is_ok());
    targets.len() <= MOST_TARGETS && targets.iter().all(|(name, value)| is_name(name) && is_target(value))
}

fn is_price(value: &Value) -> bool {
    serde_json::from_value::<Price>(value.clone()).is_ok_and(|price| {
        price.per_minute.is_finite() && price.per_minute >= 0.0 && price.round_up_to_seconds > 0
    })
}

fn is_call_hours(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.parse::<CallHours>().is_ok())
}

/// E.164 to the letter: this text goes into the INVITE as it stands.
fn is_caller_id(text: &str) -> bool {
    PhoneNumber::try_from(text.to_owned()).is_ok()
}

/// `+` and the country's calling code by libphonenumber's data.
pub(super) fn calling_code(country: &str) -> Option<String> {
    let region = Region::from_str(country).ok()?;
    PHONE_NUMBER_UTIL.get_country_code_for_region(region).map(|code| format!("+{code}"))
}

pub(super) fn drop_nulls(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, field| !field.is_null());
        fields.values_mut().for_each(drop_nulls);
    }
}
