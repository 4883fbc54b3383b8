//! One file, one committer, one `fdatasync` for everything that came while the last one ran.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tokio::sync::oneshot;

const MEBIBYTE: usize = 1 << 20;
/// Bytes in one write.
const GROUP_MAX: usize = 8 * MEBIBYTE;
const QUEUE: usize = 4096;

type Entry = (Vec<u8>, oneshot::Sender<()>);

/// The handle that requests use.
pub struct Log {
    queue: SyncSender<Entry>,
}

impl Log {
    /// Writes the file once, so that later writes change no size, and starts the committer.
    pub fn start(path: &str, mebibytes: usize) -> Self {
        let file = File::create(path).expect("the log file can be created");
        for n in 0..mebibytes {
            file.write_all_at(&vec![0; MEBIBYTE], (n * MEBIBYTE) as u64).expect("the disk has room");
        }
        file.sync_all().expect("the disk syncs");
        let (queue, entries) = sync_channel(QUEUE);
        std::thread::spawn(move || commit(&file, mebibytes * MEBIBYTE, &entries));
        Self { queue }
    }

    /// Returns when the bytes are durable.
    pub async fn append(&self, bytes: Vec<u8>) {
        let (done, wait) = oneshot::channel();
        self.queue.send((bytes, done)).expect("the committer lives as long as the process");
        wait.await.expect("the committer answers");
    }
}

fn commit(file: &File, size: usize, entries: &Receiver<Entry>) {
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
    }
}
