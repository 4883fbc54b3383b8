//! BatchGetItem, BatchWriteItem.

use crate::capacity::{Capacity, ReturnConsumedCapacity};
use crate::expression::{Names, Scope};
use crate::facts::{ItemError, TableNotFound};
use crate::input::{check_forms, place_of_item, place_of_key, projection};
use crate::invalid::Invalid;
use crate::items::{Consumed, Get, ReturnMetrics};
use crate::limits::{BATCH_GET, BATCH_GET_BYTES, BATCH_WRITE};
use crate::open::{Tables, table_name};
use crate::value::Item;
use crate::write::{Action, Write};
use rheos_types::{Namespace, TableName};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Items of a table to be read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct KeysAndAttributes {
    pub keys: Vec<Item>,
    pub attributes_to_get: Option<Vec<String>>,
    pub consistent_read: Option<bool>,
    pub projection_expression: Option<String>,
    pub expression_attribute_names: Option<Names>,
}

/// Items to be read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct BatchGetItem {
    pub request_items: BTreeMap<String, KeysAndAttributes>,
    pub return_consumed_capacity: Option<ReturnConsumedCapacity>,
}

/// Items that were read.
#[derive(Debug, Clone)]
pub struct BatchGot {
    /// By the name that the caller gave the table.
    pub responses: BTreeMap<String, Vec<Item>>,
    /// What would have made the answer too large.
    pub unprocessed: BTreeMap<String, KeysAndAttributes>,
    /// What that took.
    pub consumed: Vec<Consumed>,
}

/// An item to be put.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct PutRequest {
    pub item: Item,
}

/// An item to be deleted.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct DeleteRequest {
    pub key: Item,
}

/// A put or a delete.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct WriteRequest {
    pub put_request: Option<PutRequest>,
    pub delete_request: Option<DeleteRequest>,
}

/// Items to be put and deleted, each by itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct BatchWriteItem {
    pub request_items: BTreeMap<String, Vec<WriteRequest>>,
    pub return_consumed_capacity: Option<ReturnConsumedCapacity>,
    pub return_item_collection_metrics: Option<ReturnMetrics>,
}

fn empty_request() -> Invalid {
    Invalid::Text(
        "1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must have length \
         greater than or equal to 1"
            .to_owned(),
    )
}

impl Tables {
    /// Reads items of several tables, all as they were at one moment.
    ///
    /// # Errors
    /// [`ItemError`].
    pub fn batch_get_item(&self, namespace: &Namespace, input: &BatchGetItem) -> Result<BatchGot, ItemError> {
        if input.request_items.is_empty() {
            return Err(empty_request().into());
        }
        let mut asked = Vec::new();
        let mut count = 0;
        for (name, it) in &input.request_items {
            let table = table_name(namespace, name)?;
            check_forms(
                &[("ProjectionExpression", it.projection_expression.is_some())],
                &[("AttributesToGet", it.attributes_to_get.is_some())],
                it.expression_attribute_names.as_ref(),
                None,
                &[],
            )?;
            let mut scope = Scope::new(it.expression_attribute_names.as_ref(), None)?;
            let attributes = it.attributes_to_get.as_deref();
            let projection = projection(it.projection_expression.as_deref(), attributes, &mut scope)?;
            scope.finish()?;
            if it.keys.is_empty() || it.keys.len() > BATCH_GET {
                return Err(Invalid::Text(format!(
                    "1 validation error detected: Value at 'requestItems.{name}.member.keys' failed to satisfy \
                     constraint: Member must have length between 1 and {BATCH_GET}"
                ))
                .into());
            }
            count += it.keys.len();
            asked.push((name, table, it, projection));
        }
        if count > BATCH_GET {
            return Err(Invalid::TooManyItems("BatchGetItem").into());
        }
        let views = self.views.get_all(namespace, asked.iter().map(|(_, table, _, _)| table));
        let mut got = BatchGot { responses: BTreeMap::new(), unprocessed: BTreeMap::new(), consumed: Vec::new() };
        let mut bytes = 0;
        for ((name, table, it, projection), view) in asked.into_iter().zip(views) {
            let not_found = || TableNotFound { namespace: namespace.clone(), table: table.clone() };
            let view = view.filter(|view| !view.record.deleting).ok_or_else(not_found)?;
            let consistent = it.consistent_read.unwrap_or(false);
            let mut places = BTreeSet::new();
            for key in &it.keys {
                if !places.insert(place_of_key(&view.record, key)?) {
                    return Err(Invalid::DuplicateKeys.into());
                }
            }
            let responses = got.responses.entry(name.clone()).or_default();
            let mut units = 0.0;
            for (at, key) in it.keys.iter().enumerate() {
                if bytes >= BATCH_GET_BYTES {
                    let left = KeysAndAttributes { keys: it.keys[at..].to_vec(), ..it.clone() };
                    got.unprocessed.insert(name.clone(), left);
                    break;
                }
                let get = Get { key: key.clone(), projection: projection.clone(), consistent };
                let (item, size_bytes) = get.read(&view)?;
                units += Capacity::of_read(size_bytes, consistent);
                bytes += size_bytes;
                responses.extend(item);
            }
            let capacity = Capacity { table: units, ..Capacity::default() };
            got.consumed.push(Consumed::of(&table, &view.record, capacity));
        }
        Ok(got)
    }

