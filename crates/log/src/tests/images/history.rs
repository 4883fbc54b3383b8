//! Histories: everything that can happen to a log, in a random order that a seed decides, and what the log must hold at
//! each moment of it.

use super::super::rig::{DIRECTORY, ManualClock, Seeded, options, record};
use super::model::{Answer, Model, Request, View, difference, key, observe};
use crate::files::sim::{Record, SimFiles, Unsynced};
use crate::medium::disk::{Disk, DiskOptions};
use crate::{
    Appended, Change, Condition, Conflict, Key, LogError, OpenError, Opened, Options, RecordFlags, RunBuilder,
    Transaction, open,
};
use rheos_types::ShardKey;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// So small that a few batches fill a file.
const LOG_FILE_BYTES: u64 = 16 << 10;
const TAIL_BYTES: usize = 12 << 10;
/// Room that a nearly full disk has left.
const LITTLE_BYTES: u64 = 60 << 10;
/// Shard keys of a history are below.
pub(super) const SHARDS: u64 = 200;

/// From an operation on, the log must hold one of two states.
#[derive(Debug, Clone, Copy)]
struct Mark {
    operation: usize,
    /// Everything acknowledged.
    current: usize,
    /// What is being written besides.
    next: Option<usize>,
}

/// What was done, and what the log had to hold.
pub(super) struct History {
    pub(super) record: Record,
    states: Vec<View>,
    marks: Vec<Mark>,
}

impl History {
    /// Whether a state is one that the log may have after a power cut behind so many operations.
    pub(super) fn allows(&self, operations: usize, state: usize) -> bool {
        self.allowed(operations).any(|(allowed, view)| allowed == state || *view == self.states[state])
    }

    /// What the log may hold after a power cut behind so many operations: by their numbers, the acknowledged first.
    pub(super) fn allowed(&self, operations: usize) -> impl Iterator<Item = (usize, &View)> {
        let at = self.marks.partition_point(|mark| mark.operation <= operations);
        let mark = at.checked_sub(1).and_then(|at| self.marks.get(at));
        let states = mark.map_or((0, None), |mark| (mark.current, mark.next));
        std::iter::once(states.0).chain(states.1).map(|state| (state, &self.states[state]))
    }
}

/// Opens the log of a history, which leaves so many sealed files alone while it is busy.
pub(super) fn reopen(files: &SimFiles, clock: &Arc<ManualClock>, left_alone: u64) -> Result<Opened, OpenError> {
    let small = DiskOptions { log_file_bytes: Some(LOG_FILE_BYTES) };
    let disk = Disk::open(Arc::new(files.clone()), Path::new(DIRECTORY), small, &Seeded::new(7))?;
    let deferred_bytes = left_alone * LOG_FILE_BYTES;
    open(Arc::new(disk), clock.clone(), Options { tail_bytes: TAIL_BYTES, deferred_bytes, ..options() })
}

/// What a request will be answered.
type Pending = Pin<Box<dyn Future<Output = Result<Answer, LogError>>>>;

/// Puts a request in line.
pub(super) fn queue(log: &Opened, request: &Request) -> Pending {
    match request {
        Request::Append { runs, length } => {
            let runs = runs.iter().map(|(shard, numbers)| {
                let mut run = RunBuilder::new(ShardKey(*shard));
                for number in numbers {
                    run.push(Some(&key(*number)), &record(*number, *length), RecordFlags::NONE);
                }
                run.finish()
            });
            let answer = log.log.append(runs.collect());
            Box::pin(async { answer.await.map(|Appended { first, .. }| Answer::Appended(first)) })
        }
        Request::Commit(transactions) => {
            let answer = log.log.commit(transactions.clone());
            let version = |outcome: Result<u64, Conflict>| outcome.ok();
            Box::pin(async move {
                answer.await.map(|outcomes| Answer::Committed(outcomes.into_iter().map(version).collect()))
            })
        }
    }
}

