//! Which messages a file holds: one, or one a line.

use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use crate::failure::misuse;

/// UTF-8's byte order mark.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Does the name of a file say that each of its lines is a message?
pub fn says_lines(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "jsonl" || extension == "ndjson")
}

/// The bytes of a file, or (`-`) of standard input.
pub fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = match file.as_os_str() == "-" {
        true => std::io::stdin().read_to_end(&mut bytes),
        false => std::fs::File::open(file).and_then(|mut file| file.read_to_end(&mut bytes)),
    };
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => Err(misuse(format!("cannot read {}: {error}", file.display()))),
    }
}

/// The messages in it. A text that is one JSON value is one message; of several lines each is one if any of them
/// is an object that could be one. With `lines` each line is one in any case.
pub fn split(text: &[u8], lines: bool) -> Vec<&[u8]> {
    let each = text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let each: Vec<&[u8]> = each.collect();
    if lines || (each.len() > 1 && !is_json(text) && each.iter().any(|line| is_message(line))) {
        return each;
    }
    vec![text]
}

/// Inside of one broken message objects stand on lines of their own too: indented, and without a word what they are.
fn is_message(line: &[u8]) -> bool {
    let line = line.strip_prefix(BOM).unwrap_or(line);
    let says_what =
        || serde_json::from_slice::<Value>(line).is_ok_and(|value| value.get("messageType").is_some());
    (line.first() == Some(&b'{') && is_json(line)) || says_what()
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_or_one_a_line() {
        assert_eq!(split(b"{\n  \"a\": 1\n}\n", false).len(), 1, "one, over several lines");
        assert_eq!(split(b"{\"a\":1}\n\n{\"a\":2}\r\n", false).len(), 2, "one a line");
        assert_eq!(split(b"{\"a\":1}\nnot json\n", false).len(), 2, "one of them broken");
        assert_eq!(split(b"{\n  \"a\": {}\n  \"b\"\n", false).len(), 1, "one, broken, over several lines");
        assert_eq!(split(b"{\"a\":1} trailing", false).len(), 1);
        assert_eq!(split(b"", false).len(), 1, "nothing is a message that is no JSON");
        assert_eq!(split(b"a\nb\n", true).len(), 2);
        let indented = b"  {\"messageType\":\"TRIGGER_CALL\"}\n  {\"messageType\":\"TRIGGER_CALL\"}\n";
        assert_eq!(split(indented, false).len(), 2);
        assert_eq!(split(b"\xef\xbb\xbf{\"a\":1}\nnot json\n", false).len(), 2, "a BOM before the first");
        assert!(says_lines(Path::new("x.jsonl")) && !says_lines(Path::new("x.json")));
    }
}
