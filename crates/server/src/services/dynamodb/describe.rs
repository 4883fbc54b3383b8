//! Tables as the API describes them.

use rheos_tables::{BillingMode, IndexProjection, IndexRecord, KeySchema, TableDescription, Throughput};
use serde_json::{Map, Value, json};

/// Seconds since the epoch, with milliseconds behind the point.
fn seconds(epoch_ms: u64) -> Value {
    json!(epoch_ms as f64 / 1000.0)
}

/// A table.
pub(super) fn table(it: &TableDescription) -> Value {
    let record = it.record.as_ref();
    let arn = format!("arn:aws:dynamodb:{}:{}:table/{}", it.namespace.region, it.namespace.account, it.name);
    let attributes: Vec<_> = record
        .attributes
        .iter()
        .map(|(name, kind)| json!({"AttributeName": name, "AttributeType": kind.kind().as_str()}))
        .collect();
    let mut table = json!({
        "TableName": it.name.as_str(),
        "TableStatus": it.status.as_str(),
        "TableArn": arn,
        "TableId": record.uid.to_uuid(),
        "CreationDateTime": seconds(record.created_ms),
        "AttributeDefinitions": attributes,
        "KeySchema": key(&record.key),
        "ItemCount": it.items,
        "TableSizeBytes": it.size_bytes,
        "ProvisionedThroughput": throughput(record.throughput),
        "DeletionProtectionEnabled": record.deletion_protected,
    });
    if let Some(since_ms) = record.pay_per_request_since_ms {
        table["BillingModeSummary"] = json!({
            "BillingMode": record.billing.as_str(), "LastUpdateToPayPerRequestDateTime": seconds(since_ms)
        });
        if record.billing == BillingMode::PayPerRequest {
            table["TableThroughputModeSummary"] = json!({
                "TableThroughputMode": "PAY_PER_REQUEST", "LastUpdateToPayPerRequestDateTime": seconds(since_ms)
            });
        }
    }
    if let Some(class) = &record.class {
        table["TableClassSummary"] = json!({"TableClass": class});
    }
    for (member, local) in [("LocalSecondaryIndexes", true), ("GlobalSecondaryIndexes", false)] {
        let indexes = record.indexes.iter().filter(|(_, index)| index.local == local);
        let indexes: Vec<_> = indexes.map(|(name, record)| index(it, &arn, name, record)).collect();
        if !indexes.is_empty() {
            table[member] = json!(indexes);
        }
    }
    table
}

fn index(table: &TableDescription, arn: &str, name: &str, record: &IndexRecord) -> Value {
    let (items, size_bytes) = table.indexes.get(name).copied().unwrap_or_default();
    let mut projection = Map::new();
    let kind = match &record.projection {
        IndexProjection::All => "ALL",
        IndexProjection::KeysOnly => "KEYS_ONLY",
        IndexProjection::Include(names) => {
            projection.insert("NonKeyAttributes".to_owned(), json!(names));
            "INCLUDE"
        }
    };
    projection.insert("ProjectionType".to_owned(), json!(kind));
    let mut index = json!({
        "IndexName": name,
        "IndexArn": format!("{arn}/index/{name}"),
        "KeySchema": key(&record.key),
        "Projection": projection,
        "ItemCount": items,
        "IndexSizeBytes": size_bytes,
    });
    if !record.local {
        index["IndexStatus"] = json!(record.status.as_str());
        index["ProvisionedThroughput"] = throughput(record.throughput);
        if record.status == rheos_tables::IndexStatus::Creating {
            index["Backfilling"] = json!(true);
        }
    }
    index
}

fn key(schema: &KeySchema) -> Value {
    let mut elements = vec![json!({"AttributeName": schema.hash, "KeyType": "HASH"})];
    elements.extend(schema.range.iter().map(|name| json!({"AttributeName": name, "KeyType": "RANGE"})));
    Value::Array(elements)
}

fn throughput(units: Throughput) -> Value {
    json!({"ReadCapacityUnits": units.read, "WriteCapacityUnits": units.write, "NumberOfDecreasesToday": 0})
}

/// What is said of backups: what is written is durable, and `rheos log backup` makes them.
pub(super) fn backups(it: &TableDescription) -> Value {
    let record = it.record.as_ref();
    let recovery = match record.recovery_since_ms {
        None => json!({"PointInTimeRecoveryStatus": "DISABLED"}),
        Some(since_ms) => json!({
            "PointInTimeRecoveryStatus": "ENABLED",
            "RecoveryPeriodInDays": record.recovery_days.unwrap_or(35),
            "EarliestRestorableDateTime": seconds(since_ms),
            "LatestRestorableDateTime": seconds(since_ms)
        }),
    };
    json!({"ContinuousBackupsDescription": {
        "ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery
    }})
}
