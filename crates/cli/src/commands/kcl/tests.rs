//! The protocol over real processes: small shell programs that write down what they are told, under a worker with a stream in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use rheos_client::consumer::{
    ChildShard, Config, DeadLetter, DeadLetters, Environment, InitialPosition, Kinesis, KinesisError, KinesisFuture,
    Page, Poison, ReadFrom, Retry, Services, Shard, ShardFilter, ShardRecord, Spawn, Subscription, TokioSpawn, Worker,
    WorkerHandle,
};
use rheos_client::lease::{Checkpoint, Lease, LeaseTable, MemoryLeaseStore};
use rheos_client::multilang::protocol::Protocol;
use rheos_types::HashRange;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::child::{Program, Programs};
use crate::edge;

/// A program that answers to everything. `$1` is where it writes down what it is told; `before` says what it does with records.
const PROGRAM: &str = r#"
out=$1
say() { printf '%s\n' "$1" >> "$out"; }
answer() { printf '\n{"action":"status","responseFor":"%s"}\n' "$1"; }
ask() { printf '{"action":"checkpoint"%s}\n' "$1"; IFS= read -r line; say "$line"; }
say "{\"pid\":$$}"
while IFS= read -r line; do
  say "$line"
  case $line in
    *'"action":"initialize"'*) ON_INITIALIZE
      answer initialize ;;
    *'"action":"processRecords"'*) ON_RECORDS
      answer processRecords ;;
    *'"action":"leaseLost"'*) answer leaseLost ;;
    *'"action":"shardEnded"'*) ask ''; answer shardEnded ;;
    *'"action":"shutdown",'*'"TERMINATE"'*) ask ''; answer shutdown ;;
    *'"action":"shutdown",'*) answer shutdown ;;
    *'"action":"shutdownRequested"'*) ask ''; answer shutdownRequested ;;
  esac
done
say '{"eof":true}'
"#;

/// A stream in memory: shards with records, of which those with children are closed.
#[derive(Default)]
struct Scripted {
    shards: BTreeMap<String, Vec<ShardRecord>>,
    children: BTreeMap<String, Vec<String>>,
}

impl Scripted {
    fn with(mut self, shard: &str, texts: &[&str]) -> Self {
        let first = 100 * (self.shards.len() + 1);
        let records = texts.iter().enumerate().map(|(at, text)| ShardRecord {
            sequence_number: (first + at).to_string(),
            partition_key: "key".to_owned(),
            data: Bytes::copy_from_slice(text.as_bytes()),
            arrival_ms: Some(5),
        });
        self.shards.insert(shard.to_owned(), records.collect());
        self
    }

    fn closed(mut self, shard: &str, child: &str) -> Self {
        self.children.insert(shard.to_owned(), vec![child.to_owned()]);
        self
    }

    fn parents(&self, shard: &str) -> Vec<String> {
        let of = self.children.iter().filter(|(_, children)| children.iter().any(|child| child == shard));
        of.map(|(parent, _)| parent.clone()).collect()
    }
}

