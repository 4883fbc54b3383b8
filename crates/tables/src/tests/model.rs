//! Generated requests against a model that is a map and nothing else: what is answered, what is there afterwards, and what
//! queries and scans of it give, with restarts in between.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Step {
    Put {
        key: (u8, i8),
        owner: Option<u8>,
        n: u8,
        only_new: bool,
    },
    /// Expects a counter, as a renewal does, and counts on.
    Renew {
        key: (u8, i8),
        expected: u8,
        legacy: bool,
    },
    SetOwner {
        key: (u8, i8),
        owner: Option<u8>,
        must_exist: bool,
    },
    Delete {
        key: (u8, i8),
        expected: Option<u8>,
    },
    Move {
        from: (u8, i8),
        to: (u8, i8),
    },
    Restart,
}

#[derive(Debug, Clone, PartialEq)]
struct Row {
    owner: Option<u8>,
    n: Option<u8>,
}

type Model = BTreeMap<(u8, i8), Row>;

fn keys() -> impl Strategy<Value = (u8, i8)> {
    (0u8..4, -3i8..4)
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (keys(), prop::option::of(0u8..3), 0u8..4, any::<bool>())
            .prop_map(|(key, owner, n, only_new)| Step::Put { key, owner, n, only_new }),
        4 => (keys(), 0u8..4, any::<bool>()).prop_map(|(key, expected, legacy)| Step::Renew { key, expected, legacy }),
        3 => (keys(), prop::option::of(0u8..3), any::<bool>())
            .prop_map(|(key, owner, must_exist)| Step::SetOwner { key, owner, must_exist }),
        2 => (keys(), prop::option::of(0u8..4)).prop_map(|(key, expected)| Step::Delete { key, expected }),
        2 => (keys(), keys()).prop_map(|(from, to)| Step::Move { from, to }),
        1 => Just(Step::Restart),
    ]
}

fn key_of(key: (u8, i8)) -> Value {
    json!({"h": {"S": format!("h{}", key.0)}, "r": {"N": key.1.to_string()}})
}

fn item_of(key: (u8, i8), row: &Row) -> Item {
    let mut json = key_of(key);
    if let Some(owner) = row.owner {
        json["owner"] = json!({"S": owner.to_string()});
    }
    if let Some(n) = row.n {
        json["n"] = json!({"N": n.to_string()});
    }
    item(json)
}

/// Does a step to both: whether both say the same.
async fn step(bench: &mut Bench, model: &mut Model, step: &Step) {
    match step {
        Step::Restart => bench.restart(),
        Step::Put { key, owner, n, only_new } => {
            let row = Row { owner: *owner, n: Some(*n) };
            let mut input = json!({"TableName": "pairs", "Item": item_of(*key, &row), "ReturnValues": "ALL_OLD"});
            if *only_new {
                input["ConditionExpression"] = "attribute_not_exists(h)".into();
            }
            let result = bench.put(input).await;
            if *only_new && model.contains_key(key) {
                assert!(is_condition_failure(&result));
            } else {
                assert_eq!(result.unwrap(), model.get(key).map(|row| item_of(*key, row)));
                model.insert(*key, row);
            }
        }
        Step::Renew { key, expected, legacy } => {
            let input = if *legacy {
                json!({
                    "TableName": "pairs", "Key": key_of(*key), "ReturnValues": "ALL_NEW",
                    "Expected": {"n": {"Value": {"N": expected.to_string()}}},
                    "AttributeUpdates": {"n": {"Action": "ADD", "Value": {"N": "1"}}},
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD"
                })
            } else {
                json!({
                    "TableName": "pairs", "Key": key_of(*key), "ReturnValues": "ALL_NEW",
                    "ConditionExpression": "n = :n", "UpdateExpression": "SET n = n + :one",
                    "ExpressionAttributeValues": {":n": {"N": expected.to_string()}, ":one": {"N": "1"}},
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD"
                })
            };
            let result = bench.update(input).await;
            match model.get_mut(key).filter(|row| row.n == Some(*expected)) {
                Some(row) => {
                    row.n = Some(expected + 1);
                    assert_eq!(result.unwrap(), Some(item_of(*key, row)));
                }
                None => {
                    let Err(ItemError::ConditionFailed { item }) = result else { panic!("{result:?}") };
                    assert_eq!(item.map(|item| *item), model.get(key).map(|row| item_of(*key, row)));
                }
            }
        }
        Step::SetOwner { key, owner, must_exist } => {
            let update = match owner {
                Some(owner) => json!({"owner": {"Action": "PUT", "Value": {"S": owner.to_string()}}}),
                None => json!({"owner": {"Action": "DELETE"}}),
            };
            let mut input = json!({"TableName": "pairs", "Key": key_of(*key), "AttributeUpdates": update, "ReturnValues": "ALL_OLD"});
            if *must_exist {
                input["Expected"] = json!({"h": {"Value": key_of(*key)["h"]}});
            }
            let result = bench.update(input).await;
            match (model.get_mut(key), owner) {
                (None, _) if *must_exist => assert!(is_condition_failure(&result)),
                (None, None) => assert_eq!(result.unwrap(), None),
                (None, Some(_)) => {
                    assert_eq!(result.unwrap(), None);
                    model.insert(*key, Row { owner: *owner, n: None });
                }
                (Some(row), _) => {
                    assert_eq!(result.unwrap(), Some(item_of(*key, row)));
                    row.owner = *owner;
                }
            }
        }
        Step::Delete { key, expected } => {
            let mut input = json!({"TableName": "pairs", "Key": key_of(*key), "ReturnValues": "ALL_OLD"});
            if let Some(expected) = expected {
                input["Expected"] =
                    json!({"n": {"ComparisonOperator": "EQ", "AttributeValueList": [{"N": expected.to_string()}]}});
            }
            let result = bench.delete(input).await;
            let row = model.get(key).cloned();
            if expected.is_some() && row.as_ref().and_then(|row| row.n) != *expected {
                assert!(is_condition_failure(&result));
            } else {
                assert_eq!(result.unwrap(), row.map(|row| item_of(*key, &row)));
                model.remove(key);
            }
        }
        Step::Move { from, to } => {
            let Some(row) = model.get(from).cloned().filter(|_| from != to) else { return };
            let input = json!({"TransactItems": [
                {"Put": {"TableName": "pairs", "Item": item_of(*to, &row), "ConditionExpression": "attribute_not_exists(h)"}},
                {"Delete": {"TableName": "pairs", "Key": key_of(*from), "ConditionExpression": "attribute_exists(h)"}}]});
            let result = bench.tables.transact_write_items(&bench.ns, &of(input)).await;
            if model.contains_key(to) {
                assert!(matches!(result, Err(ItemError::Cancelled(_))), "{result:?}");
            } else {
                result.unwrap();
                model.remove(from);
                model.insert(*to, row);
            }
        }
    }
}

