//! Tasks and threads as a parameter: whatever the server starts that runs by itself, it starts here.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rheos_log::{Fatal, Log, Opened, SystemThreads};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Work that runs by itself.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
/// What is done when the log cannot go on.
pub type OnFatal = Box<dyn FnOnce(Fatal) + Send>;

/// Decides what runs when, in place of the runtime and of the operating system: the simulation.
pub trait Scheduler: Send + Sync {
    /// Runs a task.
    fn task(&self, work: Task);

    /// Runs work that would wait on a thread of its own.
    ///
    /// # Errors
    /// As the operating system's for a thread.
    fn thread(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()>;

    /// Runs a log's steps until it is closed.
    ///
    /// # Errors
    /// As the operating system's for a thread.
    fn log(&self, opened: Opened, on_fatal: OnFatal) -> io::Result<Log>;
}

/// Who runs what runs by itself.
#[derive(Clone, Default)]
pub enum Spawner {
    /// The runtime and the operating system.
    #[default]
    System,
    /// Somebody else.
    Scheduler(Arc<dyn Scheduler>),
}

impl Spawner {
    /// Runs work that goes on when whoever asked for it has gone.
    #[expect(clippy::disallowed_methods, reason = "the server's tasks begin here")]
    pub(crate) fn detach<F>(&self, work: F) -> Detached<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        match self {
            Self::System => Detached::Task(tokio::spawn(work)),
            Self::Scheduler(scheduler) => {
                let (reply, done) = oneshot::channel();
                // Whoever asked may have gone.
                scheduler.task(Box::pin(async move { drop(reply.send(work.await)) }));
                Detached::Scheduled(done)
            }
        }
    }

    /// Runs work on a thread of its own.
    pub(crate) fn thread(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        match self {
            Self::System => rheos_log::Spawn::spawn(&SystemThreads, name, work),
            Self::Scheduler(scheduler) => scheduler.thread(name, work),
        }
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Scheduler(_) => "Scheduler",
        })
    }
}

/// The work panicked, or was given up with everything else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BrokenOff;

/// Work that runs by itself. Dropping this does not stop it.
pub(crate) enum Detached<T> {
    Task(JoinHandle<T>),
    Scheduled(oneshot::Receiver<T>),
}

impl<T> Future for Detached<T> {
    type Output = Result<T, BrokenOff>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Task(task) => Pin::new(task).poll(cx).map_err(|_| BrokenOff),
            Self::Scheduled(done) => Pin::new(done).poll(cx).map_err(|_| BrokenOff),
        }
    }
}
