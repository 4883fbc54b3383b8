//! Answers to the letter: what becomes of a batch that is throttled, refused, or put elsewhere.

use std::sync::Arc;

use rheos_types::{HashKey, HashRange};
use tokio::sync::oneshot;

use super::service::{Dice, Service, data};
use crate::producer::core::{Core, Ended};
use crate::producer::stream::{Call, Effects};
use crate::producer::transport::{Answer, CallError, CallErrorKind, Entry, EntryError, Placed, Shard};
use crate::producer::{Metrics, Outcome, Reason, Record, Settings};

/// A producer of one stream with known shards, step by step.
struct Steps {
    core: Core,
    dice: Dice,
    now_ms: u64,
}

impl Steps {
    fn new(settings: Settings, shards: u32) -> Self {
        let mut steps = Self { core: Core::new(settings), dice: Dice::new(1), now_ms: 0 };
        steps.listed(Ok(Service::new(shards).list()));
        steps
    }

    fn put(&mut self, key: &str, bytes: usize) -> oneshot::Receiver<Outcome> {
        let record = Record::new("s", key, data(0, bytes));
        let (hash, cost) = (record.check().unwrap(), record.cost());
        self.core.push(record, hash, cost, self.now_ms).0
    }

    /// The calls that are made up to so much later.
    fn calls(&mut self, later_ms: u64) -> Vec<(u64, Vec<Entry>)> {
        let (until_ms, mut calls) = (self.now_ms + later_ms, Vec::new());
        loop {
            let mut effects = Effects::default();
            let next_ms = self.core.poll(&self.dice, self.now_ms, &mut effects);
            self.settle(&mut effects);
            calls.extend(effects.calls.into_iter().filter_map(|call| match call {
                Call::PutRecords { id, entries, .. } => Some((id, entries)),
                Call::ListShards { .. } => None,
            }));
            match next_ms {
                Some(next_ms) if next_ms <= until_ms => self.now_ms = next_ms,
                _ => break,
            }
        }
        self.now_ms = until_ms;
        calls
    }

    fn settle(&mut self, effects: &mut Effects) {
        for resolved in effects.resolved.drain(..) {
            drop(resolved.reply.send(resolved.outcome));
            self.core.settled(resolved.epoch, resolved.cost);
        }
    }

    fn ended(&mut self, ended: Ended) {
        let mut effects = Effects::default();
        self.core.ended(ended, &self.dice, self.now_ms, &mut effects);
        self.settle(&mut effects);
    }

    fn answered(&mut self, id: u64, answers: Result<Vec<Answer>, CallError>) {
        self.ended(Ended::PutRecords(id, answers));
    }

    fn listed(&mut self, shards: Result<Vec<Shard>, CallError>) {
        if self.core.metrics().streams.is_empty() {
            // The stream is known from its first record on.
            drop(self.put("first", 8));
            self.calls(0);
            self.ended(Ended::ListShards(Arc::from("s"), shards));
            let (id, _) = self.calls(100).pop().unwrap();
            self.answered(id, Ok(vec![placed(0)]));
        } else {
            self.ended(Ended::ListShards(Arc::from("s"), shards));
        }
    }

    fn metrics(&self) -> Metrics {
        self.core.metrics()
    }
}

fn placed(shard: u32) -> Answer {
    Ok(Placed { shard_id: format!("shardId-{shard:012}").into(), sequence_number: "1".into() })
}

fn entry_error(code: &str) -> Answer {
    Err(EntryError { code: code.into(), message: "no".into() })
}

fn call_error(kind: CallErrorKind) -> CallError {
    CallError { code: "Error".into(), message: "no".into(), kind }
}

#[test]
fn records_wait_for_each_other_no_longer_than_they_may() {
    let mut steps = Steps::new(Settings::default(), 1);
    let _outcomes = [steps.put("a", 100), steps.put("b", 100)];
    assert_eq!(steps.calls(99).len(), 0);
    let calls = steps.calls(1);
    assert_eq!((calls.len(), calls[0].1.len(), &*calls[0].1[0].partition_key), (1, 1, "a"));
}

#[test]
fn a_full_call_leaves_at_once() {
    let settings = Settings { aggregation_enabled: false, rate_limit_percent: None, ..Settings::default() };
    let mut steps = Steps::new(settings, 1);
    let _outcomes: Vec<_> = (0..1001).map(|_| steps.put("a", 100)).collect();
    assert_eq!(steps.calls(0).iter().map(|(_, entries)| entries.len()).collect::<Vec<_>>(), [500, 500]);
    assert_eq!(steps.calls(100).len(), 1);
}

#[test]
fn a_shard_gets_no_more_than_its_rate() {
    let settings = Settings { aggregation_enabled: false, rate_limit_percent: Some(100), ..Settings::default() };
    let mut steps = Steps::new(settings, 1);
    let _outcomes: Vec<_> = (0..3000).map(|_| steps.put("a", 10)).collect();
    let mut sent = 0;
    for _ in 0..10 {
        for (id, entries) in steps.calls(100) {
            sent += entries.len();
            steps.answered(id, Ok(vec![placed(0); entries.len()]));
        }
    }
    assert!((1990..=2001).contains(&sent), "what the bucket held and a second: {sent}");
}

