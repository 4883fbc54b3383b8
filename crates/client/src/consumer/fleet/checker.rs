//! Decides from what processors were given and said whether the consumer keeps its promises.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::world::World;
use crate::lease::{Checkpoint, RecordNumber};

/// A lease without a sign of life for so long is another worker's to take.
pub(super) const FAILOVER_MS: u64 = 10_000;

/// One processor's life.
pub(super) type Session = u64;

/// Collects what happens. Clones are the same.
#[derive(Clone)]
pub(super) struct Checker(Arc<Mutex<State>>);

struct State {
    world: World,
    sessions: Vec<Life>,
    shards: BTreeMap<String, Progress>,
    violations: Vec<String>,
    /// Sessions that began when another had the lease already.
    late: Vec<Session>,
    pub(super) duplicates: u64,
    pub(super) processed: u64,
    pub(super) handovers: u64,
}

struct Life {
    shard: String,
    worker: String,
    last: Option<usize>,
    token: Option<u64>,
    /// Where it first began.
    begun: Option<Checkpoint>,
    end: Option<End>,
    /// Where its last checkpoint was, if all that it had processed was checkpointed at its end.
    is_clean: bool,
}

/// How a session came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its worker died.
    Died,
    /// It was told that its lease was lost.
    Lost,
    /// It was asked to finish.
    Finished,
    /// The shard ended.
    Ended,
}

#[derive(Default)]
struct Progress {
    /// Which session processed a record first, by the record's index in its shard.
    done: BTreeMap<usize, Session>,
    letters: BTreeSet<usize>,
    /// Records that were processed again: by whom, and by whom before.
    again: Vec<(usize, Session, Session)>,
    checkpoint: Option<Checkpoint>,
    token: u64,
}

