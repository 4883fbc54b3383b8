//! Seeds: records, throttles, failures, lost answers, splits and merges at random; then a reader decides what was promised and kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio::sync::oneshot;

use super::service::{Dice, Service, data};
use crate::producer::core::{Core, Ended};
use crate::producer::stream::{Call, Effects};
use crate::producer::transport::{CallError, CallErrorKind, Entry};
use crate::producer::{Outcome, Reason, Record, Settings};

/// Seeds of the rough worlds. A longer look than an ordinary run's needs another number here.
const MANY: u64 = 25;

/// What happens at a time.
enum Event {
    Put(u64),
    Reshard,
    /// The service carries a call out.
    Apply(u64),
    Answer(u64),
    List(std::sync::Arc<str>),
    Lost(u64),
}

/// How rough the world is.
struct World {
    records: u64,
    keys: u64,
    shards: u32,
    reshards: u64,
    throttled: u64,
    failing: u64,
    lost: u64,
    settings: Settings,
}

struct Run {
    world: World,
    dice: Dice,
    service: Service,
    core: Core,
    /// By time, and by what was written down first.
    events: BTreeMap<(u64, u64), Event>,
    written_down: u64,
    calls: HashMap<u64, Vec<Entry>>,
    answers: HashMap<u64, Vec<crate::producer::transport::Answer>>,
    receivers: HashMap<u64, oneshot::Receiver<Outcome>>,
    told: HashMap<u64, (u64, Outcome)>,
    accepted_ms: HashMap<u64, u64>,
    keys: HashMap<u64, String>,
}

impl Run {
    fn new(seed: u64, world: World) -> Self {
        let dice = Dice::new(seed);
        let mut service = Service::new(world.shards);
        (service.throttled, service.failing) = (world.throttled, world.failing);
        let core = Core::new(world.settings.clone());
        let mut run = Self {
            world,
            dice,
            service,
            core,
            events: BTreeMap::new(),
            written_down: 0,
            calls: HashMap::new(),
            answers: HashMap::new(),
            receivers: HashMap::new(),
            told: HashMap::new(),
            accepted_ms: HashMap::new(),
            keys: HashMap::new(),
        };
        let mut at_ms = 0;
        for number in 0..run.world.records {
            at_ms += if run.dice.is_hit(2) { run.dice.roll(400) } else { run.dice.roll(3) };
            run.at(at_ms, Event::Put(number));
        }
        for _ in 0..run.world.reshards {
            let when_ms = run.dice.roll(at_ms + 1);
            run.at(when_ms, Event::Reshard);
        }
        run
    }

    fn at(&mut self, at_ms: u64, event: Event) {
        self.written_down += 1;
        self.events.insert((at_ms, self.written_down), event);
    }

    /// To the end of all events. Everything is told by then.
    fn run(&mut self) {
        let mut looks_ms: Option<u64> = None;
        let mut steps = 0;
        loop {
            let event_ms = self.events.keys().next().map(|(at_ms, _)| *at_ms);
            let Some(now_ms) = [event_ms, looks_ms].into_iter().flatten().min() else { break };
            steps += 1;
            assert!(steps < 2_000_000, "it makes no progress");
            let mut effects = Effects::default();
            if event_ms == Some(now_ms) {
                let Some((_, event)) = self.events.pop_first() else { break };
                let wakes = self.happen(event, now_ms, &mut effects);
                if !wakes && looks_ms.is_none_or(|looks_ms| looks_ms > now_ms) {
                    self.carry_out(effects, now_ms);
                    continue;
                }
            }
            looks_ms = self.core.poll(&self.dice, now_ms, &mut effects);
            assert!(looks_ms.is_none_or(|looks_ms| looks_ms > now_ms), "it would spin");
            self.carry_out(effects, now_ms);
            // The shards are asked for again and again where that fails; that alone keeps nothing going.
            if self.core.is_empty() && self.events.values().all(|event| matches!(event, Event::List(_))) {
                break;
            }
        }
        assert!(self.receivers.is_empty(), "records without an outcome: {:?}", self.receivers.keys());
    }

