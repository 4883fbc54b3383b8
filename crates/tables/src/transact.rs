//! TransactWriteItems and TransactGetItems: all or nothing, over any tables of an account in a region.

use crate::capacity::{Capacity, ReturnConsumedCapacity};
use crate::catalog::{RequestRecord, expect, put, request_key};
use crate::expression::{Names, Scope, Update, Values};
use crate::facts::{CancellationReason, ItemError, TableNotFound};
use crate::input::{check_forms, condition, projection};
use crate::invalid::Invalid;
use crate::items::{Consumed, Get, ReturnMetrics, ReturnOnFailure};
use crate::key::Place;
use crate::limits::{TOKEN_LIFE_MS, TRANSACTION, TRANSACTION_BYTES};
use crate::open::{ATTEMPTS, Tables, table_name};
use crate::value::{Item, size_bytes};
use crate::view::TableView;
use crate::write::{Action, Decision, Write, decide};
use rheos_log::{Key, Transaction};
use rheos_types::hash::sha256_hex;
use rheos_types::{Namespace, TableName};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An item whose condition must hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct ConditionCheck {
    pub table_name: String,
    pub key: Item,
    pub condition_expression: String,
    pub expression_attribute_names: Option<Names>,
    pub expression_attribute_values: Option<Values>,
    pub return_values_on_condition_check_failure: Option<ReturnOnFailure>,
}

/// An item to be put.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct TransactPut {
    pub table_name: String,
    pub item: Item,
    pub condition_expression: Option<String>,
    pub expression_attribute_names: Option<Names>,
    pub expression_attribute_values: Option<Values>,
    pub return_values_on_condition_check_failure: Option<ReturnOnFailure>,
}

/// An item to be deleted.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct TransactDelete {
    pub table_name: String,
    pub key: Item,
    pub condition_expression: Option<String>,
    pub expression_attribute_names: Option<Names>,
    pub expression_attribute_values: Option<Values>,
    pub return_values_on_condition_check_failure: Option<ReturnOnFailure>,
}

/// An item to be changed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct TransactUpdate {
    pub table_name: String,
    pub key: Item,
    pub update_expression: String,
    pub condition_expression: Option<String>,
    pub expression_attribute_names: Option<Names>,
    pub expression_attribute_values: Option<Values>,
    pub return_values_on_condition_check_failure: Option<ReturnOnFailure>,
}

/// One action of a transaction: one of the four.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct TransactWriteItem {
    pub condition_check: Option<ConditionCheck>,
    pub put: Option<TransactPut>,
    pub delete: Option<TransactDelete>,
    pub update: Option<TransactUpdate>,
}

/// A transaction of writes.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct TransactWriteItems {
    pub transact_items: Vec<TransactWriteItem>,
    pub client_request_token: Option<String>,
    pub return_consumed_capacity: Option<ReturnConsumedCapacity>,
    pub return_item_collection_metrics: Option<ReturnMetrics>,
}

/// One item of a transaction of reads.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct TransactGet {
    pub table_name: String,
    pub key: Item,
    pub projection_expression: Option<String>,
    pub expression_attribute_names: Option<Names>,
}

/// As [`TransactGet`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct TransactGetItem {
    pub get: TransactGet,
}

/// A transaction of reads.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct TransactGetItems {
    pub transact_items: Vec<TransactGetItem>,
    pub return_consumed_capacity: Option<ReturnConsumedCapacity>,
}

fn check_count<T>(items: &[T]) -> Result<(), Invalid> {
    if (1..=TRANSACTION).contains(&items.len()) {
        return Ok(());
    }
    Err(Invalid::Text(format!(
        "1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have length \
         between 1 and {TRANSACTION}"
    )))
}

