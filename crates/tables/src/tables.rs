//! The verbs about tables: making, describing, changing, deleting and listing them.

use crate::catalog::{
    BillingMode, IndexRecord, IndexStatus, TableRecord, TableStatus, TableUid, Throughput, expect, put, table_key,
};
use crate::facts::{TableError, TableNotFound};
use crate::input::check_limit;
use crate::invalid::Invalid;
use crate::limits::{LIST_TABLES, TABLES};
use crate::open::Tables;
use crate::schema::{self, AttributeDefinition, IndexInput, KeySchemaElement, ThroughputInput};
use crate::tags::{Tag, checked_tags};
use crate::view::TableView;
use rheos_log::Transaction;
use rheos_types::{Namespace, TableName};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A table to be made.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct CreateTable {
    pub table_name: String,
    pub attribute_definitions: Vec<AttributeDefinition>,
    pub key_schema: Vec<KeySchemaElement>,
    pub local_secondary_indexes: Option<Vec<IndexInput>>,
    pub global_secondary_indexes: Option<Vec<IndexInput>>,
    pub billing_mode: Option<BillingMode>,
    pub provisioned_throughput: Option<ThroughputInput>,
    pub deletion_protection_enabled: Option<bool>,
    pub table_class: Option<String>,
    pub tags: Option<Vec<Tag>>,
}

/// A change of a table.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct UpdateTable {
    pub table_name: String,
    pub attribute_definitions: Option<Vec<AttributeDefinition>>,
    pub billing_mode: Option<BillingMode>,
    pub provisioned_throughput: Option<ThroughputInput>,
    pub global_secondary_index_updates: Option<Vec<IndexUpdate>>,
    pub deletion_protection_enabled: Option<bool>,
    pub table_class: Option<String>,
}

/// A change of an index: one of the three.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct IndexUpdate {
    pub create: Option<IndexInput>,
    pub update: Option<UpdateIndex>,
    pub delete: Option<DeleteIndex>,
}

/// Another throughput of an index.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct UpdateIndex {
    pub index_name: String,
    pub provisioned_throughput: Option<ThroughputInput>,
}

/// An index to be removed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct DeleteIndex {
    pub index_name: String,
}

/// A table as it is.
#[derive(Debug, Clone)]
pub struct TableDescription {
    /// Where it is.
    pub namespace: Namespace,
    /// Its name.
    pub name: TableName,
    /// What it is.
    pub record: Arc<TableRecord>,
    /// Where it is in its life.
    pub status: TableStatus,
    /// How many items it has.
    pub items: usize,
    /// How large they are, as DynamoDB counts it.
    pub size_bytes: usize,
    /// How many items are in each index, and how large they are.
    pub indexes: BTreeMap<String, (usize, usize)>,
}

impl TableDescription {
    pub(crate) fn of(view: &TableView) -> Self {
        let index =
            |name: &String| view.indexes.get(name).map_or((0, 0), |index| (index.items.size(), index.size_bytes));
        Self {
            namespace: view.namespace.clone(),
            name: view.name.clone(),
            record: view.record.clone(),
            status: view.record.status(),
            items: view.items.size(),
            size_bytes: view.size_bytes,
            indexes: view.record.indexes.keys().map(|name| (name.clone(), index(name))).collect(),
        }
    }
}

const CLASSES: [&str; 2] = ["STANDARD", "STANDARD_INFREQUENT_ACCESS"];

fn check_class(class: Option<&String>) -> Result<(), Invalid> {
    match class {
        Some(class) if !CLASSES.contains(&class.as_str()) => Err(Invalid::Text(format!(
            "1 validation error detected: Value '{}' at 'tableClass' failed to satisfy constraint: Member must satisfy \
             enum value set: [{}]",
            class.chars().take(100).collect::<String>(),
            CLASSES.join(", ")
        ))),
        Some(_) | None => Ok(()),
    }
}

