//! Tables and indexes from their making to their end, and restarts in between.

use super::*;

fn index_update(create: bool) -> Value {
    let create_it = json!({"Create": {
        "IndexName": "by-owner", "Projection": {"ProjectionType": "KEYS_ONLY"},
        "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}, {"AttributeName": "id", "KeyType": "RANGE"}]}});
    let delete_it = json!({"Delete": {"IndexName": "by-owner"}});
    json!({
        "TableName": "leases",
        "AttributeDefinitions": [{"AttributeName": "owner", "AttributeType": "S"}, {"AttributeName": "id", "AttributeType": "S"}],
        "GlobalSecondaryIndexUpdates": [if create { create_it } else { delete_it }]
    })
}

/// Workers that start together each see that the index is not there, and each make it.
#[tokio::test]
async fn an_index_may_be_made_again_as_it_is_and_not_as_another() {
    let bench = Bench::new();
    bench.simple("leases").await;
    bench.put(json!({"TableName": "leases", "Item": {"id": {"S": "1"}, "owner": {"S": "0"}}})).await.unwrap();
    for round in 0..2 {
        let again = bench.change(index_update(true)).await.unwrap();
        assert_eq!(again.record.indexes["by-owner"].status.as_str(), "CREATING", "round {round}");
    }
    bench.tables.tick().await;
    let ready = bench.change(index_update(true)).await.unwrap();
    assert_eq!((ready.status.as_str(), ready.record.indexes["by-owner"].status.as_str()), ("ACTIVE", "ACTIVE"));
    assert_eq!(bench.query(by_owner("0")).unwrap().count, 1, "it goes on serving");
    let mut other = index_update(true);
    other["GlobalSecondaryIndexUpdates"][0]["Create"]["Projection"]["ProjectionType"] = json!("ALL");
    let said = bench.change(other).await.unwrap_err();
    assert!(said.to_string().contains("Attempting to create an index which already exists. Index: by-owner"), "{said}");
}

fn by_owner(owner: &str) -> Value {
    json!({
        "TableName": "leases", "IndexName": "by-owner", "KeyConditionExpression": "#o = :o",
        "ExpressionAttributeNames": {"#o": "owner"}, "ExpressionAttributeValues": {":o": {"S": owner}}
    })
}

#[tokio::test]
async fn an_index_takes_in_what_is_there_before_it_serves() {
    let mut bench = Bench::new();
    bench.simple("leases").await;
    for at in 0..1200 {
        let item = json!({"id": {"S": format!("{at:04}")}, "owner": {"S": (at % 3).to_string()}, "more": {"S": "x"}});
        bench.put(json!({"TableName": "leases", "Item": item})).await.unwrap();
    }
    let made = bench.change(index_update(true)).await.unwrap();
    assert_eq!((made.status.as_str(), made.record.indexes["by-owner"].status.as_str()), ("UPDATING", "CREATING"));
    let said = bench.query(by_owner("0")).unwrap_err();
    assert_eq!(said, "Cannot read from backfilling global secondary index: by-owner");
    // What is written meanwhile is in it as well: one before and one behind what was taken in, one that moves.
    bench.tables.views.fill(made.record.uid, 600);
    for id in ["0000-a", "9999-z"] {
        let item = json!({"id": {"S": id}, "owner": {"S": "0"}});
        bench.put(json!({"TableName": "leases", "Item": item})).await.unwrap();
    }
    bench.put(json!({"TableName": "leases", "Item": {"id": {"S": "0001"}, "owner": {"S": "0"}}})).await.unwrap();
    bench.delete(json!({"TableName": "leases", "Key": {"id": {"S": "0000"}}})).await.unwrap();
    bench.restart();
    bench.tables.tick().await;
    let description = bench.describe("leases").unwrap();
    assert_eq!(
        (description.status.as_str(), description.record.indexes["by-owner"].status.as_str()),
        ("ACTIVE", "ACTIVE")
    );
    let page = bench.query(by_owner("0")).unwrap();
    assert_eq!(page.count, 400 + 3 - 1);
    let first = &page.items.unwrap()[0];
    assert_eq!(first, &item(json!({"id": {"S": "0000-a"}, "owner": {"S": "0"}})), "it shows the keys alone");

    bench.change(index_update(false)).await.unwrap();
    assert!(bench.query(by_owner("0")).unwrap_err().contains("does not have the specified index: by-owner"));
    let attributes = &bench.describe("leases").unwrap().record.attributes;
    assert_eq!(attributes.len(), 1, "what no key is made of any more is forgotten");
}

#[tokio::test]
async fn the_index_is_the_same_when_it_is_filled_without_a_restart() {
    let bench = Bench::new();
    bench.simple("leases").await;
    for at in 0..1300 {
        let item = json!({"id": {"S": format!("{at:04}")}, "owner": {"S": (at % 2).to_string()}});
        bench.put(json!({"TableName": "leases", "Item": item})).await.unwrap();
    }
    let made = bench.change(index_update(true)).await.unwrap();
    bench.tables.views.fill(made.record.uid, 500);
    for at in (0..1300).step_by(7) {
        let update = json!({"TableName": "leases", "Key": {"id": {"S": format!("{at:04}")}},
            "AttributeUpdates": {"owner": {"Value": {"S": "moved"}}}});
        bench.update(update).await.unwrap();
    }
    bench.tables.tick().await;
    let count = |owner: &str| bench.query(by_owner(owner)).unwrap().count;
    assert_eq!(count("moved"), 186);
    assert_eq!(count("0") + count("1") + count("moved"), 1300);
    assert_eq!(bench.describe("leases").unwrap().indexes["by-owner"].0, 1300);
}

#[tokio::test]
async fn a_table_made_again_has_none_of_the_items_of_the_one_before() {
    let mut bench = Bench::new();
    bench.simple("leases").await;
    for at in 0..2500 {
        bench.put(json!({"TableName": "leases", "Item": {"id": {"S": at.to_string()}}})).await.unwrap();
    }
    let deleted = bench.tables.delete_table(&bench.ns, &name("leases")).await.unwrap();
    assert_eq!(deleted.status.as_str(), "DELETING");
    assert!(bench.describe("leases").is_none());
    assert_eq!(bench.log.scan("item/").len() + bench.log.scan("table/").len(), 0);
    bench.simple("leases").await;
    assert_eq!(bench.scan(json!({"TableName": "leases"})).unwrap().count, 0);
    bench.restart();
    assert_eq!(bench.describe("leases").unwrap().items, 0);
    assert_eq!(bench.tables.views.account_bytes(&bench.ns.account), 0, "what is gone is not counted");
}

#[tokio::test]
async fn a_deletion_cut_short_is_finished_after_a_restart() {
    let mut bench = Bench::new();
    bench.simple("leases").await;
    for at in 0..1500 {
        bench.put(json!({"TableName": "leases", "Item": {"id": {"S": at.to_string()}}})).await.unwrap();
    }
    // What DeleteTable commits first, and then the crash.
    let view = bench.tables.table(&bench.ns, &name("leases")).unwrap();
    let mut record = view.record.as_ref().clone();
    record.deleting = true;
    let key = crate::catalog::table_key(&bench.ns, &name("leases"));
    let changes = vec![crate::catalog::put(key, &record)];
    let transaction = rheos_log::Transaction { conditions: Vec::new(), changes, frees_space: true };
    bench.log.commit(vec![transaction]).await.unwrap()[0].as_ref().unwrap();
    bench.restart();
    assert_eq!(bench.describe("leases").unwrap().status.as_str(), "DELETING");
    let put = bench.put(json!({"TableName": "leases", "Item": {"id": {"S": "x"}}})).await;
    assert!(matches!(put, Err(ItemError::NotFound(_))));
    assert!(
        bench
            .create(json!({
                "TableName": "leases", "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]
            }))
            .await
            .unwrap_err()
            .contains("exists already")
    );
    assert!(bench.tables.tick().await.problems.is_empty());
    assert!(bench.describe("leases").is_none());
    assert_eq!(bench.log.scan("item/").len() + bench.log.scan("table/").len(), 0, "nothing is left");
}

#[tokio::test]
async fn settings_survive_a_restart() {
    let mut bench = Bench::new();
    let described = bench
        .create(json!({
            "TableName": "leases", "ProvisionedThroughput": {"ReadCapacityUnits": 10, "WriteCapacityUnits": 5},
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "DeletionProtectionEnabled": true, "Tags": [{"Key": "team", "Value": "a"}]
        }))
        .await
        .unwrap();
    assert_eq!(described.status.as_str(), "ACTIVE");
    assert!(matches!(bench.tables.delete_table(&bench.ns, &name("leases")).await, Err(TableError::Protected(_))));
    bench
        .change(json!({"TableName": "leases", "BillingMode": "PAY_PER_REQUEST", "DeletionProtectionEnabled": false}))
        .await
        .unwrap();
    bench.tables.update_recovery(&bench.ns, &name("leases"), true, Some(7)).await.unwrap();
    let more = [Tag { key: "env".to_owned(), value: "test".to_owned() }];
    bench.tables.tag(&bench.ns, &name("leases"), &more).await.unwrap();
    bench.tables.untag(&bench.ns, &name("leases"), &["team".to_owned()]).await.unwrap();
    bench.restart();
    let record = bench.describe("leases").unwrap().record;
    assert_eq!(record.billing, BillingMode::PayPerRequest);
    assert_eq!((record.recovery_since_ms, record.recovery_days), (Some(START_MS), Some(7)));
    assert_eq!(bench.tables.tags_of(&bench.ns, &name("leases")).unwrap(), more);
    bench.tables.delete_table(&bench.ns, &name("leases")).await.unwrap();
}

#[tokio::test]
async fn tables_are_listed_by_name_in_pages() {
    let bench = Bench::new();
    for at in [3, 1, 2, 5, 4] {
        bench.simple(&format!("table-{at}")).await;
    }
    let list = |after: Option<&str>, limit| {
        let (names, more) = bench.tables.list_tables(&bench.ns, after, Some(limit)).unwrap();
        (names.iter().map(|name| name.as_str()[6..].to_owned()).collect::<String>(), more)
    };
    assert_eq!(list(None, 3), ("123".to_owned(), true));
    assert_eq!(list(Some("table-3"), 3), ("45".to_owned(), false));
    assert_eq!(list(None, 5), ("12345".to_owned(), false));
    for (limit, bound) in [(0, "greater than or equal to 1"), (101, "less than or equal to 100")] {
        let said = bench.tables.list_tables(&bench.ns, None, Some(limit)).unwrap_err().to_string();
        assert!(said.contains(&format!("Value '{limit}' at 'limit'")) && said.ends_with(bound), "{said}");
    }
}

#[tokio::test]
async fn schemas_that_do_not_fit_together_are_refused() {
    let bench = Bench::new();
    let base = json!({
        "TableName": "leases", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]
    });
    for (changes, why) in [
        (json!({"BillingMode": null}), "ReadCapacityUnits and WriteCapacityUnits must both be specified"),
        (
            json!({"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}),
            "Neither ReadCapacityUnits nor",
        ),
        (
            json!({"KeySchema": [{"AttributeName": "id", "KeyType": "RANGE"}]}),
            "The first KeySchemaElement is not a HASH",
        ),
        (json!({"KeySchema": [{"AttributeName": "other", "KeyType": "HASH"}]}), "not defined in AttributeDefinitions"),
        (
            json!({"AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}, {"AttributeName": "x", "AttributeType": "S"}]}),
            "does not exactly match number of attributes",
        ),
        (json!({"GlobalSecondaryIndexes": []}), "List of GlobalSecondaryIndexes is empty"),
        (
            json!({"LocalSecondaryIndexes": [{"IndexName": "abc", "Projection": {"ProjectionType": "ALL"},
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}]}),
            "Table KeySchema does not have a range key",
        ),
        (
            json!({"GlobalSecondaryIndexes": [{"IndexName": "abc", "Projection": {"ProjectionType": "ALL", "NonKeyAttributes": ["a"]},
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}]}),
            "ProjectionType is ALL, but NonKeyAttributes",
        ),
        (json!({"TableClass": "GOLD"}), "Value 'GOLD' at 'tableClass'"),
    ] {
        let mut input = base.clone();
        for (name, value) in changes.as_object().unwrap() {
            input[name] = value.clone();
        }
        let said = bench.create(input).await.unwrap_err();
        assert!(said.contains(why), "{changes}: {said}");
    }
    assert!(bench.describe("leases").is_none());
    bench.create(base.clone()).await.unwrap();
    assert!(bench.create(base).await.unwrap_err().contains("exists already"));
    let said = bench.change(json!({"TableName": "leases"})).await.unwrap_err();
    assert!(said.starts_with("At least one of ProvisionedThroughput"), "{said}");
    let gone = json!({"TableName": "leases", "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "none"}}]});
    assert!(bench.change(gone).await.unwrap_err().contains("no index none"));
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_keeps_the_tables_closed() {
    let bench = Bench::new();
    bench.simple("leases").await;
    bench.put(json!({"TableName": "leases", "Item": {"id": {"S": "a"}}})).await.unwrap();
    let key = bench.log.scan("item/")[0].0.clone();
    assert!(key.as_str().ends_with("/Sa"), "{key}");
    for value in ["{}", "{\"item\":{\"id\":{\"N\":\"1\"}}}", "x"] {
        let other = Bench::new();
        other.simple("leases").await;
        let uid = other.describe("leases").unwrap().record.uid;
        let key = rheos_log::Key::new(format!("item/000000000000/us-east-1/{uid}/Sa"));
        let damaged = rheos_log::Transaction {
            changes: vec![rheos_log::Change::Put { key: key.clone(), value: value.into() }],
            ..rheos_log::Transaction::default()
        };
        // Behind the back of the tables that are open, which would not write it.
        let log = memory_log(other.clock.clone());
        let copied = other
            .log
            .scan("table/")
            .into_iter()
            .map(|(key, stored)| rheos_log::Change::Put { key, value: stored.value });
        let table = rheos_log::Transaction { changes: copied.collect(), ..rheos_log::Transaction::default() };
        log.commit(vec![table, damaged]).await.unwrap();
        let opened = Tables::open(log, other.clock.clone(), other.random.clone(), Config::default());
        if value == "{\"item\":{\"id\":{\"N\":\"1\"}}}" {
            // A key of another type is a key all the same: it was of this table when it was written.
            assert!(opened.is_ok());
        } else {
            let Err(OpenError::Damaged { key: named }) = opened else { panic!("{value} was read") };
            assert_eq!(named, key.as_str());
        }
    }
}
