//! Items, pages and what was consumed, as the API answers them.

use bytes::Bytes;
use rheos_tables::{BatchGot, Consumed, Got, Item, KeysAndAttributes, Page, ReturnConsumedCapacity, Written};
use rheos_types::TableName;
use serde::Serialize;
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

/// What the calls answer that are made all the time: written as it is, by way of no other form.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<&'a Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<&'a Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<&'a [Item]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scanned_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_evaluated_key: Option<&'a Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item_collection_metrics: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumed_capacity: Option<Value>,
}

impl Answer<'_> {
    fn encoded(&self) -> Bytes {
        #[expect(clippy::expect_used, reason = "its keys are strings, and memory takes all that is written")]
        serde_json::to_vec(self).expect("an answer is JSON").into()
    }
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
pub(super) fn got(it: &Got, asked: Option<ReturnConsumedCapacity>) -> Bytes {
    let consumed_capacity = consumed(&it.consumed, asked, None);
    Answer { item: it.item.as_ref(), consumed_capacity, ..Answer::default() }.encoded()
}

/// What a write did.
pub(super) fn written(it: &Written, asked: Option<ReturnConsumedCapacity>) -> Bytes {
    let item_collection_metrics = it
        .collection
        .as_ref()
        .map(|collection| json!({"ItemCollectionKey": collection, "SizeEstimateRangeGB": [0.0, 1.0]}));
    let consumed_capacity = it.consumed.as_ref().and_then(|it| consumed(it, asked, None));
    let attributes = it.attributes.as_ref();
    Answer { attributes, item_collection_metrics, consumed_capacity, ..Answer::default() }.encoded()
}

/// A page of a query or a scan.
pub(super) fn page(it: &Page, asked: Option<ReturnConsumedCapacity>) -> Bytes {
    let answer = Answer {
        count: Some(it.count),
        scanned_count: Some(it.scanned),
        items: it.items.as_deref(),
        last_evaluated_key: it.last.as_ref(),
        consumed_capacity: consumed(&it.consumed, asked, None),
        ..Answer::default()
    };
    answer.encoded()
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