/// What is there, in every way to read it.
fn check(bench: &Bench, model: &Model) {
    let scanned = bench.scan(json!({"TableName": "pairs"})).unwrap().items.unwrap();
    let mut expected: Vec<_> = model.iter().map(|(key, row)| item_of(*key, row)).collect();
    let sort = |items: &mut Vec<Item>| items.sort_by_key(|item| format!("{item:?}"));
    let mut found = scanned;
    sort(&mut found);
    sort(&mut expected);
    assert_eq!(found, expected);
    let description = bench.describe("pairs").unwrap();
    assert_eq!(description.items, model.len());
    assert_eq!(description.size_bytes, found.iter().map(size_bytes).sum::<usize>());
    let owned: Vec<_> = found.iter().filter(|item| item.contains_key("owner")).collect();
    let sizes = owned.iter().map(|item| size_bytes(item)).sum::<usize>();
    assert_eq!(description.indexes["by-owner"], (owned.len(), sizes));
    for h in 0..4u8 {
        let query = json!({"TableName": "pairs", "KeyConditionExpression": "h = :h",
            "ExpressionAttributeValues": {":h": {"S": format!("h{h}")}}});
        let rows: Vec<_> = model.iter().filter(|(key, _)| key.0 == h).map(|(key, row)| item_of(*key, row)).collect();
        assert_eq!(bench.query(query).unwrap().items.unwrap(), rows);
    }
    for owner in 0..3u8 {
        let query = json!({"TableName": "pairs", "IndexName": "by-owner", "KeyConditionExpression": "#o = :o AND r > :r",
            "ExpressionAttributeNames": {"#o": "owner"}, "ScanIndexForward": false,
            "ExpressionAttributeValues": {":o": {"S": owner.to_string()}, ":r": {"N": "-2"}}});
        let found = bench.query(query).unwrap().items.unwrap();
        let numbers: Vec<_> = found.iter().map(|item| item["r"].clone()).collect();
        let mut rows: Vec<_> = model.iter().filter(|(key, row)| row.owner == Some(owner) && key.1 > -2).collect();
        rows.sort_by_key(|(key, _)| -key.1);
        let expected: Vec<_> =
            rows.iter().map(|(key, _)| AttributeValue::N(Number::parse(&key.1.to_string()).unwrap())).collect();
        assert_eq!(numbers, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn tables_do_what_a_map_does(history in prop::collection::vec(steps(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut bench = Bench::new();
            bench.composite("pairs").await;
            let mut model = Model::new();
            for next in &history {
                step(&mut bench, &mut model, next).await;
                if matches!(next, Step::Restart) {
                    check(&bench, &model);
                }
            }
            check(&bench, &model);
        });
    }
}
