//! A JSON text as people see and mend it: keys keep their order and numbers stay as they were written, so that
//! what nobody touches goes back as it came.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Deeper than this the router reads nothing either.
const MAX_DEPTH: usize = 128;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A text, a number, true, false or null: as it was written.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// An object; of names that come twice both are here.
    Object(Vec<(String, Node)>),
}

/// One step of a path such as `metadata.phoneNumbers[0].number`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into an object.
    Name(String),
    /// Into a list, from 0.
    Index(usize),
}

/// A path as refusals write it.
///
/// # Errors
/// Says how a path looks.
pub fn path(text: &str) -> Result<Vec<Step>, String> {
    let wrong = || format!("{text:?} is no path: write it as in metadata.phoneNumbers[0].number");
    let mut steps = Vec::new();
    for part in text.split('.') {
        let (name, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        if name.is_empty() {
            return Err(wrong());
        }
        steps.push(Step::Name(name.to_owned()));
        if indices.is_empty() {
            continue;
        }
        let inner = indices.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).ok_or_else(wrong)?;
        for index in inner.split("][") {
            steps.push(Step::Index(index.parse().map_err(|_| wrong())?));
        }
    }
    Ok(steps)
}

/// A line of a text that is laid out for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// With its indentation.
    pub text: String,
    /// The value that was asked for begins here, or the nearest one around it that there is.
    pub is_marked: bool,
}

