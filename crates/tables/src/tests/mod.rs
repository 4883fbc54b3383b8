//! The verbs over a log in memory, with a clock that stands still until a test moves it.

mod items;
mod lifecycle;
mod limits;
mod model;
mod reading;
mod transactions;
mod writing;

use crate::*;
use rheos_log::{Log, memory_log};
use rheos_types::{AccountId, Clock, Namespace, Random, Region, TableName};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) const START_MS: u64 = 1_700_000_000_000;

/// Time that a test moves.
#[derive(Debug)]
pub(crate) struct ManualClock(AtomicU64);

impl ManualClock {
    pub(crate) fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn wall_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic_ms(&self) -> u64 {
        self.wall_ms()
    }
}

/// Bytes that differ from call to call, the same in every run.
#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl Random for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        let count = self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        buffer.iter_mut().zip(count.iter().cycle()).for_each(|(byte, value)| *byte = *value);
    }
}

/// Tables over a log in memory.
pub(crate) struct Bench {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) log: Log,
    pub(crate) tables: Arc<Tables>,
    pub(crate) ns: Namespace,
    random: Arc<Counting>,
    config: Config,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        let clock = Arc::new(ManualClock(AtomicU64::new(START_MS)));
        let log = memory_log(clock.clone());
        let random = Arc::new(Counting::default());
        let tables = Arc::new(Tables::open(log.clone(), clock.clone(), random.clone(), config).unwrap());
        let ns =
            Namespace { account: AccountId::new("000000000000").unwrap(), region: Region::new("us-east-1").unwrap() };
        Self { clock, log, tables, ns, random, config }
    }

    /// Opens the log's tables anew: all that is not in the log is gone.
    pub(crate) fn restart(&mut self) {
        self.tables = Arc::new(self.reopen().unwrap());
    }

    pub(crate) fn reopen(&self) -> Result<Tables, OpenError> {
        Tables::open(self.log.clone(), self.clock.clone(), self.random.clone(), self.config)
    }

    /// A table with a hash key `id` and nothing else.
    pub(crate) async fn simple(&self, name: &str) {
        let input = json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]
        });
        self.create(input).await.unwrap();
    }

    /// A table with a hash key `h` (S), a range key `r` (N) and an index `by-owner` on `owner` (S), `r`.
    pub(crate) async fn composite(&self, name: &str) {
        let input = json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": "h", "AttributeType": "S"}, {"AttributeName": "r", "AttributeType": "N"},
                {"AttributeName": "owner", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "h", "KeyType": "HASH"}, {"AttributeName": "r", "KeyType": "RANGE"}],
            "GlobalSecondaryIndexes": [{
                "IndexName": "by-owner", "Projection": {"ProjectionType": "ALL"},
                "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}, {"AttributeName": "r", "KeyType": "RANGE"}]}]
        });
        self.create(input).await.unwrap();
    }

    pub(crate) async fn create(&self, input: Value) -> Result<TableDescription, String> {
        let input: CreateTable = of(input);
        let name = name(&input.table_name);
        self.tables.create_table(&self.ns, &name, &input).await.map_err(|error| error.to_string())
    }

    pub(crate) async fn change(&self, input: Value) -> Result<TableDescription, String> {
        let input: UpdateTable = of(input);
        let name = name(&input.table_name);
        self.tables.update_table(&self.ns, &name, &input).await.map_err(|error| error.to_string())
    }

    pub(crate) async fn put(&self, input: Value) -> Result<Option<Item>, ItemError> {
        self.tables.put_item(&self.ns, &of(input)).await.map(|written| written.attributes)
    }

    pub(crate) async fn update(&self, input: Value) -> Result<Option<Item>, ItemError> {
        self.tables.update_item(&self.ns, &of(input)).await.map(|written| written.attributes)
    }

    pub(crate) async fn delete(&self, input: Value) -> Result<Option<Item>, ItemError> {
        self.tables.delete_item(&self.ns, &of(input)).await.map(|written| written.attributes)
    }

    /// An item of a table with a simple key.
    pub(crate) fn get(&self, table: &str, id: &str) -> Option<Item> {
        let input = of(json!({"TableName": table, "Key": {"id": {"S": id}}, "ConsistentRead": true}));
        self.tables.get_item(&self.ns, &input).unwrap().item
    }

    pub(crate) fn query(&self, input: Value) -> Result<Page, String> {
        self.tables.query(&self.ns, &of(input)).map_err(|error| error.to_string())
    }

    pub(crate) fn scan(&self, input: Value) -> Result<Page, String> {
        self.tables.scan(&self.ns, &of(input)).map_err(|error| error.to_string())
    }

    pub(crate) fn describe(&self, table: &str) -> Option<TableDescription> {
        self.tables.describe_table(&self.ns, &name(table)).ok()
    }
}

/// An input as a caller writes it.
pub(crate) fn of<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).unwrap()
}

pub(crate) fn name(text: &str) -> TableName {
    TableName::new(text).unwrap()
}

pub(crate) fn item(json: Value) -> Item {
    of(json)
}

pub(crate) fn is_condition_failure<T>(result: &Result<T, ItemError>) -> bool {
    matches!(result, Err(ItemError::ConditionFailed { .. }))
}
