//! Conditional writes as the KCL makes them, return values, what is refused.

use super::*;

#[tokio::test]
async fn a_lease_is_made_taken_renewed_and_checkpointed_with_legacy_parameters() {
    let mut bench = Bench::new();
    bench.simple("leases").await;
    let make = json!({
        "TableName": "leases", "Item": {"id": {"S": "shard-0"}, "leaseCounter": {"N": "0"}, "checkpoint": {"S": "LATEST"}},
        "Expected": {"id": {"Exists": false}}
    });
    bench.put(make.clone()).await.unwrap();
    assert!(is_condition_failure(&bench.put(make).await));

    let take = |counter: u32, owner: &str| {
        json!({
            "TableName": "leases", "Key": {"id": {"S": "shard-0"}},
            "Expected": {"leaseCounter": {"Value": {"N": counter.to_string()}}},
            "AttributeUpdates": {
                "leaseCounter": {"Action": "PUT", "Value": {"N": (counter + 1).to_string()}},
                "leaseOwner": {"Action": "PUT", "Value": {"S": owner}},
                "checkpointOwner": {"Action": "DELETE"},
                "ownerSwitchesSinceCheckpoint": {"Action": "ADD", "Value": {"N": "1"}}},
            "ReturnValues": "ALL_NEW", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"
        })
    };
    let taken = bench.update(take(0, "a")).await.unwrap().unwrap();
    assert_eq!(taken["ownerSwitchesSinceCheckpoint"], AttributeValue::N(Number::from(1)));
    let Err(ItemError::ConditionFailed { item: Some(told) }) = bench.update(take(0, "b")).await else {
        panic!("the counter is another")
    };
    assert_eq!(*told, taken, "the failure tells the item as it is");
    bench.restart();
    assert_eq!(bench.get("leases", "shard-0"), Some(taken));
    bench.update(take(1, "b")).await.unwrap();
    assert_eq!(bench.get("leases", "shard-0").unwrap()["leaseOwner"], AttributeValue::S("b".to_owned()));
}

#[tokio::test]
async fn the_lock_client_acquires_beats_and_releases() {
    let bench = Bench::new();
    bench.simple("locks").await;
    let acquire = |rvn: &str| {
        json!({
            "TableName": "locks", "Item": {"id": {"S": "Leader"}, "ownerName": {"S": "w"}, "recordVersionNumber": {"S": rvn}},
            "ConditionExpression": "attribute_not_exists(#pk)", "ExpressionAttributeNames": {"#pk": "id"}
        })
    };
    bench.put(acquire("1")).await.unwrap();
    assert!(is_condition_failure(&bench.put(acquire("2")).await));
    let beat = |was: &str, is: &str| {
        json!({
            "TableName": "locks", "Key": {"id": {"S": "Leader"}},
            "ConditionExpression": "attribute_exists(#pk) AND #rvn = :rvn AND #on = :on",
            "UpdateExpression": "SET #ld = :ld, #rvn = :newRvn",
            "ExpressionAttributeNames": {"#pk": "id", "#rvn": "recordVersionNumber", "#on": "ownerName", "#ld": "leaseDuration"},
            "ExpressionAttributeValues": {":rvn": {"S": was}, ":on": {"S": "w"}, ":ld": {"S": "30000"}, ":newRvn": {"S": is}}
        })
    };
    bench.update(beat("1", "2")).await.unwrap();
    assert!(is_condition_failure(&bench.update(beat("1", "3")).await));
    let release = |rvn: &str| {
        json!({
            "TableName": "locks", "Key": {"id": {"S": "Leader"}}, "ReturnValues": "ALL_OLD",
            "ConditionExpression": "attribute_exists(#pk) AND #rvn = :rvn",
            "ExpressionAttributeNames": {"#pk": "id", "#rvn": "recordVersionNumber"},
            "ExpressionAttributeValues": {":rvn": {"S": rvn}}
        })
    };
    assert!(is_condition_failure(&bench.delete(release("1")).await));
    assert_eq!(
        bench.delete(release("2")).await.unwrap().unwrap()["leaseDuration"],
        AttributeValue::S("30000".to_owned())
    );
    assert_eq!(bench.get("locks", "Leader"), None);
}

