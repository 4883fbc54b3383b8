//! The streams as this process sees them: made from the catalog at open, kept up to date by the log as its [`Observer`].
//!
//! A [`StreamView`] never changes; a change of the stream puts another in its place. A verb takes one under a short read
//! lock, and works on a consistent picture from there. What belongs to a stream or a shard but not to the catalog (its
//! token buckets) is handed on from view to view.
//!
//! Its size is that of the catalog: streams, their listed shards and their consumers.

use crate::buckets::{CallBuckets, ShardBuckets};
use crate::catalog::{
    CONSUMERS, ConsumerRecord, Mode, SHARDS, STREAMS, ShardRecord, Status, StreamRecord, StreamUid, decode,
    parse_consumer_key, parse_shard_key, parse_stream_key, put, stream_key,
};
use crate::facts::{ConsumerNotFound, NotActive, ShardIdInvalid, StreamNotFound, TooOften};
use crate::history::History;
use crate::keys::{KeyService, StreamKeys};
use rheos_log::{Key, Observer, Transaction, Versioned};
use rheos_types::limits::{LimitError, Limits};
use rheos_types::{ConsumerName, HashKey, Namespace, ShardId, StreamName};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Notify;

/// The tag that chooses a stream's limits ([`Limits::of_tag`]).
const LIMITS_TAG: &str = "rheos:limits";

/// A shard, at one version of its record.
#[derive(Debug)]
pub(crate) struct ShardView {
    pub(crate) id: ShardId,
    pub(crate) version: u64,
    pub(crate) record: ShardRecord,
    pub(crate) memory: Arc<ShardMemory>,
}

/// What is remembered of a shard while the process lives.
#[derive(Debug, Default)]
pub(crate) struct ShardMemory {
    pub(crate) buckets: ShardBuckets,
    /// Up to when its expired records were last looked for.
    pub(crate) trimmed_ms: AtomicU64,
}

/// A consumer, at one version of its record.
#[derive(Debug)]
pub(crate) struct ConsumerView {
    pub(crate) name: ConsumerName,
    pub(crate) version: u64,
    pub(crate) record: ConsumerRecord,
}

/// Shards in some order, shared by the views in which they are the same.
type ShardViews = Arc<[Arc<ShardView>]>;
/// Consumers by name, shared as shards are.
type ConsumerViews = Arc<BTreeMap<ConsumerName, Arc<ConsumerView>>>;

/// A stream, its shards and its consumers, at one moment.
#[derive(Debug)]
pub(crate) struct StreamView {
    pub(crate) namespace: Namespace,
    pub(crate) name: StreamName,
    pub(crate) version: u64,
    pub(crate) record: StreamRecord,
    pub(crate) limits: Arc<Limits>,
    /// Why the stream's tag does not choose its limits; the server's hold then.
    pub(crate) unreadable_limits: Option<LimitError>,
    /// Calls on the stream, those on its shards apart.
    pub(crate) calls: Arc<CallBuckets>,
    pub(crate) keys: StreamKeys,
    /// All shards there are, by id.
    pub(crate) shards: ShardViews,
    /// Those that take records, by hash range. They cover the key space, except between two steps of a reshard that a
    /// crash has cut in two.
    pub(crate) open: ShardViews,
    /// Its consumers, whatever their status.
    pub(crate) consumers: ConsumerViews,
    pub(crate) memory: Arc<StreamMemory>,
}

/// What is remembered of a stream while the process lives.
#[derive(Debug, Default)]
pub(crate) struct StreamMemory {
    /// Whose turn it is among the open shards of a stream that spreads its records by itself.
    pub(crate) turn: AtomicUsize,
}

