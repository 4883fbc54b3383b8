//! Bounds: of memory, of sizes, of pages.

use super::*;

#[tokio::test]
async fn an_account_keeps_no_more_than_it_may() {
    let mut bench = Bench::with(Config { account_bytes: 200_000 });
    bench.simple("items").await;
    let put =
        |id: usize| json!({"TableName": "items", "Item": {"id": {"S": id.to_string()}, "x": {"S": "x".repeat(5000)}}});
    let mut written = 0;
    let refused = loop {
        match bench.put(put(written)).await {
            Ok(_) => written += 1,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, ItemError::TooMuchData { limit_bytes: 200_000 }), "{refused}");
    assert!((10..=40).contains(&written), "{written}");
    // Another account is not concerned, and a smaller item in place of a larger one always fits.
    bench.put(json!({"TableName": "items", "Item": {"id": {"S": "0"}}})).await.unwrap();
    bench.put(put(0)).await.unwrap();
    bench.restart();
    assert!(bench.put(put(written)).await.is_err(), "it is counted again at a start");
    bench.delete(json!({"TableName": "items", "Key": {"id": {"S": "1"}}})).await.unwrap();
    bench.put(put(written)).await.unwrap();
}

#[tokio::test]
async fn a_page_holds_a_megabyte() {
    let bench = Bench::new();
    bench.simple("items").await;
    for at in 0..12 {
        let item = json!({"id": {"S": at.to_string()}, "x": {"S": "x".repeat(150_000)}});
        bench.put(json!({"TableName": "items", "Item": item})).await.unwrap();
    }
    let first = bench.scan(json!({"TableName": "items"})).unwrap();
    assert_eq!(first.count, 7, "the one that reaches the bound is the last");
    let next = json!({"TableName": "items", "ExclusiveStartKey": first.last.unwrap(), "Select": "COUNT"});
    let second = bench.scan(next).unwrap();
    assert_eq!((second.count, second.last, second.items), (5, None, None));
}

#[tokio::test]
async fn numbers_that_print_long_are_bounded_too() {
    let bench = Bench::new();
    bench.simple("items").await;
    let long = |count: usize| {
        let numbers: Vec<_> = (0..count).map(|at| format!("{at}1E100")).collect();
        json!({"TableName": "items", "Item": {"id": {"S": "a"}, "x": {"NS": numbers}}})
    };
    bench.put(long(5000)).await.unwrap();
    let said = bench.put(long(50_000)).await.unwrap_err().to_string();
    assert_eq!(said, "Item size has exceeded the maximum allowed size");
}

#[tokio::test]
async fn long_keys_are_kept_under_a_digest() {
    let mut bench = Bench::new();
    bench.simple("items").await;
    let ids = ["k".repeat(2048), "ä".repeat(1000), format!("{}x", "k".repeat(2047))];
    for id in &ids {
        bench.put(json!({"TableName": "items", "Item": {"id": {"S": id}, "own": {"S": id}}})).await.unwrap();
    }
    bench.restart();
    for id in &ids {
        assert_eq!(bench.get("items", id).unwrap()["own"], AttributeValue::S(id.clone()));
    }
    bench.delete(json!({"TableName": "items", "Key": {"id": {"S": ids[0]}}})).await.unwrap();
    assert!(bench.get("items", &ids[0]).is_none() && bench.get("items", &ids[2]).is_some());
}

#[tokio::test]
async fn batches_are_bounded_and_name_each_item_once() {
    let bench = Bench::new();
    bench.simple("items").await;
    let put = |id: String| json!({"PutRequest": {"Item": {"id": {"S": id}}}});
    let write = |requests: Vec<Value>| {
        let input = of(json!({"RequestItems": {"items": requests}}));
        let (tables, ns) = (bench.tables.clone(), bench.ns.clone());
        async move { tables.batch_write_item(&ns, &input).await.map(|consumed| consumed[0].capacity.total()) }
    };
    assert_eq!(write((0..25).map(|at| put(at.to_string())).collect()).await.unwrap(), 25.0);
    for (requests, why) in [
        (
            (0..26).map(|at| put(at.to_string())).collect::<Vec<_>>(),
            "Too many items requested for the BatchWriteItem call",
        ),
        (vec![put("a".into()), json!({"DeleteRequest": {"Key": {"id": {"S": "a"}}}})], "contains duplicates"),
        (vec![json!({})], "more than one datatypes"),
        (vec![], "Member must have length between 1 and 25"),
    ] {
        let said = write(requests).await.unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
    }
    let get = |ids: Vec<String>| {
        let keys: Vec<_> = ids.iter().map(|id| json!({"id": {"S": id}})).collect();
        let input = of(json!({"RequestItems": {"items": {"Keys": keys, "ConsistentRead": true}}}));
        bench.tables.batch_get_item(&bench.ns, &input).map_err(|error| error.to_string())
    };
    let got = get((20..30).map(|at| at.to_string()).collect()).unwrap();
    assert_eq!((got.responses["items"].len(), got.unprocessed.len()), (5, 0));
    assert!(get(vec!["a".into(), "a".into()]).unwrap_err().contains("contains duplicates"));
    assert!(get((0..101).map(|at| at.to_string()).collect()).unwrap_err().contains("between 1 and 100"));
}
