//! What can happen to a call. The texts that clients read are made from these in the server.

use crate::catalog::TableStatus;
use crate::expression::{KeyProblem, UpdateRefusal};
use crate::invalid::Invalid;
use crate::value::Item;
use rheos_log::LogError;
use rheos_types::{Namespace, TableName};

/// There is no such table, or it is being deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no table {table} in account {} and region {}", namespace.account, namespace.region)]
pub struct TableNotFound {
    /// Where it is not.
    pub namespace: Namespace,
    /// Its name.
    pub table: TableName,
}

/// Why a table was not made, changed or deleted. Nothing happened, unless the log says that it does not know.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The request is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// There is no such table.
    #[error(transparent)]
    NotFound(#[from] TableNotFound),
    /// There is one of this name already.
    #[error("table {0} exists already")]
    Exists(TableName),
    /// It is in the middle of something else.
    #[error("table {table} is {}", status.as_str())]
    Busy {
        /// The table.
        table: TableName,
        /// What it is doing.
        status: TableStatus,
    },
    /// It was said that it must not be deleted.
    #[error("table {0} is protected from deletion")]
    Protected(TableName),
    /// The index to be removed or changed is not there.
    #[error("there is no index {0}")]
    NoIndex(String),
    /// More than one index was to be made or removed.
    #[error("one index is made or removed at a time")]
    SeveralIndexes,
    /// The account has as many tables as it may.
    #[error("the account has {limit} tables, which is the limit")]
    TooManyTables {
        /// The limit.
        limit: usize,
    },
    /// The table would have too many tags.
    #[error("a table has at most {limit} tags")]
    TooManyTags {
        /// The limit.
        limit: usize,
    },
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Why an item was not read or written. Nothing happened, unless the log says that it does not know.
#[derive(Debug, thiserror::Error)]
pub enum ItemError {
    /// The request is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// There is no such table.
    #[error(transparent)]
    NotFound(#[from] TableNotFound),
    /// The condition does not hold.
    #[error("the condition does not hold")]
    ConditionFailed {
        /// The item as it is, if it was asked for and there is one.
        item: Option<Box<Item>>,
    },
    /// The items of the account would take more memory than they may.
    #[error("the account's items take at most {limit_bytes} bytes of memory")]
    TooMuchData {
        /// The limit.
        limit_bytes: usize,
    },
    /// A transaction was not carried out: for each of its actions, why.
    #[error("the transaction was not carried out")]
    Cancelled(Vec<Option<CancellationReason>>),
    /// The token was given with another transaction before.
    #[error("the token belongs to another transaction")]
    TokenReused,
    /// Others changed the item too often in the meantime.
    #[error("others change the same items all the time")]
    Contended,
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Why an action of a transaction cannot be carried out.
#[derive(Debug, Clone, PartialEq)]
pub enum CancellationReason {
    /// Its condition does not hold; and the item as it is, if it was asked for and there is one.
    ConditionFailed(Option<Box<Item>>),
    /// It is not possible with this item.
    Invalid(Box<Invalid>),
}

impl From<KeyProblem> for ItemError {
    fn from(problem: KeyProblem) -> Self {
        Self::Invalid(problem.into())
    }
}

impl From<UpdateRefusal> for ItemError {
    fn from(refusal: UpdateRefusal) -> Self {
        Self::Invalid(refusal.into())
    }
}
