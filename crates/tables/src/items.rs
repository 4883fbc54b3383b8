//! GetItem, PutItem, UpdateItem, DeleteItem.

use crate::capacity::{Capacity, ReturnConsumedCapacity};
use crate::catalog::TableRecord;
use crate::expression::legacy::{self, AttributeUpdate, ConditionalOperator, Expected};
use crate::expression::{Names, Projection, Scope, Update, Values};
use crate::facts::ItemError;
use crate::input::{check_forms, check_paths, condition, place_of_key, projection};
use crate::invalid::Invalid;
use crate::open::{Tables, table_name};
use crate::value::Item;
use crate::write::{Action, Decision, Write};
use rheos_types::{Namespace, TableName};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Which attributes a write answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "they are the API's names")]
pub enum ReturnValues {
    #[default]
    None,
    AllOld,
    UpdatedOld,
    AllNew,
    UpdatedNew,
}

/// What a write answers with when its condition does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "they are the API's names")]
pub enum ReturnOnFailure {
    AllOld,
    #[default]
    None,
}

/// Whether a write tells how large the collection of its item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "they are the API's names")]
pub enum ReturnMetrics {
    Size,
    #[default]
    None,
}

/// An item to be read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct GetItem {
    pub table_name: String,
    pub key: Item,
    pub attributes_to_get: Option<Vec<String>>,
    pub consistent_read: Option<bool>,
    pub projection_expression: Option<String>,
    pub expression_attribute_names: Option<Names>,
    pub return_consumed_capacity: Option<ReturnConsumedCapacity>,
}

/// An item to be written.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct PutItem {
    pub table_name: String,
    pub item: Item,
    pub expected: Option<BTreeMap<String, Expected>>,
    pub conditional_operator: Option<ConditionalOperator>,
    pub condition_expression: Option<String>,
    pub expression_attribute_names: Option<Names>,
    pub expression_attribute_values: Option<Values>,
    pub return_values: Option<ReturnValues>,
    pub return_values_on_condition_check_failure: Option<ReturnOnFailure>,
    pub return_consumed_capacity: Option<ReturnConsumedCapacity>,
    pub return_item_collection_metrics: Option<ReturnMetrics>,
}

/// An item to be changed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct UpdateItem {
    pub table_name: String,
    pub key: Item,
    pub attribute_updates: Option<BTreeMap<String, AttributeUpdate>>,
    pub expected: Option<BTreeMap<String, Expected>>,
    pub conditional_operator: Option<ConditionalOperator>,
    pub update_expression: Option<String>,
    pub condition_expression: Option<String>,
    pub expression_attribute_names: Option<Names>,
    pub expression_attribute_values: Option<Values>,
    pub return_values: Option<ReturnValues>,
    pub return_values_on_condition_check_failure: Option<ReturnOnFailure>,
    pub return_consumed_capacity: Option<ReturnConsumedCapacity>,
    pub return_item_collection_metrics: Option<ReturnMetrics>,
}

/// An item to be deleted.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct DeleteItem {
    pub table_name: String,
    pub key: Item,
    pub expected: Option<BTreeMap<String, Expected>>,
    pub conditional_operator: Option<ConditionalOperator>,
    pub condition_expression: Option<String>,
    pub expression_attribute_names: Option<Names>,
    pub expression_attribute_values: Option<Values>,
    pub return_values: Option<ReturnValues>,
    pub return_values_on_condition_check_failure: Option<ReturnOnFailure>,
    pub return_consumed_capacity: Option<ReturnConsumedCapacity>,
    pub return_item_collection_metrics: Option<ReturnMetrics>,
}

/// What was consumed of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Consumed {
    /// The table.
    pub table: TableName,
    /// How much.
    pub capacity: Capacity,
    /// Which of its indexes are local.
    pub local: Vec<String>,
}

impl Consumed {
    pub(crate) fn of(table: &TableName, record: &TableRecord, capacity: Capacity) -> Self {
        let local = record.indexes.iter().filter(|(_, index)| index.local).map(|(name, _)| name.clone()).collect();
        Self { table: table.clone(), capacity, local }
    }
}

/// An item that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Got {
    /// What was asked for of it, if it is there.
    pub item: Option<Item>,
    /// What that took.
    pub consumed: Consumed,
}