#[tokio::test]
async fn all_return_values() {
    let bench = Bench::new();
    bench.simple("items").await;
    let update = |returns: &str, n: u32| {
        json!({
            "TableName": "items", "Key": {"id": {"S": "a"}}, "ReturnValues": returns,
            "UpdateExpression": "SET m.x = :n ADD c :n",
            "ExpressionAttributeValues": {":n": {"N": n.to_string()}}
        })
    };
    bench.put(json!({"TableName": "items", "Item": {"id": {"S": "a"}, "m": {"M": {"y": {"N": "0"}}}}})).await.unwrap();
    assert_eq!(bench.update(update("UPDATED_OLD", 1)).await.unwrap(), None, "nothing of it was there");
    assert_eq!(bench.update(update("NONE", 2)).await.unwrap(), None);
    assert_eq!(
        bench.update(update("UPDATED_OLD", 3)).await.unwrap(),
        Some(item(json!({"m": {"M": {"x": {"N": "2"}}}, "c": {"N": "3"}})))
    );
    assert_eq!(
        bench.update(update("UPDATED_NEW", 4)).await.unwrap(),
        Some(item(json!({"m": {"M": {"x": {"N": "4"}}}, "c": {"N": "10"}})))
    );
    let old = item(json!({"id": {"S": "a"}, "m": {"M": {"x": {"N": "4"}, "y": {"N": "0"}}}, "c": {"N": "10"}}));
    assert_eq!(bench.update(update("ALL_OLD", 5)).await.unwrap(), Some(old));
    let new = item(json!({"id": {"S": "a"}, "m": {"M": {"x": {"N": "6"}, "y": {"N": "0"}}}, "c": {"N": "21"}}));
    assert_eq!(bench.update(update("ALL_NEW", 6)).await.unwrap(), Some(new.clone()));
    let put = json!({"TableName": "items", "Item": {"id": {"S": "a"}}, "ReturnValues": "ALL_OLD"});
    assert_eq!(bench.put(put).await.unwrap(), Some(new));
    let wrong = json!({"TableName": "items", "Item": {"id": {"S": "a"}}, "ReturnValues": "ALL_NEW"});
    assert_eq!(bench.put(wrong).await.unwrap_err().to_string(), "ReturnValues can only be ALL_OLD or NONE");
}

#[tokio::test]
async fn an_update_makes_the_item_unless_it_only_takes_away_in_the_legacy_form() {
    let bench = Bench::new();
    bench.simple("items").await;
    let key = |id: &str| json!({"id": {"S": id}});
    bench.update(json!({"TableName": "items", "Key": key("bare")})).await.unwrap();
    assert_eq!(bench.get("items", "bare"), Some(item(key("bare"))));
    let remove = json!({"TableName": "items", "Key": key("removed"), "UpdateExpression": "REMOVE x"});
    bench.update(remove).await.unwrap();
    assert_eq!(bench.get("items", "removed"), Some(item(key("removed"))));
    let legacy = json!({"TableName": "items", "Key": key("legacy"), "AttributeUpdates": {"x": {"Action": "DELETE"}}});
    bench.update(legacy).await.unwrap();
    assert_eq!(bench.get("items", "legacy"), None);
}