#[test]
fn only_what_failed_is_sent_again_and_later_each_time() {
    let settings = Settings { aggregation_enabled: false, ..Settings::default() };
    let mut steps = Steps::new(settings, 2);
    let mut outcomes = [steps.put("a", 10), steps.put("b", 20)];
    let (id, entries) = steps.calls(100).pop().unwrap();
    let answers = entries.iter().map(|entry| match &*entry.partition_key {
        "a" => placed(0),
        _ => entry_error("ProvisionedThroughputExceededException"),
    });
    let answers = answers.collect();
    steps.answered(id, Ok(answers));
    assert!(outcomes[0].try_recv().unwrap().unwrap().failed_attempts.is_empty());
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let began_ms = steps.now_ms;
        let call = loop {
            if let Some(call) = steps.calls(1).pop() {
                break call;
            }
        };
        pauses.push(steps.now_ms - began_ms);
        assert_eq!(call.1.iter().map(|entry| &*entry.partition_key).collect::<Vec<_>>(), ["b"]);
        steps.answered(call.0, Ok(vec![entry_error("ProvisionedThroughputExceededException")]));
    }
    for (pause, range) in pauses.iter().zip([50..=101, 100..=201, 200..=401, 400..=801]) {
        assert!(range.contains(pause), "{pauses:?}");
    }
    let (id, _) = steps.calls(2000).pop().unwrap();
    steps.answered(id, Ok(vec![placed(1)]));
    let written = outcomes[1].try_recv().unwrap().unwrap();
    assert_eq!((written.failed_attempts.len(), written.may_be_there_twice), (5, false));
}

#[test]
fn a_record_that_spoils_its_call_is_found_and_its_neighbours_are_written() {
    let settings = Settings { aggregation_enabled: false, ..Settings::default() };
    let mut steps = Steps::new(settings, 1);
    let mut outcomes: Vec<_> = (0..8).map(|at| steps.put(&format!("k{at}"), 10)).collect();
    let mut calls = steps.calls(100);
    let mut count = 0;
    while let Some((id, entries)) = calls.pop() {
        count += 1;
        assert!(count < 20, "halves end");
        if entries.iter().any(|entry| entry.partition_key == "k5") {
            steps.answered(id, Err(call_error(CallErrorKind::RefusedContent)));
        } else {
            steps.answered(id, Ok(vec![placed(0); entries.len()]));
        }
        calls.extend(steps.calls(1));
    }
    for (at, outcome) in outcomes.iter_mut().enumerate() {
        let outcome = outcome.try_recv().unwrap();
        assert_eq!(outcome.is_ok(), at != 5, "{at}: {outcome:?}");
        if let Err(unwritten) = outcome {
            assert!(matches!(unwritten.reason, Reason::Refused { .. }) && !unwritten.may_have_been_written);
            assert_eq!(unwritten.to_string(), "Error: no");
        }
    }
}

#[test]
fn an_aggregated_record_that_is_refused_is_taken_apart() {
    let mut steps = Steps::new(Settings::default(), 1);
    let mut outcomes = [steps.put("a", 10), steps.put("b", 10)];
    let (id, _) = steps.calls(100).pop().unwrap();
    steps.answered(id, Err(call_error(CallErrorKind::RefusedContent)));
    for (id, entries) in steps.calls(1) {
        assert_eq!(entries.len(), 1);
        let is_bad = entries[0].partition_key == "a";
        steps.answered(id, if is_bad { Err(call_error(CallErrorKind::RefusedContent)) } else { Ok(vec![placed(0)]) });
    }
    assert!(outcomes[0].try_recv().unwrap().is_err());
    assert_eq!(outcomes[1].try_recv().unwrap().unwrap().sub_sequence_number, None);
}

#[test]
fn a_call_that_is_refused_fails_its_records_and_no_time_is_lost() {
    let mut steps = Steps::new(Settings::default(), 1);
    let mut outcome = steps.put("a", 10);
    let (id, _) = steps.calls(100).pop().unwrap();
    steps.answered(id, Err(call_error(CallErrorKind::Refused)));
    assert!(matches!(outcome.try_recv().unwrap().unwrap_err().reason, Reason::Refused { .. }));
}

#[test]
fn too_few_answers_are_none() {
    let mut steps = Steps::new(Settings::default(), 1);
    let mut outcome = steps.put("a", 10);
    let (id, _) = steps.calls(100).pop().unwrap();
    steps.answered(id, Ok(Vec::new()));
    assert_eq!(steps.metrics().streams["s"].errors_by_code["Record Count Mismatch"], 1);
    let (id, _) = steps.calls(200).pop().unwrap();
    steps.answered(id, Ok(vec![placed(0)]));
    assert!(outcome.try_recv().unwrap().unwrap().may_be_there_twice);
}

