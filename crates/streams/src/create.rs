//! CreateStream.
//!
//! The shards are opened in the same commit that records the stream; while it is CREATING they are not shown and take
//! nothing. What is left for the due time is to say ACTIVE, which cannot fail halfway.

use crate::catalog::{
    Distribution, Encryption, Intent, Mode, Pending, RETIRED_FLOOR, Retired, ShardRecord, Status, StreamRecord,
    StreamUid, decode, expect, put, retired_key, shard_key, stream_key,
};
use crate::facts::{OverOnDemandLimit, OverShardLimit, ProvisionedStream};
use crate::history::History;
use crate::open::Streams;
use crate::tags::{TagRefusal, check_tags};
use crate::warm::WarmRefusal;
use rheos_log::{Change, Condition, Key, LogError, Transaction};
use rheos_types::limits::{DEFAULT_MAX_RECORD_KIB, DEFAULT_RETENTION_HOURS, DEFAULT_SHARDS};
use rheos_types::{HashRange, Namespace, ShardId, ShardKey, StreamName};
use std::collections::{BTreeMap, BTreeSet};

/// How often a creation is decided again because something came between.
const ATTEMPTS: usize = 16;
/// How many seconds before its stream a shard is said to be created, as the service does (it shows 2 to 7): children of
/// a split at once, whose second must exceed their parent's, then lie less far ahead of the clock.
const SECONDS_BEFORE: u64 = 2;

/// What is to be created.
#[derive(Debug, Clone)]
pub struct CreateStream<'a> {
    /// Its name.
    pub name: &'a StreamName,
    /// Who decides about its shards.
    pub mode: Mode,
    /// With how many shards, at least 1; 4 if nothing is said. An on-demand stream always begins with 4.
    pub shard_count: Option<u32>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The largest record it takes; 1 MiB if nothing is said.
    pub max_record_kib: Option<u32>,
    /// What decides the shards of its records. Only a stream on demand spreads them by itself.
    pub distribution: Distribution,
    /// The throughput in MiB/s that it is to be ready for from the beginning; only of a stream on demand.
    pub warm_mibps: Option<u32>,
}

impl<'a> CreateStream<'a> {
    /// A provisioned stream of this name, with all that is not said as it is by default.
    #[must_use]
    pub fn of(name: &'a StreamName) -> Self {
        Self {
            name,
            mode: Mode::Provisioned,
            shard_count: None,
            tags: BTreeMap::new(),
            max_record_kib: None,
            distribution: Distribution::default(),
            warm_mibps: None,
        }
    }
}