impl Tables {
    /// Makes a table. It serves as soon as this is answered.
    ///
    /// # Errors
    /// [`TableError`].
    pub async fn create_table(
        &self,
        namespace: &Namespace,
        name: &TableName,
        input: &CreateTable,
    ) -> Result<TableDescription, TableError> {
        let record = self.record_of(input)?;
        let limit = TABLES;
        if self.views.get(namespace, name).is_some() {
            return Err(TableError::Exists(name.clone()));
        }
        if self.views.account_tables(&namespace.account) >= limit {
            return Err(TableError::TooManyTables { limit });
        }
        let key = table_key(namespace, name);
        let conditions = vec![expect(key.clone(), None)];
        let changes = vec![put(key, &record)];
        let version = self.commit(Transaction { conditions, changes, frees_space: false }).await?;
        let version = version.map_err(|_| TableError::Exists(name.clone()))?;
        Ok(TableDescription::of(&TableView::new(namespace, name, version, record)))
    }

    fn record_of(&self, input: &CreateTable) -> Result<TableRecord, TableError> {
        let refused = |what: &str| Err(TableError::Invalid(Invalid::Parameters(what.to_owned())));
        let billing = input.billing_mode.unwrap_or(BillingMode::Provisioned);
        let throughput = match (billing, input.provisioned_throughput) {
            (BillingMode::PayPerRequest, None) => Throughput::default(),
            (BillingMode::PayPerRequest, Some(_)) => {
                return refused(
                    "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
                );
            }
            (BillingMode::Provisioned, Some(throughput)) => throughput.checked()?,
            (BillingMode::Provisioned, None) => {
                return refused(
                    "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
                );
            }
        };
        check_class(input.table_class.as_ref())?;
        let attributes = schema::attributes(&input.attribute_definitions)?;
        let key = schema::key(&input.key_schema, &attributes)?;
        let mut indexes: BTreeMap<String, IndexRecord> = BTreeMap::new();
        for (given, local) in [(&input.local_secondary_indexes, true), (&input.global_secondary_indexes, false)] {
            let Some(given) = given else { continue };
            let which = if local { "LocalSecondaryIndexes" } else { "GlobalSecondaryIndexes" };
            if given.is_empty() {
                return refused(&format!("List of {which} is empty"));
            }
            if local && key.range.is_none() {
                return refused(
                    "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
                );
            }
            for index in given {
                let made = schema::index(index, local.then_some(&key), billing, &attributes)?;
                if indexes.insert(index.index_name.clone(), made).is_some() {
                    return refused(&format!("Duplicate index name: {}", index.index_name));
                }
            }
        }
        schema::check_whole(&attributes, &key, &indexes)?;
        let created_ms = self.clock.wall_ms();
        Ok(TableRecord {
            uid: TableUid(u128::from_be_bytes(rheos_types::random::bytes(&*self.random))),
            deleting: false,
            created_ms,
            attributes,
            key,
            indexes,
            billing,
            pay_per_request_since_ms: (billing == BillingMode::PayPerRequest).then_some(created_ms),
            throughput,
            deletion_protected: input.deletion_protection_enabled.unwrap_or(false),
            class: input.table_class.clone(),
            recovery_since_ms: None,
            recovery_days: None,
            tags: checked_tags(BTreeMap::new(), input.tags.as_deref().unwrap_or_default())?,
        })
    }

    /// A table as it is, whatever its status.
    ///
    /// # Errors
    /// [`TableNotFound`].
    pub fn describe_table(&self, namespace: &Namespace, name: &TableName) -> Result<TableDescription, TableNotFound> {
        Ok(TableDescription::of(&*self.table(namespace, name)?))
    }

    /// The names of tables after `after`: at most `limit`, and whether more follow.
    ///
    /// # Errors
    ///
    /// Such a limit cannot be asked for.
    pub fn list_tables(
        &self,
        namespace: &Namespace,
        after: Option<&str>,
        limit: Option<u32>,
    ) -> Result<(Vec<TableName>, bool), Invalid> {
        let limit = check_limit(limit, Some(LIST_TABLES))?.unwrap_or(LIST_TABLES as usize);
        let mut names = self.views.page(namespace, after, limit + 1);
        let more = names.len() > limit;
        names.truncate(limit);
        Ok((names, more))
    }

