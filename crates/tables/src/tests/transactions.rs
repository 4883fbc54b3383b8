//! Transactions: all or nothing, once for each token.

use super::*;

fn put(id: &str, condition: Option<&str>) -> Value {
    let mut put = json!({"TableName": "items", "Item": {"id": {"S": id}, "n": {"N": "1"}}});
    if let Some(condition) = condition {
        put["ConditionExpression"] = condition.into();
        put["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD".into();
    }
    json!({"Put": put})
}

fn add(id: &str) -> Value {
    json!({"Update": {"TableName": "items", "Key": {"id": {"S": id}}, "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}}}})
}

async fn transact(bench: &Bench, items: Value, token: Option<&str>) -> Result<f64, ItemError> {
    let input = of(json!({"TransactItems": items, "ClientRequestToken": token}));
    let consumed = bench.tables.transact_write_items(&bench.ns, &input).await?;
    Ok(consumed.iter().map(|consumed| consumed.capacity.total()).sum())
}

#[tokio::test]
async fn all_of_it_happens_or_nothing() {
    let bench = Bench::new();
    bench.simple("items").await;
    transact(&bench, json!([put("a", None), put("b", Some("attribute_not_exists(id)"))]), None).await.unwrap();
    let check = json!({"ConditionCheck": {"TableName": "items", "Key": {"id": {"S": "a"}},
        "ConditionExpression": "n = :n", "ExpressionAttributeValues": {":n": {"N": "1"}}}});
    let remove = json!({"Delete": {"TableName": "items", "Key": {"id": {"S": "b"}}}});
    // As the KCL 3.5 moves an entry from one table to another.
    transact(&bench, json!([check, put("c", Some("attribute_not_exists(id)")), remove]), None).await.unwrap();
    assert!(bench.get("items", "b").is_none() && bench.get("items", "c").is_some());

    let failed =
        transact(&bench, json!([put("d", None), put("c", Some("attribute_not_exists(id)")), add("a")]), None).await;
    let Err(ItemError::Cancelled(reasons)) = failed else { panic!("{failed:?}") };
    assert!(
        matches!(&reasons[..], [None, Some(CancellationReason::ConditionFailed(Some(item))), None] if item.contains_key("n"))
    );
    assert!(bench.get("items", "d").is_none(), "nothing of it happened");
    assert_eq!(bench.get("items", "a").unwrap()["n"], AttributeValue::N(Number::from(1)));

    let wrong =
        json!({"Update": {"TableName": "items", "Key": {"id": {"S": "a"}}, "UpdateExpression": "SET n = absent"}});
    let failed = transact(&bench, json!([put("d", None), wrong]), None).await;
    let Err(ItemError::Cancelled(reasons)) = failed else { panic!("{failed:?}") };
    assert!(matches!(&reasons[..], [None, Some(CancellationReason::Invalid(_))]));
    let twice = transact(&bench, json!([put("e", None), add("e")]), None).await.unwrap_err();
    assert_eq!(twice.to_string(), "Transaction request cannot include multiple operations on one item");
    let many: Vec<_> = (0..101).map(|at| put(&at.to_string(), None)).collect();
    assert!(transact(&bench, json!(many), None).await.unwrap_err().to_string().contains("between 1 and 100"));
}

#[tokio::test]
async fn a_token_is_carried_out_once_even_after_a_restart() {
    let mut bench = Bench::new();
    bench.simple("items").await;
    let n = |bench: &Bench| bench.get("items", "a").unwrap()["n"].clone();
    transact(&bench, json!([add("a")]), Some("token-1")).await.unwrap();
    transact(&bench, json!([add("a")]), Some("token-1")).await.unwrap();
    assert_eq!(n(&bench), AttributeValue::N(Number::from(1)));
    bench.restart();
    transact(&bench, json!([add("a")]), Some("token-1")).await.unwrap();
    assert_eq!(n(&bench), AttributeValue::N(Number::from(1)));
    let other = transact(&bench, json!([add("b")]), Some("token-1")).await;
    assert!(matches!(other, Err(ItemError::TokenReused)), "{other:?}");
    transact(&bench, json!([add("a")]), Some("token-2")).await.unwrap();

    bench.clock.advance(600_001);
    assert!(bench.tables.tick().await.problems.is_empty());
    assert_eq!(bench.log.scan("request/").len(), 0, "it is forgotten");
    transact(&bench, json!([add("a")]), Some("token-1")).await.unwrap();
    assert_eq!(n(&bench), AttributeValue::N(Number::from(3)));
    // One that is too old and not forgotten yet.
    bench.clock.advance(600_001);
    transact(&bench, json!([add("b")]), Some("token-1")).await.unwrap();
}

#[tokio::test]
async fn reads_of_several_tables_are_of_one_moment() {
    let bench = Bench::new();
    bench.simple("items").await;
    bench.simple("others").await;
    bench
        .put(json!({"TableName": "others", "Item": {"id": {"S": "a"}, "x": {"S": "y"}, "z": {"N": "1"}}}))
        .await
        .unwrap();
    let get = |table: &str, id: &str, projection: Option<&str>| json!({"Get": {"TableName": table, "Key": {"id": {"S": id}}, "ProjectionExpression": projection}});
    let input = of(json!({"TransactItems": [get("items", "a", None), get("others", "a", Some("x"))]}));
    let (items, consumed) = bench.tables.transact_get_items(&bench.ns, &input).unwrap();
    assert_eq!(items, [None, Some(item(json!({"x": {"S": "y"}})))]);
    assert_eq!(consumed.iter().map(|consumed| consumed.capacity.total()).sum::<f64>(), 4.0);
    let input = of(json!({"TransactItems": [get("missing", "a", None)]}));
    assert!(matches!(bench.tables.transact_get_items(&bench.ns, &input), Err(ItemError::NotFound(_))));
}