impl StreamView {
    fn new(
        mut draft: Draft,
        name: (Namespace, StreamName),
        (version, record): (u64, StreamRecord),
        default: &Arc<Limits>,
        service: &dyn KeyService,
    ) -> Self {
        let before = draft.base.as_ref().map(|base| base.keys.clone()).unwrap_or_default();
        let keys = StreamKeys::of(&name, record.uid, &record.encryption, &before, service);
        let (namespace, name) = name;
        let (limits, unreadable_limits) = match record.tags.get(LIMITS_TAG).map(|tag| Limits::of_tag(tag, default)) {
            None => (default.clone(), None),
            Some(Ok(limits)) => (Arc::new(limits), None),
            Some(Err(error)) => (default.clone(), Some(error)),
        };
        let calls = draft.base.as_ref().map(|base| base.calls.clone()).unwrap_or_default();
        let memory = draft.base.as_ref().map(|base| base.memory.clone()).unwrap_or_default();
        let consumers = draft.consumers();
        let (shards, open) = draft.shards();
        Self {
            namespace,
            name,
            version,
            record,
            limits,
            unreadable_limits,
            calls,
            keys,
            shards,
            open,
            consumers,
            memory,
        }
    }

    /// When what is under way in it and in its consumers is due, in no order.
    pub(crate) fn due_ms(&self) -> impl Iterator<Item = u64> {
        let consumers = self.consumers.values().filter_map(|consumer| consumer.record.due_ms);
        consumers.chain(self.record.pending.as_ref().map(|pending| pending.due_ms))
    }

    /// The highest create second of any of its consumers, now or before.
    pub(crate) fn last_consumer_second(&self) -> u64 {
        let there = self.consumers.values().map(|consumer| consumer.record.created_ms / 1000).max();
        there.unwrap_or(0).max(self.record.last_consumer_second)
    }

    /// Which of [`Self::open`] takes records of this hash key.
    pub(crate) fn route(&self, key: HashKey) -> Option<usize> {
        let after = self.open.partition_point(|shard| shard.record.range.start <= key);
        let at = after.checked_sub(1)?;
        self.open[at].record.range.contains(key).then_some(at)
    }

    /// The shard of this id, if the stream has it.
    pub(crate) fn shard(&self, id: ShardId) -> Option<&Arc<ShardView>> {
        let at = self.shards.binary_search_by_key(&id, |shard| shard.id).ok()?;
        Some(&self.shards[at])
    }

    /// The shards that may be seen: none before a stream's creation is done.
    pub(crate) fn listed(&self) -> &[Arc<ShardView>] {
        if self.record.status.serves() { &self.shards } else { &[] }
    }

    /// How many shards take records, as it may be seen.
    pub(crate) fn listed_open(&self) -> usize {
        if self.record.status.serves() { self.open.len() } else { 0 }
    }

    /// Whether the stream can begin a change. One that is growing by itself is in the middle of one, although it is
    /// shown ACTIVE.
    pub(crate) fn require_active(&self) -> Result<(), NotActive> {
        match (self.record.status, &self.record.pending) {
            (Status::Active, None) => Ok(()),
            (Status::Active, Some(_)) => Err(NotActive { status: Status::Updating, ..self.not_active() }),
            (Status::Creating | Status::Updating | Status::Deleting, _) => Err(self.not_active()),
        }
    }

    pub(crate) fn not_active(&self) -> NotActive {
        NotActive { namespace: self.namespace.clone(), stream: self.name.clone(), status: self.record.status }
    }

    /// The transaction that gives the stream another record.
    pub(crate) fn becomes(&self, record: &StreamRecord) -> Transaction {
        let key = stream_key(&self.namespace, &self.name);
        Transaction { changes: vec![put(key, record)], ..Transaction::default() }
    }

    /// What is done to the stream at `now_ms` and was done when `history` says, if it may be done once more.
    pub(crate) fn require_seldom(
        &self,
        history: &History,
        limit: Option<u32>,
        now_ms: u64,
    ) -> Result<History, TooOften> {
        match limit.filter(|_| !history.allows(limit, now_ms)) {
            Some(limit) => Err(TooOften { namespace: self.namespace.clone(), stream: self.name.clone(), limit }),
            None => Ok(history.with(now_ms)),
        }
    }

    pub(crate) fn not_found(&self) -> StreamNotFound {
        StreamNotFound { namespace: self.namespace.clone(), stream: self.name.clone() }
    }

    pub(crate) fn no_consumer(&self, consumer: &ConsumerName) -> ConsumerNotFound {
        let (namespace, stream) = (self.namespace.clone(), self.name.clone());
        ConsumerNotFound { namespace, stream, consumer: consumer.clone() }
    }

