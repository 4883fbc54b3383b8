//! Fleets of workers over a store and a stream in memory, under a seed: workers die, start again, stand still and stop; calls are slow, fail, and
//! are made without an answer; shards split and merge; processors fail, and some records can never be processed. Then quiet, and a checker
//! that knows only what the processors were given and said.
//!
//! `RHEOS_FLEET_SEEDS=1000 RHEOS_FLEET_FROM=1 cargo test -p rheos-client fleet` runs more seeds; one that fails says how it is run again.

mod checker;
mod defects;
mod store;
mod world;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use rheos_types::Clock as _;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{sleep, timeout};

use self::checker::{Checker, End, FAILOVER_MS, Session};
use self::defects::{Defect, SlowClock};
use self::store::{Signs, SimStore};
use self::world::{Dice, HalfBusy, PausedClock, SimKinesis, Weather, World};
use super::*;
use crate::lease::{Checkpoint, LeaseTable, MemoryLeaseStore, RecordNumber};

/// How long there is trouble, and how long a fleet may take afterwards.
const TROUBLE_S: u64 = 400;
const QUIET_S: u64 = 1_200;

/// What a seed decides about its whole run.
struct Plan {
    dice: Dice,
    assignment: Assignment,
    balance: Balance,
    retrieval: Retrieval,
    /// One record in so many cannot be processed; 0: none.
    poison: u64,
    /// One call in so many fails while there is trouble.
    trouble: u64,
    workers: u64,
    shards: u64,
    defect: Option<Defect>,
}

struct SimProcessor {
    checker: Checker,
    worker: String,
    shard: String,
    dice: Dice,
    session: Session,
    trouble: watch::Receiver<u64>,
    poison: u64,
    defect: Option<Defect>,
    clock: PausedClock,
    signs: Signs,
    /// The last record that was processed, and the last that was checkpointed.
    processed: Option<RecordNumber>,
    checkpointed: Option<RecordNumber>,
}

fn is_poison(number: &RecordNumber, poison: u64) -> bool {
    let digits: u64 = number.sequence_number.parse().unwrap();
    poison > 0 && (digits / 7 * 31 + number.sub_sequence_number) % poison == 3
}

impl SimProcessor {
    async fn write_down(&mut self, checkpointer: &Checkpointer, number: Option<RecordNumber>) -> bool {
        let written = match &number {
            Some(number) => checkpointer.checkpoint_at(number).await,
            None => checkpointer.checkpoint().await,
        };
        let number = number.or_else(|| self.processed.clone());
        if let (Ok(()), Some(number)) = (&written, number) {
            self.checker.checkpointed(self.session, &Checkpoint::At(number.clone()));
            self.checkpointed = Some(number);
        }
        written.is_ok()
    }

    fn is_clean(&self) -> bool {
        self.processed == self.checkpointed || self.processed.is_none()
    }

    async fn process(&mut self, batch: &Batch<'_>, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        let troubled = *self.trouble.borrow() > 0;
        let is_slow = troubled && self.dice.once_in(100);
        sleep(Duration::from_millis(self.dice.below(if is_slow { 25_000 } else { 60 }))).await;
        if batch.records.iter().any(|record| is_poison(&record.number, self.poison)) {
            return Err("poison".into());
        }
        if troubled && self.dice.once_in(25) {
            // Half of them are processed and checkpointed, and then it fails.
            let half = &batch.records[..batch.records.len() / 2];
            if let Some(last) = half.last() {
                self.checker.processed(self.session, half.iter().map(|record| &record.number));
                self.processed = Some(last.number.clone());
                while !self.write_down(checkpointer, Some(last.number.clone())).await {
                    if checkpointer.checkpoint().await == Err(CheckpointError::LeaseLost) {
                        return Err("lost".into());
                    }
                }
            }
            return Err("half".into());
        }
        if troubled && self.dice.once_in(60) {
            // All that was not checkpointed is lost: another life of the same processor.
            self.checker.ended(self.session, End::Lost, false);
            self.session = self.checker.created(&self.worker, &self.shard);
            (self.processed, self.checkpointed) = (None, None);
            return Err(StartOver("it has died".to_owned()).into());
        }
        self.checker.processed(self.session, batch.records.iter().map(|record| &record.number));
        let last = batch.records.last().map(|record| record.number.clone());
        self.processed.clone_from(&last);
        match self.dice.below(6) {
            0 => {}
            1 => {
                let number = batch.records[self.dice.below(batch.records.len() as u64) as usize].number.clone();
                let is_back = self.checkpointed.as_ref().is_some_and(|checkpointed| number < *checkpointed);
                if !is_back {
                    self.write_down(checkpointer, Some(number)).await;
                }
            }
            _ => {
                self.write_down(checkpointer, None).await;
            }
        }
        Ok(())
    }
}

