//! Bytes become a [`TriggerCall`], or a [`Refusal`] with a stable code and the JSON path at fault.
//!
//! Read in this order, the first fault decides: JSON, an object, `messageType`, the prompt, the numbers,
//! the ids that are echoed; the profile is [`plan`](crate::plan)'s business. `null` is absent everywhere, a
//! number is taken as its text where a text is wanted.

mod json;

use serde::{Deserialize, Serialize};

use crate::ids::CallKey;
use crate::phone::PhoneNumber;
use json::{Object, Scalar};

/// The message type that we dial for.
pub const MESSAGE_TYPE: &str = "TRIGGER_CALL";

/// A message that asks for a call, checked but for its country.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerCall {
    /// What upstream wants to see again.
    pub tracking: Tracking,
    /// `metadata.callId`, else the top-level `callId`. Without: `id`, then the call key.
    pub call_id: Option<String>,
    /// Wins over the profile's voice.
    pub voice_id: Option<String>,
    /// Whom to dial: the number with the lowest `order`.
    pub to: PhoneNumber,
    /// Where that number stands in the message.
    pub to_path: String,
    /// What the agent is told to be and do; not blank.
    pub system_prompt: String,
    /// What the agent says first.
    pub greeting_message: Option<String>,
}

/// Ids that are only echoed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tracking {
    /// `id` of the message.
    pub id: Option<String>,
    /// `source` of the message.
    pub source: Option<String>,
    /// `organizationId`.
    pub organization_id: Option<String>,
    /// `tenantId`.
    pub tenant_id: Option<String>,
    /// `metadata.workflowId`.
    pub workflow_id: Option<String>,
    /// `metadata.campaignId`.
    pub campaign_id: Option<String>,
    /// `metadata.customerId`.
    pub customer_id: Option<String>,
    /// `metadata.userId`.
    pub user_id: Option<String>,
    /// `metadata.telephonyProvider`.
    pub telephony_provider: Option<String>,
    /// `metadata.direction`.
    pub direction: Option<String>,
    /// `metadata.externalCustomerId`.
    pub external_customer_id: Option<String>,
    /// `metadata.fullName`.
    pub full_name: Option<String>,
}

/// Why a message will never be dialed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The stable code.
    pub code: RefusalCode,
    /// One human sentence. No phone number in full and nothing of the message's texts is in it.
    pub detail: String,
    /// The JSON path at fault, such as `metadata.phoneNumbers[1].order`.
    pub path: Option<String>,
}

impl Refusal {
    /// Puts one together.
    pub fn new(code: RefusalCode, detail: impl Into<String>, path: Option<String>) -> Self {
        Self { code, detail: detail.into(), path }
    }
}

/// A message that cannot be used, and what could be read of it all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Why.
    pub refusal: Refusal,
    /// The ids that could be read.
    pub tracking: Tracking,
    /// As [`TriggerCall::call_id`].
    pub call_id: Option<String>,
    /// `metadata` is an object: upstream can be told of the refusal.
    pub has_metadata: bool,
}

