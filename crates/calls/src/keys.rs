//! The keys of a telephone. What a person types may be the number of a card: nothing here shows it.

use std::collections::VecDeque;
use std::fmt;

/// So many keys in one go, in either direction; a card's number with its date and code has 23.
pub const MOST_KEYS: usize = 32;

/// One key: `0` to `9`, `*`, `#`, or `A` to `D`, which no telephone has and every exchange knows (ITU-T Q.23).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key(char);

impl Key {
    /// The key with this sign, letters in either case; `None`: there is none.
    pub fn of(sign: char) -> Option<Self> {
        let sign = sign.to_ascii_uppercase();
        matches!(sign, '0'..='9' | '*' | '#' | 'A'..='D').then_some(Self(sign))
    }

    /// What stands on it.
    pub fn as_char(self) -> char {
        self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(•)")
    }
}

/// Keys that were pressed one soon after the other.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keys(String);

impl Keys {
    /// One more, unless there are [`MOST_KEYS`].
    pub fn push(&mut self, key: Key) {
        if !self.is_full() {
            self.0.push(key.as_char());
        }
    }

    /// Is there no room for another?
    pub fn is_full(&self) -> bool {
        // A sign is one byte.
        self.0.len() >= MOST_KEYS
    }

    /// Was none pressed?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their signs, in order.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} pressed)", self.0.len())
    }
}

/// What is done one after the other when keys are to be pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stroke {
    /// A key.
    Press(Key),
    /// Half a second of nothing.
    Pause,
}

/// Keys to press, with pauses between some of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Strokes(VecDeque<Stroke>);

impl Strokes {
    /// Reads [`MOST_KEYS`] at most: the signs of keys, `,` or `w` for a pause.
    ///
    /// # Errors
    /// One sentence for who asked for it, without repeating what was to be pressed.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        let stroke = |sign: char| match sign {
            ',' | 'w' | 'W' => Some(Stroke::Pause),
            sign => Key::of(sign).map(Stroke::Press),
        };
        // What is read is bounded before it is built.
        if text.len() > MOST_KEYS {
            return Err("at most 32 keys and pauses can be sent at once");
        }
        let strokes: Option<VecDeque<Stroke>> = text.chars().map(stroke).collect();
        let strokes = strokes.ok_or("digits may only be 0 to 9, *, #, A to D, and , or w for a pause")?;
        let any = strokes.iter().any(|stroke| matches!(stroke, Stroke::Press(_)));
        if any { Ok(Self(strokes)) } else { Err("there is no key in digits") }
    }

    /// How many keys are still to be pressed.
    pub fn keys(&self) -> usize {
        self.0.iter().filter(|stroke| matches!(stroke, Stroke::Press(_))).count()
    }
}

/// Takes one after the other off.
impl Iterator for Strokes {
    type Item = Stroke;
    fn next(&mut self) -> Option<Stroke> {
        self.0.pop_front()
    }
}

impl fmt::Debug for Strokes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Strokes({} keys to press)", self.keys())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_of_sixteen_and_nothing_shows_which() {
        let keys: String = (0..=255u8).filter_map(|byte| Key::of(byte.into())).map(Key::as_char).collect();
        assert_eq!(keys, "#*0123456789ABCDABCD");
        let mut typed = Keys::default();
        "4111".chars().filter_map(Key::of).for_each(|key| typed.push(key));
        assert_eq!(typed.as_str(), "4111");
        assert_eq!(format!("{typed:?} {:?}", Key::of('4')), "Keys(4 pressed) Some(Key(•))");
    }

    #[test]
    fn there_is_an_end_to_what_is_typed() {
        let mut typed = Keys::default();
        (0..100).filter_map(|_| Key::of('7')).for_each(|key| typed.push(key));
        assert_eq!(typed.as_str().len(), MOST_KEYS);
    }

    #[test]
    fn what_is_to_be_pressed_is_read_to_the_letter() {
        let strokes: Vec<Stroke> = Strokes::read("1w,b#").into_iter().flatten().collect();
        let press = |sign| Stroke::Press(Key::of(sign).expect("a key"));
        assert_eq!(strokes, [press('1'), Stroke::Pause, Stroke::Pause, press('B'), press('#')]);
        assert!(Strokes::read(&"5".repeat(MOST_KEYS)).is_ok());
        for wrong in ["", "w,", "1 2", "+55", "E", "١", &"5".repeat(MOST_KEYS + 1)] {
            assert!(Strokes::read(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(format!("{:?}", Strokes::read("12w3")), "Ok(Strokes(3 keys to press))");
    }
}
