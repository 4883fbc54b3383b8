//! From CREATING to gone, and what is refused on the way.

use super::*;

#[tokio::test]
async fn a_stream_goes_from_creating_to_active_to_deleting_to_gone() {
    let bench = Bench::new().await;
    bench.begin("a", 2).await.unwrap();
    let a = name_of("a");
    assert_eq!(bench.status(&a), Some(Status::Creating));
    assert_eq!(bench.describe(&a).shards, [], "no shards to see yet");
    assert_eq!(bench.describe(&a).stream.open_shards, 0);
    let entry = Entry { data: b"x", partition_key: Some("k"), explicit_hash_key: None };
    assert!(matches!(bench.streams.put_record(&bench.ns, &a, entry, None).await, Err(PutError::NotFound(_))));
    assert!(matches!(bench.streams.put_records(&bench.ns, &a, &[entry]).await, Err(PutRecordsError::NotFound(_))));
    assert!(matches!(bench.iterator(&a, "0", IteratorKind::Latest).await, Err(IteratorError::NotFound(_))));
    assert!(matches!(
        bench.streams.list_shards(&bench.ns, &a, ListShards::default()),
        Err(ListShardsError::NotActive(NotActive { status: Status::Creating, .. }))
    ));

    let tick = bench.streams.tick().await;
    assert_eq!(tick.next_ms, START_MS + 100, "not due yet");
    assert_eq!(bench.status(&a), Some(Status::Creating));
    bench.settle().await;
    assert_eq!(bench.status(&a), Some(Status::Active));
    assert_eq!(bench.describe(&a).shards.len(), 2);
    bench.put(&a, "k", "x").await;

    assert!(matches!(bench.begin("a", 1).await, Err(CreateError::Exists { .. })));
    let iterator = bench.iterator(&a, "0", IteratorKind::TrimHorizon).await.unwrap();
    bench.streams.delete_stream(&bench.ns, &a, false).await.unwrap();
    assert_eq!(bench.status(&a), Some(Status::Deleting));
    assert_eq!(bench.describe(&a).shards, []);
    assert!(matches!(bench.read(&iterator, None).await, Err(ReadError::NotFound(_))), "gone at once");
    assert!(matches!(bench.begin("a", 1).await, Err(CreateError::Exists { .. })), "the name is not free yet");
    bench.streams.delete_stream(&bench.ns, &a, false).await.unwrap();
    bench.settle().await;
    assert_eq!(bench.status(&a), None);
    assert!(matches!(bench.streams.delete_stream(&bench.ns, &a, false).await, Err(DeleteError::NotFound(_))));
}

#[tokio::test]
async fn a_stream_can_be_deleted_while_it_is_being_created_or_split() {
    let bench = Bench::new().await;
    bench.begin("a", 1).await.unwrap();
    bench.streams.delete_stream(&bench.ns, &name_of("a"), false).await.unwrap();
    bench.settle().await;
    assert_eq!(bench.status(&name_of("a")), None);

    let b = bench.create("b", 1).await;
    bench.streams.split_shard(&bench.ns, &b, "0", "1000").await.unwrap();
    bench.streams.delete_stream(&bench.ns, &b, false).await.unwrap();
    bench.settle().await;
    assert_eq!(bench.status(&b), None);
    assert_eq!(bench.streams.describe_limits(&bench.ns).open_shards, 0);
}

#[tokio::test]
async fn a_stream_made_again_inherits_nothing() {
    let bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    let old = bench.put(&a, "k", "old").await;
    let iterator = bench.iterator(&a, "0", IteratorKind::TrimHorizon).await.unwrap();
    bench.streams.split_shard(&bench.ns, &a, "0", "1000").await.unwrap();
    bench.settle().await;
    let child = bench.describe(&a).shards[2].starting.shard_created_s;
    bench.streams.delete_stream(&bench.ns, &a, false).await.unwrap();
    bench.settle().await;
    let a = bench.create("a", 1).await;

    let described = bench.describe(&a);
    assert_eq!(described.shards.len(), 1);
    assert!(described.shards[0].starting.shard_created_s > child, "every second used before is exceeded");
    assert!(described.shards[0].starting.to_string() > old.sequence_number.to_string());
    assert!(matches!(bench.read(&iterator, None).await, Err(ReadError::NotFound(_))), "of the shard before");
    let number = old.sequence_number.to_string();
    let request = IteratorRequest {
        shard: "0",
        kind: IteratorKind::AtSequenceNumber,
        sequence_number: Some(&number),
        timestamp_ms: None,
    };
    let refused = bench.streams.get_shard_iterator(&bench.ns, &a, request).await;
    assert!(matches!(refused, Err(IteratorError::OtherStream { .. })));
    assert_eq!(bench.drain(&a, "0").await.0, [""; 0]);
}

#[tokio::test]
async fn the_seconds_of_deleted_streams_outlive_being_forgotten_and_a_clock_set_back() {
    let mut bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    let first = bench.describe(&a).shards[0].starting.shard_created_s;
    bench.streams.delete_stream(&bench.ns, &a, false).await.unwrap();
    bench.settle().await;
    assert_eq!(bench.log.scan("retired/").len(), 1);
    bench.clock.advance(2 * HOUR_MS);
    bench.streams.tick().await;
    assert_eq!(bench.log.scan("retired/").len(), 0);
    assert_eq!(bench.log.scan("retired-floor").len(), 1);
    bench.clock.set_wall(START_MS - 24 * HOUR_MS);
    bench.restart().await;
    let a = bench.create("a", 1).await;
    assert!(bench.describe(&a).shards[0].starting.shard_created_s > first);
}