impl Checker {
    pub(super) fn new(world: World) -> Self {
        let (sessions, shards, violations) = (Vec::new(), BTreeMap::new(), Vec::new());
        let late = Vec::new();
        Self(Arc::new(Mutex::new(State {
            world,
            sessions,
            shards,
            violations,
            late,
            duplicates: 0,
            processed: 0,
            handovers: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn created(&self, worker: &str, shard: &str) -> Session {
        let mut state = self.state();
        let (shard, worker) = (shard.to_owned(), worker.to_owned());
        state.sessions.push(Life { shard, worker, last: None, token: None, begun: None, end: None, is_clean: false });
        state.sessions.len() as u64 - 1
    }

    pub(super) fn initialized(&self, session: Session, checkpoint: &Checkpoint, token: u64) {
        let mut state = self.state();
        let life = &mut state.sessions[session as usize];
        let shard = life.shard.clone();
        let is_first = life.token.replace(token).is_none();
        life.begun.get_or_insert_with(|| checkpoint.clone());
        let progress = state.shards.entry(shard.clone()).or_default();
        let (acknowledged, before) = (progress.checkpoint.clone(), progress.token);
        progress.token = progress.token.max(token);
        if token < before {
            // Another has taken the lease, and this one does not know it yet.
            state.late.push(session);
            return;
        }
        if acknowledged.as_ref().is_some_and(|acknowledged| checkpoint < acknowledged) {
            state.violate(session, format!("{shard} begins at {checkpoint}, and {acknowledged:?} was acknowledged"));
        }
        if is_first && token == before && !state.is_another_life(session) {
            state.violate(session, format!("{shard} begins a second time with the fencing token {token}"));
        }
    }

    /// The processor was given records so long after its worker's last sign of life; None: there was none.
    pub(super) fn given(&self, session: Session, silent_ms: Option<u64>) {
        if silent_ms.is_none_or(|silent_ms| silent_ms >= FAILOVER_MS) {
            let what = format!("it was given records, {silent_ms:?} ms after its last sign of life");
            self.state().violate(session, what);
        }
    }

    /// The processor is about to return `Ok` for these.
    pub(super) fn processed<'a>(&self, session: Session, numbers: impl Iterator<Item = &'a RecordNumber>) {
        let mut state = self.state();
        for number in numbers {
            state.processed(session, number);
        }
    }

    pub(super) fn dead_letter(&self, shard: &str, number: &RecordNumber) {
        let mut state = self.state();
        match state.index(shard, number) {
            Some(index) => {
                state.shards.entry(shard.to_owned()).or_default().letters.insert(index);
            }
            None => state.violations.push(format!("a dead letter of {shard} {number}, which was never written")),
        }
    }

    pub(super) fn checkpointed(&self, session: Session, checkpoint: &Checkpoint) {
        let mut state = self.state();
        let life = &state.sessions[session as usize];
        let (shard, token) = (life.shard.clone(), life.token);
        let later = state.sessions.iter().filter(|life| life.shard == shard && life.token > token);
        if let Some(begun) = later.min_by_key(|life| life.token).and_then(|life| life.begun.clone()) {
            // The answer is late: another has the lease. It must have found what was written.
            if *checkpoint > begun {
                state.violate(session, format!("{shard} was at {checkpoint}, and the next began at {begun}"));
            }
            return;
        }
        let progress = state.shards.entry(shard.clone()).or_default();
        let before = progress.checkpoint.replace(checkpoint.clone());
        if before.as_ref().is_some_and(|before| checkpoint < before) {
            state.violate(session, format!("{shard} goes back from {before:?} to {checkpoint}"));
        }
    }

    pub(super) fn ended(&self, session: Session, end: End, is_clean: bool) {
        let mut state = self.state();
        state.handovers += u64::from(end == End::Finished);
        let life = &mut state.sessions[session as usize];
        // A session that finished may still hear that its lease has gone.
        if life.end.is_none() || end == End::Lost {
            (life.end, life.is_clean) = (Some(end), is_clean);
        }
    }

    pub(super) fn died(&self, worker: &str) {
        for life in self.state().sessions.iter_mut().filter(|life| life.worker == worker && life.end.is_none()) {
            life.end = Some(End::Died);
        }
    }

    /// Whether every record has been processed or is a dead letter.
    pub(super) fn is_complete(&self) -> bool {
        let state = self.state();
        let shards: Vec<String> = state.world.state().shards.keys().cloned().collect();
        shards.iter().all(|shard| state.is_done(shard))
    }

    /// The end: what was not kept, and how much was processed, processed again, and handed over.
    pub(super) fn verdict(&self) -> (Vec<String>, [u64; 3]) {
        let mut state = self.state();
        let shards: Vec<String> = state.world.state().shards.keys().cloned().collect();
        for shard in &shards {
            let all = state.world.state().user_records(shard);
            let progress = state.shards.entry(shard.clone()).or_default();
            let missing: Vec<usize> = (0..all)
                .filter(|index| !progress.done.contains_key(index) && !progress.letters.contains(index))
                .collect();
            if let Some(first) = missing.first() {
                state
                    .violations
                    .push(format!("{shard}: {} records were not processed, from {first} on", missing.len()));
            }
        }
        for session in std::mem::take(&mut state.late) {
            let end = state.sessions[session as usize].end;
            if !matches!(end, Some(End::Died | End::Lost)) {
                state.violate(session, format!("it began with an old lease, and ended well ({end:?})"));
            }
        }
        let again: Vec<(String, usize, Session, Session)> = state
            .shards
            .iter()
            .flat_map(|(shard, progress)| {
                progress.again.iter().map(|(at, now, before)| (shard.clone(), *at, *now, *before))
            })
            .collect();
        for (shard, index, now, before) in again {
            // One that has lost its lease without knowing it may process what its successor has processed.
            let (one, another) = (&state.sessions[now as usize], &state.sessions[before as usize]);
            let life = if one.token < another.token { one } else { another };
            let may_come_again = matches!(life.end, Some(End::Died | End::Lost)) || !life.is_clean;
            if !may_come_again {
                let what = format!("{shard} {index} came again, and session {before} had ended well ({:?})", life.end);
                state.violate(now, what);
            }
        }
        (state.violations.clone(), [state.processed, state.duplicates, state.handovers])
    }
}

impl State {
    fn violate(&mut self, session: Session, what: String) {
        let worker = &self.sessions[session as usize].worker;
        self.violations.push(format!("session {session} of {worker}: {what}"));
    }

    /// Whether a processor of the same lease has started over.
    fn is_another_life(&self, session: Session) -> bool {
        let now = &self.sessions[session as usize];
        let before = |life: &Life| (&life.shard, &life.worker, life.token) == (&now.shard, &now.worker, now.token);
        self.sessions[..session as usize].iter().any(|life| before(life) && life.end == Some(End::Lost))
    }

    fn index(&self, shard: &str, number: &RecordNumber) -> Option<usize> {
        self.world.state().index(shard, number)
    }

    fn is_done(&self, shard: &str) -> bool {
        let all = self.world.state().user_records(shard);
        let progress = self.shards.get(shard);
        progress.map_or(all == 0, |progress| {
            let letters = progress.letters.iter().filter(|index| !progress.done.contains_key(index)).count();
            progress.done.len() + letters == all
        })
    }

    fn processed(&mut self, session: Session, number: &RecordNumber) {
        let shard = self.sessions[session as usize].shard.clone();
        let Some(index) = self.index(&shard, number) else {
            return self.violate(session, format!("{shard} {number} was never written"));
        };
        let parents = self.world.state().shards[&shard].parents.clone();
        for parent in parents {
            if self.world.state().shards[&parent].is_open || !self.is_done(&parent) {
                self.violate(session, format!("{shard} {index} came before records of its parent {parent}"));
            }
        }
        self.processed += 1;
        let last = self.sessions[session as usize].last.replace(index);
        let progress = self.shards.entry(shard.clone()).or_default();
        let is_known = |at: &usize| progress.done.contains_key(at) || progress.letters.contains(at);
        let gap = match last {
            // Within a session the next one comes, but for those that went to the dead letters.
            Some(last) if index > last => (last + 1..index).find(|at| !progress.letters.contains(at)),
            Some(last) => Some(last),
            None => (0..index).find(|at| !is_known(at)),
        };
        match progress.done.get(&index).copied() {
            Some(before) => {
                progress.again.push((index, session, before));
                self.duplicates += 1;
                self.shards.entry(shard.clone()).or_default().done.insert(index, session);
            }
            None => {
                progress.done.insert(index, session);
            }
        }
        if let Some(gap) = gap {
            self.violate(session, format!("{shard} {index} came after {last:?}, and {gap} was left out"));
        }
    }
}