/// Why a stream was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// There is one of that name, in whatever state.
    #[error("stream {stream} exists")]
    Exists {
        /// Where it is.
        namespace: Namespace,
        /// Its name.
        stream: StreamName,
    },
    /// As many streams are being created as may be at a time.
    #[error("{limit} streams are being created")]
    TooManyCreating {
        /// The account and region.
        namespace: Namespace,
        /// How many may be created at a time.
        limit: u32,
    },
    /// What only streams on demand have was asked for a provisioned one.
    #[error(transparent)]
    Provisioned(#[from] ProvisionedStream),
    /// The throughput is not kept ready.
    #[error(transparent)]
    Warm(#[from] WarmRefusal),
    /// The account has as many on-demand streams as it may.
    #[error(transparent)]
    OverOnDemandLimit(#[from] OverOnDemandLimit),
    /// The account would have more shards than it may.
    #[error(transparent)]
    OverShardLimit(#[from] OverShardLimit),
    /// The tags are not acceptable.
    #[error(transparent)]
    Tags(#[from] TagRefusal),
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Streams {
    /// Creates a stream. It is CREATING once this is answered, and ACTIVE soon after.
    ///
    /// Limits are held against what is known when the call is decided: creations at the same moment can exceed the
    /// account's limit together by as many shards as they make.
    ///
    /// # Errors
    /// [`CreateError`].
    pub async fn create_stream(&self, namespace: &Namespace, request: CreateStream<'_>) -> Result<(), CreateError> {
        let shards = match request.mode {
            Mode::Provisioned => request.shard_count.unwrap_or(DEFAULT_SHARDS).max(1),
            Mode::OnDemand => DEFAULT_SHARDS.max(request.warm_mibps.unwrap_or(0)),
        };
        for _ in 0..ATTEMPTS {
            self.check_creation(namespace, &request, shards)?;
            let transaction = self.creation(namespace, &request, shards);
            if self.commit(transaction).await?.is_ok() {
                return Ok(());
            }
            // The name was taken just now (the next round says so), or a deletion was forgotten just now.
        }
        Err(LogError::Overloaded.into())
    }

    fn check_creation(
        &self,
        namespace: &Namespace,
        request: &CreateStream<'_>,
        shards: u32,
    ) -> Result<(), CreateError> {
        let for_on_demand = request.distribution == Distribution::Auto || request.warm_mibps.is_some();
        if request.mode == Mode::Provisioned && for_on_demand {
            return Err(ProvisionedStream { namespace: namespace.clone(), stream: request.name.clone() }.into());
        }
        if self.views.get(namespace, request.name).is_some() {
            return Err(CreateError::Exists { namespace: namespace.clone(), stream: request.name.clone() });
        }
        check_tags(request.tags.iter())?;
        let streams = self.views.of_namespace(namespace);
        if let Some(limit) = self.config.limits.streams_creating {
            let creating = streams.iter().filter(|view| view.record.status == Status::Creating).count();
            if creating >= limit as usize {
                return Err(CreateError::TooManyCreating { namespace: namespace.clone(), limit });
            }
        }
        let account = self.describe_limits(namespace);
        if request.mode == Mode::OnDemand {
            account.room_on_demand(namespace)?;
        }
        if let Some(mibps) = request.warm_mibps {
            self.check_warm(namespace, mibps, 0)?;
        }
        account.room_for(namespace, shards)?;
        Ok(())
    }

    fn creation(&self, namespace: &Namespace, request: &CreateStream<'_>, shards: u32) -> Transaction {
        let now_ms = self.clock.wall_ms();
        let (retired, conditions) = self.retired_second(namespace, request.name);
        let created_s = (now_ms / 1000).saturating_sub(SECONDS_BEFORE).max(retired.map_or(0, |second| second + 1));
        let keys: Vec<ShardKey> = self.log.new_shard_keys(shards).collect();
        let uid = StreamUid(keys.first().map_or(0, |key| key.0));
        let record = StreamRecord {
            uid,
            status: Status::Creating,
            mode: request.mode,
            retention_hours: DEFAULT_RETENTION_HOURS,
            created_ms: now_ms,
            last_shard_second: created_s,
            next_shard: shards,
            max_record_kib: request.max_record_kib.unwrap_or(DEFAULT_MAX_RECORD_KIB),
            tags: request.tags.clone(),
            horizon_ms: 0,
            encryption: Encryption::default(),
            pending: Some(Pending { due_ms: self.due_ms(), intent: Intent::Settle }),
            shard_count_updates: History::default(),
            last_consumer_second: retired.unwrap_or(0),
            policy: None,
            distribution: request.distribution,
            warm_mibps: request.warm_mibps.filter(|mibps| *mibps > 0),
            mode_switches: History::default(),
            shard_metrics: BTreeSet::new(),
        };
        let mut changes = vec![put(stream_key(namespace, request.name), &record)];
        for (number, (key, range)) in (0..).zip(keys.into_iter().zip(HashRange::uniform(shards))) {
            let shard = ShardRecord { key, range, parents: Vec::new(), created_s, opened_ms: now_ms, closed: None };
            changes.push(Change::OpenShard { shard: key, class: record.retention_hours });
            changes.push(put(shard_key(uid, ShardId(number)), &shard));
        }
        Transaction { conditions, changes, frees_space: false }
    }

    /// The highest create second that earlier streams of this name used, and what must hold for that to be true when
    /// the creation is committed, and that there is none now.
    fn retired_second(&self, namespace: &Namespace, name: &StreamName) -> (Option<u64>, Vec<Condition>) {
        let mut conditions = vec![expect(stream_key(namespace, name), None)];
        let mut highest = None;
        for key in [retired_key(namespace, name), Key::new(RETIRED_FLOOR)] {
            let stored = self.log.get(&key);
            conditions.push(expect(key, stored.as_ref().map(|stored| stored.version)));
            let second = stored.and_then(|stored| decode::<Retired>(&stored.value)).map(|retired| retired.second);
            highest = highest.max(second);
        }
        (highest, conditions)
    }
}