    /// Whether the driver would look at once.
    fn happen(&mut self, event: Event, now_ms: u64, effects: &mut Effects) -> bool {
        match event {
            Event::Put(number) => {
                let key = format!("key {}", self.dice.roll(self.world.keys));
                let length = if self.dice.is_hit(1) { 60_000 } else { 8 + self.dice.roll(300) as usize };
                let mut record = Record::new("s", key.clone(), data(number, length));
                record.alone = self.dice.is_hit(3);
                if self.dice.is_hit(1) {
                    self.core.flush();
                }
                let hash = record.check().unwrap();
                let cost = record.cost();
                let (receiver, wakes) = self.core.push(record, hash, cost, now_ms);
                self.receivers.insert(number, receiver);
                self.accepted_ms.insert(number, now_ms);
                self.keys.insert(number, key);
                return wakes;
            }
            Event::Reshard => {
                self.service.reshard(&self.dice);
                return false;
            }
            Event::Apply(id) => {
                if let Some(entries) = self.calls.remove(&id) {
                    let answers = self.service.put(&entries, &self.dice);
                    self.answers.insert(id, answers);
                }
                return false;
            }
            Event::Answer(id) => {
                let answers = self.answers.remove(&id).unwrap();
                self.core.ended(Ended::PutRecords(id, Ok(answers)), &self.dice, now_ms, effects);
            }
            Event::Lost(id) => {
                let error = CallError { code: "Lost".into(), message: "".into(), kind: CallErrorKind::Unknown };
                self.core.ended(Ended::PutRecords(id, Err(error)), &self.dice, now_ms, effects);
            }
            Event::List(stream) => {
                let is_failing = self.dice.is_hit(self.world.failing);
                let error = CallError { code: "Lost".into(), message: "".into(), kind: CallErrorKind::Unknown };
                let listed = if is_failing { Err(error) } else { Ok(self.service.list()) };
                self.core.ended(Ended::ListShards(stream, listed), &self.dice, now_ms, effects);
            }
        }
        true
    }

    fn carry_out(&mut self, effects: Effects, now_ms: u64) {
        let is_told = !effects.resolved.is_empty();
        for resolved in effects.resolved {
            drop(resolved.reply.send(resolved.outcome));
            self.core.settled(resolved.epoch, resolved.cost);
        }
        if is_told {
            self.receivers.retain(|number, receiver| {
                let Ok(outcome) = receiver.try_recv() else { return true };
                assert!(self.told.insert(*number, (now_ms, outcome)).is_none(), "{number} was told twice");
                false
            });
        }
        for call in effects.calls {
            match call {
                Call::ListShards { stream } => {
                    let later_ms = now_ms + self.dice.roll(50);
                    self.at(later_ms, Event::List(stream));
                }
                Call::PutRecords { id, entries, .. } => {
                    self.check_call(&entries);
                    self.calls.insert(id, entries);
                    let timeout_ms = self.world.settings.request_timeout_ms;
                    let apply_ms = now_ms + self.dice.roll(40);
                    if self.dice.is_hit(self.world.lost) {
                        // Carried out in time, late, or never.
                        match self.dice.roll(3) {
                            0 => self.at(apply_ms, Event::Apply(id)),
                            1 => {
                                let late_ms = now_ms + self.dice.roll(3 * timeout_ms);
                                self.at(late_ms, Event::Apply(id));
                            }
                            _ => {}
                        }
                        self.at(now_ms + timeout_ms, Event::Lost(id));
                    } else {
                        self.at(apply_ms, Event::Apply(id));
                        let answer_ms = apply_ms + 1 + self.dice.roll(40);
                        self.at(answer_ms, Event::Answer(id));
                    }
                }
            }
        }
    }

    fn check_call(&self, entries: &[Entry]) {
        let settings = &self.world.settings;
        assert!((1..=settings.collection_max_count).contains(&entries.len()));
        let bytes: usize = entries.iter().map(Entry::bytes).sum();
        assert!(bytes <= settings.collection_max_bytes || entries.len() == 1);
        for entry in entries {
            let is_packed = entry.data.starts_with(&crate::aggregation::MAGIC);
            assert!(!is_packed || entry.data.len() <= settings.aggregation_max_bytes);
        }
    }

    /// What was promised, by what a reader finds.
    fn check(&self) {
        let (read, everything) = (self.service.read(), self.service.read_everything());
        let settings = &self.world.settings;
        for (number, (told_ms, outcome)) in &self.told {
            let latest_ms = self.accepted_ms[number] + settings.record_ttl_ms + settings.request_timeout_ms + 1500;
            assert!(*told_ms <= latest_ms, "{number} was told {} ms late", told_ms - latest_ms);
            match outcome {
                Ok(written) => {
                    let seen =
                        read.get(number).unwrap_or_else(|| panic!("{number} was acknowledged, and nobody reads it"));
                    let is_there = seen.iter().any(|seen| {
                        seen.shard_id == *written.shard_id
                            && seen.sequence.to_string() == *written.sequence_number
                            && seen.sub_sequence == written.sub_sequence_number
                    });
                    assert!(is_there, "{number} is elsewhere: {seen:?}, and not {written:?}");
                    let copies = everything[number].len();
                    assert!(copies == 1 || written.may_be_there_twice, "{number} is there {copies} times");
                }
                Err(unwritten) => {
                    assert!(!matches!(unwritten.reason, Reason::Refused { .. } | Reason::Abandoned));
                    let is_there = everything.contains_key(number);
                    assert!(!is_there || unwritten.may_have_been_written, "{number} was said not to be there");
                }
            }
        }
        if settings.strict_order {
            self.check_order(&read);
        }
    }