macro_rules! refusal_codes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        /// The stable codes of refusals. New ones may come, none ever changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum RefusalCode { $($(#[$doc])* #[serde(rename = $word)] $variant,)* }

        impl RefusalCode {
            /// Every code, for tables and tests.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code as upstream sees it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

refusal_codes! {
    /// Not one JSON text in UTF-8, or nested too deep.
    NotJson = "not_json",
    /// JSON, but no object.
    NotAnObject = "not_an_object",
    /// `messageType` is not `TRIGGER_CALL`.
    WrongMessageType = "wrong_message_type",
    /// No prompt, or a blank one.
    MissingPrompt = "missing_prompt",
    /// No entry with a number.
    NoPhoneNumbers = "no_phone_numbers",
    /// The number that would be dialed is none.
    InvalidPhoneNumber = "invalid_phone_number",
    /// No country profile claims the number.
    NoProfileForPrefix = "no_profile_for_prefix",
    /// A field is of the wrong kind; the path says which.
    BadField = "bad_field",
    /// Older than the deployment allows.
    Expired = "expired",
    /// Every attempt failed before the dial.
    AttemptsExhausted = "attempts_exhausted",
    /// The message was received too often without success.
    ReceivesExhausted = "receives_exhausted",
}

impl std::fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TriggerCall {
    /// Reads a message. Any bytes are fine, nothing panics, and no more is kept than the message holds.
    ///
    /// # Errors
    /// [`Unusable`]: the first fault in the order above, and the ids that could be read.
    pub fn read(bytes: &[u8]) -> Result<Self, Box<Unusable>> {
        let message = Object::of_message(bytes).map_err(|refusal| {
            Box::new(Unusable { refusal, tracking: Tracking::default(), call_id: None, has_metadata: false })
        })?;
        Self::read_object(&message).map_err(|refusal| {
            let metadata = message.object("metadata").ok().flatten();
            let ids = Ids { lenient: true, message: &message, metadata: metadata.as_ref() };
            let call_id = ids.call_id().unwrap_or_default();
            let tracking = ids.tracking().unwrap_or_default();
            Box::new(Unusable { refusal, tracking, call_id, has_metadata: metadata.is_some() })
        })
    }

    fn read_object(message: &Object<'_>) -> Result<Self, Refusal> {
        check_type(message)?;
        let metadata = message.object("metadata")?;
        let metadata = metadata.as_ref();
        let (system_prompt, greeting_message) = prompt_of(metadata)?;
        let (to, to_path) = number_of(metadata)?;
        let ids = Ids { lenient: false, message, metadata };
        Ok(Self {
            call_id: ids.call_id()?,
            tracking: ids.tracking()?,
            voice_id: ids.of_metadata("voiceId")?.filter(|voice| !is_blank(voice)),
            to,
            to_path,
            system_prompt,
            greeting_message,
        })
    }
}

/// The identity of the call that a message asks for: from its `id`, else from the SQS message id of its
/// first delivery.
pub fn call_key(tracking: &Tracking, sqs_message_id: &str) -> CallKey {
    match tracking.id.as_deref() {
        None | Some("") => CallKey::from_sqs_message(sqs_message_id),
        Some(id) => CallKey::from_ids(tracking.organization_id.as_deref(), tracking.tenant_id.as_deref(), id),
    }
}

fn check_type(message: &Object<'_>) -> Result<(), Refusal> {
    match message.scalar("messageType") {
        Ok(Some(Scalar::Text(kind))) if kind == MESSAGE_TYPE => Ok(()),
        _ => {
            let detail = format!("messageType must be \"{MESSAGE_TYPE}\"");
            Err(Refusal::new(RefusalCode::WrongMessageType, detail, Some("messageType".to_owned())))
        }
    }
}

/// The prompt and the greeting.
fn prompt_of(metadata: Option<&Object<'_>>) -> Result<(String, Option<String>), Refusal> {
    let subject = metadata.map(|metadata| metadata.object("subject")).transpose()?.flatten();
    let prompt = subject.map(|subject| subject.object("prompt")).transpose()?.flatten();
    let text = prompt.as_ref().map(|prompt| prompt.text("text")).transpose()?.flatten();
    let Some(text) = text.filter(|text| !is_blank(text)) else {
        let path = "metadata.subject.prompt.text".to_owned();
        return Err(Refusal::new(RefusalCode::MissingPrompt, "there is no prompt for the agent", Some(path)));
    };
    let greeting = prompt.map(|prompt| prompt.text("greetingMessage")).transpose()?.flatten();
    Ok((text, greeting.filter(|greeting| !is_blank(greeting))))
}

/// The number to dial, and where it stands.
fn number_of(metadata: Option<&Object<'_>>) -> Result<(PhoneNumber, String), Refusal> {
    let entries = metadata.map(|metadata| metadata.objects("phoneNumbers")).transpose()?.unwrap_or_default();
    let mut lowest: Option<(i128, Scalar, String)> = None;
    for entry in entries {
        let number = entry.scalar("number")?;
        let Some(number) =
            number.filter(|number| !matches!(number, Scalar::Text(text) if text.trim().is_empty()))
        else {
            continue;
        };
        let order = order_of(&entry)?;
        if lowest.as_ref().is_none_or(|(lowest, ..)| order < *lowest) {
            lowest = Some((order, number, entry.path_of("number")));
        }
    }
    let Some((_, number, path)) = lowest else {
        let path = "metadata.phoneNumbers".to_owned();
        return Err(Refusal::new(RefusalCode::NoPhoneNumbers, "there is no number to dial", Some(path)));
    };
    let parsed = match number {
        Scalar::Text(text) => PhoneNumber::parse(&text).map_err(|error| error.to_string()),
        // A sign, a point or an exponent is arithmetic here, not a separator: 55119.0 is not 551190.
        Scalar::Number(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            PhoneNumber::parse(&text).map_err(|error| error.to_string())
        }
        Scalar::Number(_) => Err("it is a number with a sign, a fraction or an exponent".to_owned()),
    };
    match parsed {
        Ok(number) => Ok((number, path)),
        Err(why) => {
            let detail = format!("{path} is no phone number: {why}");
            Err(Refusal::new(RefusalCode::InvalidPhoneNumber, detail, Some(path)))
        }
    }
}

/// `order`: a whole number, also as text; 0 without. What is too large to count stays in its place.
fn order_of(entry: &Object<'_>) -> Result<i128, Refusal> {
    let Some(text) = entry.text("order")? else { return Ok(0) };
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let path = entry.path_of("order");
        let detail = format!("{path} must be a whole number");
        return Err(Refusal::new(RefusalCode::BadField, detail, Some(path)));
    }
    let size = digits.parse().unwrap_or(i128::MAX);
    Ok(if negative { -size } else { size })
}

