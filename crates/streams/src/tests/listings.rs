//! Pages, tokens and filters.

use super::*;

#[tokio::test]
async fn streams_are_listed_in_the_order_of_their_bytes_page_by_page() {
    let bench = Bench::open().await;
    for name in ["b", "a", "B", "a-", "a.b", "a_", "c"] {
        bench.begin(name, 1).await.unwrap();
    }
    let mut names = Vec::new();
    let mut token = None;
    loop {
        let page = bench.streams.list_streams(&bench.ns, Some(3), None, token.as_deref()).unwrap();
        assert!(page.streams.len() <= 3);
        assert_eq!(page.has_more, page.next_token.is_some());
        names.extend(page.streams.iter().map(|stream| stream.name.to_string()));
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(names, ["B", "a", "a-", "a.b", "a_", "b", "c"]);
    let page = bench.streams.list_streams(&bench.ns, None, Some("a_"), None).unwrap();
    assert_eq!(page.streams.len(), 2);
    let elsewhere = Namespace { region: Region::new("eu-west-3").unwrap(), ..bench.ns.clone() };
    assert_eq!(bench.streams.list_streams(&elsewhere, None, None, None).unwrap().streams, []);
}

#[tokio::test]
async fn no_more_than_a_hundred_names_and_shards_come_at_once() {
    let bench = Bench::open().await;
    for n in 0..101 {
        bench.begin(&format!("s{n:03}"), 1).await.unwrap();
    }
    let page = bench.streams.list_streams(&bench.ns, Some(10_000), None, None).unwrap();
    assert_eq!((page.streams.len(), page.has_more), (100, true));
    let wide = bench.create("wide", 250).await;
    let page = bench.streams.describe_stream(&bench.ns, &wide, Some(10_000), None).unwrap();
    assert_eq!((page.shards.len(), page.has_more), (100, true));
    let page = bench.streams.describe_stream(&bench.ns, &wide, None, Some("shardId-000000000199")).unwrap();
    assert_eq!((page.shards.len(), page.has_more), (50, false));
    assert_eq!(page.shards[0].id, ShardId(200));
    let refused = bench.streams.describe_stream(&bench.ns, &wide, None, Some("shard"));
    assert!(matches!(refused, Err(DescribeError::Shard(ShardIdInvalid { shard, .. })) if shard == "shard"));
}

#[tokio::test]
async fn next_tokens_are_bound_to_what_they_list_and_expire() {
    let bench = Bench::open().await;
    let a = bench.create("a", 5).await;
    bench.create("b", 1).await;
    let request = ListShards { max_results: Some(2), ..ListShards::default() };
    let page = bench.streams.list_shards(&bench.ns, &a, request).unwrap();
    let text = page.next_token.unwrap();
    let token = bench.streams.open_shards_token(&text).unwrap();
    assert_eq!((&token.namespace, &token.stream), (&bench.ns, &a));
    let page = bench.streams.list_shards_next(&token, Some(2)).unwrap();
    assert_eq!(page.shards.iter().map(|shard| shard.id.0).collect::<Vec<_>>(), [2, 3]);
    let last = bench.streams.open_shards_token(&page.next_token.unwrap()).unwrap();
    let page = bench.streams.list_shards_next(&last, Some(2)).unwrap();
    assert_eq!((page.shards.len(), page.next_token), (1, None), "no token on the last page");

    let streams_token = bench.streams.list_streams(&bench.ns, Some(1), None, None).unwrap().next_token.unwrap();
    assert_eq!(bench.streams.open_shards_token(&streams_token), Err(TokenError::Invalid), "of another verb");
    assert_eq!(bench.streams.list_streams(&bench.ns, None, None, Some(&text)), Err(TokenError::Invalid));
    assert_eq!(bench.streams.open_shards_token("AAAA"), Err(TokenError::Invalid));
    let elsewhere = Namespace { region: Region::new("eu-west-3").unwrap(), ..bench.ns.clone() };
    assert_eq!(bench.streams.list_streams(&elsewhere, None, None, Some(&streams_token)), Err(TokenError::Invalid));

    let issued_ms = bench.clock.wall_ms();
    bench.clock.advance(300_000);
    assert!(bench.streams.open_shards_token(&text).is_ok());
    bench.clock.advance(1);
    let expired = TokenError::Expired { issued_ms, now_ms: issued_ms + 300_001 };
    assert_eq!(bench.streams.open_shards_token(&text), Err(expired));
    assert_eq!(bench.streams.list_streams(&bench.ns, None, None, Some(&streams_token)), Err(expired));
}

#[tokio::test]
async fn a_token_of_a_stream_that_was_made_again_is_refused() {
    let bench = Bench::open().await;
    let a = bench.create("a", 3).await;
    let request = ListShards { max_results: Some(1), ..ListShards::default() };
    let text = bench.streams.list_shards(&bench.ns, &a, request).unwrap().next_token.unwrap();
    bench.streams.delete_stream(&bench.ns, &a, false).await.unwrap();
    bench.settle().await;
    let token = bench.streams.open_shards_token(&text).unwrap();
    assert!(matches!(bench.streams.list_shards_next(&token, None), Err(ListShardsError::NotFound(_))));
    bench.create("a", 3).await;
    let refused = bench.streams.list_shards_next(&token, None);
    assert_eq!(refused, Err(ListShardsError::Token(TokenError::Invalid)));
}

#[tokio::test]
async fn every_filter_lists_what_lived_then_and_covers_the_key_space() {
    let bench = Bench::open().await;
    let a = bench.create("a", 2).await;
    let before_split = bench.clock.wall_ms();
    bench.clock.advance(60_000);
    bench.streams.split_shard(&bench.ns, &a, "0", "1000").await.unwrap();
    bench.settle().await; // 0 → 2, 3
    let split_at = bench.clock.wall_ms();
    bench.clock.advance(60_000);
    bench.streams.merge_shards(&bench.ns, &a, "3", "1").await.unwrap();
    bench.settle().await; // 3, 1 → 4
    let merged_at = bench.clock.wall_ms();
    bench.clock.advance(60_000);

    assert_eq!(bench.list(&a, ShardFilter::FromTrimHorizon), [0, 1, 2, 3, 4]);
    assert_eq!(bench.list(&a, ShardFilter::AtTrimHorizon), [0, 1]);
    assert_eq!(bench.list(&a, ShardFilter::AtLatest), [2, 4]);
    assert_eq!(bench.list(&a, ShardFilter::AfterShardId("shardId-000000000002")), [3, 4]);
    assert_eq!(bench.list(&a, ShardFilter::AtTimestamp(before_split)), [0, 1]);
    assert_eq!(bench.list(&a, ShardFilter::AtTimestamp(split_at - 1)), [0, 1]);
    assert_eq!(bench.list(&a, ShardFilter::AtTimestamp(split_at)), [1, 2, 3]);
    assert_eq!(bench.list(&a, ShardFilter::AtTimestamp(merged_at)), [2, 4]);
    assert_eq!(bench.list(&a, ShardFilter::AtTimestamp(0)), [0, 1], "before the stream: its beginning");
    assert_eq!(bench.list(&a, ShardFilter::AtTimestamp(u64::MAX)), [2, 4]);
    assert_eq!(bench.list(&a, ShardFilter::FromTimestamp(split_at)), [1, 2, 3, 4]);
    assert_eq!(bench.list(&a, ShardFilter::FromTimestamp(merged_at)), [2, 4]);

    let request =
        ListShards { exclusive_start_shard_id: Some("2"), filter: ShardFilter::AtLatest, ..ListShards::default() };
    let page = bench.streams.list_shards(&bench.ns, &a, request).unwrap();
    assert_eq!(page.shards.iter().map(|shard| shard.id.0).collect::<Vec<_>>(), [4]);
    let merged = &page.shards[0];
    assert_eq!((merged.parent, merged.adjacent_parent), (Some(ShardId(3)), Some(ShardId(1))));

    let created_ms = bench.describe(&a).stream.created_ms;
    let of_time = |ms| ListShards { stream_created_ms: Some(ms), ..ListShards::default() };
    assert!(bench.streams.list_shards(&bench.ns, &a, of_time(created_ms / 1000 * 1000)).is_ok(), "to the second");
    let refused = bench.streams.list_shards(&bench.ns, &a, of_time(created_ms - 1000));
    assert!(matches!(refused, Err(ListShardsError::NotFound(_))));
}
