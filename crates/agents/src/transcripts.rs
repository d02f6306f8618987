//! Utterances put together from the pieces in which they come.

use std::collections::BTreeMap;

use crate::event::{Role, TranscriptText};

/// Open utterances that are kept at most; with more, the oldest are given up.
const MOST_OPEN: usize = 32;
/// An utterance is kept up to this many bytes; what comes after is left out.
const LONGEST_UTTERANCE: usize = 16 * 1024;

/// A complete utterance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Who.
    pub role: Role,
    /// The words, trimmed.
    pub text: String,
}

/// Collects the pieces of utterances by their number. Bounded, whatever the vendor sends.
#[derive(Debug, Default)]
pub struct Transcripts {
    open: BTreeMap<(u64, Role), String>,
}

impl Transcripts {
    /// Takes one piece; gives the utterance when this piece completes it and there are words in it.
    pub fn take(&mut self, role: Role, text: &TranscriptText, ordinal: u64, is_final: bool) -> Option<Said> {
        let so_far = self.open.entry((ordinal, role)).or_default();
        match text {
            TranscriptText::Whole(whole) => whole.clone_into(so_far),
            TranscriptText::More(more) => so_far.push_str(more),
        }
        cut(so_far, LONGEST_UTTERANCE);
        if is_final {
            let text = self.open.remove(&(ordinal, role))?.trim().to_owned();
            return (!text.is_empty()).then_some(Said { role, text });
        }
        if self.open.len() > MOST_OPEN {
            self.open.pop_first();
        }
        None
    }

    /// Gives what was said but never completed, in order: at the end of a call that is cut off.
    pub fn take_open(&mut self) -> Vec<Said> {
        std::mem::take(&mut self.open)
            .into_iter()
            .map(|((_, role), text)| Said { role, text: text.trim().to_owned() })
            .filter(|said| !said.text.is_empty())
            .collect()
    }
}

/// Shortens to at most `limit` bytes without cutting a character.
fn cut(text: &mut String, limit: usize) {
    if text.len() > limit {
        let end = (0..=limit).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> TranscriptText {
        TranscriptText::Whole(text.to_owned())
    }
    fn more(text: &str) -> TranscriptText {
        TranscriptText::More(text.to_owned())
    }

    #[test]
    fn text_replaces_delta_appends_final_closes() {
        let mut transcripts = Transcripts::default();
        assert_eq!(transcripts.take(Role::Agent, &whole("Ol"), 1, false), None);
        assert_eq!(transcripts.take(Role::Agent, &whole("Olá"), 1, false), None);
        assert_eq!(transcripts.take(Role::Callee, &whole("Alô"), 2, false), None);
        assert_eq!(transcripts.take(Role::Agent, &more(", tudo"), 1, false), None);
        let said = transcripts.take(Role::Agent, &more(" bem?"), 1, true);
        assert_eq!(said, Some(Said { role: Role::Agent, text: "Olá, tudo bem?".to_owned() }));
        assert_eq!(transcripts.take_open(), [Said { role: Role::Callee, text: "Alô".to_owned() }]);
        assert_eq!(transcripts.take_open(), []);
    }

    #[test]
    fn a_final_piece_without_words_is_no_utterance() {
        assert_eq!(Transcripts::default().take(Role::Callee, &more(" "), 7, true), None);
    }

    #[test]
    fn it_stays_bounded() {
        let mut transcripts = Transcripts::default();
        for ordinal in 0..1000 {
            let _ = transcripts.take(Role::Callee, &whole(&"á".repeat(LONGEST_UTTERANCE)), ordinal, false);
        }
        let open = transcripts.take_open();
        assert_eq!(open.len(), MOST_OPEN);
        assert!(open.iter().all(|said| said.text.len() <= LONGEST_UTTERANCE));
    }
}
