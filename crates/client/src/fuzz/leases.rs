//! Rows of an application's tables, which anybody may have written, in DynamoDB's JSON.

use std::sync::Arc;

use futures_util::FutureExt as _;
use serde_json::Value;

use crate::lease::coordinator::{LeaderLock, WorkerMetrics};
use crate::lease::store::{Attribute, Row, Table};
use crate::lease::{Changed, Checkpoint, Lease, LeaseError, LeaseStore, LeaseTable, MemoryLeaseStore, Progress};

/// One row, as what it may be in each table: a lease that is read is written as one that reads the same, and everything that is done with a lease, a
/// leader's lock and a worker's metrics ends in a change or a refusal.
pub fn lease_rows(input: &[u8]) {
    let Ok(Value::Object(members)) = serde_json::from_slice(input) else { return };
    let row: Row = members.iter().filter_map(|(name, value)| Some((name.clone(), attribute(value)?))).collect();
    if let Ok(Some(lease)) = Lease::from_row(&row) {
        let written = lease.to_row();
        let again = Lease::from_row(&written).ok().flatten();
        // A throughput is written with six digits, and none that is less than nothing.
        let again = again.map(|again| Lease { throughput_kbps: lease.throughput_kbps, ..again });
        assert_eq!(again.as_ref().map(Lease::to_row), Some(written), "{lease:?}");
        assert!(
            again.is_some_and(|again| again.throughput_kbps.is_some_and(f64::is_nan) || again == lease),
            "{lease:?}"
        );
        now(of_a_lease(&row, &lease));
    }
    now(of_the_fleet(&row));
}

/// A store in memory never waits.
fn now<T>(work: impl Future<Output = Result<T, LeaseError>>) {
    assert!(work.now_or_never().is_some(), "nothing waits");
}

async fn of_a_lease(row: &Row, lease: &Lease) -> Result<(), LeaseError> {
    type Done = Result<Changed, LeaseError>;
    async fn done(number: usize, table: &LeaseTable, lease: &Lease) -> Option<Done> {
        let at = |checkpoint| Progress::Checkpoint(checkpoint);
        Some(match number {
            0 => table.renew(lease, false).await,
            1 => table.renew(lease, true).await,
            2 => table.take(lease, "w").await,
            3 => table.assign(lease, "w").await,
            4 => table.start_handoff(lease, "w").await,
            5 => table.evict(lease).await,
            6 => table.checkpoint(lease, &at(Checkpoint::ShardEnd)).await,
            7 => table.reset(lease, &Checkpoint::Latest).await,
            _ => return None,
        })
    }
    for number in 0.. {
        let store = Arc::new(MemoryLeaseStore::default());
        assert!(store.create(Table::Leases, row.clone()).await?, "there is none yet");
        let table = LeaseTable::new(store);
        assert_eq!(table.list().await?.len(), 1, "it is a lease");
        let Some(done) = done(number, &table, lease).await else { break };
        if let Ok(Changed::Made(after)) = done {
            assert_eq!(after.key, lease.key);
            let is_start_of_a_handover = number == 4;
            let counter = if is_start_of_a_handover { lease.counter } else { lease.counter.wrapping_add(1) };
            assert_eq!(after.counter, counter, "{number}: {lease:?}");
        }
    }
    Ok(())
}

/// The row as the leader's, and as a worker's metrics.
async fn of_the_fleet(row: &Row) -> Result<(), LeaseError> {
    let store = Arc::new(MemoryLeaseStore::default());
    for (table, key) in
        [(Table::Coordinator, "Leader"), (Table::Coordinator, "Migration3.0"), (Table::WorkerMetrics, "w")]
    {
        let mut row = row.clone();
        row.insert(table.key().to_owned(), Attribute::text(key));
        store.create(table, row).await?;
    }
    let table = LeaseTable::new(store);
    table.fleet_version().await?;
    if let Some(held) = table.leader().await? {
        let mine = LeaderLock { owner: "w".to_owned(), version: "v".to_owned(), duration_ms: 1 };
        assert!(table.take_leadership(&mine, Some(&held)).await?, "it was as it was read");
        assert_eq!(table.leader().await?, Some(mine));
    }
    for metrics in table.list_worker_metrics().await? {
        let told = WorkerMetrics { worker: "v".to_owned(), ..metrics.clone() };
        table.put_worker_metrics(&told).await?;
        let all = table.list_worker_metrics().await?;
        let again = all.iter().find(|metrics| metrics.worker == "v");
        assert_eq!(again.map(|again| &again.limits), Some(&told.limits));
        let lengths = |metrics: &WorkerMetrics| metrics.samples.values().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(again.map(lengths), Some(lengths(&told)));
        assert!(table.delete_worker_metrics(&metrics).await?, "it was as it was read");
    }
    Ok(())
}

