//! Leases in tables of DynamoDB: Amazon's, or a Rheos.

mod expression;
mod layout;
#[cfg(test)]
mod tests;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate,
    KeySchemaElement, KeyType, Projection, ProjectionType, ProvisionedThroughput, ReturnValue,
    ReturnValuesOnConditionCheckFailure, ScalarAttributeType, TableDescription, TableStatus,
};
use tokio::sync::OnceCell;
use tokio::time::sleep;

use self::expression::{Words, row, value};
use self::layout::{Kept, Place};
use super::store::{Attribute, Change, Expect, LeaseStore, Row, StoreError, StoreFuture, Table, Updated};

/// Which leases a worker owns.
const INDEX: &str = "LeaseOwnerToLeaseKeyIndex";
/// How often a table is looked at until it can be used.
const LOOKS: u32 = 600;

/// How long to wait after a look: at first not long, as not every service takes seconds for a table, and then a second.
async fn wait_after(look: u32) {
    sleep(Duration::from_millis(100 << look.min(4)).min(Duration::from_secs(1))).await;
}

/// Leases in DynamoDB.
pub struct DynamoDbLeaseStore {
    client: Client,
    table: String,
    /// Whether the table of leases has the index; asked once.
    has_index: OnceCell<bool>,
    kept: Kept,
}

