//! How an item is written. One place decides what a write does to the item that is there; PutItem, UpdateItem, DeleteItem,
//! batches and transactions are made of it.
//!
//! # What is guaranteed
//! A write that was answered is durable. A condition is judged against the item that the write then replaces, and against
//! no other: what was read is part of what is committed, and if another write came in between, all is decided again. So
//! of any number of writes that expect the same of an item and change it, one happens. The crash to defend against is
//! one between the log's sync and the answer: the write has happened then, and its caller finds out by reading.

use crate::capacity::Capacity;
use crate::catalog::{ItemRecord, TableRecord, encode, expect, item_key, table_key};
use crate::expression::{Condition, Update};
use crate::facts::ItemError;
use crate::input::{check_index_keys, check_paths, place_of_item, place_of_key};
use crate::invalid::Invalid;
use crate::key::Place;
use crate::limits::{ITEM_BYTES, STORED_BYTES};
use crate::open::{ATTEMPTS, Tables};
use crate::value::{Item, size_bytes};
use crate::view::{Stored, TableView, cost_bytes};
use rheos_log::{Change, Condition as Expectation, LogError, Transaction};
use rheos_types::{AccountId, Namespace, TableName};
use std::sync::Arc;

/// A write, of which everything is known but the item that is there.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) action: Action,
    pub(crate) condition: Option<Condition>,
    /// If the condition does not hold, the item is told.
    pub(crate) tell_item: bool,
    /// What was there before will be told.
    pub(crate) tell_before: bool,
}

/// What is written.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Put(Item),
    Update {
        key: Item,
        update: Update,
    },
    Delete {
        key: Item,
    },
    /// Nothing: only the condition counts.
    Check {
        key: Item,
    },
}

/// What a write does to the item that is there.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) place: Place,
    pub(crate) before: Option<Arc<Stored>>,
    pub(crate) after: Option<Item>,
    /// The table that it was decided for.
    pub(crate) record: Arc<TableRecord>,
    /// What must still be so when it is committed.
    expectations: Vec<Expectation>,
    change: Option<Change>,
    /// By how many bytes it makes what the account has larger, or smaller.
    growth_bytes: i64,
}

impl Decision {
    fn transaction(&self) -> Option<Transaction> {
        let change = self.change.clone()?;
        let frees_space = matches!(change, Change::Delete { .. });
        Some(Transaction { conditions: self.expectations.clone(), changes: vec![change], frees_space })
    }

    /// What it would have consumed.
    pub(crate) fn capacity(&self) -> Capacity {
        Capacity::of_write(&self.record, self.item_before(), self.after.as_ref())
    }

    /// The item that was there.
    pub(crate) fn item_before(&self) -> Option<&Item> {
        self.before.as_ref().map(|stored| &stored.item)
    }
}

/// Decides what a write does to a table as it is.
///
/// # Errors
/// [`ItemError`]: it does nothing.
pub(crate) fn decide(view: &TableView, write: &Write) -> Result<Decision, ItemError> {
    static NOTHING: Item = Item::new();
    let record = view.record.as_ref();
    let place = match &write.action {
        Action::Put(item) => place_of_item(record, item)?,
        Action::Update { key, .. } | Action::Delete { key } | Action::Check { key } => place_of_key(record, key)?,
    };
    if let Some(condition) = &write.condition {
        check_paths(record, condition.paths())?;
    }
    match &write.action {
        Action::Put(item) => check_item(record, item)?,
        Action::Update { update, .. } => check_update(record, update)?,
        Action::Delete { .. } | Action::Check { .. } => {}
    }
    let before = view.items.get(&place).cloned();
    let item_before = before.as_ref().map(|stored| &stored.item);
    if let Some(condition) = &write.condition
        && !condition.holds(item_before.unwrap_or(&NOTHING))
    {
        let item = item_before.filter(|_| write.tell_item).cloned().map(Box::new);
        return Err(ItemError::ConditionFailed { item });
    }
    let after = match &write.action {
        Action::Put(item) => Some(item.clone()),
        Action::Update { key, update } => updated(record, item_before, key, update)?,
        Action::Delete { .. } => None,
        Action::Check { .. } => item_before.cloned(),
    };
    let key = item_key(&view.namespace, record.uid, &place);
    let is_same = item_before == after.as_ref();
    let (change, stored_bytes) = match &after {
        _ if is_same => (None, 0),
        None => (Some(Change::Delete { key: key.clone() }), 0),
        Some(item) => {
            let value = encode(&ItemRecord { item });
            if value.len() > STORED_BYTES {
                return Err(Invalid::ItemTooLarge.into());
            }
            let stored_bytes = value.len();
            (Some(Change::Put { key: key.clone(), value: value.into() }), stored_bytes)
        }
    };
    let was_bytes = before.as_ref().map_or(0, |stored| stored.cost_bytes());
    let is_bytes = after.as_ref().map_or(0, |item| cost_bytes(item, stored_bytes));
    let growth_bytes = if is_same { 0 } else { is_bytes as i64 - was_bytes as i64 };
    // The table is as it was: it has not been deleted meanwhile, and no index has come that the item does not fit.
    let mut expectations = vec![expect(table_key(&view.namespace, &view.name), Some(view.version))];
    let blind = matches!(write.action, Action::Put(_) | Action::Delete { .. });
    if !blind || write.condition.is_some() || write.tell_before {
        expectations.push(expect(key, before.as_ref().map(|stored| stored.version)));
    }
    Ok(Decision { place, before, after, record: view.record.clone(), expectations, change, growth_bytes })
}

