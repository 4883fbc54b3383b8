//! `bench put` and `bench get`: so many connections, each with one call under way, for so long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::Plan;
use super::bodies::{self, Numbers, Result};
use super::connection::{Body, Connection, Operation};
use super::subscribers::{self, Count, Feed};
use super::tally::Tally;
use crate::edge;
use crate::failure::{Failure, Outcome};

/// Memory for prepared bodies, over all connections.
const BODIES_BYTES: usize = 64 << 20;
/// A worker whose call was refused or failed waits so long before the next.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(20);

/// When a worker runs and when it counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    from: Instant,
    to: Instant,
    /// The beginning by the wall clock, for whoever watches the service from outside.
    pub(crate) from_ms: i64,
}

impl Window {
    /// From the end of the warm-up, as long as asked for.
    pub(crate) fn starting_now(plan: &Plan) -> Self {
        let warm_up = plan.options.warm_up;
        let from = edge::now() + warm_up;
        let from_ms = edge::wall_ms() + i64::try_from(warm_up.as_millis()).unwrap_or(0);
        Self { from, to: from + plan.options.duration, from_ms }
    }

    /// Whether there is time for another call.
    pub(crate) fn is_open(&self) -> bool {
        edge::now() < self.to
    }

    /// Whether there is time for another answer of whoever is that patient.
    pub(crate) fn is_open_for(&self, patience: Duration) -> bool {
        edge::now() < self.to + patience
    }

    /// Whether a call that ends now counts.
    pub(crate) fn counts(&self) -> bool {
        self.holds(edge::now())
    }

    /// Whether a moment lies in the window.
    pub(crate) fn holds(&self, moment: Instant) -> bool {
        self.from <= moment && moment < self.to
    }
}

/// What was measured, and when.
pub(crate) struct Measured {
    pub(crate) window: Window,
    pub(crate) tally: Tally,
    /// What subscribers were given meanwhile.
    pub(crate) delivered: Option<Tally>,
}

/// Writes with all connections, while subscribers read.
pub(crate) async fn put(plan: &Arc<Plan>, feeds: Vec<Feed>) -> Outcome<Measured> {
    let mut prepared = Vec::new();
    for worker in 0..plan.options.connections {
        prepared.push(put_bodies(plan, worker));
    }
    let window = Window::starting_now(plan);
    let subscribers = (!feeds.is_empty()).then(|| subscribers::start(feeds, window, Duration::ZERO, Count::Records));
    let mut workers = JoinSet::new();
    for (worker, bodies) in (0..).zip(prepared) {
        workers.spawn(put_worker(plan.clone(), worker, bodies, window));
    }
    let mut measured = together(workers, window).await?;
    if let Some(subscribers) = subscribers {
        measured.delivered = Some(together(subscribers, window).await?.tally);
    }
    Ok(measured)
}

/// Bodies for one connection: several, so that keys and data vary, and no more than fit into memory.
fn put_bodies(plan: &Plan, worker: u32) -> Vec<Body> {
    let options = &plan.options;
    let size = usize::try_from(options.record_size).unwrap_or(usize::MAX);
    let body_size = (size * 4 / 3 + 64) * options.batch as usize;
    let count = (BODIES_BYTES / options.connections as usize / body_size).clamp(2, 256);
    let mut numbers = Numbers::new(u64::from(worker) + 1);
    (0..count).map(|_| bodies::put(&options.stream, options.batch, size, &mut numbers)).collect()
}

async fn put_worker(plan: Arc<Plan>, worker: u32, mut bodies: Vec<Body>, window: Window) -> Outcome<Tally> {
    let batch = plan.options.batch;
    let operation = if batch == 1 { Operation::PutRecord } else { Operation::PutRecords };
    let mut tally = Tally::new()?;
    let mut connection = Connection::open(&plan.address).await?;
    let mut turn = 0;
    let begun = edge::now();
    while window.is_open() {
        if let Some(rate) = plan.options.rate {
            let call = turn as f64 * f64::from(plan.options.connections) + f64::from(worker);
            let due = Duration::from_secs_f64(call * f64::from(batch) / rate);
            tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
        }
        let count_of_bodies = bodies.len();
        let body = &mut bodies[turn % count_of_bodies];
        turn += 1;
        let begun = edge::now();
        let result = match connection.call(&plan.signer, operation, body).await {
            Ok(answer) => bodies::read_put(&answer, batch),
            Err(failure) => Result::Failed(failure.message),
        };
        count(&mut tally, window, result, begun).await;
    }
    Ok(tally)
}

