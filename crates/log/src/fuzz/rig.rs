//! A log without threads on a disk in memory, whose clock stands still and whose dice always fall the same way.

use crate::files::sim::SimFiles;
use crate::files::{File, Files};
use crate::medium::disk::{Disk, DiskOptions};
use crate::{OpenError, Opened, Options, open};
use rheos_types::{Clock, Random};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

pub(crate) const DIRECTORY: &str = "/data";
pub(crate) const LOG_ID: u128 = 0x5eed;

struct Still;

impl Clock for Still {
    fn wall_ms(&self) -> u64 {
        1_700_000_000_000
    }

    fn monotonic_ms(&self) -> u64 {
        0
    }
}

pub(super) struct Fixed;

impl Random for Fixed {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0x5e);
    }
}

/// The value of a future that needs no waiting.
pub(super) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a log without threads never waits"),
    }
}

pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

/// Puts a file where it belongs in the data directory.
pub(crate) fn put(files: &SimFiles, name: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = files.create(&path(name)).expect("a new file");
    file.write_at(bytes, 0).expect("the disk is large");
    file
}

pub(crate) fn open_disk(files: &SimFiles) -> Result<Disk, OpenError> {
    let options = DiskOptions { log_file_bytes: Some(16 << 10) };
    Disk::open(Arc::new(files.clone()), Path::new(DIRECTORY), options, &Fixed)
}

pub(super) fn open_log(files: &SimFiles) -> Result<Opened, OpenError> {
    let options = Options { tail_bytes: 8 << 10, queue_bytes: 8 << 20, backlog_files: 4, ..Options::default() };
    open(Arc::new(open_disk(files)?), Arc::new(Still), options)
}
