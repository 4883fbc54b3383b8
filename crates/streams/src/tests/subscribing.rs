//! Who may subscribe to a shard, and when, by a clock that stands still.

use super::*;
use rheos_types::ConsumerArn;

const SHARD: &str = "shardId-000000000000";

impl Bench {
    /// A stream of one shard, and an ACTIVE consumer of it.
    async fn consumed(&self) -> (StreamName, ConsumerArn) {
        let stream = self.create("s", 1).await;
        let name = rheos_types::ConsumerName::new("c").unwrap();
        let consumer = self.streams.register_consumer(&self.ns, &stream, &name, &BTreeMap::new()).await.unwrap();
        self.settle().await;
        (stream, consumer.arn())
    }

    async fn subscribe(&self, consumer: &ConsumerArn) -> Result<Subscription, SubscribeError> {
        let kind = IteratorKind::TrimHorizon;
        let request = IteratorRequest { shard: SHARD, kind, sequence_number: None, timestamp_ms: None };
        self.streams.subscribe(consumer, request, false).await.map(Option::unwrap)
    }

    async fn event(&self, subscription: &mut Subscription) -> Result<Vec<Vec<u8>>, SubscriptionEnd> {
        let event = given(self.streams.event(subscription, 100, 1 << 20).await?);
        Ok(event.iter().map(|record| record.data.to_vec()).collect())
    }
}

fn given(offer: Offer) -> Event {
    match offer {
        Offer::Event(event) => event,
        Offer::Larger { bytes } => panic!("a record of {bytes} bytes"),
    }
}

#[tokio::test]
async fn five_seconds_belong_to_whoever_came_first() {
    let bench = Bench::new().await;
    let (stream, consumer) = bench.consumed().await;
    bench.put(&stream, "k", "a").await;
    let mut first = bench.subscribe(&consumer).await.unwrap();
    bench.clock.advance(4_999);
    assert!(matches!(bench.subscribe(&consumer).await, Err(SubscribeError::InUse { .. })));
    assert_eq!(bench.event(&mut first).await.unwrap(), [b"a"]);
    bench.clock.advance(1_000);
    let mut second = bench.subscribe(&consumer).await.unwrap();
    assert!(matches!(bench.event(&mut first).await, Err(SubscriptionEnd::TakenOver { .. })));
    assert!(matches!(bench.streams.sign_of_life(&first), Err(SubscriptionEnd::TakenOver { .. })));
    bench.streams.changed(&mut first).await;
    assert_eq!(bench.event(&mut second).await.unwrap(), [b"a"]);
    // Within the five seconds of one that is over, too, as on AWS.
    drop(second);
    bench.clock.advance(1_000);
    assert!(matches!(bench.subscribe(&consumer).await, Err(SubscribeError::InUse { .. })));
}

#[tokio::test]
async fn one_call_a_second_and_refused_ones_count() {
    let bench = Bench::new().await;
    let (_, consumer) = bench.consumed().await;
    let _held = bench.subscribe(&consumer).await.unwrap();
    bench.clock.advance(4_500);
    assert!(matches!(bench.subscribe(&consumer).await, Err(SubscribeError::InUse { .. })));
    bench.clock.advance(999);
    assert!(matches!(bench.subscribe(&consumer).await, Err(SubscribeError::RateExceeded { .. })));
    bench.clock.advance(1_000);
    assert!(bench.subscribe(&consumer).await.is_ok());
}

/// The KCL tries about ten times a second when it has got a lease back whose last subscription is not five seconds old.
#[tokio::test]
async fn whoever_tries_all_the_time_gets_in() {
    let bench = Bench::new().await;
    let (_, consumer) = bench.consumed().await;
    let _held = bench.subscribe(&consumer).await.unwrap();
    let mut waited_ms = 0;
    while bench.subscribe(&consumer).await.is_err() {
        bench.clock.advance(100);
        waited_ms += 100;
        assert!(waited_ms < 60_000, "it never got in");
    }
    assert!((5_000..=6_000).contains(&waited_ms), "{waited_ms} ms");
}

#[tokio::test]
async fn with_open_limits_a_place_is_free_as_soon_as_it_is_left() {
    let bench = Bench::open().await;
    let (_, consumer) = bench.consumed().await;
    let held = bench.subscribe(&consumer).await.unwrap();
    assert!(matches!(bench.subscribe(&consumer).await, Err(SubscribeError::InUse { .. })));
    drop(held);
    assert!(bench.subscribe(&consumer).await.is_ok());
}

#[tokio::test]
async fn trying_claims_nothing() {
    let bench = Bench::new().await;
    let (_, consumer) = bench.consumed().await;
    let kind = IteratorKind::Latest;
    let request = IteratorRequest { shard: SHARD, kind, sequence_number: None, timestamp_ms: None };
    assert!(bench.streams.subscribe(&consumer, request, true).await.unwrap().is_none());
    assert!(bench.subscribe(&consumer).await.is_ok());
}

#[tokio::test]
async fn the_published_throughput_is_a_second_at_once_and_then_its_rate() {
    let bench = Bench::new().await;
    let (stream, consumer) = bench.consumed().await;
    let half = "x".repeat(1 << 19);
    for _ in 0..6 {
        bench.put(&stream, "", &half).await;
        bench.clock.advance(1_000);
    }
    let mut subscription = bench.subscribe(&consumer).await.unwrap();
    let larger = bench.streams.event(&mut subscription, 100, 1000).await.unwrap();
    assert!(matches!(larger, Offer::Larger { bytes: 524_288 }), "{larger:?}");
    let taken = given(bench.streams.event(&mut subscription, 100, 4 << 20).await.unwrap());
    assert_eq!(taken.bytes(), 3 << 20);
    assert_eq!(bench.streams.flow_wait_ms(&mut subscription), 500, "3 MiB of which 2 are free");
    bench.clock.advance(499);
    assert_eq!(bench.streams.flow_wait_ms(&mut subscription), 1);
    bench.clock.advance(1);
    assert_eq!(bench.streams.flow_wait_ms(&mut subscription), 0);
}

#[tokio::test]
async fn a_consumer_that_goes_takes_its_subscriptions_along() {
    let bench = Bench::new().await;
    let (stream, consumer) = bench.consumed().await;
    let mut subscription = bench.subscribe(&consumer).await.unwrap();
    bench.streams.deregister_consumer(&consumer).await.unwrap();
    assert!(matches!(bench.event(&mut subscription).await, Err(SubscriptionEnd::Consumer(_))));
    assert!(matches!(bench.subscribe(&consumer).await, Err(SubscribeError::NotActive(_))));
    bench.streams.delete_stream(&bench.ns, &stream, true).await.unwrap();
    assert!(matches!(bench.subscribe(&consumer).await, Err(SubscribeError::Consumer(_))));
}
