//! The scheduler: one thread, in which the seed decides which ready task, or which step of a log, runs next.
//!
//! Tasks are polled by this scheduler alone; the runtime below it keeps the timers, whose time stands still until nothing
//! is ready. What belongs to a process (a run of the server, from its start to its end) can be killed at once.

use std::collections::BTreeMap;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use rheos_log::{Log, Opened, Steps};
use rheos_server::spawn::{OnFatal, Scheduler, Task};
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};

use crate::clock::SimClock;
use crate::dice::Dice;
use crate::trace::{Trace, trace};

/// Whose a task is. What outlives every server is [`WORLD`]'s.
pub type Process = u64;
/// The clients, and those who make trouble.
pub const WORLD: Process = 0;

/// After so long without work a log closes its last batch.
const IDLE_MS: u64 = Steps::IDLE.as_millis() as u64;
/// How often the housekeeper looks by itself.
const HOUSEKEEPING_MS: u64 = Steps::HOUSEKEEPING.as_millis() as u64;

/// The scheduler. Clones are the same.
#[derive(Clone)]
pub struct Sim(Arc<Shared>);

struct Shared {
    ready: Arc<Ready>,
    state: Mutex<State>,
    trace: Trace,
    clock: SimClock,
    /// The last process whose log has failed.
    failed: watch::Sender<Process>,
}

struct State {
    tasks: BTreeMap<u64, (Process, Slot)>,
    next: u64,
    logs: BTreeMap<Process, Driven>,
    dice: Dice,
    /// How long a write of the log may take.
    latency_ms: u64,
}

/// A task, which is away while it is polled.
type Slot = Option<(Task, Arc<Alarm>)>;

/// Tasks that can go on, in order.
#[derive(Default)]
struct Ready {
    tasks: Mutex<(Vec<u64>, Option<Waker>)>,
}

struct Alarm {
    task: u64,
    is_set: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        if self.is_set.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut ready = self.ready.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // In order of the tasks, not of the calls: tokio's `watch` wakes in an order of its own dice.
        let place = ready.0.binary_search(&self.task).unwrap_or_else(|place| place);
        ready.0.insert(place, self.task);
        if let Some(waker) = ready.1.take() {
            waker.wake();
        }
    }
}

/// A log whose steps the scheduler decides on.
struct Driven {
    steps: Steps,
    on_fatal: Option<OnFatal>,
    /// The disk is busy until then.
    busy_until_ms: u64,
    quiet_since_ms: u64,
    housekeeping_ms: u64,
}

/// What may run next.
#[derive(Clone, Copy, Debug)]
enum Choice {
    Task(usize),
    Write(Process),
    Idle(Process),
    KeepHouse(Process),
    Read(Process),
}