impl Node {
    /// Reads a text.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn read(text: &str) -> Result<Self, String> {
        let whole: &RawValue = serde_json::from_str(text).map_err(|error| error.to_string())?;
        Self::of(whole, 1)
    }

    /// What somebody typed: JSON if it is some, else a text.
    pub fn typed(text: &str) -> Self {
        Self::read(text).unwrap_or_else(|_| Self::Scalar(quoted(text)))
    }

    fn of(value: &RawValue, depth: usize) -> Result<Self, String> {
        let text = value.get();
        let failed = |error: serde_json::Error| error.to_string();
        let is_nested = text.starts_with(['{', '[']);
        if is_nested && depth > MAX_DEPTH {
            return Err(format!("lists and objects are nested deeper than {MAX_DEPTH}"));
        }
        if text.starts_with('{') {
            let Fields(fields) = serde_json::from_str(text).map_err(failed)?;
            let read = |(name, value): (String, &RawValue)| Ok((name, Self::of(value, depth + 1)?));
            return fields.into_iter().map(read).collect::<Result<_, String>>().map(Self::Object);
        }
        if text.starts_with('[') {
            let entries: Vec<&RawValue> = serde_json::from_str(text).map_err(failed)?;
            let read = |value: &RawValue| Self::of(value, depth + 1);
            return entries.into_iter().map(read).collect::<Result<_, String>>().map(Self::List);
        }
        Ok(Self::Scalar(text.to_owned()))
    }

    /// Puts `value` at the path. Objects on the way are made where there are none; a list grows by one at its end.
    ///
    /// # Errors
    /// When the path leads through something that has no such place.
    pub fn set(&mut self, path: &[Step], value: Self) -> Result<(), String> {
        let Some((step, rest)) = path.split_first() else {
            *self = value;
            return Ok(());
        };
        if *self == Self::null() {
            *self = match step {
                Step::Name(_) => Self::Object(Vec::new()),
                Step::Index(_) => Self::List(Vec::new()),
            };
        }
        if self.position(step).is_none() {
            match (&mut *self, step) {
                (Self::Object(fields), Step::Name(name)) => fields.push((name.clone(), Self::null())),
                (Self::List(entries), Step::Index(index)) if *index == entries.len() => {
                    entries.push(Self::null());
                }
                _ => return Err(self.has_no(step)),
            }
        }
        match self.child(step) {
            Some(child) => child.set(rest, value),
            None => Err(self.has_no(step)),
        }
    }

    /// Takes away what is at the path.
    ///
    /// # Errors
    /// When there is nothing.
    pub fn unset(&mut self, path: &[Step]) -> Result<(), String> {
        let Some((step, rest)) = path.split_first() else { return Err("an empty path".to_owned()) };
        let Some(index) = self.position(step) else { return Err(self.has_no(step)) };
        match (&mut *self, step) {
            (Self::Object(fields), Step::Name(name)) if rest.is_empty() => {
                fields.retain(|(other, _)| other != name);
            }
            (Self::List(entries), Step::Index(_)) if rest.is_empty() => drop(entries.remove(index)),
            _ => return self.child(step).map_or(Ok(()), |child| child.unset(rest)),
        }
        Ok(())
    }

    /// Laid out for people, marked where the path leads.
    pub fn lines(&self, path: Option<&[Step]>) -> Vec<Line> {
        let mut lines = Vec::new();
        self.lay_out(&mut lines, String::new(), "", path);
        lines
    }

    fn lay_out(&self, lines: &mut Vec<Line>, head: String, tail: &str, path: Option<&[Step]>) {
        let way = path.map(|path| path.split_first());
        let way =
            way.map(|first| first.and_then(|(step, rest)| self.position(step).map(|index| (index, rest))));
        let is_marked = way == Some(None);
        let rest_for = |index: usize| way.flatten().filter(|(on, _)| *on == index).map(|(_, rest)| rest);
        let indentation = head.len() - head.trim_start().len();
        let (open, close, heads): (_, _, Vec<String>) = match self {
            Self::Object(fields) => {
                ("{", "}", fields.iter().map(|(name, _)| format!("{}: ", quoted(name))).collect())
            }
            Self::List(entries) => ("[", "]", vec![String::new(); entries.len()]),
            Self::Scalar(_) => ("", "", Vec::new()),
        };
        if heads.is_empty() {
            lines.push(Line { text: format!("{head}{self}{tail}"), is_marked });
            return;
        }
        lines.push(Line { text: format!("{head}{open}"), is_marked });
        let count = heads.len();
        for (index, (name, child)) in heads.into_iter().zip(self.children()).enumerate() {
            let comma = if index + 1 < count { "," } else { "" };
            let head = format!("{}{name}", " ".repeat(indentation + 2));
            child.lay_out(lines, head, comma, rest_for(index));
        }
        lines.push(Line { text: format!("{}{close}{tail}", " ".repeat(indentation)), is_marked: false });
    }

    fn children(&self) -> Vec<&Self> {
        match self {
            Self::Object(fields) => fields.iter().map(|(_, value)| value).collect(),
            Self::List(entries) => entries.iter().collect(),
            Self::Scalar(_) => Vec::new(),
        }
    }

    /// Of names that come twice the last counts.
    fn position(&self, step: &Step) -> Option<usize> {
        match (self, step) {
            (Self::Object(fields), Step::Name(name)) => fields.iter().rposition(|(other, _)| other == name),
            (Self::List(entries), Step::Index(index)) => (*index < entries.len()).then_some(*index),
            _ => None,
        }
    }

    fn child(&mut self, step: &Step) -> Option<&mut Self> {
        let index = self.position(step)?;
        match self {
            Self::Object(fields) => Some(&mut fields.get_mut(index)?.1),
            Self::List(entries) => entries.get_mut(index),
            Self::Scalar(_) => None,
        }
    }

    fn null() -> Self {
        Self::Scalar("null".to_owned())
    }

    fn has_no(&self, step: &Step) -> String {
        let kind = match self {
            Self::Scalar(_) => "a text or a number".to_owned(),
            Self::List(entries) => format!("a list of {}", entries.len()),
            Self::Object(_) => "an object".to_owned(),
        };
        match step {
            Step::Name(name) => format!("there is no {name:?} in {kind}"),
            Step::Index(index) => format!("there is no [{index}] in {kind}"),
        }
    }
}

