//! Ready-made openings: a log on a disk, and a log in memory.

use crate::files::Files;
use crate::log::{Log, Opened, Options, Spawn, open};
use crate::medium::OpenError;
use crate::medium::disk::{Disk, DiskOptions};
use crate::medium::memory::{MemoryMedium, MemoryStore};
use rheos_types::{Clock, Random};
use std::path::Path;
use std::sync::Arc;

/// Threads of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemThreads;

impl Spawn for SystemThreads {
    fn spawn(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> std::io::Result<()> {
        std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
    }
}

/// Opens the log in `directory` of `files`, making it if there is none. Call [`Opened::start`] on it.
///
/// # Errors
/// [`OpenError`] says what is wrong and what to do.
pub fn open_disk(
    files: Arc<dyn Files>,
    directory: &Path,
    clock: Arc<dyn Clock>,
    random: &dyn Random,
    options: Options,
    disk: DiskOptions,
) -> Result<Opened, OpenError> {
    let medium = Disk::open(files, directory, disk, random)?;
    open(Arc::new(medium), clock, options)
}

/// A log in memory with threads of its own: for tests, and for a server that is to forget.
///
/// # Panics
/// If the operating system gives no thread, or the log fails: nothing in memory does.
#[must_use]
#[expect(clippy::expect_used, reason = "documented: for tests")]
pub fn memory_log(clock: Arc<dyn Clock>) -> Log {
    let medium = Arc::new(MemoryMedium::open(&MemoryStore::default()));
    let opened = open(medium, clock, Options::default()).expect("an empty store opens");
    opened.start(&SystemThreads, 1, |fatal| panic!("{fatal}")).expect("threads start")
}
