//! How many records of 100 bytes one core produces, by itself against answers that cost nothing or into a stream, and how
//! many it consumes. `bench/libraries` runs it beside the KPL and the KCL.
//!
//! ```text
//! cargo run --release -p rheos-client --example throughput -- produce 2000000           # the producer alone
//! cargo run --release -p rheos-client --example throughput -- produce 2000000 orders    # with AWS_ENDPOINT_URL and the rest set
//! cargo run --release -p rheos-client --example throughput -- consume 2000000 orders
//! ```

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use aws_config::BehaviorVersion;
use bytes::Bytes;
use rheos_client::consumer::{
    Batch, Checkpointer, Config, Environment, Initialization, ProcessorError, RecordProcessor, SdkKinesis, Services,
    Worker,
};
use rheos_client::lease::DynamoDbLeaseStore;
use rheos_client::producer::{
    Answer, CallError, Entry, KinesisTransport, Placed, Producer, Record, Settings, Shard, Transport,
};
use rheos_types::{HashRange, SystemClock, SystemRandom};
use tokio::sync::Notify;

/// What the KCL for Java asks for at least.
const IDLE_MS: u64 = 200;

/// Answers at once that everything was written.
struct Nowhere;

const SHARDS: u32 = 4;

fn shards() -> impl Iterator<Item = Shard> {
    HashRange::uniform(SHARDS).enumerate().map(|(at, range)| Shard { id: format!("shardId-{at:012}").into(), range })
}

impl Transport for Nowhere {
    async fn put_records(&self, _: &str, entries: Vec<Entry>) -> Result<Vec<Answer>, CallError> {
        let shards: Vec<Shard> = shards().collect();
        let answer = |entry: &Entry| {
            let hash = entry.explicit_hash_key.as_deref().and_then(|text| rheos_types::HashKey::parse(text).ok());
            let hash = hash.unwrap_or_else(|| rheos_types::HashKey::of_partition_key(&entry.partition_key));
            let shard_id = shards.iter().find(|shard| shard.range.contains(hash)).map(|shard| shard.id.clone());
            Ok(Placed { shard_id: shard_id.unwrap_or_default(), sequence_number: "1".into() })
        };
        Ok(entries.iter().map(answer).collect())
    }

    async fn list_shards(&self, _: &str) -> Result<Vec<Shard>, CallError> {
        Ok(shards().collect())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, records, stream @ ..] = arguments.as_slice() else {
        return Err("produce RECORDS [STREAM], or consume RECORDS STREAM".into());
    };
    let records = records.parse()?;
    match (what.as_str(), stream) {
        ("produce", []) => produce(Nowhere, "nowhere", records).await,
        ("produce", [stream]) => {
            let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
            produce(KinesisTransport::new(aws_sdk_kinesis::Client::new(&config)), stream, records).await
        }
        ("consume", [stream]) => consume(stream, records).await,
        _ => Err("produce RECORDS [STREAM], or consume RECORDS STREAM".into()),
    }
}

#[expect(clippy::print_stdout, reason = "the result is what an example is for")]
fn report(begun: Instant, failed: u64) {
    println!("{{\"seconds\": {:.3}, \"failed\": {failed}}}", begun.elapsed().as_secs_f64());
}

/// Each with a key of its own, as fast as the library takes them.
#[expect(clippy::disallowed_methods, clippy::print_stderr, reason = "an example measures, spawns and talks")]
async fn produce(transport: impl Transport, stream: &str, records: u64) -> Result<(), Box<dyn Error>> {
    let settings = Settings { rate_limit_percent: None, ..Settings::default() };
    let (producer, driver) = Producer::new(transport, settings, SystemClock::new(), SystemRandom)?;
    let driver = tokio::spawn(driver.run());
    let data = Bytes::from_static(&[b'x'; 100]);
    let stream: Arc<str> = stream.into();
    let begun = Instant::now();
    let mut pending = std::collections::VecDeque::new();
    let mut failed = 0;
    for number in 0..records {
        let record = Record::new(stream.clone(), number.to_string(), data.clone());
        pending.push_back(producer.put(record).await?);
        if number % 64 == 0 {
            // On one thread the driver has its turn here.
            tokio::task::yield_now().await;
        }
        if pending.len() == 100_000 {
            for outcome in pending.drain(..50_000) {
                failed += u64::from(outcome.await.is_err());
            }
        }
    }
    producer.flush().await;
    for outcome in pending {
        failed += u64::from(outcome.await.is_err());
    }
    report(begun, failed);
    producer.close().await;
    driver.await?;
    for figures in producer.metrics().streams.values() {
        eprintln!(
            "{:.0} user records in a record of Kinesis, {:.1} of those in a call, {:.0} ms a call",
            figures.user_records_per_kinesis_record.mean(),
            figures.kinesis_records_per_put_records_request.mean(),
            figures.request_time_ms.mean(),
        );
    }
    Ok(())
}

/// What the processors of all shards have in common.
struct Progress {
    left: AtomicU64,
    begun: std::sync::OnceLock<Instant>,
    done: Notify,
}

/// Counts, and checkpoints after each batch.
struct Counter(Arc<Progress>);

impl RecordProcessor for Counter {
    #[expect(clippy::disallowed_methods, reason = "an example measures")]
    async fn initialize(&mut self, _: &Initialization) -> Result<(), ProcessorError> {
        self.0.begun.get_or_init(Instant::now);
        Ok(())
    }

    async fn process_records(&mut self, batch: &Batch<'_>, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        checkpointer.checkpoint().await?;
        let read = batch.records.len() as u64;
        if self.0.left.fetch_sub(read, Ordering::Relaxed) <= read {
            self.0.done.notify_one();
        }
        Ok(())
    }

    async fn lease_lost(&mut self) {}

    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        Ok(checkpointer.checkpoint().await?)
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        Ok(checkpointer.checkpoint().await?)
    }
}

/// From the first shard's beginning until so many records were processed.
#[expect(clippy::disallowed_methods, reason = "an example measures and spawns")]
async fn consume(stream: &str, records: u64) -> Result<(), Box<dyn Error>> {
    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let application = format!("rust-{stream}");
    let store = DynamoDbLeaseStore::new(aws_sdk_dynamodb::Client::new(&aws), &application);
    let kinesis = SdkKinesis::new(aws_sdk_kinesis::Client::new(&aws), stream, &application);
    let config = Config { idle_ms: IDLE_MS, ..Config::new(application, stream, "one") };
    let progress =
        Arc::new(Progress { left: AtomicU64::new(records), begun: std::sync::OnceLock::new(), done: Notify::new() });
    let counters = progress.clone();
    let factory = move |_: &str| Counter(counters.clone());
    let services = Services::new(Arc::new(store), Arc::new(kinesis));
    let worker = Worker::new(config, Environment::system(), services, factory);
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    progress.done.notified().await;
    report(*progress.begun.get().ok_or("nothing was read")?, 0);
    handle.stop();
    running.await??;
    Ok(())
}
