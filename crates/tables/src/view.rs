//! The tables as this process sees them: made from the catalog at open, kept up to date by the log as its [`Observer`].
//!
//! A [`TableView`] never changes; a change of the table puts another in its place. Its maps share what is the same, so
//! that a verb takes one under a short read lock and then reads a table as it was at one moment for as long as it likes,
//! while the log goes on.
//!
//! Its size is that of all items, which is bounded for each account ([`Views::account_bytes`]).

use crate::catalog::{
    ITEMS, ItemRecord, REQUESTS, RequestRecord, TABLES, TableRecord, TableUid, decode, parse_item_key, parse_table_key,
};
use crate::catalog::{IndexRecord, IndexStatus, parse_namespace};
use crate::key::{IndexPlace, Place};
use crate::value::{Item, memory_bytes, size_bytes};
use rheos_log::{Key, Observer, Versioned};
use rheos_types::{AccountId, Namespace, TableName};
use rpds::RedBlackTreeMapSync;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Notify;

/// What an item takes beside its own bytes: nodes of the trees of the catalog (twice) and of the view, and of an index.
const ITEM_OVERHEAD_BYTES: usize = 512;
/// What a table or a remembered request takes at most, its tags aside.
const RECORD_BYTES: usize = 1024;

/// An item, at one version of it.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) version: u64,
    pub(crate) place: Place,
    pub(crate) item: Item,
    /// Its size as DynamoDB counts it.
    pub(crate) size_bytes: usize,
    /// Its size as it is kept.
    pub(crate) stored_bytes: usize,
}

/// What an item counts for against the bound of its account.
pub(crate) fn cost_bytes(item: &Item, stored_bytes: usize) -> usize {
    memory_bytes(item) + stored_bytes + ITEM_OVERHEAD_BYTES
}

impl Stored {
    pub(crate) fn cost_bytes(&self) -> usize {
        cost_bytes(&self.item, self.stored_bytes)
    }
}

/// An index, at one moment.
#[derive(Debug, Clone)]
pub(crate) struct IndexView {
    pub(crate) items: RedBlackTreeMapSync<IndexPlace, Arc<Stored>>,
    pub(crate) size_bytes: usize,
    /// Up to where the table's items have been taken in; `None`: all of them.
    filling: Option<Bound<Place>>,
}

impl IndexView {
    /// Whether all items of the table are in it.
    pub(crate) fn is_filled(&self) -> bool {
        self.filling.is_none()
    }

    /// Takes an item in, in the place of what was there before.
    fn insert(&mut self, place: IndexPlace, stored: &Arc<Stored>) {
        let before = self.items.get(&place).map_or(0, |before| before.size_bytes);
        self.size_bytes = self.size_bytes - before + stored.size_bytes;
        self.items.insert_mut(place, stored.clone());
    }

    fn remove(&mut self, place: &IndexPlace) {
        let before = self.items.get(place).map_or(0, |before| before.size_bytes);
        if self.items.remove_mut(place) {
            self.size_bytes -= before;
        }
    }
}

fn place_in(record: &IndexRecord, stored: &Stored) -> Option<IndexPlace> {
    Some(IndexPlace { own: Place::of(&stored.item, &record.key)?, table: stored.place.clone() })
}

/// A table, its items and its indexes, at one moment.
#[derive(Debug, Clone)]
pub(crate) struct TableView {
    pub(crate) namespace: Namespace,
    pub(crate) name: TableName,
    pub(crate) version: u64,
    pub(crate) record: Arc<TableRecord>,
    pub(crate) items: RedBlackTreeMapSync<Place, Arc<Stored>>,
    pub(crate) size_bytes: usize,
    pub(crate) indexes: BTreeMap<String, IndexView>,
}

impl TableView {
    /// The index of this name.
    pub(crate) fn index(&self, name: &str) -> Option<(&IndexRecord, &IndexView)> {
        Some((self.record.indexes.get(name)?, self.indexes.get(name)?))
    }

    fn has_work(&self) -> bool {
        self.record.deleting || self.record.indexes.values().any(|index| index.status == IndexStatus::Creating)
    }