    pub(crate) fn no_shard(&self, shard: impl ToString) -> ShardIdInvalid {
        ShardIdInvalid { namespace: self.namespace.clone(), stream: self.name.clone(), shard: shard.to_string() }
    }
}

/// All streams.
pub(crate) struct Views {
    default_limits: Arc<Limits>,
    key_service: Arc<dyn KeyService>,
    state: RwLock<State>,
    /// Told when a stream has something pending that it had not before.
    sooner: Notify,
}

#[derive(Debug, Default)]
struct State {
    // In order where it is gone through, so that the same history does the same every time.
    namespaces: BTreeMap<Namespace, BTreeMap<StreamName, Arc<StreamView>>>,
    names: HashMap<StreamUid, (Namespace, StreamName)>,
    /// When the first of what is under way in which stream is due.
    pending: BTreeMap<StreamUid, u64>,
    /// The streams on demand.
    on_demand: BTreeSet<StreamUid>,
}

impl State {
    fn get(&self, namespace: &Namespace, name: &StreamName) -> Option<&Arc<StreamView>> {
        self.namespaces.get(namespace)?.get(name)
    }

    fn by_uid(&self, uid: StreamUid) -> Option<&Arc<StreamView>> {
        let (namespace, name) = self.names.get(&uid)?;
        self.get(namespace, name)
    }

    fn insert(&mut self, view: StreamView) {
        let uid = view.record.uid;
        match view.due_ms().min() {
            Some(due_ms) => self.pending.insert(uid, due_ms),
            None => self.pending.remove(&uid),
        };
        match view.record.mode {
            Mode::OnDemand => self.on_demand.insert(uid),
            Mode::Provisioned => self.on_demand.remove(&uid),
        };
        // Of a name that was freed and taken in one batch, only the taking is told.
        if let Some(before) = self.get(&view.namespace, &view.name).map(|view| view.record.uid).filter(|it| *it != uid)
        {
            self.remove(before);
        }
        self.names.insert(uid, (view.namespace.clone(), view.name.clone()));
        self.namespaces.entry(view.namespace.clone()).or_default().insert(view.name.clone(), Arc::new(view));
    }

    fn remove(&mut self, uid: StreamUid) {
        self.pending.remove(&uid);
        self.on_demand.remove(&uid);
        let Some((namespace, name)) = self.names.remove(&uid) else { return };
        if let Some(streams) = self.namespaces.get_mut(&namespace) {
            if streams.get(&name).is_some_and(|view| view.record.uid == uid) {
                streams.remove(&name);
            }
            if streams.is_empty() {
                self.namespaces.remove(&namespace);
            }
        }
    }
}

/// A stream in the making: what a batch of changes leaves of it.
#[derive(Debug, Default)]
struct Draft {
    /// The stream as it was.
    base: Option<Arc<StreamView>>,
    name: Option<(Namespace, StreamName)>,
    record: Option<(u64, StreamRecord)>,
    /// The shards that have changed; `None`: gone.
    changed: BTreeMap<ShardId, Option<Arc<ShardView>>>,
    /// The consumers that have changed; `None`: gone.
    changed_consumers: BTreeMap<ConsumerName, Option<Arc<ConsumerView>>>,
}

impl Draft {
    fn of(view: &Arc<StreamView>) -> Self {
        Self {
            base: Some(view.clone()),
            name: Some((view.namespace.clone(), view.name.clone())),
            record: Some((view.version, view.record.clone())),
            changed: BTreeMap::new(),
            changed_consumers: BTreeMap::new(),
        }
    }

    fn shard(&self, id: ShardId) -> Option<&Arc<ShardView>> {
        match self.changed.get(&id) {
            Some(changed) => changed.as_ref(),
            None => self.base.as_ref()?.shard(id),
        }
    }

    /// All consumers: those of the stream as it was, if none has changed.
    fn consumers(&mut self) -> ConsumerViews {
        let changed = std::mem::take(&mut self.changed_consumers);
        let mut all = match &self.base {
            Some(base) if changed.is_empty() => return base.consumers.clone(),
            Some(base) => base.consumers.as_ref().clone(),
            None => BTreeMap::new(),
        };
        for (name, consumer) in changed {
            match consumer {
                Some(consumer) => all.insert(name, consumer),
                None => all.remove(&name),
            };
        }
        all.into()
    }

