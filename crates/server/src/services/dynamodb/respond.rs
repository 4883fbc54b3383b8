//! Items, pages and what was consumed, as the API answers them.

use rheos_tables::{BatchGot, Consumed, Got, Item, KeysAndAttributes, Page, ReturnConsumedCapacity, Written};
use rheos_types::TableName;
use serde_json::{Map, Value, json};

/// What was consumed of one table, as far as it was asked for.
fn consumed(it: &Consumed, asked: Option<ReturnConsumedCapacity>, also: Option<&str>) -> Option<Value> {
    let asked = asked.unwrap_or_default();
    if asked == ReturnConsumedCapacity::None {
        return None;
    }
    let total = it.capacity.total();
    let mut capacity = json!({"TableName": it.table.as_str(), "CapacityUnits": total});
    if let Some(name) = also {
        capacity[name] = json!(total);
    }
    if asked == ReturnConsumedCapacity::Indexes {
        capacity["Table"] = json!({"CapacityUnits": it.capacity.table});
        for (member, local) in [("LocalSecondaryIndexes", true), ("GlobalSecondaryIndexes", false)] {
            let indexes = it.capacity.indexes.iter().filter(|(name, _)| it.local.contains(name) == local);
            let indexes: Map<_, _> =
                indexes.map(|(name, units)| (name.clone(), json!({"CapacityUnits": units}))).collect();
            if !indexes.is_empty() {
                capacity[member] = Value::Object(indexes);
            }
        }
    }
    Some(capacity)
}

fn with_consumed(mut answer: Value, it: &Consumed, asked: Option<ReturnConsumedCapacity>) -> Value {
    if let Some(consumed) = consumed(it, asked, None) {
        answer["ConsumedCapacity"] = consumed;
    }
    answer
}

/// What was consumed of several tables.
pub(super) fn consumed_each(
    answer: &mut Value,
    each: &[Consumed],
    asked: Option<ReturnConsumedCapacity>,
    also: Option<&str>,
) {
    let each: Option<Vec<_>> = each.iter().map(|it| consumed(it, asked, also)).collect();
    if let Some(each) = each
        && !each.is_empty()
    {
        answer["ConsumedCapacity"] = Value::Array(each);
    }
}

/// An item that was read.
pub(super) fn got(it: Got, asked: Option<ReturnConsumedCapacity>) -> Value {
    let mut answer = json!({});
    if let Some(item) = &it.item {
        answer["Item"] = json!(item);
    }
    with_consumed(answer, &it.consumed, asked)
}

/// What a write did.
pub(super) fn written(it: Written, asked: Option<ReturnConsumedCapacity>) -> Value {
    let mut answer = json!({});
    if let Some(attributes) = &it.attributes {
        answer["Attributes"] = json!(attributes);
    }
    if let Some(collection) = &it.collection {
        answer["ItemCollectionMetrics"] = json!({"ItemCollectionKey": collection, "SizeEstimateRangeGB": [0.0, 1.0]});
    }
    with_consumed(answer, &it.consumed, asked)
}

/// A page of a query or a scan.
pub(super) fn page(it: Page, asked: Option<ReturnConsumedCapacity>) -> Value {
    let mut answer = json!({"Count": it.count, "ScannedCount": it.scanned});
    if let Some(items) = &it.items {
        answer["Items"] = json!(items);
    }
    if let Some(last) = &it.last {
        answer["LastEvaluatedKey"] = json!(last);
    }
    with_consumed(answer, &it.consumed, asked)
}

/// Names of tables, and whether more follow.
pub(super) fn listed((names, more): (Vec<TableName>, bool)) -> Value {
    let names: Vec<_> = names.iter().map(TableName::as_str).collect();
    let mut answer = json!({"TableNames": names});
    if let Some(last) = names.last().filter(|_| more) {
        answer["LastEvaluatedTableName"] = json!(last);
    }
    answer
}

/// Items of several tables.
pub(super) fn batch_got(it: BatchGot, asked: Option<ReturnConsumedCapacity>) -> Value {
    let unprocessed: Map<_, _> = it.unprocessed.into_iter().map(|(name, left)| (name, unread(&left))).collect();
    let mut answer = json!({"Responses": it.responses, "UnprocessedKeys": unprocessed});
    consumed_each(&mut answer, &it.consumed, asked, None);
    answer
}

/// What is left to be read, as it was asked for.
fn unread(left: &KeysAndAttributes) -> Value {
    let mut asked = json!({"Keys": left.keys});
    for (name, value) in [
        ("AttributesToGet", json!(left.attributes_to_get)),
        ("ConsistentRead", json!(left.consistent_read)),
        ("ProjectionExpression", json!(left.projection_expression)),
        ("ExpressionAttributeNames", json!(left.expression_attribute_names)),
    ] {
        if !value.is_null() {
            asked[name] = value;
        }
    }
    asked
}

/// Items of a transaction of reads.
pub(super) fn transact_got(items: &[Option<Item>], each: &[Consumed], asked: Option<ReturnConsumedCapacity>) -> Value {
    let responses: Vec<_> =
        items.iter().map(|item| item.as_ref().map_or_else(|| json!({}), |item| json!({"Item": item}))).collect();
    let mut answer = json!({"Responses": responses});
    consumed_each(&mut answer, each, asked, Some("ReadCapacityUnits"));
    answer
}