    /// The first of each record that was acknowledged, by key.
    fn check_order(&self, read: &HashMap<u64, Vec<super::service::Seen>>) {
        let mut last: HashMap<&str, (u64, (u64, Option<u64>))> = HashMap::new();
        let acknowledged: BTreeSet<u64> =
            self.told.iter().filter(|(_, (_, outcome))| outcome.is_ok()).map(|(number, _)| *number).collect();
        for number in acknowledged {
            let first = &read[&number][0];
            let place = (first.sequence, first.sub_sequence);
            if let Some((before, earlier)) = last.insert(&self.keys[&number], (number, place)) {
                assert!(earlier < place, "{number} at {place:?} overtook {before} at {earlier:?}");
            }
        }
    }
}

/// Runs seeds and gives how many records had which fate, for tests to say that it happened at all.
fn seeds(seeds: std::ops::Range<u64>, world: impl Fn(&Dice) -> World) -> BTreeMap<String, u64> {
    let mut fates = BTreeMap::new();
    for seed in seeds {
        let mut run = Run::new(seed, world(&Dice::new(seed ^ 0xabcd)));
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            run.run();
            run.check();
        }));
        if let Err(panic) = told {
            eprintln!("it was seed {seed}");
            std::panic::resume_unwind(panic);
        }
        assert_eq!(run.told.len() as u64, run.world.records);
        for (_, outcome) in run.told.values() {
            let fate = match outcome {
                Ok(written) if written.failed_attempts.is_empty() => String::from("at once"),
                Ok(_) => String::from("again"),
                Err(unwritten) => format!("{:?}", unwritten.reason),
            };
            *fates.entry(fate).or_default() += 1;
        }
        for (code, count) in &run.core.metrics().streams["s"].errors_by_code {
            *fates.entry(code.clone()).or_default() += count;
        }
    }
    fates
}

fn rough(dice: &Dice, settings: Settings) -> World {
    World {
        records: 1000,
        keys: [1, 5, 50, 5000][dice.roll(4) as usize],
        shards: 1 + dice.roll(6) as u32,
        reshards: dice.roll(8),
        throttled: dice.roll(30),
        failing: dice.roll(20),
        lost: dice.roll(15),
        settings: Settings { request_timeout_ms: 500, record_ttl_ms: 5000, ..settings },
    }
}

fn happened(fates: &BTreeMap<String, u64>, what: &[&str]) {
    for fate in what {
        assert!(fates.contains_key(*fate), "no record was {fate}: {fates:?}");
    }
}

#[test]
fn a_calm_service_gets_every_record_once() {
    let fates = seeds(0..10, |dice| World {
        throttled: 0,
        failing: 0,
        lost: 0,
        reshards: 0,
        ..rough(dice, Settings::default())
    });
    assert_eq!(fates.keys().collect::<Vec<_>>(), ["at once"]);
}

#[test]
fn no_record_is_lost_or_told_twice() {
    let fates = seeds(0..MANY, |dice| rough(dice, Settings::default()));
    happened(&fates, &["at once", "again", "Expired", "Wrong Shard", "Lost", "InternalFailure"]);
}

#[test]
fn strict_order_holds() {
    let fates = seeds(0..MANY, |dice| rough(dice, Settings { strict_order: true, ..Settings::default() }));
    happened(&fates, &["at once", "again", "Expired", "Wrong Shard", "Lost", "InternalFailure"]);
}

#[test]
fn strict_order_holds_without_aggregation() {
    let settings = Settings { strict_order: true, aggregation_enabled: false, ..Settings::default() };
    let fates = seeds(0..10, |dice| rough(dice, settings.clone()));
    happened(&fates, &["at once", "again", "Lost", "InternalFailure"]);
    assert!(!fates.contains_key("Wrong Shard"), "a record alone is right wherever it is");
}

#[test]
fn small_calls_and_no_waiting_work_too() {
    let fates = seeds(0..10, |dice| {
        let settings = Settings {
            aggregation_max_count: 1 + dice.roll(5) as usize,
            collection_max_count: 1 + dice.roll(3) as usize,
            collection_max_bytes: 1000,
            record_max_buffered_ms: dice.roll(2) * 10,
            max_connections: 1 + dice.roll(2) as usize,
            rate_limit_percent: None,
            ..Settings::default()
        };
        rough(dice, settings)
    });
    happened(&fates, &["at once", "again"]);
}

#[test]
fn throttled_records_fail_at_once_if_that_is_wanted() {
    let fates = seeds(0..5, |dice| World {
        throttled: 30,
        ..rough(dice, Settings { fail_if_throttled: true, ..Settings::default() })
    });
    happened(&fates, &["at once", "Throttled"]);
}
