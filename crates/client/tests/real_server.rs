//! Workers against a whole server: what they are given while shards split and merge and a worker dies.

#![cfg(feature = "aws")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::Statistic;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_kinesis::primitives::Blob;
use rheos_client::aggregation::{Packer, UserRecord};
use rheos_client::consumer::{
    Batch, Checkpointer, CloudWatchMetrics, Config, DeadLetterStream, Environment, Initialization, Poison,
    ProcessorError, RecordProcessor, Retrieval, Retry, SdkKinesis, Services, Worker, WorkerHandle,
};
use rheos_client::lease::{DynamoDbLeaseStore, LeaseStore, LeaseTable, MemoryLeaseStore};
use rheos_testkit::{Home, TestServer};
use rheos_types::Clock;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// What was processed: of each payload, by whom, in which shard, how often.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<BTreeMap<String, Vec<String>>>>);

impl Seen {
    fn payloads(&self) -> Vec<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }

    async fn until(&self, count: usize) {
        let all = async {
            while self.0.lock().unwrap().len() < count {
                sleep(Duration::from_millis(50)).await;
            }
        };
        let found = || self.0.lock().unwrap().len();
        timeout(Duration::from_secs(60), all).await.unwrap_or_else(|_| panic!("{} of {count} came", found()));
    }
}

struct Collector {
    seen: Seen,
    shard: String,
}

impl RecordProcessor for Collector {
    async fn initialize(&mut self, _: &Initialization) -> Result<(), ProcessorError> {
        Ok(())
    }

    async fn process_records(&mut self, batch: &Batch<'_>, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        if batch.records.iter().any(|record| record.data.as_ref() == b"poison") {
            return Err("it is poison".into());
        }
        for record in batch.records {
            let payload = String::from_utf8_lossy(&record.data).into_owned();
            self.seen.0.lock().unwrap().entry(payload).or_default().push(self.shard.clone());
        }
        Ok(checkpointer.checkpoint().await?)
    }

    async fn lease_lost(&mut self) {}

    async fn shard_ended(&mut self, _: &Checkpointer) -> Result<(), ProcessorError> {
        Ok(())
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        Ok(checkpointer.checkpoint().await?)
    }
}

