//! Files with people's numbers in them.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;

use crate::failure::misuse;

/// Writes a new file that nobody else can read, and returns when it is on the disk, its name included.
///
/// # Errors
/// When there is one already (it stays as it is), or it cannot be written.
pub fn save_new(file: &Path, content: &[u8]) -> anyhow::Result<()> {
    let shown = file.display();
    let mut options = OpenOptions::new();
    let mut made = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(|error| misuse(format!("cannot make {shown}: {error}")))?;
    let written = made.write_all(content).and_then(|()| made.sync_all());
    written.with_context(|| format!("cannot write {shown}"))?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| format!("cannot sync {shown}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_saved_is_ours_alone_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("letters.jsonl");
        save_new(&file, b"one\n").unwrap();
        assert!(save_new(&file, b"two\n").is_err());
        assert_eq!(std::fs::read(&file).unwrap(), b"one\n");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
