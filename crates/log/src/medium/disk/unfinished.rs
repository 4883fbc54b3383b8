//! The file that says that a data directory is being repaired or restored. While it is there nobody opens the directory:
//! what an interrupted repair or restore leaves never passes for a whole.

use super::super::OpenError;
use crate::files::{Files, read_exact_at};
use std::io;
use std::path::{Path, PathBuf};

/// The name of the file.
pub(crate) const NAME: &str = "UNFINISHED";
/// The file in a backup that says that it is one, and whole.
pub(crate) const BACKUP: &str = "BACKUP";
const MAX_BYTES: u64 = 4096;

fn path(directory: &Path) -> PathBuf {
    directory.join(NAME)
}

/// What is unfinished in `directory`: the text that [`begin`] was given.
pub(crate) fn read(files: &dyn Files, directory: &Path) -> Result<Option<String>, OpenError> {
    let path = path(directory);
    let bytes = files.open_read(&path).and_then(|file| {
        let length = file.len_bytes()?.min(MAX_BYTES);
        read_exact_at(&*file, 0, length as usize)
    });
    match bytes {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(OpenError::Io { what: "cannot read", file: path.display().to_string(), source }),
    }
}

/// Says that `what` has begun, durably, and never in part: a power cut leaves all of it or nothing.
pub(crate) fn begin(files: &dyn Files, directory: &Path, what: &str) -> io::Result<()> {
    files.replace(directory, NAME, what.as_bytes())
}

/// Says that it is done, durably.
pub(crate) fn end(files: &dyn Files, directory: &Path) -> io::Result<()> {
    files.remove(&path(directory))?;
    files.sync_dir(directory)
}

/// Refuses a directory in which something is unfinished that `is_in_the_way`, and a backup.
pub(crate) fn refuse(
    files: &dyn Files,
    directory: &Path,
    is_in_the_way: impl FnOnce(&String) -> bool,
) -> Result<(), OpenError> {
    if let Some(what) = read(files, directory)?.filter(is_in_the_way) {
        let command = if what.starts_with(RESTORE) { "rheos restore" } else { "rheos log repair" };
        let what =
            format!("a {command} of this directory has not finished: unless it still runs, run `{command}` again");
        return Err(OpenError::Unfinished { file: path(directory).display().to_string(), what });
    }
    let backup = directory.join(BACKUP);
    let file = backup.display().to_string();
    match files.open_read(&backup) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(OpenError::Io { what: "cannot read", file, source }),
        Ok(_) => {
            let what = "this is a backup, which is not opened: `rheos restore` makes a data directory of it".to_owned();
            Err(OpenError::Unfinished { file, what })
        }
    }
}

/// What the file of a restore begins with.
pub(crate) const RESTORE: &str = "restore";
/// What the file of a repair begins with; the name of the directory that keeps the old files follows.
pub(crate) const REPAIR: &str = "repair ";
