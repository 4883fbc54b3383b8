//! Rates of calls, and who chooses limits.

use super::*;
use rheos_types::limits::{Call, LimitError, Override, Scope};

async fn tag(bench: &Bench, stream: &StreamName, value: &str) {
    let tags = [("rheos:limits".to_owned(), value.to_owned())].into();
    bench.streams.add_tags(&bench.arn(stream), &tags).await.unwrap();
}

#[tokio::test]
async fn every_call_that_is_counted_for_a_stream_or_an_account_has_its_rate() {
    let bench = Bench::new().await;
    let (a, b) = (bench.create("a", 1).await, bench.create("b", 1).await);
    let limits = Profile::Aws.limits();
    for call in Call::ALL.iter().copied() {
        let per_s = limits.calls_per_s.of(call).unwrap();
        let count = |stream: &StreamName| bench.streams.count_call(call, &bench.ns, Some(stream));
        bench.clock.advance(1000);
        assert!((0..per_s).all(|_| count(&a).is_ok()), "{call:?}");
        let (again, other) = (count(&a), count(&b));
        match call.scope() {
            Scope::Account => assert!(again.is_err() && other.is_err(), "{call:?}"),
            Scope::Stream => assert!(again.is_err() && other.is_ok(), "{call:?}"),
            Scope::Shard | Scope::ConsumerShard => assert!(again.is_ok(), "{call:?} is counted by its verb"),
        }
        bench.clock.advance(1000);
        assert!(count(&a).is_ok(), "{call:?}");
    }
}

#[tokio::test]
async fn an_exceeded_rate_names_the_stream_and_a_stream_that_is_none_is_not_counted() {
    let bench = Bench::new().await;
    let (a, nobody) = (bench.create("a", 1).await, name_of("nobody"));
    let count = |stream| bench.streams.count_call(Call::DescribeStream, &bench.ns, stream);
    assert!((0..100).all(|_| count(Some(&nobody)).is_ok()));
    assert!((0..10).all(|_| count(Some(&a)).is_ok()));
    let exceeded = |stream: Option<&StreamName>| CallsExceeded {
        namespace: bench.ns.clone(),
        stream: stream.cloned(),
        call: Call::DescribeStream,
    };
    assert_eq!(count(Some(&a)), Err(exceeded(Some(&a))));
    assert_eq!(count(None), Err(exceeded(None)));
    let elsewhere = Namespace { region: Region::new("eu-west-3").unwrap(), ..bench.ns.clone() };
    assert!(bench.streams.count_call(Call::DescribeStream, &elsewhere, None).is_ok(), "each region has its own");
}

#[tokio::test]
async fn a_change_of_the_stream_does_not_give_its_calls_back() {
    let bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    let count = || bench.streams.count_call(Call::RemoveTagsFromStream, &bench.ns, Some(&a));
    for _ in 0..5 {
        count().unwrap();
        tag(&bench, &a, "").await;
    }
    assert!(count().is_err());
    let request = || bench.iterator(&a, "0", IteratorKind::Latest);
    for _ in 0..5 {
        request().await.unwrap();
        tag(&bench, &a, "aws").await;
    }
    let throttled = request().await;
    assert!(
        matches!(throttled, Err(IteratorError::Throttled(RateExceeded { shard: ShardId(0), .. }))),
        "{throttled:?}"
    );
    bench.clock.advance(200);
    request().await.unwrap();
}

#[tokio::test]
async fn a_streams_tag_sets_its_own_limits() {
    let bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    let splits =
        || (0..100).filter(|_| bench.streams.count_call(Call::SplitShard, &bench.ns, Some(&a)).is_ok()).count();
    let puts = async |count: u64| {
        let mut stored = 0;
        for _ in 0..count {
            let entry = Entry { data: b"d", partition_key: Some("k"), explicit_hash_key: None };
            stored += u64::from(bench.streams.put_record(&bench.ns, &a, entry, None).await.is_ok());
        }
        stored
    };
    for (value, calls, records) in [
        ("open write_records_per_s=3", 100, 3),
        ("write_records_per_s=none", 5, 20),
        ("write_records_per_s=7 calls_per_s.SplitShard=2", 2, 7),
        ("open", 100, 20),
    ] {
        tag(&bench, &a, value).await;
        // What was used flows off at the rate of today's limit, however high yesterday's was.
        bench.clock.advance(10_000);
        assert_eq!((splits(), puts(20).await), (calls, records), "{value}");
        assert_eq!(bench.streams.unreadable_limits(&bench.ns, &a), None);
    }
    tag(&bench, &a, "write_records_per_s=many").await;
    bench.clock.advance(10_000);
    assert_eq!((splits(), puts(20).await), (5, 20), "the server's limits hold");
    let told = bench.streams.unreadable_limits(&bench.ns, &a).unwrap();
    assert!(matches!(&told.problem, LimitError::NoValue { name, .. } if name == "write_records_per_s"), "{told:?}");
    assert_eq!(bench.streams.all_unreadable_limits(), [told]);
}

#[tokio::test]
async fn the_servers_limits_may_be_set_one_by_one() {
    let set = |text: &str| text.parse::<Override>().unwrap();
    let limits =
        ["shards_per_account=none", "on_demand_streams=2", "streams_creating=1", "calls_per_s.DescribeLimits=3"];
    let limits = limits.iter().fold(Profile::Aws.limits(), |limits, one| limits.with(set(one)));
    let bench = Bench::with(Config { limits, ..Config::default() }).await;
    bench.begin("a", 1).await.unwrap();
    assert!(matches!(bench.begin("b", 1).await, Err(CreateError::TooManyCreating { limit: 1, .. })));
    let told = bench.streams.describe_limits(&bench.ns);
    assert_eq!((told.shard_limit, told.on_demand_stream_limit), (None, Some(2)));
    assert_eq!((0..9).filter(|_| bench.streams.count_call(Call::DescribeLimits, &bench.ns, None).is_ok()).count(), 3);
}