    /// Changes a table. An index that is made serves once the items that are there have been taken in, which
    /// [`Self::tick`] does.
    ///
    /// # Errors
    /// [`TableError`].
    pub async fn update_table(
        &self,
        namespace: &Namespace,
        name: &TableName,
        input: &UpdateTable,
    ) -> Result<TableDescription, TableError> {
        let updates = input.global_secondary_index_updates.as_deref().unwrap_or_default();
        let UpdateTable { billing_mode, provisioned_throughput, deletion_protection_enabled, table_class, .. } = input;
        if billing_mode.is_none()
            && provisioned_throughput.is_none()
            && updates.is_empty()
            && deletion_protection_enabled.is_none()
            && table_class.is_none()
        {
            return Err(Invalid::Text(
                "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or \
                 SSESpecification or ReplicaUpdates is required"
                    .to_owned(),
            )
            .into());
        }
        check_class(table_class.as_ref())?;
        let mut named = BTreeSet::new();
        for update in updates {
            let name = index_name(update)?;
            if !named.insert(name) {
                return Err(Invalid::Parameters(format!(
                    "Only one global secondary index update per index is allowed simultaneously. Index: {name}"
                ))
                .into());
            }
        }
        if updates.iter().filter(|update| update.update.is_none()).count() > 1 {
            return Err(TableError::SeveralIndexes);
        }
        let now_ms = self.clock.wall_ms();
        let view = self
            .change(namespace, name, |_, record| {
                let mut wanted = record.clone();
                let changed = change(&mut wanted, input, now_ms);
                match record.status() {
                    TableStatus::Active => changed.map(|()| *record = wanted),
                    // What is on its way already may be asked for again.
                    TableStatus::Updating if changed.is_ok() && wanted == *record => Ok(()),
                    status => Err(TableError::Busy { table: name.clone(), status }),
                }
            })
            .await?;
        Ok(TableDescription::of(&view))
    }

    /// Deletes a table and its items. All of it is gone when this is answered; after a crash in the middle,
    /// [`Self::tick`] goes on.
    ///
    /// # Errors
    /// [`TableError`].
    pub async fn delete_table(&self, namespace: &Namespace, name: &TableName) -> Result<TableDescription, TableError> {
        let view = self
            .change(namespace, name, |_, record| {
                if record.deletion_protected {
                    return Err(TableError::Protected(name.clone()));
                }
                if record.status() == TableStatus::Updating {
                    return Err(TableError::Busy { table: name.clone(), status: TableStatus::Updating });
                }
                record.deleting = true;
                Ok(())
            })
            .await?;
        // What could not be removed now is removed by the tick: the table is deleted all the same.
        let _unfinished = self.finish_deletion(&view).await;
        let mut description = TableDescription::of(&view);
        (description.items, description.size_bytes) = (0, 0);
        Ok(description)
    }

    /// Says that backups be made all the time, for `days`, or not.
    ///
    /// # Errors
    /// [`TableError`].
    pub async fn update_recovery(
        &self,
        namespace: &Namespace,
        name: &TableName,
        enabled: bool,
        days: Option<u32>,
    ) -> Result<TableDescription, TableError> {
        if days.is_some_and(|days| !(1..=35).contains(&days)) {
            return Err(Invalid::Text("RecoveryPeriodInDays must be between 1 and 35".to_owned()).into());
        }
        let now_ms = self.clock.wall_ms();
        let view = self
            .change(namespace, name, |view, record| {
                if record.deleting {
                    return Err(TableError::NotFound(view.not_found()));
                }
                record.recovery_since_ms = enabled.then(|| record.recovery_since_ms.unwrap_or(now_ms));
                record.recovery_days = if enabled { days.or(record.recovery_days) } else { None };
                Ok(())
            })
            .await?;
        Ok(TableDescription::of(&view))
    }
}

fn index_name(update: &IndexUpdate) -> Result<&str, Invalid> {
    match update {
        IndexUpdate { create: Some(index), update: None, delete: None } => Ok(&index.index_name),
        IndexUpdate { create: None, update: Some(index), delete: None } => Ok(&index.index_name),
        IndexUpdate { create: None, update: None, delete: Some(index) } => Ok(&index.index_name),
        _ => Err(Invalid::Parameters(
            "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, \
             GlobalSecondaryIndexUpdate.Delete must not be null"
                .to_owned(),
        )),
    }
}