impl RecordProcessor for SimProcessor {
    async fn initialize(&mut self, start: &Initialization) -> Result<(), ProcessorError> {
        tracing::debug!("session {}: initialize {start:?}", self.session);
        self.checker.initialized(self.session, &start.checkpoint, start.fencing_token);
        sleep(Duration::from_millis(self.dice.below(100))).await;
        if *self.trouble.borrow() > 0 && self.dice.once_in(20) { Err("not yet".into()) } else { Ok(()) }
    }

    async fn process_records(&mut self, batch: &Batch<'_>, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        let now_ms = self.clock.monotonic_ms();
        self.checker.given(self.session, self.signs.last_ms(&self.shard).map(|last_ms| now_ms - last_ms));
        match self.process(batch, checkpointer).await {
            Err(error) if self.defect == Some(Defect::SkippedFailures) && !error.is::<StartOver>() => Ok(()),
            outcome => outcome,
        }
    }

    async fn lease_lost(&mut self) {
        self.checker.ended(self.session, End::Lost, false);
    }

    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        if self.dice.once_in(4) {
            return Err("not yet".into());
        }
        // Half of the processors leave it to the worker.
        let is_written = self.dice.once_in(2) && checkpointer.checkpoint().await.is_ok();
        if is_written {
            self.checker.checkpointed(self.session, &Checkpoint::ShardEnd);
        }
        self.checker.ended(self.session, End::Ended, is_written);
        Ok(())
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        if !self.is_clean() {
            self.write_down(checkpointer, None).await;
        }
        self.checker.ended(self.session, End::Finished, self.is_clean());
        Ok(())
    }
}

/// The tasks of one worker, which die with it.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<Vec<AbortHandle>>>);

impl Spawn for Tasks {
    #[expect(clippy::disallowed_methods, reason = "the test runs the tasks of its workers, and ends them")]
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let task = tokio::spawn(task).abort_handle();
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
    }
}

struct SimWorker {
    handle: WorkerHandle,
    run: JoinHandle<()>,
    tasks: Tasks,
    freeze: Arc<AtomicBool>,
}

struct SimLetters(Checker, Weather);

impl DeadLetters for SimLetters {
    fn send<'a>(&'a self, letter: DeadLetter<'a>) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            self.1.travel().await;
            if self.1.fails() {
                return Err("not taken".to_owned());
            }
            assert!(letter.attempts >= 2, "{letter:?}");
            if self.1.defect == Some(Defect::LostLetters) {
                return Ok(());
            }
            self.0.dead_letter(letter.shard, &letter.record.number);
            Ok(())
        })
    }
}