/// What a write did.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The attributes that were asked for.
    pub attributes: Option<Item>,
    /// What it took, if that was asked for.
    pub consumed: Option<Consumed>,
    /// The hash key of the item's collection, if that was asked for and the table has local indexes.
    pub collection: Option<Item>,
}

/// A read that was checked.
#[derive(Debug, Clone)]
pub(crate) struct Get {
    pub(crate) key: Item,
    pub(crate) projection: Option<Projection>,
    pub(crate) consistent: bool,
}

impl Get {
    /// Reads from a table as it is: what was asked for, and the size of the whole item.
    pub(crate) fn read(&self, view: &crate::view::TableView) -> Result<(Option<Item>, usize), Invalid> {
        let place = place_of_key(&view.record, &self.key)?;
        if let Some(projection) = &self.projection {
            check_paths(&view.record, &projection.0)?;
        }
        let Some(stored) = view.items.get(&place) else { return Ok((None, 0)) };
        let item = match &self.projection {
            Some(projection) => projection.of(&stored.item),
            None => stored.item.clone(),
        };
        Ok((Some(item), stored.size_bytes))
    }
}

impl Tables {
    /// Reads an item: as it was written last, by anybody who was answered.
    ///
    /// # Errors
    /// [`ItemError`].
    pub fn get_item(&self, namespace: &Namespace, input: &GetItem) -> Result<Got, ItemError> {
        let table = table_name(namespace, &input.table_name)?;
        check_forms(
            &[("ProjectionExpression", input.projection_expression.is_some())],
            &[("AttributesToGet", input.attributes_to_get.is_some())],
            input.expression_attribute_names.as_ref(),
            None,
            &[],
        )?;
        let mut scope = Scope::new(input.expression_attribute_names.as_ref(), None)?;
        let attributes = input.attributes_to_get.as_deref();
        let projection = projection(input.projection_expression.as_deref(), attributes, &mut scope)?;
        scope.finish()?;
        let view = self.serving(namespace, &table)?;
        let get = Get { key: input.key.clone(), projection, consistent: input.consistent_read.unwrap_or(false) };
        let (item, bytes) = get.read(&view)?;
        let capacity = Capacity { table: Capacity::of_read(bytes, get.consistent), ..Capacity::default() };
        Ok(Got { item, consumed: Consumed::of(&table, &view.record, capacity) })
    }

    /// Writes an item in place of the one that is there.
    ///
    /// # Errors
    /// [`ItemError`].
    pub async fn put_item(&self, namespace: &Namespace, input: &PutItem) -> Result<Written, ItemError> {
        let table = table_name(namespace, &input.table_name)?;
        let returns = input.return_values.unwrap_or_default();
        check_forms(
            &[("ConditionExpression", input.condition_expression.is_some())],
            &[("Expected", input.expected.is_some())],
            input.expression_attribute_names.as_ref(),
            input.expression_attribute_values.as_ref(),
            &["ConditionExpression"],
        )?;
        check_old_only(returns)?;
        let names = input.expression_attribute_names.as_ref();
        let mut scope = Scope::new(names, input.expression_attribute_values.as_ref())?;
        let expression = input.condition_expression.as_deref();
        let condition = condition(expression, input.expected.as_ref(), input.conditional_operator, &mut scope)?;
        scope.finish()?;
        let write = Write {
            action: Action::Put(input.item.clone()),
            condition,
            tell_item: input.return_values_on_condition_check_failure == Some(ReturnOnFailure::AllOld),
            tell_before: returns == ReturnValues::AllOld,
        };
        let done = self.write(namespace, &table, &write).await?;
        let attributes = if returns == ReturnValues::AllOld { done.item_before().cloned() } else { None };
        let told = told(&table, &done, input.return_consumed_capacity, input.return_item_collection_metrics);
        Ok(Written { attributes, ..told })
    }