fn prepared(namespace: &Namespace, item: &TransactWriteItem) -> Result<(TableName, Write), Invalid> {
    let one = |count: usize| {
        if count == 1 {
            return Ok(());
        }
        Err(Invalid::Text("TransactItems can only contain one of Check, Put, Update or Delete".to_owned()))
    };
    let given = [item.condition_check.is_some(), item.put.is_some(), item.delete.is_some(), item.update.is_some()];
    one(given.into_iter().filter(|given| *given).count())?;
    let make = |table: &str,
                names: Option<&Names>,
                values: Option<&Values>,
                update: Option<&str>,
                expression: Option<&str>,
                on_failure: Option<ReturnOnFailure>|
     -> Result<(TableName, Write, Option<Update>), Invalid> {
        let given = [("UpdateExpression", update.is_some()), ("ConditionExpression", expression.is_some())];
        check_forms(&given, &[], names, values, &["UpdateExpression", "ConditionExpression"])?;
        let table = table_name(namespace, table)?;
        let mut scope = Scope::new(names, values)?;
        let update = update.map(|text| Update::parse(text, &mut scope)).transpose()?;
        let condition = condition(expression, None, None, &mut scope)?;
        scope.finish()?;
        let tell_item = on_failure == Some(ReturnOnFailure::AllOld);
        // Whether anything came in between is always of interest: all happens at one moment.
        let write = Write { action: Action::Put(Item::new()), condition, tell_item, tell_before: true };
        Ok((table, write, update))
    };
    let made = if let Some(it) = &item.condition_check {
        let (names, values) = (it.expression_attribute_names.as_ref(), it.expression_attribute_values.as_ref());
        let expression = Some(it.condition_expression.as_str());
        let on_failure = it.return_values_on_condition_check_failure;
        let (table, write, _) = make(&it.table_name, names, values, None, expression, on_failure)?;
        Some((table, Write { action: Action::Check { key: it.key.clone() }, ..write }))
    } else if let Some(it) = &item.put {
        let (names, values) = (it.expression_attribute_names.as_ref(), it.expression_attribute_values.as_ref());
        let expression = it.condition_expression.as_deref();
        let on_failure = it.return_values_on_condition_check_failure;
        let (table, write, _) = make(&it.table_name, names, values, None, expression, on_failure)?;
        Some((table, Write { action: Action::Put(it.item.clone()), ..write }))
    } else if let Some(it) = &item.delete {
        let (names, values) = (it.expression_attribute_names.as_ref(), it.expression_attribute_values.as_ref());
        let expression = it.condition_expression.as_deref();
        let on_failure = it.return_values_on_condition_check_failure;
        let (table, write, _) = make(&it.table_name, names, values, None, expression, on_failure)?;
        Some((table, Write { action: Action::Delete { key: it.key.clone() }, ..write }))
    } else if let Some(it) = &item.update {
        let (names, values) = (it.expression_attribute_names.as_ref(), it.expression_attribute_values.as_ref());
        let (update, expression) = (Some(it.update_expression.as_str()), it.condition_expression.as_deref());
        let on_failure = it.return_values_on_condition_check_failure;
        let (table, write, update) = make(&it.table_name, names, values, update, expression, on_failure)?;
        update.map(|update| (table, Write { action: Action::Update { key: it.key.clone(), update }, ..write }))
    } else {
        None
    };
    // One of the four is there.
    made.ok_or(Invalid::NoType)
}

impl Tables {
    /// Carries out all actions, or none: what was consumed.
    ///
    /// # Errors
    /// [`ItemError`]. None was carried out, unless the log does not know.
    pub async fn transact_write_items(
        &self,
        namespace: &Namespace,
        input: &TransactWriteItems,
    ) -> Result<Vec<Consumed>, ItemError> {
        check_count(&input.transact_items)?;
        let writes: Vec<_> =
            input.transact_items.iter().map(|item| prepared(namespace, item)).collect::<Result<_, _>>()?;
        let request = match &input.client_request_token {
            None => None,
            Some(token) if (1..=36).contains(&token.chars().count()) => {
                // What was asked for, in one form.
                let digest = sha256_hex(format!("{:?}", input.transact_items).as_bytes());
                Some((request_key(namespace, token), digest))
            }
            Some(token) => {
                return Err(Invalid::Text(format!(
                    "1 validation error detected: Value '{}' at 'clientRequestToken' failed to satisfy constraint: Member \
                     must have length between 1 and 36",
                    token.chars().take(100).collect::<String>()
                ))
                .into());
            }
        };
        let mut turn = None;
        for _ in 0..ATTEMPTS {
            let views = self.all_serving(namespace, writes.iter().map(|(table, _)| table))?;
            let mut transaction = Transaction::default();
            let mut done_before = false;
            if let Some((key, digest)) = &request {
                done_before = self.check_request(key, digest, &mut transaction)?;
            }
            if done_before {
                // As it was then: what it consumed is not kept, and reading it again is what it takes.
                return Ok(consumed(writes.iter().map(|(table, _)| table).zip(&views), None));
            }
            let decisions = decide_all(&writes, &views)?;
            let turn_of = decisions.first().map_or(0, |decision| decision.place.spread);
            if self.commit_all(&namespace.account, &decisions, transaction).await? {
                return Ok(consumed(writes.iter().map(|(table, _)| table).zip(&views), Some(&decisions)));
            }
            if turn.is_none() {
                turn = Some(self.queue(turn_of).await);
            }
        }
        Err(ItemError::Contended)
    }

    /// Whether a request was carried out before. If not, the transaction is to remember it.
    fn check_request(&self, key: &Key, digest: &str, transaction: &mut Transaction) -> Result<bool, ItemError> {
        let now_ms = self.clock.wall_ms();
        let before = self.views.request(key);
        if let Some(before) = &before
            && now_ms.saturating_sub(before.record.done_ms) <= TOKEN_LIFE_MS
        {
            return if before.record.digest == digest { Ok(true) } else { Err(ItemError::TokenReused) };
        }
        transaction.conditions.push(expect(key.clone(), before.map(|before| before.version)));
        transaction.changes.push(put(key.clone(), &RequestRecord { digest: digest.to_owned(), done_ms: now_ms }));
        Ok(false)
    }