/// Whether an item can be put into a table.
fn check_item(record: &TableRecord, item: &Item) -> Result<(), Invalid> {
    if size_bytes(item) > ITEM_BYTES {
        return Err(Invalid::ItemTooLarge);
    }
    check_index_keys(record, item, |_| true)
}

/// Whether an update leaves the key alone.
fn check_update(record: &TableRecord, update: &Update) -> Result<(), Invalid> {
    let is_key = |name: &String| record.key.names().any(|key| key == name);
    if let Some(path) = update.paths().find(|path| is_key(&path.attribute)) {
        return Err(Invalid::UpdatesKey(path.attribute.clone()));
    }
    // Of what is given as it is, the type is known before anything is read.
    let given = update.actions.iter().filter_map(|(path, action)| {
        let value = action.literal().filter(|_| !path.is_nested())?;
        Some((path.attribute.clone(), value.clone()))
    });
    check_index_keys(record, &given.collect(), |_| true)?;
    check_paths(record, update.paths().chain(update.sources()))
}

/// What an update makes of an item. `None` if there is none, and nothing of the update makes one.
fn updated(
    record: &TableRecord,
    before: Option<&Item>,
    key: &Item,
    update: &Update,
) -> Result<Option<Item>, ItemError> {
    if before.is_none() && update.legacy && !update.actions.is_empty() && update.only_removes() {
        return Ok(None);
    }
    let mut item = before.unwrap_or(key).clone();
    update.apply(&mut item)?;
    if size_bytes(&item) > ITEM_BYTES {
        return Err(crate::expression::UpdateRefusal::TooLarge.into());
    }
    if item.values().any(|value| value.depth() > crate::value::DEPTH) {
        return Err(Invalid::TooDeep.into());
    }
    // An attribute that was of another type before its index was made may stay so.
    check_index_keys(record, &item, |name| update.paths().any(|path| path.attribute == name))?;
    Ok(Some(item))
}

impl Tables {
    /// Carries out one write: what it did.
    pub(crate) async fn write(
        &self,
        namespace: &Namespace,
        table: &TableName,
        write: &Write,
    ) -> Result<Decision, ItemError> {
        let mut turn = None;
        for _ in 0..ATTEMPTS {
            // Nobody holds the view while the disk works: the commit changes it in its place.
            let decision = decide(&*self.serving(namespace, table)?, write)?;
            let Some(transaction) = decision.transaction() else { return Ok(decision) };
            self.check_room(&namespace.account, decision.growth_bytes)?;
            if self.commit(transaction).await?.is_ok() {
                return Ok(decision);
            }
            if turn.is_none() {
                turn = Some(self.queue(decision.place.spread).await);
            }
        }
        Err(ItemError::Contended)
    }

    /// Carries out writes that have nothing to do with each other.
    pub(crate) async fn write_each(
        &self,
        namespace: &Namespace,
        writes: &[(TableName, Write)],
    ) -> Result<Vec<Decision>, ItemError> {
        let mut done: Vec<Option<Decision>> = Vec::new();
        done.resize_with(writes.len(), || None);
        for _ in 0..ATTEMPTS {
            let mut decided = Vec::new();
            for (at, (table, write)) in writes.iter().enumerate() {
                if done[at].is_none() {
                    decided.push((at, decide(&*self.serving(namespace, table)?, write)?));
                }
            }
            self.check_room(&namespace.account, decided.iter().map(|(_, decision)| decision.growth_bytes).sum())?;
            let mut transactions = Vec::new();
            let mut committed = Vec::new();
            for (at, decision) in decided {
                match decision.transaction() {
                    Some(transaction) => {
                        transactions.push(transaction);
                        committed.push((at, decision));
                    }
                    None => done[at] = Some(decision),
                }
            }
            if !transactions.is_empty() {
                for ((at, decision), result) in committed.into_iter().zip(self.log.commit(transactions).await?) {
                    if result.is_ok() {
                        done[at] = Some(decision);
                    }
                }
            }
            if done.iter().all(Option::is_some) {
                return Ok(done.into_iter().flatten().collect());
            }
        }
        Err(ItemError::Contended)
    }

    /// Whether what an account has may grow so.
    pub(crate) fn check_room(&self, account: &AccountId, growth_bytes: i64) -> Result<(), ItemError> {
        let limit_bytes = self.config.account_bytes;
        let Ok(growth) = usize::try_from(growth_bytes) else { return Ok(()) };
        if growth > 0 && self.views.account_bytes(account).saturating_add(growth) > limit_bytes {
            return Err(ItemError::TooMuchData { limit_bytes });
        }
        Ok(())
    }

    /// Commits decisions and other changes as one: whether nothing had come in between.
    pub(crate) async fn commit_all(
        &self,
        account: &AccountId,
        decisions: &[Decision],
        mut transaction: Transaction,
    ) -> Result<bool, ItemError> {
        self.check_room(account, decisions.iter().map(|decision| decision.growth_bytes).sum())?;
        for decision in decisions {
            transaction.conditions.extend(decision.expectations.iter().cloned());
            transaction.changes.extend(decision.change.clone());
        }
        let committed: Result<_, LogError> = self.commit(transaction).await;
        Ok(committed?.is_ok())
    }
}