#[tokio::test]
async fn limits_of_the_account_are_held() {
    let bench = Bench::new().await;
    for name in ["a", "b", "c", "d", "e"] {
        bench.begin(name, 1).await.unwrap();
    }
    assert!(matches!(bench.begin("f", 1).await, Err(CreateError::TooManyCreating { limit: 5, .. })));
    bench.settle().await;
    let refused = bench.begin("f", 20_000).await;
    let Err(CreateError::OverShardLimit(over)) = refused else { panic!("{refused:?}") };
    assert_eq!((over.open, over.limit, over.additional), (5, 20_000, 20_000));
    assert_eq!(bench.status(&name_of("f")), None, "nothing happened");
    assert_eq!(
        bench.streams.describe_limits(&bench.ns),
        AccountLimits {
            shard_limit: Some(20_000),
            open_shards: 5,
            on_demand_streams: 0,
            on_demand_stream_limit: Some(50)
        }
    );
    let elsewhere = Namespace { region: Region::new("eu-west-3").unwrap(), ..bench.ns.clone() };
    assert_eq!(bench.streams.describe_limits(&elsewhere).open_shards, 0, "each region counts for itself");
}

#[tokio::test]
async fn an_on_demand_stream_begins_with_four_shards_that_are_not_the_users_to_change() {
    let bench = Bench::new().await;
    let name = name_of("a");
    let request = CreateStream { mode: Mode::OnDemand, max_record_kib: Some(2048), ..CreateStream::of(&name) };
    bench.streams.create_stream(&bench.ns, request).await.unwrap();
    bench.settle().await;
    let stream = bench.describe(&name).stream;
    assert_eq!((stream.mode, stream.open_shards, stream.max_record_kib), (Mode::OnDemand, 4, 2048));
    assert_eq!(bench.streams.describe_limits(&bench.ns).on_demand_streams, 1);
    let refused = bench.streams.split_shard(&bench.ns, &name, "0", "1000").await;
    assert!(matches!(refused, Err(SplitError::OnDemand(_))));
    let refused = bench.streams.merge_shards(&bench.ns, &name, "0", "1").await;
    assert!(matches!(refused, Err(MergeError::OnDemand(_))));
}

#[tokio::test]
async fn a_clock_set_back_does_not_stop_a_transition() {
    let bench = Bench::new().await;
    bench.begin("a", 1).await.unwrap();
    bench.clock.set_wall(START_MS - 10 * HOUR_MS);
    bench.streams.tick().await;
    assert_eq!(bench.status(&name_of("a")), Some(Status::Active));
}

#[tokio::test]
async fn the_ticker_hears_of_what_is_new() {
    let bench = Bench::new().await;
    assert_eq!(bench.streams.tick().await.next_ms, START_MS + 60_000);
    bench.begin("a", 1).await.unwrap();
    bench.streams.sooner().await;
    assert_eq!(bench.streams.tick().await.next_ms, START_MS + 100);
}

#[tokio::test]
async fn tags_are_kept_in_order_counted_and_checked() {
    let bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    let tags =
        |from: u32, to: u32| (from..to).map(|n| (format!("k{n:02}"), format!("v{n}"))).collect::<BTreeMap<_, _>>();
    bench.streams.add_tags(&bench.arn(&a), &tags(0, 50)).await.unwrap();
    bench.streams.add_tags(&bench.arn(&a), &[("k07".to_owned(), "other".to_owned())].into()).await.unwrap();
    let refused = bench.streams.add_tags(&bench.arn(&a), &tags(50, 51)).await;
    assert!(matches!(refused, Err(TagError::Refused { refusal: TagRefusal::TooMany { limit: 50 }, .. })));
    let page = bench.streams.list_tags(&bench.ns, &a, Some(3), Some("k05")).unwrap();
    let listed: Vec<_> = page.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(listed, [("k06", "v6"), ("k07", "other"), ("k08", "v8")]);
    assert!(page.has_more);
    bench.streams.remove_tags(&bench.arn(&a), &["k06".to_owned(), "none".to_owned()]).await.unwrap();
    let page = bench.streams.list_tags(&bench.ns, &a, None, None).unwrap();
    assert_eq!((page.tags.len(), page.has_more), (49, false));
    let percent = bench.streams.add_tags(&bench.arn(&a), &[("a".to_owned(), "%".to_owned())].into()).await;
    assert!(matches!(percent, Err(TagError::Refused { refusal: TagRefusal::Percent, .. })));
}

#[tokio::test]
async fn changes_of_one_stream_at_once_all_happen() {
    let bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..10 {
        let (streams, a) = (bench.streams.clone(), bench.arn(&a));
        tasks.spawn(async move { streams.add_tags(&a, &[(format!("k{n}"), String::new())].into()).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
    assert_eq!(bench.streams.list_tags(&bench.ns, &a, None, None).unwrap().tags.len(), 10);
}

#[tokio::test]
async fn two_creations_of_one_name_at_once_make_one_stream() {
    let bench = Bench::new().await;
    let (one, two) = tokio::join!(bench.begin("a", 1), bench.begin("a", 2));
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    assert!(matches!(one.and(two), Err(CreateError::Exists { .. })));
}
