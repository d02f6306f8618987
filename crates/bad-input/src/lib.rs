//! What bad input is made of, for tests only: files written by hand, changed at random, and a cap on the memory that
//! reading them may take. Linking this crate replaces the allocator by one that counts.

use std::path::Path;

use bolero::TypeGenerator;

/// One change to an input. Places count from the front, in 65536ths of what is there.
#[derive(Clone, Copy, Debug, TypeGenerator)]
pub enum Change {
    /// One byte becomes another.
    Put {
        /// Where.
        at: u16,
        /// What.
        byte: u8,
    },
    /// Bytes are left out.
    Cut {
        /// From here.
        at: u16,
        /// This many.
        length: u8,
    },
    /// The rest is left out.
    End {
        /// From here.
        at: u16,
    },
    /// Bytes come again.
    Repeat {
        /// From here.
        at: u16,
        /// This many.
        length: u8,
        /// This many times more.
        times: u8,
    },
    /// A word comes in between.
    Word {
        /// Where.
        at: u16,
        /// Which of the words.
        which: u8,
    },
    /// A word stands in the place of bytes.
    Instead {
        /// Where.
        at: u16,
        /// In the place of this many.
        length: u8,
        /// Which of the words.
        which: u8,
    },
}

/// The `input` with all `changes`, one after the other; `words` are what its language is made of.
pub fn changed(input: &[u8], changes: &[Change], words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for change in changes {
        apply(*change, &mut bytes, words);
    }
    bytes
}

fn apply(change: Change, bytes: &mut Vec<u8>, words: &[&[u8]]) {
    let place = |at: u16| bytes.len() * usize::from(at) / (usize::from(u16::MAX) + 1);
    let until = |at: u16, length: u8| (place(at) + usize::from(length)).min(bytes.len());
    let word = |which: u8| words.get(usize::from(which) % words.len().max(1)).copied().unwrap_or_default();
    match change {
        Change::Put { at, byte } => {
            let at = place(at);
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        Change::Cut { at, length } => drop(bytes.drain(place(at)..until(at, length))),
        Change::End { at } => bytes.truncate(place(at)),
        Change::Repeat { at, length, times } => {
            let again = bytes[place(at)..until(at, length)].repeat(usize::from(times));
            let at = place(at);
            bytes.splice(at..at, again);
        }
        Change::Word { at, which } => {
            let at = place(at);
            bytes.splice(at..at, word(which).iter().copied());
        }
        Change::Instead { at, length, which } => {
            let range = place(at)..until(at, length);
            bytes.splice(range, word(which).iter().copied());
        }
    }
}

/// The files of a folder, in the order of their names.
///
/// # Panics
/// When the folder cannot be read, or is empty: then nothing would be tested.
pub fn files(folder: impl AsRef<Path>) -> Vec<Vec<u8>> {
    let folder = folder.as_ref();
    let listed = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<std::path::PathBuf> =
        listed.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    paths.retain(|path| path.is_file());
    let files: Vec<_> = paths
        .iter()
        .map(|path| std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .collect();
    assert!(!files.is_empty(), "{}: no files", folder.display());
    files
}

/// Runs `read` and gives its result.
///
/// # Panics
/// When this thread held more than `bytes` of memory beyond what it held before.
#[track_caller]
pub fn within<T>(bytes: usize, read: impl FnOnce() -> T) -> T {
    let mut result = None;
    let used = allocation_counter::measure(|| result = Some(read()));
    assert!(used.bytes_max <= bytes as u64, "{} bytes of memory, where {bytes} are allowed", used.bytes_max);
    result.unwrap_or_else(|| unreachable!("it was run"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_do_what_they_say_and_never_leave_the_input() {
        let change = |change| changed(b"abcdef", &[change], &[b"W", b"XYZ"]);
        assert_eq!(change(Change::Put { at: 0, byte: b'!' }), b"!bcdef");
        assert_eq!(change(Change::Cut { at: 0x8000, length: 2 }), b"abcf");
        assert_eq!(change(Change::Cut { at: u16::MAX, length: 255 }), b"abcde");
        assert_eq!(change(Change::End { at: 0x8000 }), b"abc");
        assert_eq!(change(Change::Repeat { at: 0, length: 2, times: 2 }), b"ababababcdef"[2..]);
        assert_eq!(change(Change::Word { at: 0x8000, which: 3 }), b"abcXYZdef");
        assert_eq!(change(Change::Instead { at: 0, length: 3, which: 0 }), b"Wdef");
        assert_eq!(
            changed(b"", &[Change::Put { at: 9, byte: 1 }, Change::Cut { at: 9, length: 9 }], &[]),
            b""
        );
    }

    #[test]
    #[should_panic(expected = "bytes of memory, where 1000 are allowed")]
    fn memory_beyond_what_is_allowed_is_noticed() {
        within(1000, || std::hint::black_box(vec![0_u8; 2000]).len());
    }

    #[test]
    fn memory_that_was_given_back_does_not_add_up() {
        assert_eq!(
            within(1000, || (0..100).map(|_| std::hint::black_box(vec![0_u8; 900]).len()).sum::<usize>()),
            90_000
        );
    }
}