    /// Reads items, all as they were at one moment.
    ///
    /// # Errors
    /// [`ItemError`].
    pub fn transact_get_items(
        &self,
        namespace: &Namespace,
        input: &TransactGetItems,
    ) -> Result<(Vec<Option<Item>>, Vec<Consumed>), ItemError> {
        check_count(&input.transact_items)?;
        let mut gets = Vec::new();
        for TransactGetItem { get } in &input.transact_items {
            let table = table_name(namespace, &get.table_name)?;
            let names = get.expression_attribute_names.as_ref();
            check_forms(&[("ProjectionExpression", get.projection_expression.is_some())], &[], names, None, &[])?;
            let mut scope = Scope::new(names, None)?;
            let projection = projection(get.projection_expression.as_deref(), None, &mut scope)?;
            scope.finish()?;
            gets.push((table, Get { key: get.key.clone(), projection, consistent: true }));
        }
        let views = self.all_serving(namespace, gets.iter().map(|(table, _)| table))?;
        let mut items = Vec::new();
        let mut reasons: Vec<Option<CancellationReason>> = Vec::new();
        let mut bytes = 0;
        let mut units: BTreeMap<&TableName, Capacity> = BTreeMap::new();
        let mut places = BTreeSet::new();
        for ((table, get), view) in gets.iter().zip(&views) {
            match get.read(view) {
                Ok((item, size)) => {
                    if let Some(place) = Place::of(&get.key, &view.record.key)
                        && !places.insert((table, place))
                    {
                        return Err(Invalid::SameItemTwice.into());
                    }
                    bytes += size;
                    let capacity = Capacity { table: Capacity::of_read(size, true), ..Capacity::default() };
                    units.entry(table).or_default().add(&capacity, 2.0);
                    items.push(item);
                    reasons.push(None);
                }
                Err(invalid) => reasons.push(Some(CancellationReason::Invalid(Box::new(invalid)))),
            }
        }
        if reasons.iter().any(Option::is_some) {
            return Err(ItemError::Cancelled(reasons));
        }
        if bytes > TRANSACTION_BYTES {
            return Err(Invalid::TransactionTooLarge.into());
        }
        let consumed = gets.iter().zip(&views).filter_map(|((table, _), view)| {
            let capacity = units.remove(table)?;
            Some(Consumed::of(table, &view.record, capacity))
        });
        Ok((items, consumed.collect()))
    }

    /// The tables, all as they were at one moment.
    fn all_serving<'a>(
        &self,
        namespace: &Namespace,
        names: impl Iterator<Item = &'a TableName> + Clone,
    ) -> Result<Vec<Arc<TableView>>, TableNotFound> {
        let views = self.views.get_all(namespace, names.clone());
        let serving = names.zip(views).map(|(table, view)| {
            let not_found = || TableNotFound { namespace: namespace.clone(), table: table.clone() };
            view.filter(|view| !view.record.deleting).ok_or_else(not_found)
        });
        serving.collect()
    }
}

/// Decides all writes against the tables as they are.
fn decide_all(writes: &[(TableName, Write)], views: &[Arc<TableView>]) -> Result<Vec<Decision>, ItemError> {
    let mut decisions = Vec::new();
    let mut reasons = Vec::new();
    let mut places = BTreeSet::new();
    let mut bytes = 0;
    for ((table, write), view) in writes.iter().zip(views) {
        let key = match &write.action {
            Action::Put(item) => item,
            Action::Update { key, .. } | Action::Delete { key } | Action::Check { key } => key,
        };
        if let Some(place) = Place::of(key, &view.record.key)
            && !places.insert((table, place))
        {
            return Err(Invalid::SameItemTwice.into());
        }
        match decide(view, write) {
            Ok(decision) => {
                bytes +=
                    decision.after.as_ref().map_or(0, size_bytes).max(decision.item_before().map_or(0, size_bytes));
                decisions.push(decision);
                reasons.push(None);
            }
            Err(ItemError::ConditionFailed { item }) => reasons.push(Some(CancellationReason::ConditionFailed(item))),
            Err(ItemError::Invalid(invalid)) => reasons.push(Some(CancellationReason::Invalid(Box::new(invalid)))),
            Err(other) => return Err(other),
        }
    }
    if reasons.iter().any(Option::is_some) {
        return Err(ItemError::Cancelled(reasons));
    }
    if bytes > TRANSACTION_BYTES {
        return Err(Invalid::TransactionTooLarge.into());
    }
    Ok(decisions)
}

/// What a transaction consumed of each table: twice what its writes would have.
fn consumed<'a>(
    tables: impl Iterator<Item = (&'a TableName, &'a Arc<TableView>)>,
    decisions: Option<&[Decision]>,
) -> Vec<Consumed> {
    let mut units: BTreeMap<&TableName, (&Arc<TableView>, Capacity)> = BTreeMap::new();
    for (at, (table, view)) in tables.enumerate() {
        let (_, capacity) = units.entry(table).or_insert_with(|| (view, Capacity::default()));
        match decisions.and_then(|decisions| decisions.get(at)) {
            Some(decision) => capacity.add(&decision.capacity(), 2.0),
            None => capacity.table += 2.0,
        }
    }
    units.into_iter().map(|(table, (view, capacity))| Consumed::of(table, &view.record, capacity)).collect()
}
