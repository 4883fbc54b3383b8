//! `bench e2e`: how long a record takes from the start of its PutRecord to the end of the GetRecords that brings it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::Plan;
use super::bodies::{self, Numbers, Result};
use super::connection::{Connection, Operation};
use super::load::{Measured, Window, together};
use super::subscribers::{self, Count, Feed};
use super::tally::Tally;
use crate::edge;
use crate::failure::{Failure, Outcome};

/// How long after the last record readers still wait for it.
const STRAGGLERS: Duration = Duration::from_secs(2);
const THROTTLE_PAUSE: Duration = Duration::from_millis(250);
/// Data begins with the time of the put, as so many bytes of nanoseconds since the run began.
const STAMP: usize = 8;

/// The rate unless another is asked for.
pub(crate) const RATE: f64 = 100.0;

/// Runs a writer for each connection, and a reader for each shard unless there are subscribers.
pub(crate) async fn run(plan: &Arc<Plan>, feeds: Vec<Feed>) -> Outcome<Measured> {
    let epoch = edge::now();
    let mut readers = Vec::new();
    let polled = if feeds.is_empty() { &plan.shards[..] } else { &[] };
    for shard in polled {
        readers.push(Reader::open(plan, shard).await?);
    }
    let window = Window::starting_now(plan);
    let mut workers = subscribers::start(feeds, window, STRAGGLERS, Count::Latency(epoch));
    for reader in readers {
        workers.spawn(reader.run(plan.clone(), epoch, window));
    }
    for worker in 0..plan.options.connections {
        workers.spawn(write(plan.clone(), worker, epoch, window));
    }
    together(workers, window).await
}

/// Writes every n-th record, each at its time. What is written late is measured from when it left, so that a slow writer does not
/// look like a slow reader. Only failures are counted here.
async fn write(plan: Arc<Plan>, worker: u32, epoch: Instant, window: Window) -> Outcome<Tally> {
    let options = &plan.options;
    let rate = options.rate.unwrap_or(RATE);
    let size = usize::try_from(options.record_size).unwrap_or(STAMP).max(STAMP);
    let mut tally = Tally::new()?;
    let mut numbers = Numbers::new(u64::from(worker) + 1);
    let mut connection = Connection::open(&plan.address).await?;
    let begun = edge::now();
    let mut turn = u64::from(worker);
    while window.is_open() {
        let due = Duration::from_secs_f64(turn as f64 / rate);
        tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
        turn += u64::from(options.connections);
        let mut data = vec![0; size];
        data[..STAMP].copy_from_slice(&nanoseconds_since(epoch).to_le_bytes());
        let data = base64_simd::STANDARD.encode_to_string(&data);
        let mut body = bodies::put_one(&options.stream, &numbers.key(), &data);
        let answer = connection.call(&plan.signer, Operation::PutRecord, &mut body).await?;
        let result = bodies::read_put(&answer, 1);
        if !matches!(result, Result::Done { .. }) && window.counts() {
            tally.count(result, Duration::ZERO);
        }
    }
    Ok(tally)
}

/// Reads one shard from its tip.
struct Reader {
    connection: Connection,
    iterator: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page<'body> {
    #[serde(borrow)]
    records: Vec<Stamped<'body>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stamped<'body> {
    data: &'body str,
}

impl Reader {
    async fn open(plan: &Plan, shard: &str) -> Outcome<Self> {
        let mut connection = Connection::open(&plan.address).await?;
        let mut body = bodies::get_iterator(&plan.options.stream, shard, "LATEST");
        let answer = connection.call(&plan.signer, Operation::GetShardIterator, &mut body).await?;
        let iterator = bodies::iterator(&answer, "ShardIterator").map(str::to_owned);
        let iterator =
            iterator.ok_or_else(|| Failure::new(format!("cannot read {shard}: {:?}", bodies::read_page(&answer))))?;
        Ok(Self { connection, iterator })
    }

    async fn run(mut self, plan: Arc<Plan>, epoch: Instant, window: Window) -> Outcome<Tally> {
        let mut tally = Tally::new()?;
        let mut stragglers_until = None;
        loop {
            if !window.is_open() {
                let until = *stragglers_until.get_or_insert_with(|| edge::now() + STRAGGLERS);
                if edge::now() >= until {
                    return Ok(tally);
                }
            }
            let mut body = bodies::get_records(&self.iterator, 10_000);
            let answer = self.connection.call(&plan.signer, Operation::GetRecords, &mut body).await?;
            let now = nanoseconds_since(epoch);
            match bodies::read_page(&answer) {
                Result::Done { records, .. } => {
                    for put in stamps(&answer.body)? {
                        // A record counts by when it was put; those of the warm-up do not.
                        let latency = Duration::from_nanos(now.saturating_sub(put));
                        if window.holds(epoch + Duration::from_nanos(put)) {
                            tally.count(Result::Done { records: 1, throttled: 0, failed: 0 }, latency);
                        }
                    }
                    match bodies::iterator(&answer, "NextShardIterator") {
                        Some(next) => self.iterator = next.to_owned(),
                        None => return Ok(tally),
                    }
                    if records == 0 {
                        tokio::time::sleep(plan.options.poll).await;
                    }
                }
                Result::Throttled => {
                    tally.count(Result::Throttled, Duration::ZERO);
                    tokio::time::sleep(THROTTLE_PAUSE).await;
                }
                Result::Failed(error) => {
                    tally.error(error);
                    tokio::time::sleep(THROTTLE_PAUSE).await;
                }
            }
        }
    }
}

/// When each record of the page was put; records that are not of this run are left out.
pub(crate) fn stamps(page: &[u8]) -> Outcome<Vec<u64>> {
    let page: Page =
        serde_json::from_slice(page).map_err(|error| Failure::new(format!("a page is no JSON: {error}")))?;
    let stamps = page.records.iter().filter_map(|record| {
        let data = base64_simd::STANDARD.decode_to_vec(record.data).ok()?;
        Some(u64::from_le_bytes(data.get(..STAMP)?.try_into().ok()?))
    });
    Ok(stamps.collect())
}

fn nanoseconds_since(epoch: Instant) -> u64 {
    u64::try_from(epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