#[test]
fn a_record_that_cannot_be_written_ends_in_an_error() {
    let mut steps = Steps::new(Settings { record_ttl_ms: 1000, ..Settings::default() }, 1);
    let mut outcome = steps.put("a", 10);
    while outcome.try_recv().is_err() {
        assert!(steps.now_ms < 2000);
        for (id, entries) in steps.calls(10) {
            steps.answered(id, Ok(vec![entry_error("ProvisionedThroughputExceededException"); entries.len()]));
        }
    }
    assert_eq!(steps.now_ms / 10, (100 + 1000) / 10, "when its time has run out, and not later");
    let figures = &steps.metrics().streams["s"];
    assert_eq!((figures.user_record_expired, figures.user_records_failed), (1, 1));
}

/// What shard 0 is split into: shards 1 and 2.
fn children() -> Vec<Shard> {
    let halves = [1, 2].into_iter().zip(HashRange::uniform(2));
    halves.map(|(at, range)| Shard { id: format!("shardId-{at:012}").into(), range }).collect()
}

#[test]
fn what_came_before_a_split_is_written_though_its_answer_comes_after() {
    let mut steps = Steps::new(Settings::default(), 1);
    let mut before = [steps.put("a", 10), steps.put("b", 10)];
    let (before_id, _) = steps.calls(100).pop().unwrap();
    let _after = [steps.put("a", 10), steps.put("b", 10)];
    let (after_id, _) = steps.calls(100).pop().unwrap();
    steps.answered(after_id, Ok(vec![placed(1)]));
    steps.calls(0);
    steps.listed(Ok(children()));
    assert_eq!(steps.calls(1)[0].1.len(), 2, "what came after is sent again, each to its shard");
    steps.answered(before_id, Ok(vec![placed(0)]));
    for (at, outcome) in before.iter_mut().enumerate() {
        let written = outcome.try_recv().unwrap().unwrap();
        assert_eq!((written.sub_sequence_number, written.failed_attempts.len()), (Some(at as u64), 0));
    }
}

#[test]
fn records_in_a_shard_that_owns_them_all_are_written_and_others_are_sent_again() {
    let mut steps = Steps::new(Settings::default(), 1);
    // "a" falls into the lower half, "b" and "c" into the upper one.
    let halves: Vec<_> = HashRange::uniform(2).collect();
    for (key, half) in [("a", 0), ("b", 1), ("c", 0)] {
        assert!(halves[half].contains(HashKey::of_partition_key(key)), "{key}");
    }
    let children = children();
    let mut both = [steps.put("a", 10), steps.put("b", 10)];
    let (id, _) = steps.calls(100).pop().unwrap();
    let mut lower = [steps.put("a", 10), steps.put("c", 10)];
    let (lower_id, _) = steps.calls(100).pop().unwrap();
    steps.answered(id, Ok(vec![placed(1)]));
    steps.answered(lower_id, Ok(vec![placed(1)]));
    assert!(both[0].try_recv().is_err() && lower[0].try_recv().is_err(), "not before it is known what shard 1 is");
    steps.calls(0);
    steps.listed(Ok(children));
    let calls = steps.calls(1);
    assert!(lower.iter_mut().all(|outcome| outcome.try_recv().unwrap().unwrap().failed_attempts.is_empty()));
    let entries: Vec<_> = calls.iter().flat_map(|(_, entries)| entries).collect();
    assert_eq!(entries.len(), 2, "each to its shard");
    for (id, entries) in &calls {
        let answers = entries.iter().map(|entry| placed(if entry.partition_key == "a" { 1 } else { 2 }));
        steps.answered(*id, Ok(answers.collect()));
    }
    for outcome in &mut both {
        let written = outcome.try_recv().unwrap().unwrap();
        assert_eq!(&*written.failed_attempts[0].code, "Wrong Shard");
        assert!(written.may_be_there_twice);
    }
}

#[test]
fn where_shards_cannot_be_listed_nothing_is_packed() {
    let mut steps = Steps::new(Settings::default(), 1);
    let record = Record::new("other", "a", data(0, 10));
    let hash = record.check().unwrap();
    let mut outcomes =
        [steps.core.push(record.clone(), hash, 10, steps.now_ms).0, steps.core.push(record, hash, 10, steps.now_ms).0];
    assert!(steps.calls(5000).is_empty(), "they wait to be told");
    steps.ended(Ended::ListShards(Arc::from("other"), Err(call_error(CallErrorKind::Refused))));
    let (id, entries) = steps.calls(1).pop().unwrap();
    assert_eq!(entries.len(), 2);
    steps.answered(id, Ok(vec![placed(3), placed(3)]));
    for outcome in &mut outcomes {
        assert_eq!(outcome.try_recv().unwrap().unwrap().sub_sequence_number, None);
    }
}