/// The answer, if it has come.
pub(super) fn poll(pending: &mut Pending) -> Option<Result<Answer, LogError>> {
    match pending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

/// Makes up a history and lives it.
pub(super) struct Author {
    files: SimFiles,
    clock: Arc<ManualClock>,
    left_alone: u64,
    dice: Seeded,
    log: Option<Opened>,
    model: Model,
    /// The model after the batch that is being written.
    candidate: Option<Model>,
    states: Vec<View>,
    marks: Vec<Mark>,
    next_number: u64,
    is_full: bool,
}

impl Author {
    /// The history of a seed on an empty disk, which may have been told to misbehave.
    pub(super) fn write(seed: u64, files: &SimFiles) -> Result<History, String> {
        files.record();
        let mut author = Self {
            files: files.clone(),
            clock: Arc::default(),
            left_alone: seed % 4,
            dice: Seeded::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d),
            log: None,
            model: Model::default(),
            candidate: None,
            states: vec![View::default()],
            marks: Vec::new(),
            next_number: 1,
            is_full: false,
        };
        // The first numbers of dice with similar seeds are similar.
        for _ in 0..8 {
            author.dice.next();
        }
        author.live()?;
        drop(author.log.take());
        let record = files.take_record().ok_or("no record")?;
        Ok(History { record, states: author.states, marks: author.marks })
    }

    fn live(&mut self) -> Result<(), String> {
        self.open()?;
        let count = 1 + self.dice.below(4) as u32;
        let opened = self.open_shards(count, Vec::new());
        self.submit(vec![opened])?;
        // Most are short; in a long one much has been recycled and merged.
        let steps = if self.dice.below(6) == 0 { 150 } else { 12 + self.dice.below(40) };
        for _ in 0..steps {
            self.clock.advance(self.dice.below(50));
            self.step()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), String> {
        match self.dice.below(32) {
            0..=8 => self.append(),
            9..=11 => {
                let requests = (0..2 + self.dice.below(3)).map(|_| self.some_request()).collect();
                self.submit(requests)
            }
            12..=14 => {
                let request = self.some_change();
                self.submit(vec![request])
            }
            15..=21 => self.keep_house(),
            22 | 23 => self.close_batch(),
            24 => self.stop(),
            25 => self.kill(),
            26 => self.lose_power(),
            27 => self.fail_a_sync_of_the_writer(),
            28 => self.fail_a_sync_of_the_housekeeper(),
            29 | 30 => self.die_in_the_middle(),
            _ => {
                self.is_full = !self.is_full;
                let capacity = if self.is_full { self.files.used() + LITTLE_BYTES } else { u64::MAX };
                self.files.set_capacity(capacity);
                Ok(())
            }
        }
    }

    fn opened(&mut self) -> Result<&mut Opened, String> {
        self.log.as_mut().ok_or_else(|| "the log is not open".to_owned())
    }

    fn mark(&mut self, next: Option<usize>) {
        let current = self.marks.last().map_or(0, |mark| mark.current);
        self.marks.push(Mark { operation: self.files.recorded(), current, next });
    }

    /// The model is what is acknowledged from now on.
    fn settle(&mut self, model: Model) {
        self.candidate = None;
        if self.states.last() != Some(&model.view) {
            self.states.push(model.view.clone());
        }
        self.model = model;
        let current = self.states.len() - 1;
        self.marks.push(Mark { operation: self.files.recorded(), current, next: None });
    }

    /// Opens the log: it holds what was acknowledged, and perhaps what was being written.
    fn open(&mut self) -> Result<(), String> {
        self.log = None;
        self.files.revive();
        if self.dice.below(8) == 0 {
            // The opening fails, which must make no difference for the next.
            if self.dice.below(2) == 0 {
                self.files.crash_at(self.files.operations() + 1 + self.dice.below(20));
            } else {
                self.files.fail_sync_after(self.dice.below(6));
            }
            match reopen(&self.files, &self.clock, self.left_alone) {
                Ok(_) | Err(OpenError::Io { .. }) => {}
                Err(error) => return Err(format!("the log does not open: {error}")),
            }
            self.files.revive();
            if self.dice.below(3) == 0 {
                self.files.lose_power(Unsynced::Torn(self.dice.next()));
            }
        }
        let opened = match reopen(&self.files, &self.clock, self.left_alone) {
            // On a disk that got full from elsewhere.
            Err(OpenError::Io { source, .. }) if source.kind() == std::io::ErrorKind::StorageFull => {
                self.is_full = false;
                self.files.set_capacity(u64::MAX);
                reopen(&self.files, &self.clock, self.left_alone)
            }
            other => other,
        };
        let opened = opened.map_err(|error| format!("the log does not open: {error}"))?;
        let found = observe(&opened.log, SHARDS)?;
        self.log = Some(opened);
        match self.candidate.take() {
            Some(candidate) if candidate.view == found => self.settle(candidate),
            _ if self.model.view == found => self.settle(self.model.clone()),
            _ => return Err(format!("after opening: {}", difference(&found, &self.model.view))),
        }
        Ok(())
    }

    fn submit(&mut self, requests: Vec<Request>) -> Result<(), String> {
        let log = self.opened()?;
        let mut pending: Vec<_> = requests.into_iter().map(|request| (queue(log, &request), request)).collect();
        pending.retain_mut(|(pending, _)| poll(pending).is_none());
        let mut candidate = self.model.clone();
        pending.iter().for_each(|(_, request)| drop(candidate.apply(request)));
        self.states.push(candidate.view.clone());
        let next = self.states.len() - 1;
        self.candidate = Some(candidate);
        self.mark(Some(next));
        let turned = self.opened()?.writer.turn();
        if turned.is_err() {
            return self.after_death();
        }
        let mut model = self.model.clone();
        for (pending, request) in &mut pending {
            match poll(pending) {
                Some(Ok(answer)) => {
                    let expected = model.apply(request);
                    if answer != expected {
                        return Err(format!("{request:?} was answered {answer:?}, expected {expected:?}"));
                    }
                }
                Some(Err(LogError::Full { .. })) if self.is_full => {}
                other => return Err(format!("{request:?} was answered {other:?}")),
            }
        }
        // What was refused is in no state.
        self.states[next] = model.view.clone();
        self.settle(model);
        Ok(())
    }

    /// The process has died, or ends because a sync failed; sometimes the power goes too.
    fn after_death(&mut self) -> Result<(), String> {
        self.log = None;
        self.files.revive();
        match self.dice.below(4) {
            0 => self.files.lose_power(self.unsynced()),
            1 => self.files.evict(self.dice.next()),
            _ => {}
        }
        self.open()
    }

    fn unsynced(&self) -> Unsynced {
        match self.dice.below(6) {
            0 => Unsynced::Lost,
            1 => Unsynced::Kept,
            _ => Unsynced::Torn(self.dice.next()),
        }
    }

    fn append(&mut self) -> Result<(), String> {
        let request = self.some_append();
        self.submit(vec![request])
    }

    /// A disk that runs full or fails a sync is no reason to stop: what could not be done is tried again.
    fn keep_house(&mut self) -> Result<(), String> {
        let (is_full, log) = (self.is_full, self.opened()?);
        match log.housekeeper.step() {
            Err(error) if !is_full => Err(format!("housekeeping failed: {error}")),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn close_batch(&mut self) -> Result<(), String> {
        if self.opened()?.writer.close_batch().is_err() { self.after_death() } else { Ok(()) }
    }

    fn stop(&mut self) -> Result<(), String> {
        let log = self.opened()?;
        log.log.close();
        self.close_batch()?;
        self.open()
    }

    fn kill(&mut self) -> Result<(), String> {
        self.open()
    }

    fn lose_power(&mut self) -> Result<(), String> {
        self.log = None;
        self.files.lose_power(self.unsynced());
        self.open()
    }

    fn fail_a_sync_of_the_writer(&mut self) -> Result<(), String> {
        self.files.fail_sync_after(self.dice.below(3));
        let done = self.append();
        self.files.revive();
        done
    }

    fn fail_a_sync_of_the_housekeeper(&mut self) -> Result<(), String> {
        // Perhaps again when it tries again, with what is there by then.
        for _ in 0..1 + self.dice.below(3) {
            self.files.fail_sync_after(self.dice.below(16));
            drop(self.opened()?.housekeeper.step());
            self.files.revive();
            if self.dice.below(2) == 0 {
                self.append()?;
            }
        }
        Ok(())
    }

    /// The process is killed at some operation of what it does.
    fn die_in_the_middle(&mut self) -> Result<(), String> {
        self.files.crash_at(self.files.operations() + 1 + self.dice.below(30));
        let log = self.opened()?;
        if log.housekeeper.step().is_ok() {
            // What it writes dies with it; or it lives on.
            self.append()?;
        } else {
            self.after_death()?;
        }
        self.files.revive();
        Ok(())
    }

    fn some_request(&mut self) -> Request {
        if self.dice.below(3) == 0 { self.some_change() } else { self.some_append() }
    }

    fn some_append(&mut self) -> Request {
        let mut shards: Vec<u64> = self.model.view.shards.keys().copied().collect();
        // One that never was.
        shards.push(SHARDS - 1);
        let all = self.dice.below(3) == 0;
        if !all {
            let shard = shards[self.dice.below(shards.len() as u64) as usize];
            shards = vec![shard];
        }
        let length = [1, 100, 700, 2500][self.dice.below(4) as usize];
        let runs = shards.into_iter().map(|shard| {
            let count = 1 + self.dice.below(3);
            self.next_number += count;
            (shard, (self.next_number - count..self.next_number).collect())
        });
        Request::Append { runs: runs.collect(), length }
    }

    fn some_shard(&self) -> Option<ShardKey> {
        let shards: Vec<u64> = self.model.view.shards.keys().copied().collect();
        (!shards.is_empty()).then(|| ShardKey(shards[self.dice.below(shards.len() as u64) as usize]))
    }

    fn open_shards(&mut self, count: u32, mut changes: Vec<Change>) -> Request {
        if let Some(log) = &self.log {
            for shard in log.log.new_shard_keys(count) {
                changes.push(Change::OpenShard { shard, class: 24 * (1 + self.dice.below(2) as u32) });
                changes.push(put(&format!("shard/{}", shard.0), "open"));
            }
        }
        Request::Commit(vec![Transaction { changes, ..Transaction::default() }])
    }

    fn some_change(&mut self) -> Request {
        let transaction = |changes: Vec<Change>| Transaction { changes, ..Transaction::default() };
        let number = self.next_number;
        self.next_number += 1;
        let Some(shard) = self.some_shard() else { return self.open_shards(2, Vec::new()) };
        match self.dice.below(10) {
            0..=2 => {
                let key = format!("key/{}", self.dice.below(5));
                let version = self.model.view.catalog.get(&key).map(|(version, _)| *version);
                // As expected, or not.
                let version = if self.dice.below(3) == 0 { Some(version.unwrap_or(0) + 1) } else { version };
                let conditions = vec![Condition { key: Key::new(&*key), version }];
                let value = "x".repeat(self.dice.below(300) as usize);
                let second = put("number", &number.to_string());
                let changes = vec![put(&key, &value), second];
                Request::Commit(vec![Transaction { conditions, changes, frees_space: false }])
            }
            3 => {
                let delete = Change::Delete { key: Key::new(format!("key/{}", self.dice.below(5))) };
                Request::Commit(vec![transaction(vec![delete]), transaction(vec![put("number", &number.to_string())])])
            }
            // A split: the parent closes, its children open, all or nothing.
            4 => self.open_shards(2, vec![Change::CloseShard { shard }]),
            // A merge.
            5 => {
                let other = self.some_shard().unwrap_or(shard);
                self.open_shards(1, vec![Change::CloseShard { shard }, Change::CloseShard { shard: other }])
            }
            6 | 7 => {
                let view = &self.model.view.shards[&shard.0];
                let below = view.first + self.dice.below(3 + view.records.len() as u64);
                Request::Commit(vec![transaction(vec![Change::TrimShard { shard, below }])])
            }
            8 => {
                let changes = vec![Change::DropShard { shard }, put(&format!("shard/{}", shard.0), "gone")];
                Request::Commit(vec![Transaction { changes, frees_space: true, ..Transaction::default() }])
            }
            _ => Request::Commit(vec![transaction(vec![Change::SetShardClass { shard, class: 168 }])]),
        }
    }
}

fn put(key: &str, value: &str) -> Change {
    Change::Put { key: Key::new(key), value: value.as_bytes().to_vec().into() }
}
