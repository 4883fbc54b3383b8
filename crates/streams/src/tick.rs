//! What time brings: transitions that are due, records and shards that have expired.
//!
//! [`Streams::tick`] is a step function. The server's one ticker calls it, waits until the time it names (or until
//! [`Streams::sooner`] says that something nearer has come up), and calls it again. Each step may be repeated or lost:
//! what is to be done is in the catalog, and doing it twice is doing it once. One that fails is reported, and tried
//! again a second later.

use crate::catalog::{
    ConsumerRecord, ConsumerStatus, Intent, RETIRED, RETIRED_FLOOR, Retired, Status, StreamRecord, consumer_key,
    decode, expect, put, retired_key, shard_key, stream_key,
};
use crate::consumer::put_consumer;
use crate::open::{Streams, put_stream};
use crate::view::StreamView;
use rheos_log::{Change, Key, LogError, Transaction};
use rheos_types::limits::TOKEN_LIFE_MS;
use rheos_types::{Namespace, ShardId, StreamName};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// When what failed is tried again.
const RETRY_MS: u64 = 1000;
/// How many streams' transitions ride in one commit, unless they are large.
const TRANSITIONS_PER_COMMIT: usize = 64;
/// With so many changes a commit is large enough.
const CHANGES_PER_COMMIT: usize = 1024;
/// How many consumers of one stream go on in one step.
const CONSUMERS_PER_STEP: usize = 64;
/// How many shards one step looks at for what has expired, before transitions get their turn again.
const SHARDS_PER_STEP: usize = 256;
/// How many seconds a deleted stream's last create second is kept under its name. After that, wall time is so far beyond
/// it that the one floor for all names does as well.
const RETIRED_FOR_S: u64 = 3600;
/// How many of them are forgotten in one commit.
const FORGOTTEN_PER_COMMIT: usize = 256;
/// Trimming frees space, it does not decide what can be read (reads go by time): a hundredth of the retention is fine
/// enough, and saves looking up every shard's place every minute.
const TRIM_STEPS: u64 = 100;

/// What a step did not manage, and when the next one is due.
#[derive(Debug)]
pub struct Tick {
    /// When to call again, in wall time. It may be past: then at once.
    pub next_ms: u64,
    /// What failed. All of it is tried again.
    pub problems: Vec<TickProblem>,
}

/// Something that was due and could not be done yet.
#[derive(Debug, thiserror::Error)]
pub enum TickProblem {
    /// Streams stay CREATING, UPDATING or DELETING for longer than they should.
    #[error("{streams} streams could not be brought to their next state")]
    Transitions {
        /// How many.
        streams: usize,
        /// Why.
        source: LogError,
    },
    /// A stream on demand stays smaller than it should be for a while.
    #[error("stream {stream} of account {} could not grow", namespace.account)]
    Growth {
        /// Where the stream is.
        namespace: Namespace,
        /// The stream.
        stream: StreamName,
        /// Why.
        source: LogError,
    },
    /// Expired records and shards stay for longer than they should. They cannot be read all the same.
    #[error("what has expired in stream {stream} of account {} could not be removed", namespace.account)]
    Expiry {
        /// Where the stream is.
        namespace: Namespace,
        /// The stream.
        stream: StreamName,
        /// Why.
        source: LogError,
    },
    /// Where a shard's expired records end could not be found.
    #[error("where the expired records of {shard} of stream {stream} end could not be read")]
    Horizon {
        /// Where the stream is.
        namespace: Namespace,
        /// The stream.
        stream: StreamName,
        /// The shard.
        shard: ShardId,
        /// Why.
        source: rheos_log::ReadError,
    },
    /// The catalog keeps a few names of deleted streams for longer than it should.
    #[error("deleted streams could not be forgotten")]
    Forget(#[source] LogError),
}

/// The search for what has expired.
#[derive(Debug)]
pub(crate) struct Check {
    /// When the next one begins (wall time).
    pub(crate) next_ms: u64,
    /// The streams that the present one has not come to.
    left: Vec<Arc<StreamView>>,
}

impl Check {
    pub(crate) fn new(next_ms: u64) -> Self {
        Self { next_ms, left: Vec::new() }
    }
}

impl Streams {
    /// Does what is due. Two at a time do no harm, and no good.
    pub async fn tick(&self) -> Tick {
        let now_ms = self.clock.wall_ms();
        let mut problems = Vec::new();
        let next_look_ms = self.grow(now_ms, &mut problems).await;
        self.transitions(now_ms, &mut problems).await;
        let more = self.check(now_ms, &mut problems).await;
        let next_check_ms = self.check_state(|check| check.next_ms);
        let dates = [self.views.first_due_ms(), next_look_ms].into_iter().flatten();
        let mut next_ms = dates.fold(next_check_ms, u64::min);
        if more {
            next_ms = now_ms;
        }
        if !problems.is_empty() {
            next_ms = next_ms.max(now_ms.saturating_add(RETRY_MS));
        }
        Tick { next_ms, problems }
    }