struct Run {
    plan: Plan,
    world: World,
    memory: Arc<MemoryLeaseStore>,
    checker: Checker,
    clock: PausedClock,
    trouble: watch::Sender<u64>,
    workers: BTreeMap<String, SimWorker>,
    started: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let dice = Dice::new(seed);
        let plan = Plan {
            assignment: if dice.once_in(3) { Assignment::Take } else { Assignment::Auto },
            balance: if dice.once_in(3) { Balance::Throughput } else { Balance::Count },
            retrieval: if dice.once_in(3) { Retrieval::FanOut } else { Retrieval::Polling },
            poison: if dice.once_in(3) { 40 } else { 0 },
            trouble: [0, 200, 60, 20][dice.below(4) as usize],
            workers: 1 + dice.below(4),
            shards: 1 + dice.below(4),
            defect: None,
            dice,
        };
        let world = World::new(plan.shards);
        Self {
            checker: Checker::new(world.clone()),
            world,
            memory: Arc::default(),
            clock: PausedClock::new(),
            trouble: watch::Sender::new(plan.trouble),
            workers: BTreeMap::new(),
            started: 0,
            plan,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the test runs the tasks of its workers, and ends them")]
    fn start_worker(&mut self, name: String) {
        let freeze = Arc::new(AtomicBool::new(false));
        let defect = self.plan.defect;
        let weather = Weather {
            dice: self.plan.dice.clone(),
            trouble: self.trouble.subscribe(),
            is_frozen: freeze.clone(),
            defect,
        };
        let config = Config {
            assignment: self.plan.assignment,
            balance: self.plan.balance,
            retrieval: self.plan.retrieval,
            failover_ms: FAILOVER_MS,
            poison: Poison::DeadLetter,
            retry: Retry { attempts: 2, backoff_ms: 200, max_backoff_ms: 3_000 },
            cleanup_interval_ms: 20_000,
            // Longer than any worker stands still in these runs.
            completed_lease_ms: 150_000,
            ..Config::new("application", "stream", &name)
        };
        let tasks = Tasks::default();
        let environment = Environment {
            clock: match defect {
                Some(Defect::SlowClock) if name == "w0" => Arc::new(SlowClock(self.clock)),
                _ => Arc::new(self.clock),
            },
            random: Arc::new(self.plan.dice.clone()),
            cpu: Arc::new(HalfBusy),
            spawn: Arc::new(tasks.clone()),
        };
        let (clock, signs) = (self.clock, Signs::default());
        let store = SimStore {
            signs: signs.clone(),
            clock,
            memory: self.memory.clone(),
            weather: weather.clone(),
            old_keys: Mutex::default(),
        };
        let kinesis = SimKinesis { world: self.world.clone(), weather: weather.clone() };
        let letters = SimLetters(self.checker.clone(), weather);
        let (checker, dice, trouble, poison) =
            (self.checker.clone(), self.plan.dice.clone(), self.trouble.subscribe(), self.plan.poison);
        let worker_name = name.clone();
        let factory = move |shard: &str| SimProcessor {
            session: checker.created(&worker_name, shard),
            checker: checker.clone(),
            worker: worker_name.clone(),
            shard: shard.to_owned(),
            dice: dice.clone(),
            trouble: trouble.clone(),
            poison,
            defect,
            clock,
            signs: signs.clone(),
            processed: None,
            checkpointed: None,
        };
        let services =
            Services { dead_letters: Some(Arc::new(letters)), ..Services::new(Arc::new(store), Arc::new(kinesis)) };
        let worker = Worker::new(config, environment, services, factory);
        let handle = worker.handle();
        let run = tokio::spawn(async move { worker.run().await.unwrap() });
        self.workers.insert(name, SimWorker { handle, run, tasks, freeze });
        self.started += 1;
    }

    fn kill(&mut self, name: &str) {
        let worker = self.workers.remove(name).unwrap();
        worker.run.abort();
        for task in worker.tasks.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            task.abort();
        }
        self.checker.died(name);
    }

    async fn chaos(&mut self) {
        for number in 0..self.plan.workers {
            self.start_worker(format!("w{number}"));
        }
        let dice = self.plan.dice.clone();
        let end_ms = self.clock.monotonic_ms() + TROUBLE_S * 1000;
        while self.clock.monotonic_ms() < end_ms {
            sleep(Duration::from_millis(dice.below(1_500))).await;
            for _ in 0..dice.below(3) {
                let users = if dice.once_in(4) { 1 + dice.below(4) } else { 0 };
                self.world.put(&dice, users);
            }
            let names: Vec<String> = self.workers.keys().cloned().collect();
            let name = names.get(dice.below(names.len() as u64 + 1) as usize).cloned();
            match (dice.below(160), name) {
                (0..=3, _) => self.world.reshape(&dice),
                (4..=5, Some(name)) => self.kill(&name),
                (6, Some(name)) => self.workers[&name].handle.stop(),
                (7, Some(name)) => {
                    let freeze = self.workers[&name].freeze.clone();
                    freeze.store(true, Ordering::Relaxed);
                    sleep(Duration::from_millis(dice.below(40_000))).await;
                    freeze.store(false, Ordering::Relaxed);
                }
                (8..=13, _) if (names.len() as u64) < self.plan.workers => {
                    // Half of them come again under the name of one that has gone.
                    let number = if dice.once_in(2) { self.started } else { dice.below(self.started) };
                    let name = format!("w{number}");
                    self.reap();
                    if !self.workers.contains_key(&name) {
                        self.start_worker(name);
                    }
                }
                _ => {}
            }
            self.reap();
        }
    }