    /// Takes another record: indexes come and go with it.
    fn become_record(&mut self, version: u64, record: TableRecord) {
        self.version = version;
        // One that was removed and made again with another key is another index.
        let key = |record: &TableRecord, name: &str| record.indexes.get(name).map(|index| index.key.clone());
        self.indexes.retain(|name, _| key(&record, name).is_some_and(|it| key(&self.record, name) == Some(it)));
        for name in record.indexes.keys() {
            let filling = (self.items.size() > 0).then_some(Bound::Unbounded);
            let made = || IndexView { items: RedBlackTreeMapSync::default(), size_bytes: 0, filling };
            self.indexes.entry(name.clone()).or_insert_with(made);
        }
        self.record = Arc::new(record);
    }

    /// Puts an item in, or takes one out.
    fn set(&mut self, place: &Place, stored: Option<Arc<Stored>>) -> Option<Arc<Stored>> {
        let before = self.items.get(place).cloned();
        if let Some(before) = &before {
            self.size_bytes -= before.size_bytes;
        }
        for (name, index) in &mut self.indexes {
            let Some(record) = self.record.indexes.get(name) else { continue };
            let [from, to] = [&before, &stored].map(|it| place_in(record, it.as_ref()?));
            // Most changes of an item, a lease's renewal for one, leave it where it is.
            if let Some(from) = from.filter(|from| Some(from) != to.as_ref()) {
                index.remove(&from);
            }
            if let (Some(to), Some(stored)) = (to, &stored) {
                index.insert(to, stored);
            }
        }
        match stored {
            Some(stored) => {
                self.size_bytes += stored.size_bytes;
                self.items.insert_mut(place.clone(), stored);
            }
            None => drop(self.items.remove_mut(place)),
        }
        before
    }

    /// Takes the next `count` items into indexes that are being made. Whether anything is left to take in.
    fn fill(&mut self, count: usize) -> bool {
        let mut more = false;
        for (name, index) in &mut self.indexes {
            let (Some(record), Some(from)) = (self.record.indexes.get(name), index.filling.take()) else { continue };
            let mut last = None;
            for (place, stored) in self.items.range((from, Bound::Unbounded)).take(count) {
                if let Some(at) = place_in(record, stored) {
                    index.insert(at, stored);
                }
                last = Some(place);
            }
            // What is written meanwhile goes in by `set`, before or behind this place.
            index.filling = last.map(|place| Bound::Excluded(place.clone()));
            more |= !index.is_filled();
        }
        more
    }
}

/// A request that was carried out.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) version: u64,
    pub(crate) record: RequestRecord,
}

#[derive(Debug, Default)]
struct State {
    namespaces: BTreeMap<Namespace, BTreeMap<TableName, Arc<TableView>>>,
    names: HashMap<TableUid, (Namespace, TableName)>,
    /// In which catalog key which item is: a deletion names the key alone.
    places: HashMap<Key, Place>,
    requests: BTreeMap<Key, Request>,
    /// Tables that are being deleted, or have an index in the making.
    working: BTreeSet<TableUid>,
    /// What the items, tables and requests of each account take.
    account_bytes: BTreeMap<AccountId, usize>,
    account_tables: BTreeMap<AccountId, usize>,
}

impl State {
    fn get(&self, namespace: &Namespace, name: &TableName) -> Option<&Arc<TableView>> {
        self.namespaces.get(namespace)?.get(name)
    }

    fn by_uid(&self, uid: TableUid) -> Option<&Arc<TableView>> {
        let (namespace, name) = self.names.get(&uid)?;
        self.get(namespace, name)
    }

    fn count(&mut self, account: &AccountId, before: usize, after: usize) {
        let bytes = self.account_bytes.entry(account.clone()).or_default();
        *bytes = (*bytes + after).saturating_sub(before);
        if *bytes == 0 {
            self.account_bytes.remove(account);
        }
    }

    /// A table's record has changed. `None` if it cannot be read.
    fn take_table(&mut self, key: &Key, value: Option<&Versioned>) -> Option<()> {
        let (namespace, name) = parse_table_key(key)?;
        let Some(value) = value else {
            self.remove(&namespace, &name);
            return Some(());
        };
        let record: TableRecord = decode(&value.value)?;
        let uid = record.uid;
        // Of a name that was freed and taken in one batch, only the taking is told.
        if self.get(&namespace, &name).is_some_and(|view| view.record.uid != uid) {
            self.remove(&namespace, &name);
        }
        let tables = self.namespaces.entry(namespace.clone()).or_default();
        let view = match tables.get_mut(&name) {
            Some(view) => {
                Arc::make_mut(view).become_record(value.version, record);
                view
            }
            None => {
                let (account, made) =
                    (namespace.account.clone(), TableView::new(&namespace, &name, value.version, record));
                *self.account_tables.entry(account).or_default() += 1;
                self.names.insert(uid, (namespace.clone(), name.clone()));
                tables.entry(name).or_insert(Arc::new(made))
            }
        };
        if view.has_work() {
            self.working.insert(uid);
        } else {
            self.working.remove(&uid);
        }
        Some(())
    }

