//! The handle in tokio's time: who waits, who is let in, and what is told to whom.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rheos_types::Clock;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use super::service::{Dice, Service, data};
use crate::producer::transport::{Answer, CallError, Entry, Shard, Transport};
use crate::producer::{ITEM_BYTES, Producer, Reason, Record, Refused, Settings};

/// Tokio's clock, which a test stops.
struct Paused(Instant);

impl Paused {
    #[expect(clippy::disallowed_methods, reason = "this is the implementation of Clock")]
    fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Paused {
    fn wall_ms(&self) -> u64 {
        self.monotonic_ms()
    }

    fn monotonic_ms(&self) -> u64 {
        self.0.elapsed().as_millis() as u64
    }
}

/// A service that answers while there are permits.
#[derive(Clone)]
struct Gate {
    service: Arc<Mutex<Service>>,
    permits: Arc<Semaphore>,
}

impl Gate {
    fn new(permits: usize) -> Self {
        Self { service: Arc::new(Mutex::new(Service::new(2))), permits: Arc::new(Semaphore::new(permits)) }
    }

    fn stored(&self) -> usize {
        self.service.lock().unwrap().read().len()
    }
}

impl Transport for Gate {
    async fn put_records(&self, _: &str, entries: Vec<Entry>) -> Result<Vec<Answer>, CallError> {
        self.permits.acquire().await.unwrap().forget();
        Ok(self.service.lock().unwrap().put(&entries, &Dice::new(1)))
    }