impl DynamoDbLeaseStore {
    /// The tables of an application: `table` for its leases. What is coordinated beside them is in the same table, as with KCL 3.5; or in two
    /// more where there are such, which KCL 3.0 to 3.4 has made.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into(), has_index: OnceCell::new(), kept: Kept::default() }
    }

    /// The second half of the way from three tables to one: this worker writes into the one, as a worker of the KCL does with
    /// `migrateAllEntitiesToLeaseTable`. The leader has to be one of the KCL for Java 3.5, which moves the rows.
    #[must_use]
    pub fn migrating(self) -> Self {
        Self { kept: Kept::migrating(), ..self }
    }

    async fn describe(&self, name: &str) -> Result<Option<TableDescription>, StoreError> {
        match self.client.describe_table().table_name(name).send().await {
            Ok(answer) => Ok(answer.table),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(failure(&error)),
        }
    }

    async fn make(&self, name: &str, key: &str) -> Result<(), StoreError> {
        if self.describe(name).await?.is_none() {
            let call = self.client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
            let call = call.attribute_definitions(definition(key)?);
            match call.key_schema(element(key, KeyType::Hash)?).send().await {
                Ok(_) => {}
                // Another worker was first.
                Err(error) if error.code() == Some("ResourceInUseException") => {}
                Err(error) => return Err(failure(&error)),
            }
        }
        for look in 0..LOOKS {
            let status = self.describe(name).await?.and_then(|table| table.table_status);
            if matches!(status, Some(TableStatus::Active | TableStatus::Updating)) {
                return Ok(());
            }
            wait_after(look).await;
        }
        Err(StoreError::Unavailable(format!("the table {name} does not become active")))
    }

    async fn make_index(&self) -> Result<(), StoreError> {
        let mut failed = None;
        for look in 0..LOOKS {
            let table = self.describe(&self.table).await?;
            let throughput = table.as_ref().and_then(provisioned);
            let indexes = table.and_then(|table| table.global_secondary_indexes);
            let index = indexes.into_iter().flatten().find(|index| index.index_name.as_deref() == Some(INDEX));
            match index.map(|index| index.index_status) {
                Some(Some(aws_sdk_dynamodb::types::IndexStatus::Active)) => return Ok(()),
                Some(_) => failed = None,
                // It was refused, and nobody else has made it.
                None if failed.is_some() => return failed.map_or(Ok(()), Err),
                None if look % 10 == 0 => failed = self.create_index(throughput).await.err(),
                None => {}
            }
            // Another worker was first: it is there.
            if failed.is_some() {
                continue;
            }
            wait_after(look).await;
        }
        Err(StoreError::Unavailable(format!("the index of the table {} does not become active", self.table)))
    }

    async fn create_index(&self, throughput: Option<ProvisionedThroughput>) -> Result<(), StoreError> {
        let index = CreateGlobalSecondaryIndexAction::builder()
            .index_name(INDEX)
            .key_schema(element("leaseOwner", KeyType::Hash)?)
            .key_schema(element("leaseKey", KeyType::Range)?)
            .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
            .set_provisioned_throughput(throughput)
            .build()
            .map_err(ours)?;
        let call = self.client.update_table().table_name(&self.table);
        let call = call.attribute_definitions(definition("leaseKey")?).attribute_definitions(definition("leaseOwner")?);
        let update = GlobalSecondaryIndexUpdate::builder().create(index).build();
        match call.global_secondary_index_updates(update).send().await {
            Ok(_) => Ok(()),
            // The table is still changing.
            Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
            Err(error) => Err(failure(&error)),
        }
    }

    /// The rows of a table; none where there is no such table and need not be.
    async fn scan_place(&self, place: &Place, entity: Option<&str>) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::new();
        let mut from = None;
        loop {
            let mut call = self.client.scan().table_name(&place.table).consistent_read(true);
            if let Some(entity) = entity {
                call = call
                    .filter_expression("entityType = :entityType")
                    .expression_attribute_values(":entityType", AttributeValue::S(entity.to_owned()));
            }
            let page = match call.set_exclusive_start_key(from).send().await {
                Ok(page) => page,
                // A fleet of 2.x has no tables but that of its leases.
                Err(error) if place.may_be_missing && error.code() == Some("ResourceNotFoundException") => {
                    return Ok(Vec::new());
                }
                Err(error) => return Err(failure(&error)),
            };
            rows.extend(page.items.unwrap_or_default().into_iter().map(|item| place.above(row(item))));
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok(rows);
            }
        }
    }

    /// The keys by the index; where there is none, by all rows.
    async fn keys(&self, owner: &str) -> Result<Vec<String>, StoreError> {
        let has_index = self.has_index.get_or_try_init(|| async {
            let indexes = self.describe(&self.table).await?.and_then(|table| table.global_secondary_indexes);
            Ok(indexes.into_iter().flatten().any(|index| index.index_name.as_deref() == Some(INDEX)))
        });
        let mut keys = Vec::new();
        if !*has_index.await? {
            let rows = self.scan_place(&self.leases(), None).await?;
            let of_owner = |row: &&Row| row.get("leaseOwner").and_then(Attribute::as_text) == Some(owner);
            keys.extend(
                rows.iter().filter(of_owner).filter_map(|row| row.get("leaseKey")?.as_text().map(str::to_owned)),
            );
            keys.sort();
            return Ok(keys);
        }
        let mut from = None;
        loop {
            let call = self.client.query().table_name(&self.table).index_name(INDEX);
            let call = call.key_condition_expression("leaseOwner = :leaseOwner");
            let call = call.expression_attribute_values(":leaseOwner", AttributeValue::S(owner.to_owned()));
            let page = call.set_exclusive_start_key(from).send().await.map_err(|error| failure(&error))?;
            let items = page.items.unwrap_or_default().into_iter();
            keys.extend(items.filter_map(|item| item.get("leaseKey")?.as_s().ok().cloned()));
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok(keys);
            }
        }
    }

    async fn change(
        &self,
        table: Table,
        key: &str,
        expected: Vec<Expect>,
        changes: Vec<Change>,
    ) -> Result<Updated, StoreError> {
        let place = self.written(table).await?;
        let mut words = Words::new(table.key(), place.key);
        let condition = words.condition(&expected)?;
        let update = words.update(&changes)?;
        let call = self.client.update_item().table_name(&place.table);
        let call = call
            .key(place.key, AttributeValue::S(key.to_owned()))
            .set_condition_expression(condition)
            .update_expression(update)
            .set_expression_attribute_names(Some(words.names.into_iter().collect()))
            .set_expression_attribute_values(
                Some(words.values.into_iter().collect())
                    .filter(|values: &std::collections::HashMap<_, _>| !values.is_empty()),
            )
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match call.send().await {
            Ok(answer) => Ok(Updated::Made(answer.attributes.map(|item| place.above(row(item))).unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => match failed.item.clone() {
                    Some(item) if !item.is_empty() => Ok(Updated::Refused(Some(place.above(row(item))))),
                    // Not every service says what is there.
                    _ => Ok(Updated::Refused(self.read_place(&place, key).await?)),
                },
                _ => Err(failure(&error)),
            },
        }
    }

    async fn read_place(&self, place: &Place, key: &str) -> Result<Option<Row>, StoreError> {
        let call = self.client.get_item().table_name(&place.table).consistent_read(true);
        match call.key(place.key, AttributeValue::S(key.to_owned())).send().await {
            Ok(answer) => Ok(answer.item.map(|item| place.above(row(item)))),
            Err(error) if place.may_be_missing && error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(failure(&error)),
        }
    }

    async fn put(&self, table: Table, row: Row) -> Result<bool, StoreError> {
        let place = self.written(table).await?;
        let item = row.iter().map(|(name, attribute)| Ok((place.there(name).to_owned(), value(attribute)?)));
        let call = self.client.put_item().table_name(&place.table);
        let call = call
            .set_item(Some(item.collect::<Result<_, StoreError>>()?))
            .condition_expression("attribute_not_exists(#key)")
            .expression_attribute_names("#key", place.key);
        match call.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(failure(&error)),
        }
    }

    async fn remove(&self, place: &Place, key: &str, expected: &[Expect]) -> Result<bool, StoreError> {
        let mut words = Words::new(place.above, place.key);
        let condition = words.condition(expected)?;
        let mut call = self.client.delete_item().table_name(&place.table);
        call = call.key(place.key, AttributeValue::S(key.to_owned())).set_condition_expression(condition);
        for (name, attribute) in words.names {
            call = call.expression_attribute_names(name, attribute);
        }
        for (name, value) in words.values {
            call = call.expression_attribute_values(name, value);
        }
        match call.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) if place.may_be_missing && error.code() == Some("ResourceNotFoundException") => Ok(false),
            Err(error) => Err(failure(&error)),
        }
    }
}