/// Fills the stream if asked to, then reads it with all connections, over and over.
pub(crate) async fn get(plan: &Arc<Plan>) -> Outcome<Measured> {
    fill(plan).await?;
    let window = Window::starting_now(plan);
    let mut workers = JoinSet::new();
    for worker in 0..plan.options.connections as usize {
        let shard = plan.shards[worker % plan.shards.len()].clone();
        workers.spawn(get_worker(plan.clone(), shard, window));
    }
    together(workers, window).await
}

/// Writes the records that will be read, trying again whatever is refused.
async fn fill(plan: &Arc<Plan>) -> Outcome {
    const CALL: u32 = 500;
    let options = &plan.options;
    let size = usize::try_from(options.record_size).unwrap_or(usize::MAX);
    let call = u32::try_from((4 << 20) / (size + 16)).unwrap_or(CALL).clamp(1, CALL);
    let mut numbers = Numbers::new(0);
    let mut connection = Connection::open(&plan.address).await?;
    let mut missing = options.fill;
    while missing > 0 {
        let records = call.min(u32::try_from(missing).unwrap_or(CALL));
        let operation = if records == 1 { Operation::PutRecord } else { Operation::PutRecords };
        let mut body = bodies::put(&options.stream, records, size, &mut numbers);
        let answer = connection.call(&plan.signer, operation, &mut body).await?;
        match bodies::read_put(&answer, records) {
            Result::Done { records: written, .. } if written == u64::from(records) => missing -= written,
            Result::Done { records: written, .. } => {
                missing -= written;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Result::Throttled => tokio::time::sleep(Duration::from_millis(200)).await,
            Result::Failed(error) => return Err(Failure::new(format!("cannot fill {}: {error}", options.stream))),
        }
    }
    Ok(())
}

async fn get_worker(plan: Arc<Plan>, shard: String, window: Window) -> Outcome<Tally> {
    let mut tally = Tally::new()?;
    let mut connection = Connection::open(&plan.address).await?;
    let mut from_start = bodies::get_iterator(&plan.options.stream, &shard, "TRIM_HORIZON");
    let mut iterator: Option<String> = None;
    let mut read_since_start = 0;
    while window.is_open() {
        let Some(current) = &iterator else {
            let answer = connection.call(&plan.signer, Operation::GetShardIterator, &mut from_start).await?;
            iterator = bodies::iterator(&answer, "ShardIterator").map(str::to_owned);
            if iterator.is_none() {
                count(&mut tally, window, bodies::read_page(&answer), edge::now()).await;
            }
            read_since_start = 0;
            continue;
        };
        let mut body = bodies::get_records(current, plan.options.batch);
        let begun = edge::now();
        let (result, next) = match connection.call(&plan.signer, Operation::GetRecords, &mut body).await {
            Ok(answer) => {
                let next = bodies::iterator(&answer, "NextShardIterator").map(str::to_owned);
                (bodies::read_page(&answer), next)
            }
            Err(failure) => (Result::Failed(failure.message), None),
        };
        match result {
            // The tip: begin again. An empty shard would make this spin.
            Result::Done { records: 0, .. } => {
                if read_since_start == 0 {
                    tokio::time::sleep(PAUSE_AFTER_REFUSAL).await;
                }
                iterator = None;
                continue;
            }
            Result::Done { records, .. } => {
                read_since_start += records;
                iterator = next;
            }
            Result::Throttled => {}
            Result::Failed(_) => iterator = None,
        }
        count(&mut tally, window, result, begun).await;
    }
    Ok(tally)
}

async fn count(tally: &mut Tally, window: Window, result: Result, begun: Instant) {
    let latency = begun.elapsed();
    let refused = matches!(result, Result::Throttled | Result::Failed(_));
    if window.counts() {
        tally.count(result, latency);
    }
    if refused {
        tokio::time::sleep(PAUSE_AFTER_REFUSAL).await;
    }
}

/// Waits for all workers and adds up.
pub(crate) async fn together(mut workers: JoinSet<Outcome<Tally>>, window: Window) -> Outcome<Measured> {
    let mut all = Tally::new()?;
    while let Some(worker) = workers.join_next().await {
        all.merge(worker.map_err(|error| Failure::new(format!("a worker broke: {error}")))??);
    }
    Ok(Measured { window, tally: all, delivered: None })
}
