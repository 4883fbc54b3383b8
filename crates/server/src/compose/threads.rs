//! The threads of the log, so that a stop can wait for them.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rheos_log::{Spawn, SystemThreads};
use tokio::sync::oneshot;

/// How long a stop waits for a thread. Everything that was acknowledged is on the disk by then.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts threads, and knows when they end.
#[derive(Debug, Default)]
pub(super) struct Threads(Mutex<Vec<oneshot::Receiver<()>>>);

impl Threads {
    /// Runs work on a thread of its own.
    pub(super) fn start(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        let (running, ended) = oneshot::channel::<()>();
        let work = move || {
            work();
            // The end of the sender is the news.
            drop(running);
        };
        SystemThreads.spawn(name, Box::new(work))?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(ended);
        Ok(())
    }

    /// Waits until all have ended.
    pub(super) async fn ended(self) {
        let all = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        for ended in all {
            if tokio::time::timeout(PATIENCE, ended).await.is_err() {
                tracing::warn!("a thread of the log takes long to end; going on without it");
                return;
            }
        }
    }
}

impl Spawn for Threads {
    fn spawn(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        self.start(name, work)
    }
}
