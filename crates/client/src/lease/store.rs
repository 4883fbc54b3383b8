//! Where leases are kept: rows of attributes, changed one at a time and on conditions.
//!
//! This is all that a store has to be able to do. What the rows and the changes mean is said once, above it
//! ([`LeaseTable`](super::LeaseTable)), so that every store does the same; [`MemoryLeaseStore`](super::MemoryLeaseStore) is the executable
//! specification, and one suite (`conformance.rs`) holds every store to it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures_util::future::BoxFuture;

/// A value of an attribute, as DynamoDB has them.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// A text.
    S(String),
    /// A number, in decimal digits.
    N(String),
    /// Bytes.
    B(Bytes),
    /// A set of texts, never empty.
    Ss(BTreeSet<String>),
    /// Yes or no.
    Bool(bool),
    /// A list.
    L(Vec<Attribute>),
    /// A map.
    M(BTreeMap<String, Attribute>),
    /// A type that no lease has. It is never written.
    Other,
}

/// The attributes of one row by their names.
pub type Row = BTreeMap<String, Attribute>;

/// The tables of an application. KCL 3.0 to 3.4 keep three; KCL 3.5 can keep all rows in that of the leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// A row for each shard.
    Leases,
    /// Who leads, and how far migrations are.
    Coordinator,
    /// How busy each worker is.
    WorkerMetrics,
}

/// What must be so before a change is made.
#[derive(Debug, Clone, PartialEq)]
pub enum Expect {
    /// The attribute has this value.
    Equals(&'static str, Attribute),
    /// The attribute is not there.
    Absent(&'static str),
    /// The attribute is there.
    Present(&'static str),
}

/// A change of one attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It gets this value.
    Put(&'static str, Attribute),
    /// It goes.
    Delete(&'static str),
    /// This is added to the number that it is; to 0 if it is not there.
    Add(&'static str, u64),
}

/// What became of a change on conditions.
#[derive(Debug, Clone, PartialEq)]
pub enum Updated {
    /// It was made; this is the row now.
    Made(Row),
    /// A condition did not hold. The row as it is, if there is one.
    Refused(Option<Row>),
}

/// Why a store did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It asks to be called less often. Nothing happened.
    #[error("the lease store throttles: {0}")]
    Throttled(String),
    /// The table is not there. Nothing happened.
    #[error("the lease store has no table {0}")]
    NoTable(String),
    /// It refuses for good, such as for a missing permission. Nothing happened.
    #[error("the lease store refuses: {0}")]
    Refused(String),
    /// No answer: the change may have been made or not.
    #[error("the lease store does not answer: {0}")]
    Unavailable(String),
}

/// What every call of a store comes to.
pub type StoreFuture<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// A table of rows with conditional changes of single rows. Each change is atomic, and whoever reads a row by its key sees every change
/// that was answered before.
pub trait LeaseStore: Send + Sync + 'static {
    /// Makes the tables where they are not there, and waits until they can be used.
    fn prepare(&self) -> StoreFuture<'_, ()>;

    /// Every row, in no order.
    fn scan(&self, table: Table) -> StoreFuture<'_, Vec<Row>>;

    /// The row with this key.
    fn get<'a>(&'a self, table: Table, key: &'a str) -> StoreFuture<'a, Option<Row>>;

    /// The keys of the leases with this owner. May be behind the table by a moment.
    fn keys_of<'a>(&'a self, owner: &'a str) -> StoreFuture<'a, Vec<String>>;

    /// Makes a row unless there is one with its key. Whether it did.
    fn create(&self, table: Table, row: Row) -> StoreFuture<'_, bool>;

    /// Changes the row with this key if all is as expected. Attributes that are not named stay as they are. Without expectations a row that
    /// is not there is made.
    fn update<'a>(
        &'a self,
        table: Table,
        key: &'a str,
        expected: Vec<Expect>,
        changes: Vec<Change>,
    ) -> StoreFuture<'a, Updated>;

    /// Removes the row with this key if all is as expected. Whether nothing is there now that was not expected.
    fn delete<'a>(&'a self, table: Table, key: &'a str, expected: Vec<Expect>) -> StoreFuture<'a, bool>;
}

impl Attribute {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::S(text.into())
    }

    /// A whole number.
    #[must_use]
    pub fn number(number: u64) -> Self {
        Self::N(number.to_string())
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::S(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, if it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<u64> {
        match self {
            Self::N(digits) => digits.parse().ok(),
            _ => None,
        }
    }
}

impl Table {
    /// The attribute that names a row.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Leases => "leaseKey",
            Self::Coordinator => "key",
            Self::WorkerMetrics => "wid",
        }
    }
}