impl LeaseStore for DynamoDbLeaseStore {
    fn prepare(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            // Which tables there are to be is decided by those that there are before.
            let others = self.other_tables().await?;
            self.make(&self.table, Table::Leases.key()).await?;
            for place in others {
                self.make(&place.table, place.key).await?;
            }
            self.make_index().await
        })
    }

    fn scan(&self, table: Table) -> StoreFuture<'_, Vec<Row>> {
        Box::pin(self.scan_table(table))
    }

    fn get<'a>(&'a self, table: Table, key: &'a str) -> StoreFuture<'a, Option<Row>> {
        Box::pin(self.read(table, key))
    }

    fn keys_of<'a>(&'a self, owner: &'a str) -> StoreFuture<'a, Vec<String>> {
        Box::pin(self.keys(owner))
    }

    fn create(&self, table: Table, row: Row) -> StoreFuture<'_, bool> {
        Box::pin(self.put(table, row))
    }

    fn update<'a>(
        &'a self,
        table: Table,
        key: &'a str,
        expected: Vec<Expect>,
        changes: Vec<Change>,
    ) -> StoreFuture<'a, Updated> {
        Box::pin(self.change(table, key, expected, changes))
    }

    fn delete<'a>(&'a self, table: Table, key: &'a str, expected: Vec<Expect>) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let mut has_gone = false;
            for place in self.places(table).await? {
                has_gone |= self.remove(&place, key, &expected).await?;
            }
            Ok(has_gone)
        })
    }
}

fn definition(name: &str) -> Result<AttributeDefinition, StoreError> {
    let definition = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
    definition.build().map_err(ours)
}

fn element(name: &str, key: KeyType) -> Result<KeySchemaElement, StoreError> {
    KeySchemaElement::builder().attribute_name(name).key_type(key).build().map_err(ours)
}

/// What a table was said to need, if it is paid for by that, as those of KCL 1.x are: an index of it needs as much.
fn provisioned(table: &TableDescription) -> Option<ProvisionedThroughput> {
    let throughput = table.provisioned_throughput.as_ref()?;
    let (read, write) = (throughput.read_capacity_units?, throughput.write_capacity_units?);
    let units = ProvisionedThroughput::builder().read_capacity_units(read).write_capacity_units(write).build();
    // A table that is paid for by requests says 0.
    units.ok().filter(|_| read > 0 && write > 0)
}

/// A request that this program has put together wrong.
fn ours(error: impl std::fmt::Display) -> StoreError {
    StoreError::Refused(error.to_string())
}

fn failure<E, R>(error: &SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let SdkError::ServiceError(_) = error else {
        return StoreError::Unavailable(DisplayErrorContext(error).to_string());
    };
    let code = error.code().unwrap_or("an error without a code");
    let text = format!("{code}: {}", error.message().unwrap_or("no reason given"));
    match code {
        "ProvisionedThroughputExceededException" | "ThrottlingException" | "RequestLimitExceeded" => {
            StoreError::Throttled(text)
        }
        "ResourceNotFoundException" => StoreError::NoTable(text),
        "ValidationException" | "AccessDeniedException" | "UnknownOperationException" => StoreError::Refused(text),
        _ => StoreError::Unavailable(text),
    }
}