#[tokio::test]
async fn wrong_requests_are_refused_in_dynamodbs_words() {
    let bench = Bench::new();
    bench.simple("items").await;
    bench.composite("pairs").await;
    let say = |result: Result<Option<Item>, ItemError>| result.unwrap_err().to_string();
    for (input, why) in [
        (json!({"TableName": "items", "Item": {"x": {"S": "a"}}}), "Missing the key id in the item"),
        (json!({"TableName": "items", "Item": {"id": {"N": "1"}}}), "Type mismatch for key id expected: S actual: N"),
        (json!({"TableName": "items", "Item": {"id": {"S": ""}}}), "cannot contain an empty string value. Key: id"),
        (json!({"TableName": "items", "Item": {"id": {"S": "x".repeat(2049)}}}), "maximum size limit of2048 bytes"),
        (
            json!({"TableName": "items", "Item": {"id": {"S": "a"}, "x": {"S": "x".repeat(400 << 10)}}}),
            "Item size has exceeded",
        ),
        (
            json!({"TableName": "pairs", "Item": {"h": {"S": "a"}, "r": {"N": "1"}, "owner": {"N": "1"}}}),
            "Type mismatch for Index Key owner Expected: S Actual: N IndexName: by-owner",
        ),
        (
            json!({"TableName": "pairs", "Item": {"h": {"S": "a"}, "r": {"N": "1"}, "owner": {"S": ""}}}),
            "IndexName: by-owner, IndexKey: owner",
        ),
        (
            json!({"TableName": "items", "Item": {"id": {"S": "a"}}, "Expected": {}, "ConditionExpression": "a = :b"}),
            "Non-expression parameters: {Expected} Expression parameters: {ConditionExpression}",
        ),
        (
            json!({"TableName": "items", "Item": {"id": {"S": "a"}}, "ExpressionAttributeValues": {":a": {"S": "a"}}}),
            "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null",
        ),
        (
            json!({"TableName": "items", "Item": {"id": {"S": "a"}}, "ConditionalOperator": "OR"}),
            "ConditionalOperator cannot be used without Filter or Expected",
        ),
        (json!({"TableName": "missing", "Item": {"id": {"S": "a"}}}), "there is no table missing"),
        (json!({"TableName": "no", "Item": {"id": {"S": "a"}}}), "TableName must be at least 3 characters long"),
    ] {
        let said = say(bench.put(input.clone()).await);
        assert!(said.contains(why), "{input}: {said}");
    }
    for (input, why) in [
        (json!({"TableName": "items", "Key": {"id": {"S": "a"}, "x": {"S": "a"}}}), "does not match the schema"),
        (json!({"TableName": "items", "Key": {"id": {"N": "1"}}}), "does not match the schema"),
        (
            json!({"TableName": "items", "Key": {"id": {"S": "a"}}, "UpdateExpression": "SET id = :a",
            "ExpressionAttributeValues": {":a": {"S": "a"}}}),
            "Cannot update attribute id. This attribute is part of the key",
        ),
        (
            json!({"TableName": "items", "Key": {"id": {"S": "a"}}, "AttributeUpdates": {"id": {"Action": "DELETE"}}}),
            "Cannot update attribute id. This attribute is part of the key",
        ),
        (
            json!({"TableName": "items", "Key": {"id": {"S": "a"}}, "UpdateExpression": "SET a = id.b"}),
            "Key attributes must be scalars",
        ),
        (
            json!({"TableName": "pairs", "Key": {"h": {"S": "a"}, "r": {"N": "1"}}, "UpdateExpression": "SET #o = :a", "ExpressionAttributeNames": {"#o": "owner"},
            "ExpressionAttributeValues": {":a": {"N": "1"}}}),
            "Type mismatch for Index Key owner",
        ),
    ] {
        let said = say(bench.update(input.clone()).await);
        assert!(said.contains(why), "{input}: {said}");
    }
    assert_eq!(bench.describe("items").unwrap().items, 0, "none of it changed anything");
}

#[tokio::test]
async fn tables_are_named_by_their_arn_too() {
    let bench = Bench::new();
    bench.simple("items").await;
    let arn = |region: &str| format!("arn:aws:dynamodb:{region}:000000000000:table/items");
    bench.put(json!({"TableName": arn("us-east-1"), "Item": {"id": {"S": "a"}}})).await.unwrap();
    assert!(bench.get("items", "a").is_some());
    let said = bench.put(json!({"TableName": arn("eu-west-1"), "Item": {"id": {"S": "a"}}})).await.unwrap_err();
    assert!(said.to_string().contains("is not the ARN of a table of this account and region"), "{said}");
}
