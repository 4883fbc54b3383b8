//! [`Tables`]: what all verbs share, and how it is opened.

use crate::catalog::{ITEMS, REQUESTS, TABLES, TableRecord, expect, put, table_key};
use crate::facts::TableNotFound;
use crate::invalid::Invalid;
use crate::limits::ACCOUNT_BYTES;
use crate::view::{TableView, Views};
use rheos_log::{Conflict, Log, LogError, Transaction};
use rheos_types::{Clock, Namespace, Random, TableName};
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};

/// How often a write is decided again because another came first. Each time, another has succeeded.
pub(crate) const ATTEMPTS: usize = 16;
/// In how many queues writes wait that lost to another: those of one item in one queue.
const QUEUES: usize = 64;

/// What can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Bytes of memory that the items of one account may take, in all regions together.
    pub account_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { account_bytes: ACCOUNT_BYTES }
    }
}

/// Why the tables could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An entry of the catalog cannot be read: it is damaged, or of a version that this one does not know.
    #[error("the catalog's entry {key} cannot be read")]
    Damaged {
        /// Its key.
        key: String,
    },
}

/// Every table of every account, over one log.
pub struct Tables {
    pub(crate) log: Log,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) config: Config,
    pub(crate) views: Arc<Views>,
    queues: [Mutex<()>; QUEUES],
}

impl Tables {
    /// Opens what the log holds. What was under way when it was closed goes on with the next [`Self::tick`].
    ///
    /// # Errors
    /// [`OpenError`]: nothing is served then.
    pub fn open(log: Log, clock: Arc<dyn Clock>, random: Arc<dyn Random>, config: Config) -> Result<Self, OpenError> {
        let views = Arc::new(Views::default());
        let mut entries = log.scan(TABLES);
        entries.extend(log.scan(ITEMS));
        entries.extend(log.scan(REQUESTS));
        views.load(entries).map_err(|key| OpenError::Damaged { key: key.to_string() })?;
        log.observe(views.clone());
        Ok(Self { log, clock, random, config, views, queues: std::array::from_fn(|_| Mutex::new(())) })
    }

    /// The table, whatever its status.
    pub(crate) fn table(&self, namespace: &Namespace, name: &TableName) -> Result<Arc<TableView>, TableNotFound> {
        let not_found = || TableNotFound { namespace: namespace.clone(), table: name.clone() };
        self.views.get(namespace, name).ok_or_else(not_found)
    }

    /// The table, if its items can be read and written.
    pub(crate) fn serving(&self, namespace: &Namespace, name: &TableName) -> Result<Arc<TableView>, TableNotFound> {
        let view = self.table(namespace, name)?;
        if view.record.deleting { Err(view.not_found()) } else { Ok(view) }
    }

    /// A place in the queue of those who write to the same item and lost to another. Holding it is fair, and no more: it
    /// is the log that lets only one of two win.
    pub(crate) async fn queue(&self, spread: u128) -> MutexGuard<'_, ()> {
        self.queues[(spread % QUEUES as u128) as usize].lock().await
    }

    /// Changes a table's record: reads it, lets `decide` change it, and commits it on condition that it is still what was
    /// read. Otherwise decides again. Answers the table as it is then.
    pub(crate) async fn change<E>(
        &self,
        namespace: &Namespace,
        name: &TableName,
        decide: impl Fn(&TableView, &mut TableRecord) -> Result<(), E>,
    ) -> Result<Arc<TableView>, E>
    where
        E: From<TableNotFound> + From<LogError>,
    {
        for _ in 0..ATTEMPTS {
            let view = self.table(namespace, name)?;
            let mut record = view.record.as_ref().clone();
            decide(&view, &mut record)?;
            if record == *view.record {
                return Ok(view);
            }
            let key = table_key(namespace, name);
            let transaction = Transaction {
                conditions: vec![expect(key.clone(), Some(view.version))],
                changes: vec![put(key, &record)],
                frees_space: record.deleting,
            };
            if let Ok(version) = self.commit(transaction).await? {
                let mut after = view.as_ref().clone();
                after.version = version;
                after.record = Arc::new(record);
                return Ok(Arc::new(after));
            }
        }
        // Whoever changes one table sixteen times at once is asked to come back; nothing has happened.
        Err(LogError::Overloaded.into())
    }

    /// Commits one transaction.
    pub(crate) async fn commit(&self, transaction: Transaction) -> Result<Result<u64, Conflict>, LogError> {
        let mut results = self.log.commit(vec![transaction]).await?;
        // One transaction, one result.
        results.pop().ok_or(LogError::Unknown)
    }
}

impl TableView {
    pub(crate) fn not_found(&self) -> TableNotFound {
        TableNotFound { namespace: self.namespace.clone(), table: self.name.clone() }
    }
}

/// The table that a caller names: by its name, or by its ARN.
///
/// # Errors
/// [`Invalid`]: it is neither.
pub fn table_name(namespace: &Namespace, text: &str) -> Result<TableName, Invalid> {
    let name = match text.strip_prefix("arn:") {
        None => text,
        Some(rest) => {
            let own = format!("aws:dynamodb:{}:{}:table/", namespace.region, namespace.account);
            rest.strip_prefix(&own).ok_or_else(|| {
                Invalid::Text(format!("{text} is not the ARN of a table of this account and region (arn:{own}…)"))
            })?
        }
    };
    TableName::new(name).map_err(|_| {
        if (3..=255).contains(&name.len()) {
            Invalid::Text(format!(
                "1 validation error detected: Value '{name}' at 'tableName' failed to satisfy constraint: Member must \
                 satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
            ))
        } else {
            Invalid::Text("TableName must be at least 3 characters long and at most 255 characters long".to_owned())
        }
    })
}
