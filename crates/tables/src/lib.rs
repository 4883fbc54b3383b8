//! What the tables of DynamoDB mean, as far as leases and checkpoints need them: tables with composite keys and secondary
//! indexes, items of all types of attributes, conditional writes, expressions and their legacy forms, queries, scans,
//! batches and transactions.
//!
//! Knows no wire (no HTTP, no names of errors) and no medium (only [`rheos_log::Log`]). The inputs of the verbs are called
//! as DynamoDB's API calls them, and are read from its JSON (serde): the form of an item in the catalog is the API's too.
//!
//! # How it hangs together
//! * The truth is the log's catalog: one record for a table, one for each item (`catalog.rs`).
//! * [`Tables`] keeps a view of it in memory (`view.rs`), which the log brings up to date after each durable batch and
//!   *before* the replies of that batch are released: whoever was answered sees what was answered. So every read is a
//!   consistent one.
//! * A write reads the view, decides, and commits on condition that table and item are still what it read; if they are not,
//!   it decides again (`write.rs`). Who lost once waits for his turn behind others who did, so that everybody gets through.
//! * Expressions and their legacy forms become the same trees (`expression`), with one evaluator.
//! * What takes long (the removal of a large table, the making of an index, the forgetting of requests) is a state in the
//!   catalog and carried out by [`Tables::tick`]. A restart in the middle finds it and finishes it.
//!
//! # Invariants
//! * An item belongs to a table by the table's uid, which no other table ever had: one that is made again under a name
//!   has none of the items of the one before.
//! * An index shows what the table shows, always: both change in one step. One that is being made serves no reads.
//! * What an account keeps is bounded in bytes of memory, and every answer in bytes.

mod batch;
mod capacity;
mod catalog;
mod expression;
mod facts;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod input;
mod invalid;
mod items;
mod key;
pub mod limits;
mod number;
mod open;
mod page;
mod query;
mod schema;
mod tables;
mod tags;
mod tick;
mod transact;
mod value;
mod view;
mod write;

#[cfg(test)]
mod tests;

pub use batch::{BatchGetItem, BatchGot, BatchWriteItem, DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest};
pub use capacity::{Capacity, ReturnConsumedCapacity};
pub use catalog::{
    BillingMode, IndexProjection, IndexRecord, IndexStatus, TableRecord, TableStatus, TableUid, Throughput,
};
pub use expression::legacy::{
    AttributeUpdate, ComparisonOperator, ConditionalOperator, Expected, LegacyAction, LegacyCondition,
};
pub use expression::{Clash, KeyProblem, Names, Problem, UpdateRefusal, Values, Which};
pub use facts::{CancellationReason, ItemError, TableError, TableNotFound};
pub use invalid::Invalid;
pub use items::{
    Consumed, DeleteItem, GetItem, Got, PutItem, ReturnMetrics, ReturnOnFailure, ReturnValues, UpdateItem, Written,
};
pub use key::{KeySchema, KeyType};
pub use number::{Number, NumberError};
pub use open::{Config, OpenError, Tables, table_name};
pub use page::{Page, Select};
pub use query::{Query, Scan};
pub use rheos_log::LogError;
pub use schema::{
    AttributeDefinition, IndexInput, KeyPart, KeySchemaElement, ProjectionInput, ProjectionType, ThroughputInput,
};
pub use tables::{CreateTable, DeleteIndex, IndexUpdate, TableDescription, UpdateIndex, UpdateTable};
pub use tags::Tag;
pub use tick::{Tick, TickProblem};
pub use transact::{
    ConditionCheck, TransactDelete, TransactGet, TransactGetItem, TransactGetItems, TransactPut, TransactUpdate,
    TransactWriteItem, TransactWriteItems,
};
pub use value::{AttributeValue, Item, Type, size_bytes};