impl Kinesis for Scripted {
    fn list_shards(&self, filter: ShardFilter) -> KinesisFuture<'_, Vec<Shard>> {
        let shards = self.shards.keys().map(|id| Shard {
            id: id.clone(),
            parents: self.parents(id),
            hash_range: HashRange::ALL,
            starting_sequence_number: self.shards[id].first().map_or("1", |first| &first.sequence_number).to_owned(),
            is_open: !self.children.contains_key(id),
        });
        let shards = shards.filter(|shard| filter == ShardFilter::All || shard.parents.is_empty()).collect();
        Box::pin(async move { Ok(shards) })
    }

    fn shard_iterator<'a>(&'a self, shard: &'a str, from: &'a ReadFrom) -> KinesisFuture<'a, String> {
        let records = &self.shards[shard];
        let at = match from {
            ReadFrom::At(number) => records.partition_point(|record| record.sequence_number < *number),
            ReadFrom::After(number) => records.partition_point(|record| record.sequence_number <= *number),
            _ => 0,
        };
        Box::pin(async move { Ok(format!("{shard}/{at}")) })
    }

    fn records<'a>(&'a self, iterator: &'a str, _: u32) -> KinesisFuture<'a, Page> {
        Box::pin(async move {
            let (shard, at) = iterator.split_once('/').expect("an iterator of ours");
            let records = self.shards[shard][at.parse::<usize>().expect("a place")..].to_vec();
            let children = self.children.get(shard).cloned().unwrap_or_default();
            Ok(Page {
                records,
                next: children.is_empty().then(|| format!("{shard}/{}", self.shards[shard].len())),
                children: children
                    .iter()
                    .map(|id| ChildShard { id: id.clone(), parents: self.parents(id), hash_range: HashRange::ALL })
                    .collect(),
                millis_behind_latest: Some(0),
            })
        })
    }

    fn subscribe<'a>(&'a self, _: &'a str, _: &'a ReadFrom) -> KinesisFuture<'a, Box<dyn Subscription>> {
        Box::pin(async { Err(KinesisError::Refused("no subscriptions here".to_owned())) })
    }
}

/// Keeps the letters.
#[derive(Default)]
struct Letters(Mutex<Vec<Value>>);

impl DeadLetters for Letters {
    fn send<'a>(&'a self, letter: DeadLetter<'a>) -> BoxFuture<'a, Result<(), String>> {
        self.0.lock().expect("no test panics with it").push(letter.to_json());
        Box::pin(async { Ok(()) })
    }
}

/// A worker and its programs.
struct Rig {
    out: PathBuf,
    handle: WorkerHandle,
    done: oneshot::Receiver<()>,
    table: LeaseTable,
    letters: Arc<Letters>,
    directory: TempDir,
}

impl Rig {
    fn start(stream: Scripted, on_initialize: &str, on_records: &str, limit: Option<Duration>) -> Self {
        Self::start_with(Protocol::Two, stream, on_initialize, on_records, limit)
    }

