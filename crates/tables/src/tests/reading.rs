//! Queries and scans: orders, edges, pages, segments, filters.

use super::*;
use std::collections::BTreeSet;

async fn filled() -> Bench {
    let bench = Bench::new();
    bench.composite("pairs").await;
    for at in 0..40 {
        let item = json!({"h": {"S": (at % 4).to_string()}, "r": {"N": (at - 20).to_string()}, "owner": {"S": (at % 5).to_string()}});
        bench.put(json!({"TableName": "pairs", "Item": item})).await.unwrap();
    }
    bench
}

fn numbers(page: &Page) -> Vec<i32> {
    page.items
        .iter()
        .flatten()
        .map(|item| match &item["r"] {
            AttributeValue::N(number) => number.to_string().parse().unwrap(),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn a_query_keeps_to_its_range_in_both_directions() {
    let bench = filled().await;
    let query = |condition: &str, forward: bool| {
        let mut values = json!({":h": {"S": "0"}});
        for (name, value) in [(":a", "-12"), (":b", "4")] {
            if condition.contains(name) {
                values[name] = json!({"N": value});
            }
        }
        let text = if condition.is_empty() { "h = :h".to_owned() } else { format!("h = :h AND {condition}") };
        numbers(
            &bench
                .query(json!({
                    "TableName": "pairs", "KeyConditionExpression": text, "ExpressionAttributeValues": values,
                    "ScanIndexForward": forward
                }))
                .unwrap(),
        )
    };
    let all = [-20, -16, -12, -8, -4, 0, 4, 8, 12, 16];
    let of = |test: fn(i32) -> bool| all.into_iter().filter(|n| test(*n)).collect::<Vec<_>>();
    for (condition, expected) in [
        ("", of(|_| true)),
        ("r = :a", of(|n| n == -12)),
        ("r < :a", of(|n| n < -12)),
        ("r <= :a", of(|n| n <= -12)),
        ("r > :a", of(|n| n > -12)),
        ("r >= :a", of(|n| n >= -12)),
        ("r BETWEEN :a AND :b", of(|n| (-12..=4).contains(&n))),
    ] {
        assert_eq!(query(condition, true), expected, "{condition}");
        let reversed: Vec<_> = expected.into_iter().rev().collect();
        assert_eq!(query(condition, false), reversed, "{condition}, backwards");
    }
}

#[tokio::test]
async fn pages_join_without_a_gap_or_a_repetition() {
    let bench = filled().await;
    for (index, forward) in [(None, true), (None, false), (Some("by-owner"), true), (Some("by-owner"), false)] {
        let attribute = if index.is_some() { "owner" } else { "h" };
        let mut input = json!({
            "TableName": "pairs", "IndexName": index, "KeyConditionExpression": format!("#k = :k"),
            "ExpressionAttributeNames": {"#k": attribute}, "ExpressionAttributeValues": {":k": {"S": "1"}},
            "ScanIndexForward": forward
        });
        let whole = numbers(&bench.query(input.clone()).unwrap());
        input["Limit"] = 3.into();
        let mut paged = Vec::new();
        loop {
            let page = bench.query(input.clone()).unwrap();
            paged.extend(numbers(&page));
            match page.last {
                Some(last) => input["ExclusiveStartKey"] = serde_json::to_value(last).unwrap(),
                None => break,
            }
        }
        assert_eq!(paged, whole);
    }
}

#[tokio::test]
async fn segments_are_the_whole_without_a_repetition() {
    let bench = filled().await;
    for total in [1, 2, 3, 7, 64, 1_000_000] {
        let mut seen = BTreeSet::new();
        for segment in 0..total.min(64) {
            let mut input = json!({"TableName": "pairs", "Segment": segment, "TotalSegments": total, "Limit": 4});
            loop {
                let page = bench.scan(input.clone()).unwrap();
                for number in numbers(&page) {
                    assert!(seen.insert(number), "{number} comes twice");
                }
                match page.last {
                    Some(last) => input["ExclusiveStartKey"] = serde_json::to_value(last).unwrap(),
                    None => break,
                }
            }
        }
        assert!(total > 64 || seen.len() == 40, "{total} segments");
    }
}

#[tokio::test]
async fn filters_count_what_they_pass_over() {
    let bench = filled().await;
    let page = bench.scan(json!({
        "TableName": "pairs", "FilterExpression": "#o = :o AND r >= :zero", "ExpressionAttributeNames": {"#o": "owner"},
        "ExpressionAttributeValues": {":o": {"S": "2"}, ":zero": {"N": "0"}}, "ProjectionExpression": "r"
    })).unwrap();
    assert_eq!((page.count, page.scanned, page.last.clone()), (4, 40, None));
    assert!(page.items.as_ref().unwrap().iter().all(|item| item.len() == 1));
    let legacy = bench
        .scan(json!({
            "TableName": "pairs", "AttributesToGet": ["r"],
            "ScanFilter": {"owner": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "2"}]},
                "r": {"ComparisonOperator": "GE", "AttributeValueList": [{"N": "0"}]}}
        }))
        .unwrap();
    assert_eq!(numbers(&legacy), numbers(&page));
    let limited =
        bench.scan(json!({"TableName": "pairs", "Limit": 5, "FilterExpression": "attribute_exists(absent)"})).unwrap();
    assert_eq!((limited.count, limited.scanned, limited.last.is_some()), (0, 5, true));
    let query = bench.query(json!({
        "TableName": "pairs", "KeyConditions": {"h": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "0"}]},
            "r": {"ComparisonOperator": "GT", "AttributeValueList": [{"N": "0"}]}},
        "QueryFilter": {"owner": {"ComparisonOperator": "IN", "AttributeValueList": [{"S": "4"}, {"S": "3"}]}}
    })).unwrap();
    assert_eq!((query.scanned, numbers(&query)), (4, vec![4, 8]));
}

