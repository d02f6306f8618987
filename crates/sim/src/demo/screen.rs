//! What the terminal shows: aligned columns, elapsed time, colours only where they are wanted.

use std::io::Write as _;

use tokio::time::Instant;

/// How a line feels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Warning,
    Bad,
    Speech,
    Dim,
}

/// Where the detail column begins, and where it is wrapped.
const DETAIL_AT: usize = 45;
const WIDTH: usize = 118;

pub(super) struct Screen {
    colours: bool,
    since: Instant,
}

impl Screen {
    pub(super) fn new(colours: bool) -> Self {
        Self { colours, since: Instant::now() }
    }

    pub(super) fn title(&mut self, name: &str, what: &str) {
        self.write(&format!("\n{}  {}\n\n", self.paint("1", name), self.paint("2", what)));
    }

    /// The name of a part; time begins anew.
    pub(super) fn heading(&mut self, name: &str) {
        self.since = Instant::now();
        self.write(&format!("\n{}\n", self.paint("1", name)));
    }

    /// ` 12.34 s  router        message accepted      call … to …`
    pub(super) fn line(&mut self, who: &str, tone: Tone, title: &str, detail: &str) {
        let elapsed = format!("{:6.2} s", self.since.elapsed().as_secs_f64());
        let mut lines = wrapped(detail, WIDTH - DETAIL_AT).into_iter();
        let first = lines.next().unwrap_or_default();
        let titled = format!("{title:<21}");
        self.write(&format!(
            "{}  {}  {}  {}\n",
            self.paint("2", &elapsed),
            self.paint("2", &format!("{who:<11}")),
            self.paint(code(tone), &titled),
            if tone == Tone::Speech { self.paint("3", &first) } else { first },
        ));
        for rest in lines {
            let rest = if tone == Tone::Speech { self.paint("3", &rest) } else { rest };
            self.write(&format!("{:DETAIL_AT$}{rest}\n", ""));
        }
    }

    /// `  ✓ the agent was heard …`
    pub(super) fn check(&mut self, passed: bool, what: &str) {
        let (sign, tone) = if passed { ("✓", Tone::Good) } else { ("✗", Tone::Bad) };
        self.write(&format!("  {} {what}\n", self.paint(code(tone), sign)));
    }

    /// `  answer delay       1.52 s`
    pub(super) fn figure(&mut self, name: &str, value: &str) {
        self.write(&format!("  {}  {value}\n", self.paint("2", &format!("{name:<22}"))));
    }

    pub(super) fn end(&mut self, tone: Tone, what: &str) {
        self.write(&format!("\n{}\n", self.paint(code(tone), what)));
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colours && !code.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn write(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        // Nobody watches any more: the call goes on all the same.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

const fn code(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "",
        Tone::Good => "32",
        Tone::Warning => "33",
        Tone::Bad => "31",
        Tone::Speech => "36",
        Tone::Dim => "2",
    }
}

/// Breaks at spaces; a word that is longer than a line stays whole.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut();
        match last {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_at_spaces_and_loses_nothing() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("unbreakable", 3), ["unbreakable"]);
        assert_eq!(wrapped("", 3), [""]);
        assert_eq!(wrapped("olá às três", 6), ["olá às", "três"]);
    }

    #[test]
    fn without_colours_nothing_but_text_is_written() {
        assert_eq!(Screen::new(false).paint("31", "x"), "x");
        assert_eq!(Screen::new(true).paint("31", "x"), "\x1b[31mx\x1b[0m");
    }
}
