//! [`Streams`]: what all verbs share, how it is opened, and how a stream is changed.

use crate::buckets::AccountBuckets;
use crate::catalog::{
    ACCOUNTS, AccountRecord, CONSUMERS, SHARDS, STREAMS, StreamRecord, StreamUid, TOKEN_KEY, decode, expect, put,
    stream_key,
};
use crate::facts::StreamNotFound;
use crate::growth::LOOK_MS;
use crate::keys::{KeyService, KeyUnavailable};
use crate::retention_clock::RetentionClock;
use crate::subscribe::Claims;
use crate::tick::Check;
use crate::view::{StreamView, Views};
use rheos_log::{Change, Conflict, Key, Log, LogError, Transaction};
use rheos_types::limits::{Limits, Profile};
use rheos_types::token::Sealer;
use rheos_types::{Clock, Namespace, Random, StreamId, StreamName};
use std::sync::{Arc, Mutex, PoisonError};

/// How often a change is decided again because another came first. Each time, another has succeeded.
pub(crate) const ATTEMPTS: usize = 16;
pub(crate) const HOUR_MS: u64 = 3_600_000;

/// What can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// The limits of accounts, and of streams that do not choose their own (tag `rheos:limits`).
    pub limits: Limits,
    /// How long a stream is CREATING, UPDATING or DELETING.
    pub transition_ms: u64,
    /// How often what has expired is looked for.
    pub retention_check_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { limits: Profile::Aws.limits(), transition_ms: 100, retention_check_ms: 60_000 }
    }
}

/// Why the streams could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log did not take the token key.
    #[error("the key that seals iterators could not be stored")]
    Log(#[from] LogError),
    /// An entry of the catalog cannot be read: it is damaged, or of a version that this one does not know.
    #[error("the catalog's entry {key} cannot be read")]
    Damaged {
        /// Its key.
        key: String,
    },
    /// A stream's records are sealed under a key that cannot be had.
    #[error(transparent)]
    Key(#[from] KeyUnavailable),
}

/// Every stream of every account, over one log.
pub struct Streams {
    pub(crate) log: Log,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) config: Config,
    pub(crate) views: Arc<Views>,
    pub(crate) sealer: Sealer,
    pub(crate) claims: Claims,
    pub(crate) keys: Arc<dyn KeyService>,
    retention_clock: Mutex<RetentionClock>,
    pub(crate) check: Mutex<Check>,
    pub(crate) accounts: AccountBuckets,
    /// When the loads of streams on demand are looked at next (wall time).
    pub(crate) next_look_ms: Mutex<u64>,
}

impl Streams {
    /// Opens what the log holds. What was under way when it was closed goes on with the next [`Self::tick`].
    ///
    /// # Errors
    /// [`OpenError`]: nothing is served then.
    pub async fn open(
        log: Log,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        keys: Arc<dyn KeyService>,
        config: Config,
    ) -> Result<Self, OpenError> {
        let views = Arc::new(Views::new(config.limits, keys.clone()));
        let mut entries = log.scan(STREAMS);
        entries.extend(log.scan(SHARDS));
        entries.extend(log.scan(CONSUMERS));
        views.load(entries).map_err(|key| OpenError::Damaged { key: key.to_string() })?;
        for (key, stored) in log.scan(ACCOUNTS) {
            let damaged = || OpenError::Damaged { key: key.to_string() };
            let _readable: AccountRecord = decode(&stored.value).ok_or_else(damaged)?;
        }
        // Found out now: a put that cannot seal, or a read that cannot open, would be too late.
        if let Some(unavailable) = views.all().iter().find_map(|view| view.keys.first_unavailable()) {
            return Err(unavailable.clone().into());
        }
        log.observe(views.clone());
        let sealer = Sealer::new(&token_key(&log, &*random).await?);
        let now_ms = clock.wall_ms();
        let retention_clock = Mutex::new(RetentionClock::new(now_ms, clock.monotonic_ms()));
        let check = Mutex::new(Check::new(now_ms.saturating_add(config.retention_check_ms)));
        let next_look_ms = Mutex::new(now_ms.saturating_add(LOOK_MS));
        let (claims, accounts) = (Claims::default(), AccountBuckets::default());
        Ok(Self {
            log,
            clock,
            random,
            config,
            views,
            sealer,
            claims,
            keys,
            retention_clock,
            check,
            accounts,
            next_look_ms,
        })
    }

    /// The profile of a stream's limits: its own choice, or the server's.
    #[must_use]
    pub fn profile_of(&self, namespace: &Namespace, name: &StreamName) -> Profile {
        self.views.get(namespace, name).map_or(self.config.limits.profile, |view| view.limits.profile)
    }