#[tokio::test]
async fn prefixes_of_texts_and_bytes() {
    let bench = Bench::new();
    bench.create(json!({
        "TableName": "texts", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "h", "AttributeType": "S"}, {"AttributeName": "r", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "h", "KeyType": "HASH"}, {"AttributeName": "r", "KeyType": "RANGE"}]
    })).await.unwrap();
    for r in ["a", "ab", "abc", "ac", "b", "ä", "äb"] {
        bench.put(json!({"TableName": "texts", "Item": {"h": {"S": "x"}, "r": {"S": r}}})).await.unwrap();
    }
    let begins = |prefix: &str, forward: bool| -> Vec<String> {
        let page = bench.query(json!({
            "TableName": "texts", "KeyConditionExpression": "h = :h AND begins_with(r, :p)", "ScanIndexForward": forward,
            "ExpressionAttributeValues": {":h": {"S": "x"}, ":p": {"S": prefix}}
        })).unwrap();
        page.items
            .unwrap()
            .iter()
            .map(|item| match &item["r"] {
                AttributeValue::S(text) => text.clone(),
                other => panic!("{other:?}"),
            })
            .collect()
    };
    assert_eq!(begins("ab", true), ["ab", "abc"]);
    assert_eq!(begins("a", false), ["ac", "abc", "ab", "a"]);
    assert_eq!(begins("ä", true), ["ä", "äb"]);
    assert_eq!(begins("z", true), Vec::<String>::new());
}

#[tokio::test]
async fn wrong_queries_and_scans_are_refused_in_dynamodbs_words() {
    let bench = filled().await;
    let values = json!({":h": {"S": "0"}});
    for (changes, why) in [
        (json!({}), "Either the KeyConditions or KeyConditionExpression parameter must be specified"),
        (
            json!({"KeyConditionExpression": "r = :h", "ExpressionAttributeValues": values}),
            "Query condition missed key schema element: h",
        ),
        (
            json!({"KeyConditionExpression": "h > :h", "ExpressionAttributeValues": values}),
            "Query key condition not supported",
        ),
        (
            json!({"KeyConditionExpression": "h = :h", "ExpressionAttributeValues": {":h": {"N": "0"}}}),
            "does not match schema type",
        ),
        (
            json!({"KeyConditionExpression": "h = :h AND x = :h", "ExpressionAttributeValues": values}),
            "Query condition missed key schema element: r",
        ),
        (
            json!({"KeyConditionExpression": "h = :h", "ExpressionAttributeValues": values, "FilterExpression": "attribute_exists(r)"}),
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: r",
        ),
        (
            json!({"KeyConditionExpression": "h = :h", "ExpressionAttributeValues": values, "IndexName": "none"}),
            "does not have the specified index: none",
        ),
        (
            json!({"KeyConditionExpression": "#o = :h", "ExpressionAttributeValues": values, "ExpressionAttributeNames": {"#o": "owner"},
            "IndexName": "by-owner", "ConsistentRead": true}),
            "Consistent reads are not supported on global secondary indexes",
        ),
        (
            json!({"KeyConditionExpression": "h = :h", "ExpressionAttributeValues": values, "ExclusiveStartKey": {"h": {"S": "1"}, "r": {"N": "1"}}}),
            "outside query boundaries",
        ),
        (
            json!({"KeyConditionExpression": "h = :h", "ExpressionAttributeValues": values, "ExclusiveStartKey": {"h": {"S": "1"}}}),
            "The provided starting key is invalid",
        ),
        (
            json!({"KeyConditionExpression": "h = :h", "ExpressionAttributeValues": values, "Limit": 0}),
            "greater than or equal to 1",
        ),
        (
            json!({"KeyConditionExpression": "h = :h", "ExpressionAttributeValues": values, "Select": "COUNT", "ProjectionExpression": "h"}),
            "only the Count",
        ),
        (
            json!({"KeyConditions": {"h": {"ComparisonOperator": "NE", "AttributeValueList": [{"S": "0"}]}}}),
            "not an indexable operation",
        ),
    ] {
        let mut input = changes.clone();
        input["TableName"] = "pairs".into();
        let said = bench.query(input).unwrap_err();
        assert!(said.contains(why), "{changes}: {said}");
    }
    for (changes, why) in [
        (json!({"Segment": 0}), "The TotalSegments parameter is required"),
        (json!({"TotalSegments": 2}), "The Segment parameter is required"),
        (json!({"Segment": 2, "TotalSegments": 2}), "Segment: 2 is not less than TotalSegments: 2"),
        (json!({"Segment": 0, "TotalSegments": 1_000_001}), "between 1 and 1000000"),
        (
            json!({"ExclusiveStartKey": {"h": {"S": "1"}}}),
            "The provided starting key is invalid: The provided key element",
        ),
    ] {
        let mut input = changes.clone();
        input["TableName"] = "pairs".into();
        let said = bench.scan(input).unwrap_err();
        assert!(said.contains(why), "{changes}: {said}");
    }
}