/// On one line, without a space.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comma = |index: usize| if index == 0 { "" } else { "," };
        match self {
            Self::Scalar(text) => f.write_str(text),
            Self::List(entries) => {
                f.write_str("[")?;
                for (index, entry) in entries.iter().enumerate() {
                    write!(f, "{}{entry}", comma(index))?;
                }
                f.write_str("]")
            }
            Self::Object(fields) => {
                f.write_str("{")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}{}:{value}", comma(index), quoted(name))?;
                }
                f.write_str("}")
            }
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The fields of an object in their order, none of them looked into.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        from.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn after(text: &str, place: &str, value: &str) -> Result<String, String> {
        let mut node = Node::read(text).unwrap();
        node.set(&path(place)?, Node::typed(value))?;
        Ok(node.to_string())
    }

    #[test]
    fn what_is_not_touched_stays_as_it_was_written() {
        let text = r#"{"z":1.50,"id":90071992547409931234567,"a":"\u00e9","z":{}}"#;
        assert_eq!(Node::read(text).unwrap().to_string(), text);
        let touched = r#"{"z":1.50,"id":90071992547409931234567,"a":"x","z":{}}"#;
        assert_eq!(after(text, "a", "x").unwrap(), touched);
    }

    #[test]
    fn a_value_is_set_where_the_path_leads() {
        let text = r#"{"metadata":{"phoneNumbers":[{"number":"1"},{"number":"2"}]}}"#;
        let second = after(text, "metadata.phoneNumbers[1].number", "+5511987654321").unwrap();
        assert_eq!(second, r#"{"metadata":{"phoneNumbers":[{"number":"1"},{"number":"+5511987654321"}]}}"#);
        assert_eq!(after("{}", "a.b[0].c", "1").unwrap(), r#"{"a":{"b":[{"c":1}]}}"#, "the way is made");
        assert_eq!(after(r#"{"a":null}"#, "a.b", "x").unwrap(), r#"{"a":{"b":"x"}}"#, "null is nothing");
        assert_eq!(after(r#"{"a":[1]}"#, "a[1]", "2").unwrap(), r#"{"a":[1,2]}"#, "a list grows at its end");
        assert_eq!(after(r#"{"a":1,"a":2}"#, "a", "3").unwrap(), r#"{"a":1,"a":3}"#, "the last one counts");
    }

    #[test]
    fn what_was_typed_is_json_if_it_can_be() {
        for (typed, written) in [
            ("7", "7"),
            ("true", "true"),
            ("\"7\"", "\"7\""),
            ("[1, {\"a\": 2}]", "[1,{\"a\":2}]"),
            ("+55", "\"+55\""),
            ("say \"hi\"", "\"say \\\"hi\\\"\""),
            ("", "\"\""),
        ] {
            assert_eq!(Node::typed(typed).to_string(), written);
        }
    }

    #[test]
    fn a_path_that_leads_nowhere_says_so() {
        for (text, place) in [(r#"{"a":"x"}"#, "a.b"), (r#"{"a":[1]}"#, "a[2]"), (r#"{"a":{}}"#, "a[0]")] {
            assert!(after(text, place, "1").unwrap_err().starts_with("there is no "), "{place}");
        }
        for bad in ["", ".", "a..b", "a[", "a[x]", "a[0]b", "[0]", "a[0][", "a[-1]"] {
            assert!(path(bad).unwrap_err().contains("is no path"), "{bad}");
        }
        assert_eq!(path("a[0][1].b").unwrap().len(), 4);
    }

    #[test]
    fn what_is_taken_away_is_gone() {
        let mut node = Node::read(r#"{"a":[1,2],"b":1,"b":2}"#).unwrap();
        node.unset(&path("a[0]").unwrap()).unwrap();
        node.unset(&path("b").unwrap()).unwrap();
        assert_eq!(node.to_string(), r#"{"a":[2]}"#);
        assert!(node.unset(&path("b").unwrap()).is_err());
    }

    #[test]
    fn the_line_at_fault_is_marked() {
        let node =
            Node::read(r#"{"id":1,"metadata":{"phoneNumbers":[{"number":"1"},{"number":"2"}],"e":{}}}"#);
        let node = node.unwrap();
        let marked = |place: &str| -> Vec<String> {
            let lines = node.lines(Some(&path(place).unwrap()));
            lines.into_iter().filter(|line| line.is_marked).map(|line| line.text).collect()
        };
        assert_eq!(marked("metadata.phoneNumbers[1].number"), ["        \"number\": \"2\""]);
        assert_eq!(marked("metadata.phoneNumbers"), ["    \"phoneNumbers\": ["]);
        assert_eq!(marked("metadata.subject.prompt.text"), ["  \"metadata\": {"], "the nearest there is");
        assert_eq!(marked("messageType"), ["{"]);
        assert_eq!(marked("metadata.e.x"), ["    \"e\": {}"]);
        assert!(node.lines(None).iter().all(|line| !line.is_marked));
        let text: Vec<String> = node.lines(None).into_iter().map(|line| line.text).collect();
        assert_eq!(Node::read(&text.join("\n")).unwrap(), node, "the layout is the same JSON");
    }

    #[test]
    fn too_deep_is_said_and_harms_nobody() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Node::read(&deep).unwrap_err().contains("deeper"));
    }
}
