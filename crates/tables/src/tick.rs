//! What goes on by itself: tables that are being deleted, indexes that are being made, requests that are forgotten.
//!
//! [`Tables::tick`] is a step function, as that of streams is. What is to be done is in the catalog, and doing it twice is
//! doing it once: a restart in the middle finds it and goes on.

use crate::catalog::{IndexStatus, expect, item_key, put, table_key};
use crate::limits::TOKEN_LIFE_MS;
use crate::open::Tables;
use crate::view::TableView;
use rheos_log::{Change, LogError, Transaction};
use rheos_types::TableName;

/// How many items one commit of a deletion removes.
const ITEMS_PER_COMMIT: usize = 1000;
/// How many items go into an index while the log waits.
const ITEMS_PER_FILL: usize = 500;
/// How many requests one commit forgets.
const REQUESTS_PER_COMMIT: usize = 1000;
/// When what failed is tried again.
const RETRY_MS: u64 = 1000;
/// How often requests that are old enough are looked for.
const FORGET_MS: u64 = 60_000;

/// What a step did not manage, and when the next one is due.
#[derive(Debug)]
pub struct Tick {
    /// When to call again, in wall time. It may be past: then at once.
    pub next_ms: u64,
    /// What failed. All of it is tried again.
    pub problems: Vec<TickProblem>,
}

/// Something that was to be done and could not be done yet.
#[derive(Debug, thiserror::Error)]
pub enum TickProblem {
    /// A table stays DELETING for longer than it should.
    #[error("table {table} could not be deleted")]
    Deletion {
        /// The table.
        table: TableName,
        /// Why.
        source: LogError,
    },
    /// An index stays CREATING for longer than it should.
    #[error("an index of table {table} could not be made active")]
    Index {
        /// The table.
        table: TableName,
        /// Why.
        source: LogError,
    },
    /// Tokens of transactions are remembered for longer than they should be.
    #[error("transactions could not be forgotten")]
    Forget(#[source] LogError),
}

impl Tables {
    /// Does what is to be done. Two at a time do no harm, and no good.
    pub async fn tick(&self) -> Tick {
        let now_ms = self.clock.wall_ms();
        let mut problems = Vec::new();
        for view in self.views.working() {
            let table = view.name.clone();
            if view.record.deleting {
                if let Err(source) = self.finish_deletion(&view).await {
                    problems.push(TickProblem::Deletion { table, source });
                }
            } else if let Err(source) = self.finish_indexes(&view).await {
                problems.push(TickProblem::Index { table, source });
            }
        }
        if let Err(source) = self.forget_requests(now_ms).await {
            problems.push(TickProblem::Forget(source));
        }
        let oldest_ms = self.views.oldest_request_ms().map(|done_ms| done_ms.saturating_add(TOKEN_LIFE_MS + 1));
        let mut next_ms = now_ms.saturating_add(FORGET_MS).max(oldest_ms.unwrap_or(0));
        if !problems.is_empty() {
            next_ms = now_ms.saturating_add(RETRY_MS);
        }
        Tick { next_ms, problems }
    }

    /// Waits until something has come up that is to be done before the time that the last [`Self::tick`] named.
    pub async fn sooner(&self) {
        self.views.sooner().await;
    }

    /// Removes the items of a table that is being deleted, a thousand at a time, and then the table.
    pub(crate) async fn finish_deletion(&self, view: &TableView) -> Result<(), LogError> {
        loop {
            let Some(now) = self.views.get(&view.namespace, &view.name) else { return Ok(()) };
            if now.record.uid != view.record.uid {
                return Ok(());
            }
            // Nothing is written to it any more: what is seen here is all that there is.
            let keys = now.items.keys().take(ITEMS_PER_COMMIT);
            let keys = keys.map(|place| item_key(&now.namespace, now.record.uid, place));
            let mut changes: Vec<_> = keys.map(|key| Change::Delete { key }).collect();
            let table = table_key(&now.namespace, &now.name);
            let mut conditions = Vec::new();
            if changes.len() == now.items.size() {
                conditions.push(expect(table.clone(), Some(now.version)));
                changes.push(Change::Delete { key: table });
            }
            // A conflict: another step was first. The next round sees what it did.
            let _first = self.commit(Transaction { conditions, changes, frees_space: true }).await?;
        }
    }

    /// Takes the items of a table into its new indexes, and then says that they serve.
    pub(crate) async fn finish_indexes(&self, view: &TableView) -> Result<(), LogError> {
        while self.views.fill(view.record.uid, ITEMS_PER_FILL) {
            give_way().await;
        }
        loop {
            let Some(now) = self.views.get(&view.namespace, &view.name) else { return Ok(()) };
            let mut record = now.record.as_ref().clone();
            for (name, index) in &mut record.indexes {
                if now.indexes.get(name).is_some_and(crate::view::IndexView::is_filled) {
                    index.status = IndexStatus::Active;
                }
            }
            if record.uid != view.record.uid || record.deleting || record == *now.record {
                return Ok(());
            }
            let key = table_key(&now.namespace, &now.name);
            let conditions = vec![expect(key.clone(), Some(now.version))];
            let changes = vec![put(key, &record)];
            if self.commit(Transaction { conditions, changes, frees_space: false }).await?.is_ok() {
                return Ok(());
            }
        }
    }

    async fn forget_requests(&self, now_ms: u64) -> Result<(), LogError> {
        let before_ms = now_ms.saturating_sub(TOKEN_LIFE_MS);
        loop {
            let old = self.views.requests_before(before_ms, REQUESTS_PER_COMMIT);
            if old.is_empty() {
                return Ok(());
            }
            let conditions = old.iter().map(|(key, version)| expect(key.clone(), Some(*version))).collect();
            let changes = old.into_iter().map(|(key, _)| Change::Delete { key }).collect();
            // A conflict: one was used again just now. It is newer in the next round.
            let _first = self.commit(Transaction { conditions, changes, frees_space: true }).await?;
        }
    }
}

/// Lets others run that wait for this thread.
async fn give_way() {
    let mut gave_way = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut gave_way, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
