//! DynamoDB, as much of it as consumer applications keep their leases with: from a body in awsJson 1.0 to one. What it
//! means is in `rheos-tables`; here are the forms of answers (`describe`, `respond`), and `fault` has the errors.

mod describe;
mod respond;

use std::sync::Arc;

use bytes::Bytes;
use rheos_tables::{CreateTable, ItemError, TableError, Tables, Tag, UpdateTable, table_name};
use rheos_types::{Namespace, TableName};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::operations;
use crate::auth::Caller;
use crate::fault::{ServiceFault, not_read, of_operation, of_table, table_broken_off};
use crate::spawn::Spawner;

operations! {
    BatchGetItem Reading,
    BatchWriteItem Mutating,
    CreateTable Mutating,
    DeleteItem Mutating,
    DeleteTable Mutating,
    DescribeContinuousBackups Reading,
    DescribeLimits Reading,
    DescribeTable Reading,
    DescribeTimeToLive Reading,
    GetItem Reading,
    ListTables Reading,
    ListTagsOfResource Reading,
    PutItem Mutating,
    Query Reading,
    Scan Reading,
    TagResource Mutating,
    TransactGetItems Reading,
    TransactWriteItems Mutating,
    UntagResource Mutating,
    UpdateContinuousBackups Mutating,
    UpdateItem Mutating,
    UpdateTable Mutating,
}

/// What the operations work on.
pub(crate) struct DynamoDb {
    pub(crate) tables: Tables,
    /// Who runs what goes on without its caller.
    pub(crate) spawner: Spawner,
}