/// The ids of a message. Leniently read, a field of the wrong kind is absent.
struct Ids<'a> {
    lenient: bool,
    message: &'a Object<'a>,
    metadata: Option<&'a Object<'a>>,
}

impl Ids<'_> {
    fn tracking(&self) -> Result<Tracking, Refusal> {
        Ok(Tracking {
            id: self.top("id")?,
            source: self.top("source")?,
            organization_id: self.top("organizationId")?,
            tenant_id: self.top("tenantId")?,
            workflow_id: self.of_metadata("workflowId")?,
            campaign_id: self.of_metadata("campaignId")?,
            customer_id: self.of_metadata("customerId")?,
            user_id: self.of_metadata("userId")?,
            telephony_provider: self.of_metadata("telephonyProvider")?,
            direction: self.of_metadata("direction")?,
            external_customer_id: self.of_metadata("externalCustomerId")?,
            full_name: self.of_metadata("fullName")?,
        })
    }

    /// An empty one counts as none, so that events always carry an id.
    fn call_id(&self) -> Result<Option<String>, Refusal> {
        let inner = self.of_metadata("callId")?;
        let outer = self.top("callId")?;
        Ok([inner, outer].into_iter().flatten().find(|id| !id.is_empty()))
    }

    fn top(&self, name: &str) -> Result<Option<String>, Refusal> {
        self.settle(self.message.text(name))
    }

    fn of_metadata(&self, name: &str) -> Result<Option<String>, Refusal> {
        self.metadata.map_or(Ok(None), |metadata| self.settle(metadata.text(name)))
    }

    fn settle(&self, read: Result<Option<String>, Refusal>) -> Result<Option<String>, Refusal> {
        if self.lenient { Ok(read.unwrap_or_default()) } else { read }
    }
}

/// Nothing that could be read or said.
fn is_blank(text: &str) -> bool {
    text.chars().all(|character| character.is_whitespace() || character.is_control())
}

#[cfg(test)]
mod any_bytes;
#[cfg(test)]
mod tests;