impl Sim {
    /// A scheduler that decides by these dice.
    #[must_use]
    pub fn new(dice: Dice, trace: Trace, clock: SimClock) -> Self {
        let state = State { tasks: BTreeMap::new(), next: 0, logs: BTreeMap::new(), dice, latency_ms: 0 };
        let failed = watch::Sender::new(WORLD);
        Self(Arc::new(Shared { ready: Arc::default(), state: Mutex::new(state), trace, clock, failed }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a task of a process.
    pub fn spawn(&self, process: Process, work: impl Future<Output = ()> + Send + 'static) {
        let mut state = self.state();
        state.next += 1;
        let id = state.next;
        let alarm = Arc::new(Alarm { task: id, is_set: AtomicBool::new(false), ready: self.0.ready.clone() });
        state.tasks.insert(id, (process, Some((Box::pin(work), alarm.clone()))));
        drop(state);
        alarm.wake();
    }

    /// Everything of a process stops where it is and is gone.
    pub fn kill(&self, process: Process) {
        trace!(self.0.trace, "kill process {process}");
        let mut state = self.state();
        let doomed: Vec<u64> =
            state.tasks.iter().filter(|(_, (owner, _))| *owner == process).map(|(id, _)| *id).collect();
        let tasks: Vec<_> = doomed.iter().filter_map(|id| state.tasks.remove(id)).collect();
        let log = state.logs.remove(&process);
        drop(state);
        // Ends of channels wake others: not under the lock.
        drop((tasks, log));
    }

    /// Everything stops where it is and is gone.
    pub fn end(&self) {
        let mut state = self.state();
        let (tasks, logs) = (std::mem::take(&mut state.tasks), std::mem::take(&mut state.logs));
        drop(state);
        drop((tasks, logs));
    }

    /// From now on a write of the log takes up to so long.
    pub fn set_disk_latency_ms(&self, ms: u64) {
        self.state().latency_ms = ms;
    }

    /// Waits until the log of a process fails, which ends the process.
    pub async fn failed(&self, process: Process) {
        // The sender is as old as the world.
        drop(self.0.failed.subscribe().wait_for(|failed| *failed == process).await);
    }

    /// What a process starts, it starts here.
    #[must_use]
    pub fn of(&self, process: Process) -> Arc<dyn Scheduler> {
        Arc::new(OfProcess { sim: self.clone(), process })
    }

    /// Runs until `work` is done.
    pub async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let (done, result) = tokio::sync::oneshot::channel();
        self.spawn(WORLD, async move { drop(done.send(work.await)) });
        let mut result = pin!(result);
        let mut timer: Option<Pin<Box<Sleep>>> = None;
        // The runtime's budget for one poll is not meant for a whole world.
        let world = tokio::task::unconstrained(std::future::poll_fn(move |cx| {
            loop {
                if let Poll::Ready(result) = result.as_mut().poll(cx) {
                    // The sender is a task of the world, which nobody kills.
                    return Poll::Ready(result.unwrap_or_else(|_| unreachable!("the world was killed")));
                }
                drop(timer.take());
                if let Some(choice) = self.choose() {
                    self.take(choice);
                    continue;
                }
                timer = self.next_due_ms().map(|ms| {
                    let wait = ms.saturating_sub(self.0.clock.elapsed_ms()).max(1);
                    Box::pin(sleep(Duration::from_millis(wait)))
                });
                if timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready()) {
                    continue;
                }
                let mut ready = self.0.ready.tasks.lock().unwrap_or_else(PoisonError::into_inner);
                if ready.0.is_empty() {
                    ready.1 = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        }));
        world.await
    }

    /// Decides what runs next; `None` if nothing can.
    fn choose(&self) -> Option<Choice> {
        let mut state = self.state();
        let now_ms = self.0.clock.elapsed_ms();
        let ready = self.0.ready.tasks.lock().unwrap_or_else(PoisonError::into_inner).0.len();
        let mut choices: Vec<Choice> = (0..ready).map(Choice::Task).collect();
        for (process, log) in &mut state.logs {
            if log.steps.is_writer_due() {
                log.quiet_since_ms = now_ms;
                if now_ms >= log.busy_until_ms {
                    choices.push(Choice::Write(*process));
                }
            } else if now_ms >= log.quiet_since_ms + IDLE_MS {
                choices.push(Choice::Idle(*process));
            }
            if log.steps.is_housekeeper_due() || now_ms >= log.housekeeping_ms {
                choices.push(Choice::KeepHouse(*process));
            }
            if log.steps.reads_waiting() > 0 {
                choices.push(Choice::Read(*process));
            }
        }
        if choices.is_empty() {
            return None;
        }
        let index = state.dice.index(choices.len());
        Some(choices[index])
    }

    /// When a log has something to do by itself.
    fn next_due_ms(&self) -> Option<u64> {
        let mut state = self.state();
        let due = |log: &mut Driven| {
            let writer = if log.steps.is_writer_due() { log.busy_until_ms } else { log.quiet_since_ms + IDLE_MS };
            writer.min(log.housekeeping_ms)
        };
        state.logs.values_mut().filter(|log| !log.steps.is_over()).map(due).min()
    }

    fn take(&self, choice: Choice) {
        match choice {
            Choice::Task(index) => self.poll(index),
            Choice::Write(process) => {
                trace!(self.0.trace, "write {process}");
                let latency_ms = {
                    let mut state = self.state();
                    let most = state.latency_ms;
                    state.dice.below(most + 1)
                };
                self.step(process, |log, now_ms| {
                    log.busy_until_ms = now_ms + latency_ms;
                    log.steps.write()
                });
            }
            Choice::Idle(process) => {
                trace!(self.0.trace, "idle {process}");
                self.step(process, |log, now_ms| {
                    log.quiet_since_ms = now_ms;
                    log.steps.idle()
                });
            }
            Choice::KeepHouse(process) => {
                trace!(self.0.trace, "housekeeping {process}");
                self.step(process, |log, now_ms| {
                    log.housekeeping_ms = now_ms + HOUSEKEEPING_MS;
                    // It says what went wrong in the server's log, and tries again.
                    drop(log.steps.keep_house());
                    Ok(())
                });
            }
            Choice::Read(process) => {
                trace!(self.0.trace, "read {process}");
                self.step(process, |log, _| {
                    log.steps.read();
                    Ok(())
                });
            }
        }
    }

    /// Makes a step of a log. It is taken out meanwhile: what it wakes may look here.
    fn step(&self, process: Process, step: impl FnOnce(&mut Driven, u64) -> Result<(), rheos_log::Fatal>) {
        let Some(mut log) = self.state().logs.remove(&process) else { return };
        if let Err(fatal) = step(&mut log, self.0.clock.elapsed_ms()) {
            trace!(self.0.trace, "log {process} failed: {fatal}");
            if let Some(on_fatal) = log.on_fatal.take() {
                on_fatal(fatal);
            }
            self.0.failed.send_replace(process);
        }
        let mut state = self.state();
        if !log.steps.is_over() {
            state.logs.insert(process, log);
        }
    }

    fn poll(&self, index: usize) {
        let id = self.0.ready.tasks.lock().unwrap_or_else(PoisonError::into_inner).0.remove(index);
        let taken = self.state().tasks.get_mut(&id).and_then(|(process, slot)| Some((*process, slot.take()?)));
        // Killed after it was woken.
        let Some((process, (mut task, alarm))) = taken else { return };
        trace!(self.0.trace, "task {id} of {process}");
        alarm.is_set.store(false, Ordering::Relaxed);
        let waker = Waker::from(alarm.clone());
        let polled = task.as_mut().poll(&mut Context::from_waker(&waker));
        let mut state = self.state();
        match polled {
            Poll::Ready(()) => drop(state.tasks.remove(&id)),
            Poll::Pending => {
                if let Some((_, slot)) = state.tasks.get_mut(&id) {
                    *slot = Some((task, alarm));
                    return;
                }
            }
        }
        drop(state);
        drop(task);
    }
}

struct OfProcess {
    sim: Sim,
    process: Process,
}

impl Scheduler for OfProcess {
    fn task(&self, work: Task) {
        self.sim.spawn(self.process, work);
    }

    fn thread(&self, _name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        self.sim.spawn(self.process, async move { work() });
        Ok(())
    }

    fn log(&self, opened: Opened, on_fatal: OnFatal) -> io::Result<Log> {
        let (log, steps) = opened.into_steps();
        let now_ms = self.sim.0.clock.elapsed_ms();
        let driven = Driven {
            steps,
            on_fatal: Some(on_fatal),
            busy_until_ms: now_ms,
            quiet_since_ms: now_ms,
            housekeeping_ms: now_ms + HOUSEKEEPING_MS,
        };
        self.sim.state().logs.insert(self.process, driven);
        Ok(log)
    }
}