    fn remove(&mut self, namespace: &Namespace, name: &TableName) {
        let Some(tables) = self.namespaces.get_mut(namespace) else { return };
        let Some(view) = tables.remove(name) else { return };
        if tables.is_empty() {
            self.namespaces.remove(namespace);
        }
        self.names.remove(&view.record.uid);
        self.working.remove(&view.record.uid);
        if let Some(count) = self.account_tables.get_mut(&namespace.account) {
            *count -= 1;
            if *count == 0 {
                self.account_tables.remove(&namespace.account);
            }
        }
    }

    /// An item has changed. `None` if it cannot be read, or belongs to no table.
    fn take_item(&mut self, key: &Key, value: Option<&Versioned>) -> Option<()> {
        let uid = parse_item_key(key)?;
        let stored = match value {
            Some(value) => {
                let ItemRecord { item } = decode(&value.value)?;
                let record = &self.by_uid(uid)?.record;
                let place = Place::of(&item, &record.key)?;
                let (size_bytes, stored_bytes) = (size_bytes(&item), value.value.len());
                Some(Arc::new(Stored { version: value.version, place, item, size_bytes, stored_bytes }))
            }
            None => None,
        };
        let place = match &stored {
            Some(stored) => {
                // A key always names the same place.
                if !self.places.contains_key(key) {
                    self.places.insert(key.clone(), stored.place.clone());
                }
                stored.place.clone()
            }
            // One that was never there, or one of a table that is gone.
            None => match self.places.remove(key) {
                Some(place) => place,
                None => return Some(()),
            },
        };
        let Some((namespace, name)) = self.names.get(&uid).cloned() else { return Some(()) };
        let view = self.namespaces.get_mut(&namespace)?.get_mut(&name)?;
        let after = stored.as_ref().map_or(0, |stored| stored.cost_bytes());
        let before = Arc::make_mut(view).set(&place, stored);
        self.count(&namespace.account, before.map_or(0, |before| before.cost_bytes()), after);
        Some(())
    }

    fn take_request(&mut self, key: &Key, value: Option<&Versioned>) -> Option<()> {
        let (namespace, _) = parse_namespace(key.as_str().strip_prefix(REQUESTS)?)?;
        let request = match value {
            Some(value) => Some(Request { version: value.version, record: decode(&value.value)? }),
            None => None,
        };
        let after = if request.is_some() { RECORD_BYTES } else { 0 };
        let before = match request {
            Some(request) => self.requests.insert(key.clone(), request),
            None => self.requests.remove(key),
        };
        self.count(&namespace.account, before.map_or(0, |_| RECORD_BYTES), after);
        Some(())
    }
}

impl TableView {
    pub(crate) fn new(namespace: &Namespace, name: &TableName, version: u64, record: TableRecord) -> Self {
        let mut view = Self {
            namespace: namespace.clone(),
            name: name.clone(),
            version,
            record: Arc::new(record.clone()),
            items: RedBlackTreeMapSync::default(),
            size_bytes: 0,
            indexes: BTreeMap::new(),
        };
        view.become_record(version, record);
        view
    }
}

/// All tables.
#[derive(Default)]
pub(crate) struct Views {
    state: RwLock<State>,
    /// Told when there is work that there was not before.
    sooner: Notify,
}

impl Views {
    /// The table of this name, whatever its status.
    pub(crate) fn get(&self, namespace: &Namespace, name: &TableName) -> Option<Arc<TableView>> {
        self.read(|state| state.get(namespace, name).cloned())
    }

