//! How many records of 100 bytes one core produces: by itself against answers that cost nothing, or into a stream.
//!
//! ```text
//! cargo run --release -p rheos-client --example throughput                      # the producer alone
//! cargo run --release -p rheos-client --example throughput -- 2000000 orders    # with AWS_ENDPOINT_URL and the rest set
//! ```

use std::error::Error;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rheos_client::producer::{
    Answer, CallError, Entry, KinesisTransport, Placed, Producer, Record, Settings, Shard, Transport,
};
use rheos_types::{HashRange, SystemClock, SystemRandom};

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
    let mut arguments = std::env::args().skip(1);
    let records = arguments.next().map_or(Ok(2_000_000), |text| text.parse())?;
    match arguments.next() {
        None => measure(Nowhere, "nowhere", records).await,
        Some(stream) => {
            let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
            let transport = KinesisTransport::new(aws_sdk_kinesis::Client::new(&config));
            measure(transport, &stream, records).await
        }
    }
}

#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "an example measures, spawns and talks")]
async fn measure(transport: impl Transport, stream: &str, records: u64) -> Result<(), Box<dyn Error>> {
    let settings = Settings { rate_limit_percent: None, ..Settings::default() };
    let (producer, driver) = Producer::new(transport, settings, SystemClock::new(), SystemRandom)?;
    let driver = tokio::spawn(driver.run());
    let data = Bytes::from_static(&[b'x'; 100]);
    let stream: std::sync::Arc<str> = stream.into();
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
    let taken: Duration = begun.elapsed();
    producer.close().await;
    driver.await?;
    let rate = records as f64 / taken.as_secs_f64();
    println!("{records} records in {:.2} s: {rate:.0}/s, {failed} failed", taken.as_secs_f64());
    for figures in producer.metrics().streams.values() {
        println!(
            "{:.0} user records in a record of Kinesis, {:.1} of those in a call, {:.0} ms a call",
            figures.user_records_per_kinesis_record.mean(),
            figures.kinesis_records_per_put_records_request.mean(),
            figures.request_time_ms.mean(),
        );
    }
    Ok(())
}