fn sdk(server: &TestServer) -> SdkConfig {
    let credentials = Credentials::new("any", "any", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(server.url())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

fn client(server: &TestServer) -> Client {
    Client::new(&sdk(server))
}

fn leases_at(server: &TestServer, table: &str) -> Arc<dyn LeaseStore> {
    Arc::new(DynamoDbLeaseStore::new(aws_sdk_dynamodb::Client::new(&sdk(server)), table))
}

async fn active(client: &Client, stream: &str) {
    for _ in 0..400 {
        let summary = client.describe_stream_summary().stream_name(stream).send().await.unwrap();
        let status = summary.stream_description_summary.map(|summary| summary.stream_status);
        if status == Some(aws_sdk_kinesis::types::StreamStatus::Active) {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("{stream} does not become active");
}

async fn create(client: &Client, stream: &str, shards: i32) {
    client.create_stream().stream_name(stream).shard_count(shards).send().await.unwrap();
    active(client, stream).await;
}

async fn put(client: &Client, stream: &str, payloads: impl Iterator<Item = String>) {
    for payload in payloads {
        let call = client.put_record().stream_name(stream).partition_key(&payload);
        call.data(Blob::new(payload.into_bytes())).send().await.unwrap();
    }
}

fn config(stream: &str, worker: &str, retrieval: Retrieval) -> Config {
    Config {
        retrieval,
        failover_ms: 5_000,
        leader_lock_ms: 4_000,
        assignment_interval_ms: 500,
        worker_metrics_interval_ms: 1_000,
        shard_sync_interval_ms: 1_000,
        parent_poll_ms: 100,
        idle_ms: 50,
        poison: Poison::DeadLetter,
        retry: Retry { attempts: 2, backoff_ms: 10, max_backoff_ms: 100 },
        ..Config::new(format!("{stream}-app"), stream, worker)
    }
}

/// The sum of a metric's values, by the dimension besides the operation.
async fn measured(server: &TestServer, namespace: &str, name: &str) -> BTreeMap<String, f64> {
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&sdk(server));
    let found = cloudwatch.list_metrics().namespace(namespace).metric_name(name).send().await.unwrap();
    let mut sums = BTreeMap::new();
    let now_s = server.clock.wall_ms().cast_signed() / 1000;
    for metric in found.metrics() {
        let around = |s: i64| DateTime::from_secs(now_s + s);
        let asked = cloudwatch.get_metric_statistics().namespace(namespace).metric_name(name);
        let asked = asked.set_dimensions(metric.dimensions.clone()).start_time(around(-600)).end_time(around(600));
        let points = asked.period(60).statistics(Statistic::Sum).send().await.unwrap();
        let sum = points.datapoints().iter().filter_map(|point| point.sum).sum();
        let whose = metric.dimensions().iter().find(|dimension| dimension.name() != Some("Operation"));
        sums.insert(whose.and_then(|dimension| dimension.value()).unwrap_or_default().to_owned(), sum);
    }
    sums
}

fn start(
    server: &TestServer,
    store: &Arc<dyn LeaseStore>,
    seen: &Seen,
    config: Config,
) -> (WorkerHandle, JoinHandle<()>) {
    let client = client(server);
    let kinesis = SdkKinesis::new(client.clone(), &config.stream, &config.application);
    let letters = DeadLetterStream::new(client, "letters");
    let metrics = CloudWatchMetrics::new(aws_sdk_cloudwatch::Client::new(&sdk(server)), &config.application);
    let seen = seen.clone();
    let factory = move |shard: &str| Collector { seen: seen.clone(), shard: shard.to_owned() };
    let services = Services {
        dead_letters: Some(Arc::new(letters)),
        metrics: Some(Arc::new(metrics)),
        ..Services::new(store.clone(), Arc::new(kinesis))
    };
    let worker = Worker::new(config, Environment::system(), services, factory);
    let handle = worker.handle();
    #[expect(clippy::disallowed_methods, reason = "a test runs its workers")]
    let running = tokio::spawn(async move { worker.run().await.unwrap() });
    (handle, running)
}

/// Two workers; records plain and aggregated; a split and a merge; one worker stops, and the other goes on.
async fn consume(retrieval: Retrieval, store: Arc<dyn LeaseStore>, server: &TestServer) {
    let client = client(server);
    create(&client, "words", 2).await;
    create(&client, "letters", 1).await;
    put(&client, "words", (0..100).map(|number| format!("first-{number}"))).await;
    let seen = Seen::default();
    let (one, running_one) = start(server, &store, &seen, config("words", "one", retrieval));
    let (another, running_another) = start(server, &store, &seen, config("words", "another", retrieval));
    seen.until(100).await;

    let mut packer = Packer::new();
    for number in 0..50 {
        let payload = format!("packed-{number}");
        packer.push(&UserRecord { partition_key: &payload, data: payload.as_bytes(), ..UserRecord::default() });
    }
    let packed = packer.take().unwrap();
    let call = client.put_record().stream_name("words").partition_key("a").explicit_hash_key(packed.explicit_hash_key);
    call.data(Blob::new(packed.data.to_vec())).send().await.unwrap();
    let split = client.split_shard().stream_name("words").shard_to_split("shardId-000000000000");
    split.new_starting_hash_key((1u128 << 126).to_string()).send().await.unwrap();
    active(&client, "words").await;
    put(&client, "words", (0..100).map(|number| format!("split-{number}"))).await;
    put(&client, "words", ["poison".to_owned()].into_iter()).await;
    let merge = client.merge_shards().stream_name("words").shard_to_merge("shardId-000000000003");
    merge.adjacent_shard_to_merge("shardId-000000000001").send().await.unwrap();
    active(&client, "words").await;
    put(&client, "words", (0..100).map(|number| format!("merged-{number}"))).await;
    seen.until(350).await;

    one.stop();
    timeout(Duration::from_secs(20), running_one).await.expect("a worker stops").unwrap();
    put(&client, "words", (0..100).map(|number| format!("last-{number}"))).await;
    seen.until(450).await;
    another.stop();
    timeout(Duration::from_secs(20), running_another).await.expect("a worker stops").unwrap();

    assert!(!seen.payloads().contains(&"poison".to_owned()));
    let again: Vec<_> = seen
        .0
        .lock()
        .unwrap()
        .iter()
        .filter(|(_, by)| by.len() > 1)
        .map(|(what, by)| (what.clone(), by.clone()))
        .collect();
    assert!(again.is_empty(), "nobody died: {again:?}");
    let leases = LeaseTable::new(store).list().await.unwrap();
    assert!(leases.iter().all(|lease| lease.owner.is_none()), "{leases:?}");
    let done: Vec<&str> = leases.iter().filter(|lease| lease.is_complete()).map(|lease| lease.key.as_str()).collect();
    assert_eq!(done, ["shardId-000000000000", "shardId-000000000001", "shardId-000000000003"]);

    let iterator = client.get_shard_iterator().stream_name("letters").shard_id("shardId-000000000000");
    let iterator =
        iterator.shard_iterator_type(aws_sdk_kinesis::types::ShardIteratorType::TrimHorizon).send().await.unwrap();
    let letters = client.get_records().set_shard_iterator(iterator.shard_iterator).send().await.unwrap().records;
    assert_eq!(letters.len(), 1, "one record could not be processed");
    let letter: serde_json::Value = serde_json::from_slice(letters[0].data.as_ref()).unwrap();
    assert_eq!(
        (&letter["cause"], &letter["stream"], &letter["partitionKey"]),
        (&"it is poison".into(), &"words".into(), &"poison".into())
    );
    assert_eq!(letter["data"], "cG9pc29u");
    has_measured(server).await;
}

/// What the workers of `consume` have told CloudWatch, now that both have stopped.
async fn has_measured(server: &TestServer) {
    let total = |by: BTreeMap<String, f64>| by.values().sum::<f64>();
    let by_shard = measured(server, "words-app", "RecordsProcessed").await;
    let shards: Vec<&str> = by_shard.keys().map(|shard| &shard["shardId-00000000000".len()..]).collect();
    assert_eq!(shards, ["0", "1", "2", "3", "4"], "by shard");
    assert_eq!(total(by_shard), 450.0, "each record once");
    assert_eq!(total(measured(server, "words-app", "DeadLetters").await), 1.0);
    let begun = measured(server, "words-app", "RecordProcessor.initialize.Success").await;
    assert_eq!(begun.keys().collect::<Vec<_>>(), [""], "of the application");
    let leases = measured(server, "words-app", "CurrentLeases").await;
    assert_eq!(leases.keys().collect::<Vec<_>>(), ["another", "one"]);
    for name in ["MillisBehindLatest", "RecordProcessor.processRecords.Time", "UpdateLease.Success", "RenewLease.Time"]
    {
        assert!(!measured(server, "words-app", name).await.is_empty(), "{name}");
    }
}

/// A worker on a runtime of its own, which can be taken away from it in the middle of anything.
fn start_mortal(
    server: &TestServer,
    store: &Arc<dyn LeaseStore>,
    seen: &Seen,
    config: Config,
) -> (WorkerHandle, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let entered = runtime.enter();
    let (handle, _) = start(server, store, seen, config);
    drop(entered);
    (handle, runtime)
}

/// Two workers, of which one dies while it processes: the other gets its shards after the failover time, and nothing is left out.
async fn survive(retrieval: Retrieval) {
    let server = server().await;
    let (client, store, seen) = (client(&server), leases_at(&server, "application"), Seen::default());
    create(&client, "words", 4).await;
    create(&client, "letters", 1).await;
    put(&client, "words", (0..100).map(|number| format!("first-{number}"))).await;
    let (dies, runtime) = start_mortal(&server, &store, &seen, config("words", "dies", retrieval));
    let (_, running) = start(&server, &store, &seen, config("words", "lives", retrieval));
    seen.until(100).await;
    let has_some = async {
        while dies.status().is_empty() || dies.status().len() == 4 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(60), has_some).await.expect("both have shards");
    let table = LeaseTable::new(store.clone());
    put(&client, "words", (0..20).map(|number| format!("before-{number}"))).await;
    runtime.shutdown_background();
    let left = table.list().await.unwrap();
    let of_dead = |lease: &&rheos_client::lease::Lease| lease.owner.as_deref() == Some("dies");
    assert!(left.iter().filter(of_dead).count() > 0, "it had no time to let anything go: {left:?}");
    put(&client, "words", (0..100).map(|number| format!("after-{number}"))).await;
    seen.until(220).await;
    assert!(table.list().await.unwrap().iter().all(|lease| lease.owner.as_deref() == Some("lives")));
    running.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shards_of_a_worker_that_polled_and_died_are_taken_over() {
    survive(Retrieval::Polling).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shards_of_a_worker_that_subscribed_and_died_are_taken_over() {
    survive(Retrieval::FanOut).await;
}

async fn server() -> TestServer {
    TestServer::start_with(Home::default(), |config| config.dev = true).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_poll_share_a_stream_that_is_reshaped() {
    let server = server().await;
    consume(Retrieval::Polling, leases_at(&server, "application"), &server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_subscribe_share_a_stream_that_is_reshaped() {
    let server = server().await;
    consume(Retrieval::FanOut, leases_at(&server, "application"), &server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_may_be_kept_elsewhere() {
    consume(Retrieval::Polling, Arc::new(MemoryLeaseStore::new()), &server().await).await;
}