    /// The stream of this id, whatever its status: where it is, and its name.
    #[must_use]
    pub fn stream_of_id(&self, id: StreamId) -> Option<(Namespace, StreamName)> {
        self.views.name_of(StreamUid(id.0))
    }

    /// How many bytes have been written since the start.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.log.written_bytes()
    }

    /// The stream, whatever its status.
    pub(crate) fn stream(&self, namespace: &Namespace, name: &StreamName) -> Result<Arc<StreamView>, StreamNotFound> {
        let not_found = || StreamNotFound { namespace: namespace.clone(), stream: name.clone() };
        self.views.get(namespace, name).ok_or_else(not_found)
    }

    /// The stream, if records can be written to it and read from it.
    pub(crate) fn serving(&self, namespace: &Namespace, name: &StreamName) -> Result<Arc<StreamView>, StreamNotFound> {
        let view = self.stream(namespace, name)?;
        if view.record.status.serves() { Ok(view) } else { Err(view.not_found()) }
    }

    /// The time to judge the age of records by.
    pub(crate) fn retention_now_ms(&self) -> u64 {
        let mut clock = self.retention_clock.lock().unwrap_or_else(PoisonError::into_inner);
        clock.now(self.clock.wall_ms(), self.clock.monotonic_ms())
    }

    /// Records of the stream that arrived before this are gone.
    pub(crate) fn horizon_ms(&self, stream: &StreamRecord) -> u64 {
        horizon_ms(stream, self.retention_now_ms())
    }

    /// When a change that begins now is due.
    pub(crate) fn due_ms(&self) -> u64 {
        self.clock.wall_ms().saturating_add(self.config.transition_ms)
    }

    /// Changes a stream: reads it, lets `decide` make the changes (of the stream's record too, if it is to change), and
    /// commits them on condition that the record is still what was read. Otherwise decides again. `None` from `decide`
    /// leaves all as it is.
    pub(crate) async fn change<E>(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        decide: impl Fn(&StreamView) -> Result<Option<Transaction>, E>,
    ) -> Result<(), E>
    where
        E: From<StreamNotFound> + From<LogError>,
    {
        self.change_and_tell(namespace, name, |view| Ok((decide(view)?, ()))).await
    }

    /// As [`Self::change`], and answers what was said of the decision that was carried out.
    pub(crate) async fn change_and_tell<T, E>(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        decide: impl Fn(&StreamView) -> Result<(Option<Transaction>, T), E>,
    ) -> Result<T, E>
    where
        E: From<StreamNotFound> + From<LogError>,
    {
        for _ in 0..ATTEMPTS {
            let view = self.stream(namespace, name)?;
            let (transaction, told) = decide(&view)?;
            let Some(mut transaction) = transaction else { return Ok(told) };
            transaction.conditions.push(expect(stream_key(namespace, name), Some(view.version)));
            if self.commit(transaction).await?.is_ok() {
                return Ok(told);
            }
        }
        // Whoever changes one stream sixteen times at once is asked to come back; nothing has happened.
        Err(LogError::Overloaded.into())
    }

    /// Commits one transaction.
    pub(crate) async fn commit(&self, transaction: Transaction) -> Result<Result<u64, Conflict>, LogError> {
        let mut results = self.log.commit(vec![transaction]).await?;
        // One transaction, one result.
        results.pop().ok_or(LogError::Unknown)
    }
}

/// Records that arrived before this are gone, at `now_ms`.
pub(crate) fn horizon_ms(stream: &StreamRecord, now_ms: u64) -> u64 {
    stream.horizon_ms.max(now_ms.saturating_sub(u64::from(stream.retention_hours) * HOUR_MS))
}

/// The change that gives a stream another record.
pub(crate) fn put_stream(view: &StreamView, record: &StreamRecord) -> Change {
    put(stream_key(&view.namespace, &view.name), record)
}

/// The key that seals iterators and tokens. It is made once, so that they outlive a restart.
async fn token_key(log: &Log, random: &dyn Random) -> Result<[u8; 32], OpenError> {
    let key = Key::new(TOKEN_KEY);
    if log.get(&key).is_none() {
        let secret: [u8; 32] = rheos_types::random::bytes(random);
        let absent = Transaction {
            conditions: vec![expect(key.clone(), None)],
            changes: vec![Change::Put { key: key.clone(), value: secret.to_vec().into() }],
            frees_space: false,
        };
        // A conflict: another process opening the same log was first, and its key is the one.
        let _first = log.commit(vec![absent]).await?;
    }
    let stored = log.get(&key).and_then(|stored| stored.value.as_ref().try_into().ok());
    stored.ok_or_else(|| OpenError::Damaged { key: TOKEN_KEY.to_owned() })
}