/// A call that names a table and nothing else.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfTable {
    table_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListTables {
    exclusive_start_table_name: Option<String>,
    limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateBackups {
    table_name: String,
    point_in_time_recovery_specification: RecoverySpecification,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RecoverySpecification {
    point_in_time_recovery_enabled: bool,
    recovery_period_in_days: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagResource {
    resource_arn: String,
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UntagResource {
    resource_arn: String,
    tag_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListTags {
    resource_arn: String,
}

/// Does an operation: its answer, or what went wrong.
///
/// Whatever changes something is detached: a client that hangs up does not stop it half-way.
pub(crate) async fn run(
    service: &Arc<DynamoDb>,
    operation: Operation,
    caller: Caller,
    body: Bytes,
) -> Result<Bytes, ServiceFault> {
    match operation.access() {
        super::Access::Reading => done(service, operation, &caller.namespace, &body).await,
        super::Access::Mutating => {
            let (own, spawner) = (service.clone(), &service.spawner);
            let work = spawner.detach(async move { done(&own, operation, &caller.namespace, &body).await });
            work.await.map_err(|_| table_broken_off())?
        }
    }
}

/// An operation, from its body to the answer's.
async fn done(
    service: &DynamoDb,
    operation: Operation,
    namespace: &Namespace,
    body: &[u8],
) -> Result<Bytes, ServiceFault> {
    let tables = &service.tables;
    let answer = match operation {
        Operation::BatchGetItem => {
            let input: rheos_tables::BatchGetItem = decoded(body)?;
            respond::batch_got(tables.batch_get_item(namespace, &input)?, input.return_consumed_capacity)
        }
        Operation::GetItem => {
            let input: rheos_tables::GetItem = decoded(body)?;
            return Ok(respond::got(&tables.get_item(namespace, &input)?, input.return_consumed_capacity));
        }
        Operation::Query => {
            let input: rheos_tables::Query = decoded(body)?;
            return Ok(respond::page(&tables.query(namespace, &input)?, input.return_consumed_capacity));
        }
        Operation::Scan => {
            let input: rheos_tables::Scan = decoded(body)?;
            return Ok(respond::page(&tables.scan(namespace, &input)?, input.return_consumed_capacity));
        }
        Operation::TransactGetItems => {
            let input: rheos_tables::TransactGetItems = decoded(body)?;
            let (items, consumed) = tables.transact_get_items(namespace, &input)?;
            respond::transact_got(&items, &consumed, input.return_consumed_capacity)
        }
        Operation::DescribeTable => {
            let table = named(namespace, body)?;
            json!({"Table": describe::table(&tables.describe_table(namespace, &table).map_err(of_table)?)})
        }
        Operation::DescribeContinuousBackups => {
            let table = named(namespace, body)?;
            describe::backups(&tables.describe_table(namespace, &table).map_err(of_table)?)
        }
        Operation::DescribeTimeToLive => {
            let table = named(namespace, body)?;
            tables.describe_table(namespace, &table).map_err(of_table)?;
            json!({"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}})
        }
        Operation::ListTables => {
            let input: ListTables = decoded(body)?;
            let after = input.exclusive_start_table_name.as_deref();
            respond::listed(tables.list_tables(namespace, after, input.limit).map_err(TableError::Invalid)?)
        }
        Operation::ListTagsOfResource => {
            let input: ListTags = decoded(body)?;
            let table = tagged(namespace, &input.resource_arn)?;
            json!({"Tags": tables.tags_of(namespace, &table).map_err(of_table)?})
        }
        Operation::DescribeLimits => json!({
            "AccountMaxReadCapacityUnits": 80_000, "AccountMaxWriteCapacityUnits": 80_000,
            "TableMaxReadCapacityUnits": 40_000, "TableMaxWriteCapacityUnits": 40_000
        }),
        Operation::BatchWriteItem => {
            let input: rheos_tables::BatchWriteItem = decoded(body)?;
            let consumed = tables.batch_write_item(namespace, &input).await?;
            let mut answer = json!({"UnprocessedItems": {}});
            respond::consumed_each(&mut answer, &consumed, input.return_consumed_capacity, None);
            answer
        }
        Operation::PutItem => {
            let input: rheos_tables::PutItem = decoded(body)?;
            return Ok(respond::written(&tables.put_item(namespace, &input).await?, input.return_consumed_capacity));
        }
        Operation::UpdateItem => {
            let input: rheos_tables::UpdateItem = decoded(body)?;
            return Ok(respond::written(&tables.update_item(namespace, &input).await?, input.return_consumed_capacity));
        }
        Operation::DeleteItem => {
            let input: rheos_tables::DeleteItem = decoded(body)?;
            return Ok(respond::written(&tables.delete_item(namespace, &input).await?, input.return_consumed_capacity));
        }
        Operation::TransactWriteItems => {
            let input: rheos_tables::TransactWriteItems = decoded(body)?;
            let consumed = tables.transact_write_items(namespace, &input).await?;
            let mut answer = json!({});
            respond::consumed_each(&mut answer, &consumed, input.return_consumed_capacity, Some("WriteCapacityUnits"));
            answer
        }
        Operation::CreateTable => {
            let input: CreateTable = decoded_without(body, NOT_OF_A_NEW_TABLE)?;
            let table = table_name(namespace, &input.table_name).map_err(TableError::Invalid)?;
            let made = tables.create_table(namespace, &table, &input).await?;
            json!({"TableDescription": describe::table(&made)})
        }
        Operation::UpdateTable => {
            let input: UpdateTable = decoded_without(body, NOT_OF_A_CHANGE)?;
            let table = table_name(namespace, &input.table_name).map_err(TableError::Invalid)?;
            let changed = tables.update_table(namespace, &table, &input).await?;
            json!({"TableDescription": describe::table(&changed)})
        }
        Operation::DeleteTable => {
            let table = named(namespace, body)?;
            json!({"TableDescription": describe::table(&tables.delete_table(namespace, &table).await?)})
        }
        Operation::UpdateContinuousBackups => {
            let input: UpdateBackups = decoded(body)?;
            let table = table_name(namespace, &input.table_name).map_err(TableError::Invalid)?;
            let asked = input.point_in_time_recovery_specification;
            let (enabled, days) = (asked.point_in_time_recovery_enabled, asked.recovery_period_in_days);
            describe::backups(&tables.update_recovery(namespace, &table, enabled, days).await?)
        }
        Operation::TagResource => {
            let input: TagResource = decoded(body)?;
            tables.tag(namespace, &tagged(namespace, &input.resource_arn)?, &input.tags).await?;
            return Ok(Bytes::new());
        }
        Operation::UntagResource => {
            let input: UntagResource = decoded(body)?;
            tables.untag(namespace, &tagged(namespace, &input.resource_arn)?, &input.tag_keys).await?;
            return Ok(Bytes::new());
        }
    };
    Ok(encoded(&answer))
}

/// What CreateTable can ask for on AWS and not here: it is said, and nothing is made.
const NOT_OF_A_NEW_TABLE: &[&str] =
    &["GlobalTableSourceArn", "GlobalTableSettingsReplicationMode", "ResourcePolicy", "VectorIndexes"];
/// As [`NOT_OF_A_NEW_TABLE`], of UpdateTable.
const NOT_OF_A_CHANGE: &[&str] = &[
    "DisassociationProtectionEnabled",
    "GlobalTableSettingsReplicationMode",
    "GlobalTableWitnessUpdates",
    "MultiRegionConsistency",
    "ReplicaUpdates",
    "VectorIndexUpdates",
];
/// As [`NOT_OF_A_NEW_TABLE`], of tables and of their global indexes, in both calls.
const NOT_OF_CAPACITY: &[&str] = &["OnDemandThroughput", "WarmThroughput"];

/// The first of these members that a body asks for.
fn unsupported(json: &Value, names: &[&'static str]) -> Option<&'static str> {
    let given = |of: &Value, names: &[&'static str]| names.iter().copied().find(|name| !of[*name].is_null());
    let enabled = |name: &str, member: &str| json[name][member] == Value::Bool(true);
    let elements = |name: &str| json[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let updates = elements("GlobalSecondaryIndexUpdates").iter().flat_map(|it| [&it["Create"], &it["Update"]]);
    let mut indexes = elements("GlobalSecondaryIndexes").iter().chain(updates);
    given(json, names)
        .or_else(|| given(json, NOT_OF_CAPACITY))
        .or_else(|| indexes.find_map(|index| given(index, NOT_OF_CAPACITY)))
        .or_else(|| enabled("StreamSpecification", "StreamEnabled").then_some("StreamSpecification"))
        .or_else(|| enabled("SSESpecification", "Enabled").then_some("SSESpecification"))
}

/// The input in a body.
fn decoded<T: DeserializeOwned>(body: &[u8]) -> Result<T, ServiceFault> {
    // Serde would take a list for the members in their order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(not_read("the body is no object"));
    }
    serde_json::from_slice(body).map_err(|error| {
        let problem = error.to_string();
        // Where it was found is nothing that DynamoDB says.
        not_read(problem.rsplit_once(" at line ").map_or(&problem, |(problem, _)| problem))
    })
}

/// The input in a body, if it does not ask for what there is not.
fn decoded_without<T: DeserializeOwned>(body: &[u8], names: &[&'static str]) -> Result<T, ServiceFault> {
    match unsupported(&decoded(body)?, names) {
        None => decoded(body),
        Some(name) => Err(of_operation(ItemError::Invalid(rheos_tables::Invalid::Parameters(format!(
            "{name} is not supported by the lease tables of Rheos"
        ))))),
    }
}

/// The table that a body names.
fn named(namespace: &Namespace, body: &[u8]) -> Result<TableName, ServiceFault> {
    let input: OfTable = decoded(body)?;
    Ok(table_name(namespace, &input.table_name).map_err(TableError::Invalid)?)
}

/// The table whose tags are meant: by its ARN alone.
fn tagged(namespace: &Namespace, arn: &str) -> Result<TableName, ServiceFault> {
    if !arn.starts_with("arn:") {
        let invalid =
            rheos_tables::Invalid::Text(format!("Invalid TableArn: Invalid ResourceArn provided as input {arn}"));
        return Err(TableError::Invalid(invalid).into());
    }
    Ok(table_name(namespace, arn).map_err(TableError::Invalid)?)
}

/// An answer as its bytes.
fn encoded(answer: &Value) -> Bytes {
    answer.to_string().into()
}