    /// All shards by id, and the open ones by hash range. Those of the stream as it was, if no shard has changed: a
    /// stream may have ten thousand, and the log waits for this.
    fn shards(self) -> (ShardViews, ShardViews) {
        let mut all: Vec<_> = match &self.base {
            Some(base) if self.changed.is_empty() => return (base.shards.clone(), base.open.clone()),
            Some(base) => base.shards.iter().filter(|shard| !self.changed.contains_key(&shard.id)).cloned().collect(),
            None => Vec::new(),
        };
        all.extend(self.changed.into_values().flatten());
        all.sort_by_key(|shard| shard.id);
        let mut open: Vec<_> = all.iter().filter(|shard| shard.record.closed.is_none()).cloned().collect();
        open.sort_by_key(|shard| shard.record.range.start);
        (all.into(), open.into())
    }
}

impl Views {
    pub(crate) fn new(default_limits: Limits, key_service: Arc<dyn KeyService>) -> Self {
        let (default_limits, state, sooner) = (Arc::new(default_limits), RwLock::default(), Notify::new());
        Self { default_limits, key_service, state, sooner }
    }

    /// The stream of this name, whatever its status.
    pub(crate) fn get(&self, namespace: &Namespace, name: &StreamName) -> Option<Arc<StreamView>> {
        self.read(|state| state.get(namespace, name).cloned())
    }

    /// Where the stream of this uid is, and its name.
    pub(crate) fn name_of(&self, uid: StreamUid) -> Option<(Namespace, StreamName)> {
        self.read(|state| state.names.get(&uid).cloned())
    }

    /// The streams of a namespace by name, after `after`, at most `limit`.
    pub(crate) fn page(&self, namespace: &Namespace, after: Option<&str>, limit: usize) -> Vec<Arc<StreamView>> {
        self.read(|state| {
            let streams = state.namespaces.get(namespace).into_iter().flatten();
            // Names sort as their bytes do. A start that is no valid name is a place in that order all the same.
            let later = streams.filter(|(name, _)| after.is_none_or(|after| name.as_str() > after));
            later.take(limit).map(|(_, view)| view.clone()).collect()
        })
    }

    /// All streams of a namespace.
    pub(crate) fn of_namespace(&self, namespace: &Namespace) -> Vec<Arc<StreamView>> {
        self.page(namespace, None, usize::MAX)
    }

    /// All streams.
    pub(crate) fn all(&self) -> Vec<Arc<StreamView>> {
        self.read(|state| state.namespaces.values().flat_map(BTreeMap::values).cloned().collect())
    }

    /// The streams in which something is under way.
    pub(crate) fn pending(&self) -> Vec<Arc<StreamView>> {
        self.read(|state| state.pending.keys().filter_map(|uid| state.by_uid(*uid)).cloned().collect())
    }

    /// The streams on demand.
    pub(crate) fn on_demand(&self) -> Vec<Arc<StreamView>> {
        self.read(|state| state.on_demand.iter().filter_map(|uid| state.by_uid(*uid)).cloned().collect())
    }

    /// Whether there are streams on demand.
    pub(crate) fn any_on_demand(&self) -> bool {
        self.read(|state| !state.on_demand.is_empty())
    }

    /// When the first of what is under way is due.
    pub(crate) fn first_due_ms(&self) -> Option<u64> {
        self.read(|state| state.pending.values().min().copied())
    }

    /// Waits until something new is under way. One notice is kept while nobody waits.
    pub(crate) async fn sooner(&self) {
        self.sooner.notified().await;
    }