    fn start_with(
        protocol: Protocol,
        stream: Scripted,
        on_initialize: &str,
        on_records: &str,
        limit: Option<Duration>,
    ) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (program, out) = (directory.path().join("program.sh"), directory.path().join("out"));
        let text = PROGRAM.replace("ON_INITIALIZE", on_initialize).replace("ON_RECORDS", on_records);
        for (path, text) in [(&program, text.as_str()), (&out, "")] {
            let mut file = edge::create(path).expect("a file");
            std::io::Write::write_all(&mut file, text.as_bytes()).expect("a file");
        }
        let command = ["/bin/sh".into(), program, out.clone()].map(|part| part.to_string_lossy().into_owned());
        let programs = Programs { command: command.to_vec(), protocol, timeout: limit };
        Self::run(stream, programs, out, directory)
    }

    fn run(stream: Scripted, programs: Programs, out: PathBuf, directory: TempDir) -> Self {
        let config = Config {
            start: InitialPosition::TrimHorizon,
            failover_ms: 4_000,
            leader_lock_ms: 1_000,
            assignment_interval_ms: 200,
            worker_metrics_interval_ms: 1_000,
            parent_poll_ms: 50,
            idle_ms: 20,
            retry: Retry { attempts: 2, backoff_ms: 10, max_backoff_ms: 50 },
            poison: Poison::DeadLetter,
            ..Config::new("application", "stream", "worker")
        };
        let store = Arc::new(MemoryLeaseStore::new());
        let letters = Arc::new(Letters::default());
        let programs = Arc::new(programs);
        let factory = move |shard: &str| Program::new(programs.clone(), shard);
        let (kinesis, table) = (Arc::new(stream), LeaseTable::new(store.clone()));
        let dead_letters = Some(letters.clone() as Arc<_>);
        let services = Services { dead_letters, ..Services::new(store, kinesis) };
        let worker = Worker::new(config, Environment::system(), services, factory);
        let handle = worker.handle();
        let (end, done) = oneshot::channel();
        TokioSpawn.spawn(Box::pin(async move {
            worker.run().await.expect("memory refuses nothing");
            end.send(()).expect("the test waits");
        }));
        Self { out, handle, done, table, letters, directory }
    }

    /// Everything that the programs were told so far.
    fn told(&self) -> Vec<Value> {
        let bytes = edge::read(&self.out).expect("a file");
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }

    /// The actions that the programs were told, and the answers that they got.
    fn actions(&self) -> Vec<String> {
        let name = |told: &Value| match (&told["action"], &told["error"]) {
            (Value::String(action), Value::String(error)) => Some(format!("{action} {error}")),
            (Value::String(action), _) => Some(action.clone()),
            _ => told.get("eof").map(|_| "eof".to_owned()),
        };
        self.told().iter().filter_map(name).collect()
    }

    fn count(&self, action: &str) -> usize {
        self.actions().iter().filter(|told| *told == action).count()
    }

    /// The texts of all records that were given to programs.
    fn given(&self) -> Vec<String> {
        let told = self.told();
        let records = told.iter().filter_map(|told| told["records"].as_array()).flatten();
        let data = records.map(|record| record["data"].as_str().expect("it has data"));
        let bytes = data.map(|data| base64_simd::STANDARD.decode_to_vec(data).expect("it is base64"));
        bytes.map(|bytes| String::from_utf8(bytes).expect("a text of ours")).collect()
    }

    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let wait = async {
            while !holds(self) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let in_time = timeout(Duration::from_secs(60), wait).await.is_ok();
        assert!(in_time, "{what}: {:#?} {:?}", self.told(), self.handle.status());
    }

    async fn lease(&self, shard: &str) -> Lease {
        self.table.get(shard).await.expect("memory fails never").expect("it has a lease")
    }

    async fn stop(&mut self) {
        self.handle.stop();
        timeout(Duration::from_secs(60), &mut self.done).await.expect("it stops").expect("it does not panic");
    }
}

#[tokio::test]
async fn the_messages_are_those_of_the_java_daemon() {
    let on_initialize = "ask ',\"sequenceNumber\":null'";
    let on_records = r#"echo a line that is no message
      ask ',"sequenceNumber":"101","subSequenceNumber":0'
      ask ',"sequenceNumber":"100"'
      ask ',"sequenceNumber":"500"'
      ask ',"sequenceNumber":"no number"'
      ask ',"sequenceNumber":null,"subSequenceNumber":null'"#;
    let mut rig = Rig::start(Scripted::default().with("shard", &["a", "b"]), on_initialize, on_records, None);
    rig.until("all answers", |rig| rig.count("checkpoint") == 2).await;
    assert_eq!(rig.lease("shard").await.checkpoint, Some(Checkpoint::parse("101", 0).expect("a number")));
    rig.stop().await;
    let told = rig.told();
    let initialize =
        json!({"action": "initialize", "shardId": "shard", "sequenceNumber": "TRIM_HORIZON", "subSequenceNumber": 0});
    assert_eq!(told[1], initialize);
    let record = |data: &str, number: &str| {
        json!({"action": "record", "data": data, "partitionKey": "key", "sequenceNumber": number,
            "subSequenceNumber": 0, "approximateArrivalTimestamp": 5})
    };
    let records = json!([record("YQ==", "100"), record("Yg==", "101")]);
    assert_eq!(told[3], json!({"action": "processRecords", "records": records, "millisBehindLatest": 0}));
    let answer = json!({"action": "checkpoint", "sequenceNumber": "101", "subSequenceNumber": 0, "error": null});
    assert_eq!(told[4], answer);
    let expected = [
        "initialize",
        "checkpoint InvalidStateException",
        "processRecords",
        "checkpoint",
        "checkpoint IllegalArgumentException",
        "checkpoint IllegalArgumentException",
        "checkpoint IllegalArgumentException",
        "checkpoint",
        "shutdownRequested",
        "checkpoint",
        "leaseLost",
        "eof",
    ];
    assert_eq!(rig.actions(), expected);
    assert_eq!(rig.lease("shard").await.owner, None, "the lease is given back");
}