fn change(record: &mut TableRecord, input: &UpdateTable, now_ms: u64) -> Result<(), TableError> {
    let refused = |what: String| Err(TableError::Invalid(Invalid::Parameters(what)));
    let billing = input.billing_mode.unwrap_or(record.billing);
    match (billing, input.provisioned_throughput) {
        (BillingMode::PayPerRequest, Some(_)) => {
            return refused(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"
                    .to_owned(),
            );
        }
        (BillingMode::Provisioned, None) if record.billing == BillingMode::PayPerRequest => {
            return refused("ProvisionedThroughput must be specified when BillingMode is PROVISIONED".to_owned());
        }
        (BillingMode::Provisioned, Some(throughput)) => {
            let throughput = throughput.checked()?;
            if throughput == record.throughput && input.billing_mode.is_none() {
                let Throughput { read, write } = throughput;
                return Err(Invalid::Text(format!(
                    "The provisioned throughput for the table will not change. The requested value equals the current \
                     value. Current ReadCapacityUnits provisioned for the table: {read}. Requested ReadCapacityUnits: \
                     {read}. Current WriteCapacityUnits provisioned for the table: {write}. Requested \
                     WriteCapacityUnits: {write}. Refer to the Amazon DynamoDB Developer Guide for current limits and \
                     how to request higher limits."
                ))
                .into());
            }
            record.throughput = throughput;
        }
        (BillingMode::PayPerRequest | BillingMode::Provisioned, None) => {}
    }
    if billing == BillingMode::PayPerRequest && record.billing != billing {
        record.pay_per_request_since_ms = Some(now_ms);
        record.throughput = Throughput::default();
        record.indexes.values_mut().for_each(|index| index.throughput = Throughput::default());
    }
    record.billing = billing;
    if let Some(protected) = input.deletion_protection_enabled {
        record.deletion_protected = protected;
    }
    if let Some(class) = &input.table_class {
        record.class = Some(class.clone());
    }
    for definition in input.attribute_definitions.iter().flatten() {
        match record.type_of(&definition.attribute_name) {
            Some(kind) if kind == definition.attribute_type => {}
            Some(kind) => {
                return refused(format!(
                    "Attribute {} is defined with type {} already",
                    definition.attribute_name,
                    kind.kind()
                ));
            }
            None => record.attributes.push((definition.attribute_name.clone(), definition.attribute_type)),
        }
    }
    for update in input.global_secondary_index_updates.iter().flatten() {
        let name = index_name(update)?;
        let there = record.indexes.get_mut(name).filter(|index| !index.local);
        match (update, there) {
            (IndexUpdate { create: Some(input), .. }, Some(index)) => {
                // The very same is granted: of workers that start together each looks for the index and then makes it, and
                // KCL 3.5 never gets over the refusal. At AWS tables take so long that they seldom meet.
                let mut wanted = schema::index(input, None, billing, &record.attributes)?;
                wanted.status = index.status;
                if wanted != *index {
                    return refused(format!("Attempting to create an index which already exists. Index: {name}"));
                }
            }
            (IndexUpdate { create: Some(input), .. }, None) => {
                if record.indexes.contains_key(name) {
                    return refused(format!("Duplicate index name: {name}"));
                }
                let mut index = schema::index(input, None, billing, &record.attributes)?;
                // Even of a table that looks empty: an item may be on its way.
                index.status = IndexStatus::Creating;
                record.indexes.insert(name.to_owned(), index);
            }
            (_, None) => return Err(TableError::NoIndex(name.to_owned())),
            (IndexUpdate { update: Some(update), .. }, Some(index)) => {
                let Some(throughput) = update.provisioned_throughput else { continue };
                if billing == BillingMode::PayPerRequest {
                    return refused(format!(
                        "ProvisionedThroughput should not be specified for index: {name} when BillingMode is \
                         PAY_PER_REQUEST"
                    ));
                }
                index.throughput = throughput.checked()?;
            }
            (IndexUpdate { update: None, .. }, Some(_)) => drop(record.indexes.remove(name)),
        }
    }
    // Attributes that no key is made of any more are forgotten.
    let used: BTreeSet<String> =
        record.indexes.values().flat_map(|index| index.key.names()).chain(record.key.names()).cloned().collect();
    record.attributes.retain(|(name, _)| used.contains(name));
    schema::check_whole(&record.attributes, &record.key, &record.indexes)?;
    Ok(())
}
