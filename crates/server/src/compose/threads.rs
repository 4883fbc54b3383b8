//! The threads of the log, so that a stop can wait for them.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rheos_log::{Log, Opened, Spawn};
use tokio::sync::oneshot;

use crate::spawn::{OnFatal, Spawner};

/// How long a stop waits for a thread. Everything that was acknowledged is on the disk by then.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts threads, and knows when they end.
#[derive(Debug)]
pub(super) struct Threads {
    spawner: Spawner,
    running: Mutex<Vec<oneshot::Receiver<()>>>,
}

impl Threads {
    /// None yet.
    pub(super) fn new(spawner: Spawner) -> Self {
        Self { spawner, running: Mutex::default() }
    }

    /// Runs a log.
    pub(super) fn log(&self, opened: Opened, readers: usize, on_fatal: OnFatal) -> io::Result<Log> {
        match &self.spawner {
            Spawner::System => opened.start(self, readers, on_fatal),
            Spawner::Scheduler(scheduler) => scheduler.log(opened, on_fatal),
        }
    }

    /// Runs work on a thread of its own.
    pub(super) fn start(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        let (running, ended) = oneshot::channel::<()>();
        let work = move || {
            work();
            // The end of the sender is the news.
            drop(running);
        };
        self.spawner.thread(name, Box::new(work))?;
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push(ended);
        Ok(())
    }

    /// Waits until all have ended.
    pub(super) async fn ended(self) {
        let all = self.running.into_inner().unwrap_or_else(PoisonError::into_inner);
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