/// Whether it is a number as DynamoDB says it: in one form alone, so that equal numbers are equal texts.
fn is_number(digits: &str) -> bool {
    let digits = digits.strip_prefix('-').unwrap_or(digits);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "1"));
    let are_digits =
        |text: &str| !text.is_empty() && text.len() <= 38 && text.bytes().all(|byte| byte.is_ascii_digit());
    are_digits(whole) && are_digits(part) && (whole == "0" || !whole.starts_with('0')) && !part.ends_with('0')
}

/// A value in DynamoDB's JSON.
fn attribute(value: &Value) -> Option<Attribute> {
    let (kind, value) = value.as_object()?.iter().next()?;
    Some(match (kind.as_str(), value) {
        ("S", Value::String(text)) => Attribute::text(text),
        ("N", Value::String(digits)) if is_number(digits) => Attribute::N(digits.clone()),
        ("B", Value::String(text)) => Attribute::B(text.clone().into_bytes().into()),
        ("SS", Value::Array(texts)) if !texts.is_empty() => {
            Attribute::Ss(texts.iter().map(|text| Some(text.as_str()?.to_owned())).collect::<Option<_>>()?)
        }
        ("BOOL", Value::Bool(value)) => Attribute::Bool(*value),
        ("L", Value::Array(values)) => Attribute::L(values.iter().map(attribute).collect::<Option<_>>()?),
        ("M", Value::Object(members)) => {
            let members = members.iter().map(|(name, value)| Some((name.clone(), attribute(value)?)));
            Attribute::M(members.collect::<Option<_>>()?)
        }
        _ => Attribute::Other,
    })
}

/// A lease with everything that it can have, a leader's row, and a worker's.
#[must_use]
pub fn lease_row_seeds() -> Vec<Vec<u8>> {
    let lease = r#"{"leaseKey":{"S":"s"},"entityType":{"S":"LEASE"},"leaseOwner":{"S":"w"},"leaseCounter":{"N":"18446744073709551615"},"ownerSwitchesSinceCheckpoint":{"N":"2"},"checkpoint":{"S":"49"},"checkpointSubSequenceNumber":{"N":"1"},"pendingCheckpoint":{"S":"50"},"pendingCheckpointSubSequenceNumber":{"N":"0"},"pendingCheckpointState":{"B":"x"},"parentShardId":{"SS":["p"]},"childShardIds":{"SS":["c","d"]},"startingHashKey":{"S":"0"},"endingHashKey":{"S":"340282366920938463463374607431768211455"},"throughputKBps":{"N":"1.5"},"checkpointOwner":{"S":"v"},"streamName":{"S":"a:b:1"},"shardId":{"S":"s"}}"#;
    let fresh = r#"{"leaseKey":{"S":"s"},"leaseCounter":{"N":"0"},"checkpoint":{"S":"TRIM_HORIZON"},"throughputKBps":{"N":"-2000"}}"#;
    let leader = r#"{"ownerName":{"S":"w"},"leaseDuration":{"S":"120000"},"recordVersionNumber":{"S":"r"},"entityType":{"S":"LEADER"},"cv":{"S":"CLIENT_VERSION_3X"}}"#;
    let worker = r#"{"lut":{"N":"1750000000"},"sts":{"M":{"C":{"L":[{"N":"12.5"},{"N":"-1"}]}}},"opr":{"M":{"C":{"L":[{"N":"100"}]}}},"sup":{"N":"1"},"properties":{"M":{}}}"#;
    [lease, fresh, leader, worker].map(|row| row.as_bytes().to_vec()).to_vec()
}
