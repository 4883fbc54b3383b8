//! The edge of the process: clocks, environment and files. Everything else in this crate asks here, so that the direct calls that
//! `clippy.toml` bans stand in one place.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The wall clock, in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "a command line tool is a composition: this is its one wall clock")]
pub(crate) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The clock for measuring durations.
#[expect(clippy::disallowed_methods, reason = "a command line tool is a composition: this is its one monotonic clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// An environment variable that is set to something.
#[expect(clippy::disallowed_methods, reason = "the one place where the client commands read the environment")]
pub(crate) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Opens a file for reading.
#[expect(clippy::disallowed_methods, reason = "files that the user names, and the demo's own; never the log's")]
pub(crate) fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Creates a file, or empties the one that is there.
#[expect(clippy::disallowed_methods, reason = "files that the user names, and the demo's own; never the log's")]
pub(crate) fn create(path: &Path) -> io::Result<File> {
    File::create(path)
}

/// The whole of a small file.
#[expect(clippy::disallowed_methods, reason = "files that the user names, and the demo's own; never the log's")]
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path)
}