    /// Waits until something has come up that may be due before the time that the last [`Self::tick`] named.
    pub async fn sooner(&self) {
        self.views.sooner().await;
    }

    /// Carries out the intents that are due.
    async fn transitions(&self, now_ms: u64, problems: &mut Vec<TickProblem>) {
        // One that is due later than a whole transition from now was written before the clock was set back.
        let horizon_ms = now_ms.saturating_add(self.config.transition_ms);
        let is_due = |due_ms: u64| due_ms <= now_ms || due_ms > horizon_ms;
        let mut due = self.views.pending();
        due.retain(|view| view.due_ms().any(is_due));
        let (mut transactions, mut streams, mut changes) = (Vec::new(), 0, 0);
        let mut due = due.iter().peekable();
        while let Some(view) = due.next() {
            let mut steps = self.transition(view, is_due);
            steps.extend(consumer_transitions(view, is_due, steps.is_empty()));
            changes += steps.iter().map(|step| step.changes.len()).sum::<usize>();
            transactions.extend(steps);
            streams += 1;
            if due.peek().is_some() && streams < TRANSITIONS_PER_COMMIT && changes < CHANGES_PER_COMMIT {
                continue;
            }
            // A conflict: somebody changed the stream just now (deleted it, say). If something is due still, the next
            // step finds it.
            if let Err(source) = self.log.commit(std::mem::take(&mut transactions)).await {
                problems.push(TickProblem::Transitions { streams, source });
            }
            (streams, changes) = (0, 0);
        }
    }

    fn transition(&self, view: &StreamView, is_due: impl Fn(u64) -> bool) -> Vec<Transaction> {
        let due = view.record.pending.as_ref().filter(|pending| is_due(pending.due_ms));
        let Some(pending) = due else { return Vec::new() };
        let key = stream_key(&view.namespace, &view.name);
        let conditions = vec![expect(key.clone(), Some(view.version))];
        match &pending.intent {
            Intent::Split { .. } | Intent::Merge { .. } | Intent::Scale { .. } | Intent::Grow { .. } => {
                self.reshape(view, &pending.intent)
            }
            Intent::Settle => {
                let mut record = view.record.clone();
                record.status = Status::Active;
                record.pending = None;
                // On a full disk too: a retention that was shortened can be shortened again only after that.
                vec![Transaction { conditions, changes: vec![put_stream(view, &record)], frees_space: true }]
            }
            Intent::Remove => {
                let second = view.record.last_shard_second.max(view.record.last_consumer_second);
                let retired = Retired { second };
                let retire = put(retired_key(&view.namespace, &view.name), &retired);
                vec![Transaction { conditions, changes: vec![retire, Change::Delete { key }], frees_space: true }]
            }
        }
    }

    /// Goes on with the search for what has expired, or begins one. Whether there is more to do at once.
    async fn check(&self, now_ms: u64, problems: &mut Vec<TickProblem>) -> bool {
        let interval_ms = self.config.retention_check_ms;
        let begins = self.check_state(|check| {
            // As with intents: too far ahead means that the clock was set back.
            let due = check.next_ms <= now_ms || check.next_ms > now_ms.saturating_add(interval_ms);
            let begins = due && check.left.is_empty();
            if begins {
                check.next_ms = now_ms.saturating_add(interval_ms);
            }
            begins
        });
        if begins {
            let all = self.views.all();
            self.check_state(|check| check.left = all);
            self.forget_retired(now_ms / 1000, problems).await;
        }
        let mut looked_at = 0;
        while looked_at < SHARDS_PER_STEP {
            let Some(view) = self.check_state(|check| check.left.pop()) else { return false };
            looked_at += view.shards.len().max(1);
            // What the stream is by now; one that is being deleted has nothing left to expire.
            let Some(view) = self.views.get(&view.namespace, &view.name) else { continue };
            if view.record.status.serves() {
                self.expire(&view, problems).await;
            }
        }
        self.check_state(|check| !check.left.is_empty())
    }