    /// Changes an item, or makes one.
    ///
    /// # Errors
    /// [`ItemError`].
    pub async fn update_item(&self, namespace: &Namespace, input: &UpdateItem) -> Result<Written, ItemError> {
        let table = table_name(namespace, &input.table_name)?;
        check_forms(
            &[
                ("UpdateExpression", input.update_expression.is_some()),
                ("ConditionExpression", input.condition_expression.is_some()),
            ],
            &[("AttributeUpdates", input.attribute_updates.is_some()), ("Expected", input.expected.is_some())],
            input.expression_attribute_names.as_ref(),
            input.expression_attribute_values.as_ref(),
            &["UpdateExpression", "ConditionExpression"],
        )?;
        let names = input.expression_attribute_names.as_ref();
        let mut scope = Scope::new(names, input.expression_attribute_values.as_ref())?;
        let update = match (&input.update_expression, &input.attribute_updates) {
            (Some(text), _) => Update::parse(text, &mut scope)?,
            (None, Some(updates)) => legacy::update(updates)?,
            (None, None) => Update { actions: Vec::new(), legacy: true },
        };
        let expression = input.condition_expression.as_deref();
        let condition = condition(expression, input.expected.as_ref(), input.conditional_operator, &mut scope)?;
        scope.finish()?;
        let returns = input.return_values.unwrap_or_default();
        let changed = Projection(update.paths().cloned().collect());
        let write = Write {
            action: Action::Update { key: input.key.clone(), update },
            condition,
            tell_item: input.return_values_on_condition_check_failure == Some(ReturnOnFailure::AllOld),
            tell_before: true,
        };
        let done = self.write(namespace, &table, &write).await?;
        let told = told(&table, &done, input.return_consumed_capacity, input.return_item_collection_metrics);
        let part = |item: Option<&Item>| item.map(|item| changed.of(item)).filter(|part| !part.is_empty());
        let attributes = match returns {
            ReturnValues::None => None,
            ReturnValues::AllOld => done.item_before().cloned(),
            ReturnValues::UpdatedOld => part(done.item_before()),
            ReturnValues::AllNew => done.after,
            ReturnValues::UpdatedNew => part(done.after.as_ref()),
        };
        Ok(Written { attributes, ..told })
    }

    /// Deletes an item; one that is not there is no error.
    ///
    /// # Errors
    /// [`ItemError`].
    pub async fn delete_item(&self, namespace: &Namespace, input: &DeleteItem) -> Result<Written, ItemError> {
        let table = table_name(namespace, &input.table_name)?;
        let returns = input.return_values.unwrap_or_default();
        check_forms(
            &[("ConditionExpression", input.condition_expression.is_some())],
            &[("Expected", input.expected.is_some())],
            input.expression_attribute_names.as_ref(),
            input.expression_attribute_values.as_ref(),
            &["ConditionExpression"],
        )?;
        check_old_only(returns)?;
        let names = input.expression_attribute_names.as_ref();
        let mut scope = Scope::new(names, input.expression_attribute_values.as_ref())?;
        let expression = input.condition_expression.as_deref();
        let condition = condition(expression, input.expected.as_ref(), input.conditional_operator, &mut scope)?;
        scope.finish()?;
        let write = Write {
            action: Action::Delete { key: input.key.clone() },
            condition,
            tell_item: input.return_values_on_condition_check_failure == Some(ReturnOnFailure::AllOld),
            tell_before: returns == ReturnValues::AllOld,
        };
        let done = self.write(namespace, &table, &write).await?;
        let attributes = if returns == ReturnValues::AllOld { done.item_before().cloned() } else { None };
        let told = told(&table, &done, input.return_consumed_capacity, input.return_item_collection_metrics);
        Ok(Written { attributes, ..told })
    }
}

/// What a write did, but for attributes.
fn told(
    table: &TableName,
    done: &Decision,
    capacity: Option<ReturnConsumedCapacity>,
    metrics: Option<ReturnMetrics>,
) -> Written {
    let record = &done.record;
    let is_asked = capacity.is_some_and(|asked| asked != ReturnConsumedCapacity::None);
    let consumed = is_asked.then(|| Consumed::of(table, record, done.capacity()));
    let has_collections = metrics == Some(ReturnMetrics::Size) && record.indexes.values().any(|index| index.local);
    let item = done.after.as_ref().or(done.item_before()).filter(|_| has_collections);
    let hash = item.and_then(|item| item.get(&record.key.hash));
    let collection = hash.map(|value| Item::from([(record.key.hash.clone(), value.clone())]));
    Written { attributes: None, consumed, collection }
}

fn check_old_only(returns: ReturnValues) -> Result<(), Invalid> {
    match returns {
        ReturnValues::None | ReturnValues::AllOld => Ok(()),
        ReturnValues::UpdatedOld | ReturnValues::AllNew | ReturnValues::UpdatedNew => {
            Err(Invalid::Text("ReturnValues can only be ALL_OLD or NONE".to_owned()))
        }
    }
}