    /// Several tables, all as they were at one moment.
    pub(crate) fn get_all<'a>(
        &self,
        namespace: &Namespace,
        names: impl IntoIterator<Item = &'a TableName>,
    ) -> Vec<Option<Arc<TableView>>> {
        self.read(|state| names.into_iter().map(|name| state.get(namespace, name).cloned()).collect())
    }

    /// The names of a namespace's tables after `after`, at most `limit`.
    pub(crate) fn page(&self, namespace: &Namespace, after: Option<&str>, limit: usize) -> Vec<TableName> {
        self.read(|state| {
            let names = state.namespaces.get(namespace).into_iter().flat_map(BTreeMap::keys);
            names.filter(|name| after.is_none_or(|after| name.as_str() > after)).take(limit).cloned().collect()
        })
    }

    /// The tables with work for the tick.
    pub(crate) fn working(&self) -> Vec<Arc<TableView>> {
        self.read(|state| state.working.iter().filter_map(|uid| state.by_uid(*uid)).cloned().collect())
    }

    /// Takes `count` more items into the indexes of a table that are being made. Whether anything is left to take in.
    pub(crate) fn fill(&self, uid: TableUid, count: usize) -> bool {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let Some((namespace, name)) = state.names.get(&uid).cloned() else { return false };
        let view = state.namespaces.get_mut(&namespace).and_then(|tables| tables.get_mut(&name));
        view.is_some_and(|view| Arc::make_mut(view).fill(count))
    }

    /// The transaction that was carried out under this key.
    pub(crate) fn request(&self, key: &Key) -> Option<Request> {
        self.read(|state| state.requests.get(key).cloned())
    }

    /// The transactions that were carried out before a time, at most `limit`.
    pub(crate) fn requests_before(&self, time_ms: u64, limit: usize) -> Vec<(Key, u64)> {
        self.read(|state| {
            let old = state.requests.iter().filter(|(_, request)| request.record.done_ms < time_ms);
            old.take(limit).map(|(key, request)| (key.clone(), request.version)).collect()
        })
    }

    /// When the oldest transaction that is remembered was carried out.
    pub(crate) fn oldest_request_ms(&self) -> Option<u64> {
        self.read(|state| state.requests.values().map(|request| request.record.done_ms).min())
    }

    /// What the items and requests of an account take, about.
    pub(crate) fn account_bytes(&self, account: &AccountId) -> usize {
        self.read(|state| state.account_bytes.get(account).copied().unwrap_or(0))
    }

    /// How many tables an account has, in all regions.
    pub(crate) fn account_tables(&self, account: &AccountId) -> usize {
        self.read(|state| state.account_tables.get(account).copied().unwrap_or(0))
    }

    /// Waits until there is new work. One notice is kept while nobody waits.
    pub(crate) async fn sooner(&self) {
        self.sooner.notified().await;
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes in what the catalog holds. The first entry that cannot be read is the error.
    pub(crate) fn load(&self, entries: Vec<(Key, Versioned)>) -> Result<(), Key> {
        let changes: Vec<_> = entries.into_iter().map(|(key, value)| (key, Some(value))).collect();
        match self.take_in(&changes) {
            None => Ok(()),
            Some(damaged) => Err(damaged),
        }
    }

    /// Applies changes of the catalog and shows all that they did at once: the records of tables first, as items need them.
    fn take_in(&self, changes: &[(Key, Option<Versioned>)]) -> Option<Key> {
        let starts = |prefix: &'static str| changes.iter().filter(move |(key, _)| key.as_str().starts_with(prefix));
        if [TABLES, ITEMS, REQUESTS].into_iter().all(|prefix| starts(prefix).next().is_none()) {
            return None;
        }
        let mut damaged = None;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let working = state.working.len();
        let mut note = |key: &Key, taken: Option<()>| {
            if taken.is_none() {
                damaged.get_or_insert_with(|| key.clone());
            }
        };
        // The last items of a table go before its record does, and in one batch with it.
        for (key, value) in starts(ITEMS).filter(|(_, value)| value.is_none()) {
            note(key, state.take_item(key, value.as_ref()));
        }
        for (key, value) in starts(TABLES) {
            note(key, state.take_table(key, value.as_ref()));
        }
        for (key, value) in starts(ITEMS).filter(|(_, value)| value.is_some()) {
            note(key, state.take_item(key, value.as_ref()));
        }
        for (key, value) in starts(REQUESTS) {
            note(key, state.take_request(key, value.as_ref()));
        }
        let more = state.working.len() > working;
        drop(state);
        if more {
            self.sooner.notify_one();
        }
        damaged
    }
}

impl Observer for Views {
    fn applied(&self, changes: &[(Key, Option<Versioned>)]) {
        // This process wrote these entries a moment ago. Were one unreadable all the same, its item would stay as it was
        // here, and the next open would name it and refuse.
        let damaged = self.take_in(changes);
        debug_assert!(damaged.is_none(), "unreadable entry {damaged:?}");
    }
}
