//! One file, one committer, one `fdatasync` for everything that came while the last one ran. With `--twice` every byte is
//! written a second time behind the log, as a server does that keeps its records in order of their shards in the end.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tokio::sync::oneshot;

const MEBIBYTE: usize = 1 << 20;
/// Bytes in one write.
const GROUP_MAX: usize = 8 * MEBIBYTE;
const QUEUE: usize = 4096;
/// Groups that may wait to be written a second time; then the log waits.
const BEHIND: usize = 64;
/// A file of the second copies: as large as a log file of Rheos, and synced as a whole.
const SECOND_FILE: usize = 64 * MEBIBYTE;

type Entry = (Vec<u8>, oneshot::Sender<()>);

/// The handle that requests use.
pub struct Log {
    queue: SyncSender<Entry>,
}

impl Log {
    /// Writes the file once, so that later writes change no size, and starts the committer; `twice` also whoever writes
    /// the second copies.
    pub fn start(path: &str, mebibytes: usize, twice: bool) -> Self {
        let file = File::create(path).expect("the log file can be created");
        for n in 0..mebibytes {
            file.write_all_at(&vec![0; MEBIBYTE], (n * MEBIBYTE) as u64).expect("the disk has room");
        }
        file.sync_all().expect("the disk syncs");
        let (queue, entries) = sync_channel(QUEUE);
        let behind = twice.then(|| {
            let (behind, groups) = sync_channel(BEHIND);
            let path = format!("{path}.second");
            std::thread::spawn(move || write_again(&path, &groups));
            behind
        });
        std::thread::spawn(move || commit(&file, mebibytes * MEBIBYTE, &entries, behind.as_ref()));
        Self { queue }
    }

    /// Returns when the bytes are durable.
    pub async fn append(&self, bytes: Vec<u8>) {
        let (done, wait) = oneshot::channel();
        self.queue.send((bytes, done)).expect("the committer lives as long as the process");
        wait.await.expect("the committer answers");
    }
}

/// Writes the second copies, a new file for every 64 MiB of them. Files are deleted two later: it is the bytes that count.
fn write_again(path: &str, groups: &Receiver<Vec<u8>>) {
    for n in 0.. {
        let file = File::create(format!("{path}.{n}")).expect("a file can be created");
        let mut at = 0;
        while at < SECOND_FILE {
            let Ok(group) = groups.recv() else { return };
            file.write_all_at(&group, at as u64).expect("the disk has room");
            at += group.len();
        }
        file.sync_data().expect("the disk syncs");
        if n >= 2 {
            std::fs::remove_file(format!("{path}.{}", n - 2)).expect("it is there");
        }
    }
}

fn commit(file: &File, size: usize, entries: &Receiver<Entry>, behind: Option<&SyncSender<Vec<u8>>>) {
    let mut at = 0;
    while let Ok((mut group, first)) = entries.recv() {
        let mut waiting = vec![first];
        while group.len() < GROUP_MAX {
            let Ok((bytes, done)) = entries.try_recv() else { break };
            group.extend_from_slice(&bytes);
            waiting.push(done);
        }
        if at + group.len() > size {
            at = 0;
        }
        file.write_all_at(&group, at as u64).expect("the log can be written");
        at += group.len();
        file.sync_data().expect("the disk syncs");
        for done in waiting {
            // A client that has gone needs no answer.
            let _ = done.send(());
        }
        if let Some(behind) = behind {
            behind.send(group).expect("whoever writes again lives as long as the process");
        }
    }
}