    async fn list_shards(&self, _: &str) -> Result<Vec<Shard>, CallError> {
        Ok(self.service.lock().unwrap().list())
    }
}

fn start(gate: &Gate, settings: Settings) -> (Producer, tokio::task::JoinHandle<()>) {
    let (producer, driver) = Producer::new(gate.clone(), settings, Paused::new(), Dice::new(1)).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the test's own task")]
    let task = tokio::spawn(driver.run());
    (producer, task)
}

fn record(number: u64) -> Record {
    Record::new("s", format!("key {number}"), data(number, 100))
}

#[tokio::test(start_paused = true)]
async fn records_are_written_and_told() {
    let gate = Gate::new(usize::MAX >> 4);
    let (producer, task) = start(&gate, Settings::default());
    let mut pending = Vec::new();
    for number in 0..1000 {
        pending.push(producer.put(record(number)).await.unwrap());
    }
    producer.close().await;
    task.await.unwrap();
    let read = gate.service.lock().unwrap().read();
    for (number, pending) in pending.into_iter().enumerate() {
        let written = pending.await.unwrap();
        let seen = &read[&(number as u64)];
        assert_eq!((seen.len(), &*seen[0].shard_id), (1, &*written.shard_id));
    }
    let metrics = producer.metrics();
    let figures = &metrics.streams["s"];
    assert_eq!((figures.user_records_received, figures.user_records_put), (1000, 1000));
    assert_eq!(
        (figures.user_records_data_put, metrics.user_records_pending, metrics.outstanding_bytes),
        (100_000, 0, 0)
    );
    assert!(figures.user_records_per_kinesis_record.mean() > 100.0, "{figures:?}");
}

#[tokio::test(start_paused = true)]
async fn puts_wait_while_too_much_is_outstanding() {
    let gate = Gate::new(0);
    let room = 10 * record(10).cost();
    let (producer, _task) = start(&gate, Settings { max_outstanding_bytes: room, ..Settings::default() });
    let mut pending = Vec::new();
    for number in 10..20 {
        pending.push(producer.put(record(number)).await.unwrap());
    }
    assert_eq!(producer.try_put(record(30)).unwrap_err(), Refused::Full);
    assert!(timeout(Duration::from_secs(5), producer.put(record(30))).await.is_err(), "it waits, and is dropped");
    assert_eq!(producer.metrics().user_records_pending, 10);
    assert_eq!(producer.metrics().outstanding_bytes, room as u64);
    // The calls that waited were taken for lost; one answer is enough for the others.
    gate.permits.add_permits(1000);
    for pending in pending {
        assert!(pending.await.is_ok());
    }
    let all: Vec<_> = (20..30).map(|number| producer.try_put(record(number)).unwrap()).collect();
    assert_eq!(producer.try_put(record(30)).unwrap_err(), Refused::Full, "no room was lost and none was gained");
    for pending in all {
        assert!(pending.await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn memory_stays_within_its_bound_whoever_puts() {
    let gate = Gate::new(0);
    let room = 50 * record(0).cost();
    let (producer, _task) = start(&gate, Settings { max_outstanding_bytes: room, ..Settings::default() });
    #[expect(clippy::disallowed_methods, reason = "the test's own tasks")]
    let tasks: Vec<_> = (0..200)
        .map(|number| {
            let producer = producer.clone();
            tokio::spawn(async move { producer.put(record(number)).await.unwrap().await })
        })
        .collect();
    for round in 0..1000 {
        assert!(producer.metrics().outstanding_bytes <= room as u64);
        sleep(Duration::from_millis(7)).await;
        if round % 20 == 0 {
            gate.permits.add_permits(1);
        }
    }
    gate.permits.add_permits(10_000);
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(gate.stored(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_record_larger_than_the_bound_goes_alone() {
    let gate = Gate::new(usize::MAX >> 4);
    let (producer, _task) = start(&gate, Settings { max_outstanding_bytes: ITEM_BYTES, ..Settings::default() });
    for number in 0..3 {
        let pending = producer.put(Record::new("s", "k", data(number, 10_000))).await.unwrap();
        assert_eq!(producer.try_put(record(9)).unwrap_err(), Refused::Full);
        pending.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_flush_does_not_wait_for_more() {
    let gate = Gate::new(usize::MAX >> 4);
    let settings = Settings { record_max_buffered_ms: 20_000, ..Settings::default() };
    let (producer, _task) = start(&gate, settings);
    let clock = Paused::new();
    producer.flush().await;
    let pending = producer.put(record(1)).await.unwrap();
    producer.flush().await;
    assert!(clock.monotonic_ms() < 50, "{}", clock.monotonic_ms());
    assert_eq!(gate.stored(), 1);
    assert!(pending.await.is_ok());
    // A flush is for what was accepted before it.
    let gate = Gate::new(1);
    let (producer, _task) = start(&gate, Settings { record_max_buffered_ms: 20_000, ..Settings::default() });
    let _before = producer.put(record(1)).await.unwrap();
    let later = async {
        sleep(Duration::from_millis(1)).await;
        producer.put(record(2)).await
    };
    let _after = tokio::join!(producer.flush(), later).1.unwrap();
    assert_eq!(gate.stored(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_closed_producer_accepts_nothing() {
    let gate = Gate::new(usize::MAX >> 4);
    let (producer, task) = start(&gate, Settings::default());
    let pending = producer.put(record(1)).await.unwrap();
    producer.close().await;
    assert!(pending.await.is_ok());
    assert_eq!(producer.put(record(2)).await.unwrap_err(), Refused::Closed);
    assert_eq!(producer.try_put(record(2)).unwrap_err(), Refused::Closed);
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_accepted_is_written_when_the_last_handle_has_gone() {
    let gate = Gate::new(usize::MAX >> 4);
    let (producer, task) = start(&gate, Settings::default());
    let pending = producer.put(record(1)).await.unwrap();
    drop((producer.put(record(2)).await.unwrap(), producer));
    task.await.unwrap();
    assert!(pending.await.is_ok());
    assert_eq!(gate.stored(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_ends_tells_it() {
    let gate = Gate::new(0);
    let (producer, task) = start(&gate, Settings { max_outstanding_bytes: record(1).cost(), ..Settings::default() });
    let pending = producer.put(record(1)).await.unwrap();
    let waiting = producer.put(record(2));
    sleep(Duration::from_millis(200)).await;
    task.abort();
    let unwritten = pending.await.unwrap_err();
    assert_eq!((unwritten.reason, unwritten.may_have_been_written), (Reason::Abandoned, true));
    assert_eq!(waiting.await.unwrap_err(), Refused::Closed);
    producer.flush().await;
    producer.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_record_is_refused() {
    let gate = Gate::new(0);
    let (producer, _task) = start(&gate, Settings::default());
    let wrong = [
        Record::new("s", "", ""),
        Record::new("s", "ä".repeat(257), ""),
        Record::new("", "k", ""),
        Record::new("s", "k", vec![0; 10 << 20]),
        Record { explicit_hash_key: Some(String::from("-1")), ..Record::new("s", "k", "") },
    ];
    for record in wrong {
        assert!(matches!(producer.put(record).await, Err(Refused::Invalid(_))));
    }
    assert!(producer.try_put(Record::new("s", "ä".repeat(256), vec![0; (10 << 20) - 512])).is_ok());
}