    /// Takes in what the catalog holds. The first entry that cannot be read is the error.
    pub(crate) fn load(&self, entries: Vec<(Key, Versioned)>) -> Result<(), Key> {
        let changes: Vec<_> = entries.into_iter().map(|(key, value)| (key, Some(value))).collect();
        match self.take_in(&changes) {
            None => Ok(()),
            Some(damaged) => Err(damaged),
        }
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Applies changes of the catalog, in order, and shows all that they did at once. Only one thread at a time does
    /// this (`open`, and from then on the log's writer), so that nothing is lost between looking and showing.
    fn take_in(&self, changes: &[(Key, Option<Versioned>)]) -> Option<Key> {
        let mut drafts: BTreeMap<StreamUid, Draft> = BTreeMap::new();
        let mut damaged = None;
        for (key, value) in changes {
            if ![STREAMS, SHARDS, CONSUMERS].iter().any(|prefix| key.as_str().starts_with(prefix)) {
                continue;
            }
            if self.draft(&mut drafts, key, value.as_ref()).is_none() {
                damaged.get_or_insert_with(|| key.clone());
            }
        }
        if !drafts.is_empty() {
            self.show(drafts);
        }
        damaged
    }

    /// Applies one change to the draft of its stream. `None` if the entry cannot be read.
    fn draft(&self, drafts: &mut BTreeMap<StreamUid, Draft>, key: &Key, value: Option<&Versioned>) -> Option<()> {
        let of_view = |uid| self.read(|state| state.by_uid(uid).map(Draft::of)).unwrap_or_default();
        if key.as_str().starts_with(STREAMS) {
            let name = parse_stream_key(key)?;
            let Some(value) = value else {
                let named = |draft: &Draft| draft.record.is_some() && draft.name.as_ref() == Some(&name);
                let uid = drafts.iter().find(|(_, draft)| named(draft)).map(|(uid, _)| *uid);
                let uid = uid.or_else(|| self.get(&name.0, &name.1).map(|view| view.record.uid))?;
                drafts.entry(uid).or_insert_with(|| of_view(uid)).record = None;
                return Some(());
            };
            let record: StreamRecord = decode(&value.value)?;
            let uid = record.uid;
            let draft = drafts.entry(uid).or_insert_with(|| of_view(uid));
            draft.name = Some(name);
            draft.record = Some((value.version, record));
            return Some(());
        }
        if key.as_str().starts_with(CONSUMERS) {
            let (uid, name) = parse_consumer_key(key)?;
            let view = |value: &Versioned| {
                let (version, record) = (value.version, decode(&value.value)?);
                Some(Arc::new(ConsumerView { name: name.clone(), version, record }))
            };
            let changed = match value {
                Some(value) => Some(view(value)?),
                None => None,
            };
            drafts.entry(uid).or_insert_with(|| of_view(uid)).changed_consumers.insert(name, changed);
            return Some(());
        }
        let (uid, id) = parse_shard_key(key)?;
        let draft = drafts.entry(uid).or_insert_with(|| of_view(uid));
        let Some(value) = value else {
            draft.changed.insert(id, None);
            return Some(());
        };
        let record = decode(&value.value)?;
        let memory = draft.shard(id).map(|shard| shard.memory.clone()).unwrap_or_default();
        draft.changed.insert(id, Some(Arc::new(ShardView { id, version: value.version, record, memory })));
        Some(())
    }

    fn show(&self, drafts: BTreeMap<StreamUid, Draft>) {
        let mut gone = Vec::new();
        let mut there = Vec::new();
        for (uid, mut draft) in drafts {
            match (draft.name.take(), draft.record.take()) {
                (Some(name), Some(record)) => {
                    there.push(StreamView::new(draft, name, record, &self.default_limits, &*self.key_service));
                }
                _ => gone.push(uid),
            }
        }
        let due = there.iter().any(|view| view.due_ms().next().is_some());
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        // What goes first may be of the same name as what comes.
        gone.into_iter().for_each(|uid| state.remove(uid));
        there.into_iter().for_each(|view| state.insert(view));
        drop(state);
        if due {
            self.sooner.notify_one();
        }
    }
}

impl Observer for Views {
    fn applied(&self, changes: &[(Key, Option<Versioned>)]) {
        // This process wrote these entries a moment ago. Were one unreadable all the same, its stream would stay as it
        // was here, and the next open would name it and refuse.
        let damaged = self.take_in(changes);
        debug_assert!(damaged.is_none(), "unreadable entry {damaged:?}");
    }
}
