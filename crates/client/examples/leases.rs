//! Workers that do nothing but hold leases: the shards are made up and have no records, the lease table is real. `bench/leases`
//! measures what that costs the server.
//!
//! ```text
//! cargo run --release -p rheos-client --example leases -- WORKERS LEASES    # with AWS_ENDPOINT_URL and the rest set
//! ```
//!
//! Prints a line when every lease has its owner, and goes on until standard input ends.

use std::error::Error;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use rheos_client::consumer::{
    Batch, Checkpointer, Config, Environment, Initialization, Kinesis, KinesisError, KinesisFuture, Page,
    ProcessorError, ReadFrom, RecordProcessor, Services, Shard, ShardFilter, Subscription, Worker,
};
use rheos_client::lease::DynamoDbLeaseStore;
use rheos_types::HashRange;

/// A stream whose shards have no records.
struct Silent(Vec<Shard>);

impl Kinesis for Silent {
    fn list_shards(&self, _: ShardFilter) -> KinesisFuture<'_, Vec<Shard>> {
        Box::pin(async { Ok(self.0.clone()) })
    }

    fn shard_iterator<'a>(&'a self, shard: &'a str, _: &'a ReadFrom) -> KinesisFuture<'a, String> {
        Box::pin(async { Ok(shard.to_owned()) })
    }

    fn records<'a>(&'a self, iterator: &'a str, _: u32) -> KinesisFuture<'a, Page> {
        Box::pin(async {
            Ok(Page { next: Some(iterator.to_owned()), millis_behind_latest: Some(0), ..Page::default() })
        })
    }

    fn subscribe<'a>(&'a self, _: &'a str, _: &'a ReadFrom) -> KinesisFuture<'a, Box<dyn Subscription>> {
        Box::pin(async { Err(KinesisError::Refused("there is nothing to subscribe to".to_owned())) })
    }
}

struct Idle;

impl RecordProcessor for Idle {
    async fn initialize(&mut self, _: &Initialization) -> Result<(), ProcessorError> {
        Ok(())
    }

    async fn process_records(&mut self, _: &Batch<'_>, _: &Checkpointer) -> Result<(), ProcessorError> {
        Ok(())
    }

    async fn lease_lost(&mut self) {}

    async fn shard_ended(&mut self, _: &Checkpointer) -> Result<(), ProcessorError> {
        Ok(())
    }

    async fn shutdown_requested(&mut self, _: &Checkpointer) -> Result<(), ProcessorError> {
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "an example spawns and talks")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [workers, leases] = arguments.as_slice() else { return Err("WORKERS LEASES".into()) };
    let (workers, leases): (usize, u32) = (workers.parse()?, leases.parse()?);
    let aws = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let shard = |(at, hash_range): (usize, HashRange)| Shard {
        id: format!("shardId-{at:012}"),
        parents: Vec::new(),
        hash_range,
        starting_sequence_number: "0".to_owned(),
        is_open: true,
    };
    let silent = Arc::new(Silent(HashRange::uniform(leases).enumerate().map(shard).collect()));
    let mut handles = Vec::new();
    for number in 0..workers {
        let store = DynamoDbLeaseStore::new(aws_sdk_dynamodb::Client::new(&aws), "leases");
        // Everything else is as the KCL has it: renewed every 3.3 s, shared out every 20 s.
        let config = Config { idle_ms: 3_600_000, ..Config::new("leases", "silent", format!("worker-{number}")) };
        let services = Services::new(Arc::new(store), silent.clone());
        let worker = Worker::new(config, Environment::system(), services, |_: &str| Idle);
        handles.push((worker.handle(), tokio::spawn(worker.run())));
    }
    while handles.iter().map(|(handle, _)| handle.status().len()).sum::<usize>() < leases as usize {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let each: Vec<usize> = handles.iter().map(|(handle, _)| handle.status().len()).collect();
    println!("{leases} leases held: {each:?}");
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    for (handle, running) in handles {
        handle.stop();
        running.await??;
    }
    Ok(())
}