    /// Forgets workers that were told to stop and have.
    fn reap(&mut self) {
        self.workers.retain(|_, worker| !worker.run.is_finished());
    }

    async fn quiet(&mut self) -> Vec<String> {
        self.trouble.send_replace(0);
        self.reap();
        if self.workers.is_empty() {
            self.start_worker(format!("w{}", self.started));
        }
        let end_ms = self.clock.monotonic_ms() + QUIET_S * 1000;
        while self.clock.monotonic_ms() < end_ms && !self.checker.is_complete() {
            sleep(Duration::from_secs(5)).await;
            self.reap();
            if self.workers.is_empty() {
                self.start_worker(format!("w{}", self.started));
            }
        }
        let mut findings = Vec::new();
        let mut last = String::new();
        for (name, worker) in &mut self.workers {
            worker.handle.stop();
            if timeout(Duration::from_secs(60), &mut worker.run).await.is_err() {
                findings.push(format!("{name} does not stop"));
            }
            last.clone_from(name);
        }
        // What one that has died still holds is somebody's as soon as it has failed for long enough; those who stop leave nothing. Before the last
        // one there may be a leader that has not heard of it.
        let table = LeaseTable::new(self.memory.clone());
        for lease in table.list().await.unwrap() {
            if lease.owner.as_ref() == Some(&last) {
                findings.push(format!("{last} has stopped, and still has {}", lease.key));
            }
        }
        if table.leader().await.unwrap().is_some_and(|leader| leader.owner == last) {
            findings.push(format!("{last} has stopped, and still leads"));
        }
        findings
    }
}

/// Runs a seed: what was not as it should be, and how much was processed, processed again and handed over.
fn run(seed: u64) -> (Vec<String>, [u64; 3]) {
    run_planned(|| Run::new(seed))
}

fn run_planned(plan: impl FnOnce() -> Run) -> (Vec<String>, [u64; 3]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut run = plan();
        run.chaos().await;
        let mut findings = run.quiet().await;
        let (violations, counts) = run.checker.verdict();
        findings.extend(violations);
        (findings, counts)
    })
}

/// The seconds of a run, in its trace.
struct SimTime;

impl tracing_subscriber::fmt::time::FormatTime for SimTime {
    fn format_time(&self, w: &mut tracing_subscriber::fmt::format::Writer<'_>) -> std::fmt::Result {
        thread_local!(static BEGUN: std::cell::OnceCell<PausedClock> = const { std::cell::OnceCell::new() });
        let ms = BEGUN.with(|begun| begun.get_or_init(PausedClock::new).monotonic_ms()) - 3_600_000;
        write!(w, "{:>8}", ms)
    }
}

fn number(name: &str, default: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "how many seeds a test runs is said on its command line")]
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().expect(name))
}

#[test]
fn every_record_is_processed_in_its_order_whatever_happens_to_the_workers() {
    if number("RHEOS_FLEET_TRACE", 0) > 0 {
        let subscriber = tracing_subscriber::fmt()
            .with_timer(SimTime)
            .with_ansi(false)
            .with_max_level(tracing::Level::DEBUG)
            .with_target(false)
            .with_writer(std::io::stderr);
        drop(tracing::subscriber::set_global_default(subscriber.finish()));
    }
    let (from, seeds) = (number("RHEOS_FLEET_FROM", 1), number("RHEOS_FLEET_SEEDS", 100));
    let mut sums = [0; 3];
    let mut failed = 0;
    for seed in from..from + seeds {
        let (findings, counts) = run(seed);
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        if !findings.is_empty() {
            failed += 1;
            println!("RHEOS_FLEET_SEEDS=1 RHEOS_FLEET_FROM={seed}");
            findings.iter().take(6).for_each(|finding| println!("  {finding}"));
        }
    }
    let [processed, again, finished] = sums;
    println!("{seeds} seeds: {processed} records processed, {again} of them again, {finished} processors finished");
    assert_eq!(failed, 0, "of {seeds} seeds");
    assert!(seeds < 50 || (again > 0 && finished > 0), "nothing happened to these fleets");
}

#[test]
fn the_same_seed_does_the_same() {
    assert_eq!(run(7), run(7));
}