    /// Puts and deletes items, each by itself: what was consumed.
    ///
    /// # Errors
    /// [`ItemError`]. One that the log does not know the end of may have written any of them; otherwise none was written.
    pub async fn batch_write_item(
        &self,
        namespace: &Namespace,
        input: &BatchWriteItem,
    ) -> Result<Vec<Consumed>, ItemError> {
        if input.request_items.is_empty() {
            return Err(empty_request().into());
        }
        if input.request_items.values().map(Vec::len).sum::<usize>() > BATCH_WRITE {
            return Err(Invalid::TooManyItems("BatchWriteItem").into());
        }
        let mut writes = Vec::new();
        for (name, requests) in &input.request_items {
            let table = table_name(namespace, name)?;
            if requests.is_empty() {
                return Err(Invalid::Text(format!(
                    "1 validation error detected: Value '[]' at 'requestItems.{name}' failed to satisfy constraint: \
                     Member must have length between 1 and {BATCH_WRITE}"
                ))
                .into());
            }
            for request in requests {
                let action = match request {
                    WriteRequest { put_request: Some(put), delete_request: None } => Action::Put(put.item.clone()),
                    WriteRequest { put_request: None, delete_request: Some(delete) } => {
                        Action::Delete { key: delete.key.clone() }
                    }
                    _ => return Err(Invalid::SeveralTypes.into()),
                };
                writes.push((table.clone(), Write { action, condition: None, tell_item: false, tell_before: false }));
            }
        }
        self.check_distinct(namespace, &writes)?;
        let done = self.write_each(namespace, &writes).await?;
        let mut consumed: BTreeMap<&TableName, Consumed> = BTreeMap::new();
        for ((table, _), decision) in writes.iter().zip(&done) {
            let of_table = consumed.entry(table);
            let of_table = of_table.or_insert_with(|| Consumed::of(table, &decision.record, Capacity::default()));
            of_table.capacity.add(&decision.capacity(), 1.0);
        }
        Ok(consumed.into_values().collect())
    }

    /// Whether no two writes are of one item.
    fn check_distinct(&self, namespace: &Namespace, writes: &[(TableName, Write)]) -> Result<(), ItemError> {
        let mut places = BTreeSet::new();
        for (table, write) in writes {
            let view = self.serving(namespace, table)?;
            let place = match &write.action {
                Action::Put(item) => place_of_item(&view.record, item)?,
                Action::Update { key, .. } | Action::Delete { key } | Action::Check { key } => {
                    place_of_key(&view.record, key)?
                }
            };
            if !places.insert((table, place)) {
                return Err(Invalid::DuplicateKeys.into());
            }
        }
        Ok(())
    }
}