#[tokio::test]
async fn a_program_that_dies_is_started_again_and_the_others_go_on() {
    let once = "case $line in *YmFk*) if [ ! -e \"$out.died\" ]; then : > \"$out.died\"; exit 7; fi ;; esac\n ask ''";
    let stream = Scripted::default().with("one", &["bad", "a"]).with("other", &["b"]);
    let mut rig = Rig::start(stream, "", once, None);
    rig.until("all records", |rig| {
        let given: BTreeSet<String> = rig.given().into_iter().collect();
        given.len() == 3 && rig.count("checkpoint") >= 2
    })
    .await;
    rig.stop().await;
    let shards: Vec<String> =
        rig.told().iter().filter_map(|told| Some(told.get("shardId")?.as_str()?.to_owned())).collect();
    let of = |name: &str| shards.iter().filter(|shard| *shard == name).count();
    assert_eq!((of("one"), of("other")), (2, 1), "one program each, and one more for the one that died");
    assert_eq!(rig.lease("one").await.checkpoint, Some(Checkpoint::parse("101", 0).expect("a number")));
    assert!(rig.letters.0.lock().expect("no test panics with it").is_empty());
}

#[tokio::test]
async fn a_record_that_no_program_survives_is_a_dead_letter_and_its_neighbours_are_processed() {
    let dies = "case $line in *YmFk*) exit 7 ;; esac\n ask ''";
    let mut rig = Rig::start(Scripted::default().with("shard", &["a", "bad", "c"]), "", dies, None);
    let end = Checkpoint::parse("102", 0).expect("a number");
    timeout(Duration::from_secs(60), async {
        let reached = |lease: Option<Lease>| lease.is_some_and(|lease| lease.checkpoint.as_ref() == Some(&end));
        while !reached(rig.table.get("shard").await.expect("memory fails never")) {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{:#?}", rig.told()));
    rig.stop().await;
    let letters = rig.letters.0.lock().expect("no test panics with it").clone();
    assert_eq!(letters.len(), 1, "{letters:#?}");
    assert_eq!((&letters[0]["sequenceNumber"], &letters[0]["data"]), (&json!("101"), &json!("YmFk")));
    assert_eq!(letters[0]["cause"], "the program has ended, exit status: 7");
    let given: BTreeSet<String> = rig.given().into_iter().collect();
    assert_eq!(given, ["a", "bad", "c"].map(str::to_owned).into());
}

#[tokio::test]
async fn a_program_that_answers_something_else_is_started_again() {
    let once = "if [ ! -e \"$out.lied\" ]; then : > \"$out.lied\"; answer initialize; fi\n ask ''";
    let mut rig = Rig::start(Scripted::default().with("shard", &["a"]), "", once, None);
    rig.until("another program", |rig| rig.count("initialize") == 2 && rig.count("checkpoint") > 0).await;
    rig.stop().await;
    assert_eq!(rig.given(), ["a", "a"]);
}

#[tokio::test]
async fn a_program_that_does_not_answer_in_time_is_ended_with_what_it_has_started() {
    let once = r#"if [ ! -e "$out.slept" ]; then : > "$out.slept"; sleep 600 & say "{\"started\":$!}"; wait; fi
      ask ''"#;
    let stream = Scripted::default().with("shard", &["a"]);
    let mut rig = Rig::start(stream, "", once, Some(Duration::from_secs(2)));
    rig.until("another program", |rig| rig.count("initialize") == 2 && rig.count("checkpoint") > 0).await;
    let started = rig.told().iter().find_map(|told| told["started"].as_i64()).expect("it started something");
    let lives = || {
        edge::read(&PathBuf::from(format!("/proc/{started}/stat")))
            .is_ok_and(|stat| !stat.windows(3).any(|at| at == b" Z "))
    };
    rig.until("the end of what it started", |_| !lives()).await;
    rig.stop().await;
    assert_eq!(rig.given(), ["a", "a"]);
}

#[tokio::test]
async fn a_program_whose_shard_has_ended_is_told_and_ends() {
    let stream = Scripted::default().with("parent", &["a"]).with("then-child", &["b"]).closed("parent", "then-child");
    let mut rig = Rig::start(stream, "", "ask ''", None);
    rig.until("the child's records", |rig| rig.given().len() == 2).await;
    rig.stop().await;
    assert_eq!(rig.count("eof"), 2, "both have ended by themselves");
    let actions: Vec<String> = rig.actions().into_iter().filter(|action| action != "eof").collect();
    let end = ["processRecords", "checkpoint", "shardEnded", "checkpoint", "initialize", "processRecords"];
    assert_eq!(actions[1..7], end, "{actions:?}");
    let parent = rig.lease("parent").await;
    assert!(parent.is_complete() && parent.owner.is_none(), "{parent:?}");
}

#[tokio::test]
async fn a_program_of_1_x_is_told_the_end_in_its_words() {
    let stream = Scripted::default().with("parent", &["a"]).with("then-child", &["b"]).closed("parent", "then-child");
    let mut rig = Rig::start_with(Protocol::One, stream, "", "ask ''", None);
    rig.until("the child's records", |rig| rig.given().len() == 2).await;
    rig.stop().await;
    let told = rig.told();
    let reasons: Vec<&str> = told.iter().filter_map(|told| told["reason"].as_str()).collect();
    assert_eq!(reasons, ["TERMINATE", "ZOMBIE"], "{told:?}");
    assert!(rig.count("leaseLost") + rig.count("shardEnded") == 0 && rig.count("eof") == 2, "{told:?}");
    assert!(rig.lease("parent").await.is_complete());
}

#[tokio::test]
async fn a_program_whose_lease_is_lost_is_told_and_can_checkpoint_no_more() {
    // It asks only when it is told to, because the lease goes meanwhile.
    let waits = "while [ ! -e \"$out.go\" ]; do sleep 0.05; done\n ask ''";
    let mut rig = Rig::start(Scripted::default().with("shard", &["a"]), "", waits, None);
    rig.until("records", |rig| rig.count("processRecords") == 1).await;
    loop {
        let lease = rig.lease("shard").await;
        let taken = rig.table.take(&lease, "another").await.expect("memory fails never");
        if matches!(taken, rheos_client::lease::Changed::Made(_)) {
            break;
        }
    }
    drop(edge::create(&rig.directory.path().join("out.go")).expect("a file"));
    rig.until("the end", |rig| rig.count("eof") > 0).await;
    rig.stop().await;
    let expected = ["initialize", "processRecords", "checkpoint ShutdownException", "leaseLost", "eof"];
    assert_eq!(rig.actions(), expected);
    assert_eq!(rig.lease("shard").await.owner.as_deref(), Some("another"), "it is not this worker's to give back");
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("out");
    drop(edge::create(&out).expect("a file"));
    let stream = Scripted::default().with("shard", &["a"]);
    let command = vec!["/no/such/program".to_owned()];
    let mut rig = Rig::run(stream, Programs { command, protocol: Protocol::Two, timeout: None }, out, directory);
    rig.until("the trouble", |rig| {
        let status = rig.handle.status();
        let trouble = status.values().find_map(|status| status.trouble.clone());
        trouble.is_some_and(|trouble| trouble.contains("/no/such/program"))
    })
    .await;
    rig.stop().await;
}