    /// Trims a stream's shards, and drops those that are closed, empty by now, and of no use to any reader.
    async fn expire(&self, view: &StreamView, problems: &mut Vec<TickProblem>) {
        let horizon_ms = self.horizon_ms(&view.record);
        let step_ms = u64::from(view.record.retention_hours) * crate::open::HOUR_MS / TRIM_STEPS;
        let mut record = view.record.clone();
        let mut changes = Vec::new();
        for shard in view.shards.iter() {
            let closed_ms = shard.record.closed.as_ref().map(|closed| closed.at_ms);
            // Whoever was at the shard's end when it expired has an iterator's life to see it, and the children.
            let over = closed_ms.filter(|ms| ms.saturating_add(TOKEN_LIFE_MS) < horizon_ms && record.pending.is_none());
            if let Some(closed_ms) = over {
                // Without this shard no listing of an earlier time would cover the key space.
                record.horizon_ms = record.horizon_ms.max(closed_ms);
                changes.push(Change::DropShard { shard: shard.record.key });
                changes.push(Change::Delete { key: shard_key(record.uid, shard.id) });
                continue;
            }
            let searched_ms = shard.memory.trimmed_ms.load(Ordering::Relaxed).max(shard.record.opened_ms);
            let Some(state) = self.log.shard(shard.record.key) else { continue };
            if state.first == state.next || horizon_ms < searched_ms.saturating_add(step_ms) {
                continue;
            }
            let below = match self.log.position_at(shard.record.key, horizon_ms).await {
                Ok(below) => below,
                Err(source) => {
                    let (namespace, stream) = (view.namespace.clone(), view.name.clone());
                    problems.push(TickProblem::Horizon { namespace, stream, shard: shard.id, source });
                    continue;
                }
            };
            shard.memory.trimmed_ms.store(horizon_ms, Ordering::Relaxed);
            if below > state.first {
                changes.push(Change::TrimShard { shard: shard.record.key, below });
            }
        }
        if changes.is_empty() {
            return;
        }
        let mut conditions = vec![expect(stream_key(&view.namespace, &view.name), Some(view.version))];
        if record.horizon_ms == view.record.horizon_ms {
            // Only trims: they are right whatever else happens to the stream.
            conditions.clear();
        } else {
            changes.push(put_stream(view, &record));
        }
        let transaction = Transaction { conditions, changes, frees_space: true };
        // After a conflict, the next search comes by again.
        if let Err(source) = self.commit(transaction).await {
            let (namespace, stream) = (view.namespace.clone(), view.name.clone());
            problems.push(TickProblem::Expiry { namespace, stream, source });
        }
    }

    /// Moves the create seconds of streams deleted long ago into the floor that holds for all names.
    async fn forget_retired(&self, now_s: u64, problems: &mut Vec<TickProblem>) {
        let floor_key = Key::new(RETIRED_FLOOR);
        let floor = self.log.get(&floor_key);
        let mut second =
            floor.as_ref().and_then(|floor| decode::<Retired>(&floor.value)).map_or(0, |floor| floor.second);
        let mut transaction = Transaction { frees_space: true, ..Transaction::default() };
        transaction.conditions.push(expect(floor_key.clone(), floor.map(|floor| floor.version)));
        for (key, stored) in self.log.scan(RETIRED) {
            let Some(retired) = decode::<Retired>(&stored.value) else { continue };
            if retired.second.saturating_add(RETIRED_FOR_S) >= now_s {
                continue;
            }
            second = second.max(retired.second);
            transaction.conditions.push(expect(key.clone(), Some(stored.version)));
            transaction.changes.push(Change::Delete { key });
            if transaction.changes.len() == FORGOTTEN_PER_COMMIT {
                break;
            }
        }
        if transaction.changes.is_empty() {
            return;
        }
        transaction.changes.push(put(floor_key, &Retired { second }));
        if let Err(source) = self.commit(transaction).await {
            problems.push(TickProblem::Forget(source));
        }
    }

    fn check_state<T>(&self, f: impl FnOnce(&mut Check) -> T) -> T {
        f(&mut self.check.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Brings consumers to their next status. One that is gone leaves its create second in the stream's record, so that no
/// other gets its ARN; that has to wait if the stream's record is about to change in the same step.
fn consumer_transitions(view: &StreamView, is_due: impl Fn(u64) -> bool, stream_rests: bool) -> Vec<Transaction> {
    let due = view.consumers.values().filter(|consumer| consumer.record.due_ms.is_some_and(&is_due));
    let mut transactions = Vec::new();
    let mut gone = Transaction { frees_space: true, ..Transaction::default() };
    let mut last_second = view.record.last_consumer_second;
    for consumer in due.take(CONSUMERS_PER_STEP) {
        let key = consumer_key(view.record.uid, &consumer.name);
        let unchanged = expect(key.clone(), Some(consumer.version));
        if consumer.record.status == ConsumerStatus::Deleting {
            gone.conditions.push(unchanged);
            gone.changes.push(Change::Delete { key });
            last_second = last_second.max(consumer.record.created_ms / 1000);
        } else {
            let record = ConsumerRecord { status: ConsumerStatus::Active, due_ms: None, ..consumer.record.clone() };
            let changes = vec![put_consumer(view, &consumer.name, &record)];
            transactions.push(Transaction { conditions: vec![unchanged], changes, frees_space: false });
        }
    }
    if stream_rests && !gone.changes.is_empty() {
        let record = StreamRecord { last_consumer_second: last_second, ..view.record.clone() };
        gone.conditions.push(expect(stream_key(&view.namespace, &view.name), Some(view.version)));
        gone.changes.push(put_stream(view, &record));
        transactions.push(gone);
    }
    transactions
}
