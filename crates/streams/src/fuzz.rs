//! Entry points for fuzzing: what the catalog holds of streams, and resource policies. Each function panics where what is
//! promised of their reading does not hold.

use crate::catalog::{
    ACCOUNTS, AccountRecord, CONSUMERS, ConsumerRecord, RETIRED, Retired, SHARDS, STREAMS, ShardRecord, StreamRecord,
    decode, encode, parse_consumer_key, parse_shard_key, parse_stream_key,
};
use crate::list_shards::ShardsToken;
use crate::policy_check::check;
use crate::view::Views;
use rheos_log::{Key, Observer, Versioned};
use rheos_types::limits::{POLICY_BYTES, Profile};
use rheos_types::seal::RootKey;
use rheos_types::{HashKey, ResourceArn, ShardId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;

const STREAM: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
const CONSUMER: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/reader:1";

/// A policy, for a stream and for a consumer.
pub fn policy(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for resource in [STREAM, CONSUMER].map(ResourceArn::parse) {
        let Ok(resource) = resource else { panic!("these are resources") };
        match check(text, &resource) {
            Ok(()) => {
                assert!(text.len() <= POLICY_BYTES);
                let policy: Result<serde_json::Value, _> = serde_json::from_str(text);
                assert!(policy.is_ok_and(|policy| policy["Statement"] != serde_json::Value::Null), "it has statements");
            }
            Err(flaw) => {
                assert!(!flaw.at.is_empty());
                assert!(flaw.to_string().len() < 4096 + input.len(), "a flaw is told in few words");
            }
        }
    }
}

/// Policies that are taken, and some that are not.
#[must_use]
pub fn policy_seeds() -> Vec<Vec<u8>> {
    let policy = |resource: &str, action: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Id":"i","Statement":[{{"Sid":"s","Effect":"Allow","Principal":{{"AWS":["arn:aws:iam::123456789012:root","123456789012"],"Service":"lambda.amazonaws.com"}},"Action":["kinesis:{action}"],"Resource":"{resource}","Condition":{{"ForAnyValue:StringLikeIfExists":{{"aws:PrincipalOrgID":["o-1","x*"]}},"Bool":{{"aws:SecureTransport":"true"}}}}}}]}}"#
        )
    };
    vec![
        policy(STREAM, "GetRecords").into_bytes(),
        policy(CONSUMER, "SubscribeToShard").into_bytes(),
        policy(STREAM, "*").into_bytes(),
        br#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"kinesis:*","Resource":"*"}}"#.to_vec(),
    ]
}

/// Entries of the catalog: a line each for key and value, in turn.
pub fn catalog(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let mut entries = Vec::new();
    while let (Some(key), Some(value)) = (lines.next(), lines.next()) {
        let Ok(key) = std::str::from_utf8(key) else { continue };
        let value = Versioned { version: entries.len() as u64 + 1, value: value.to_vec().into() };
        read(key, &value);
        entries.push((Key::new(key), value));
    }
    let views = Views::new(Profile::Aws.limits(), Arc::new(RootKey::new(&[7; 32])));
    let loaded = views.load(entries.clone());
    for (key, _) in &entries {
        let Some((namespace, name)) = parse_stream_key(key) else { continue };
        let Some(view) = views.get(&namespace, &name) else { continue };
        for key in [HashKey(0), HashKey(1 << 127), HashKey::MAX] {
            assert!(
                view.route(key).is_none_or(|at| view.open[at].record.range.contains(key)),
                "a shard takes its keys"
            );
        }
        assert!(view.shards.is_sorted_by(|a, b| a.id < b.id), "shards are in order");
        assert!(view.listed().len() <= entries.len() && view.listed_open() <= entries.len());
        let _due = (view.due_ms().min(), view.last_consumer_second(), view.shard(ShardId(1)).is_some());
        let _keys =
            (view.keys.active().is_ok(), view.keys.first_unavailable().is_some(), view.require_active().is_ok());
    }
    // What was read is taken away again, as the log tells it.
    if loaded.is_ok() {
        let gone: Vec<_> = entries.iter().rev().map(|(key, _)| (key.clone(), None)).collect();
        let streams = gone.iter().filter(|(key, _)| key.as_str().starts_with(STREAMS));
        streams.for_each(|change| {
            let there =
                parse_stream_key(&change.0).is_some_and(|(namespace, name)| views.get(&namespace, &name).is_some());
            if there {
                views.applied(std::slice::from_ref(change));
            }
        });
    }
}

/// Reads one entry, and writes and reads again what it says.
fn read(key: &str, value: &Versioned) {
    let name = Key::new(key);
    if key.starts_with(STREAMS) {
        let _name = parse_stream_key(&name);
        reads_back::<StreamRecord>(value);
    } else if key.starts_with(SHARDS) {
        let id = parse_shard_key(&name);
        if let (Some((_, id)), Some(shard)) = (id, reads_back::<ShardRecord>(value)) {
            let _ends = (shard.starting(id), shard.ending(id));
        }
    } else if key.starts_with(CONSUMERS) {
        let _name = parse_consumer_key(&name);
        reads_back::<ConsumerRecord>(value);
    } else if key.starts_with(ACCOUNTS) {
        reads_back::<AccountRecord>(value);
    } else if key.starts_with(RETIRED) {
        reads_back::<Retired>(value);
    } else {
        reads_back::<ShardsToken>(value);
    }
}

fn reads_back<T: DeserializeOwned + Serialize + PartialEq + Debug>(value: &Versioned) -> Option<T> {
    let record: T = decode(&value.value)?;
    let again = decode(&encode(&record));
    assert_eq!(again.as_ref(), Some(&record), "a record reads back");
    again
}

/// A catalog with an entry of each kind.
#[must_use]
pub fn catalog_seeds() -> Vec<Vec<u8>> {
    let range = r#"{"start":"0","end":"340282366920938463463374607431768211455"}"#;
    let half = r#"{"start":"0","end":"170141183460469231731687303715884105727"}"#;
    let stream = r#"{"uid":1,"status":"ACTIVE","mode":"PROVISIONED","retention_hours":24,"created_ms":1700000000000,"last_shard_second":1700000000,"next_shard":2,"max_record_kib":1024,"tags":{"rheos:limits":"open write_bytes_per_s=2097152"},"horizon_ms":0,"encryption":{"active":1,"keys":[{"number":1,"key_id":"alias/aws/kinesis","wrapped":"AAAA"}],"starts":[1700000000000],"stops":[]},"pending":null}"#;
    let grows = r#"{"uid":2,"status":"UPDATING","mode":"ON_DEMAND","retention_hours":24,"created_ms":1,"last_shard_second":1,"next_shard":1,"max_record_kib":1024,"tags":{},"horizon_ms":0,"pending":{"due_ms":5,"intent":{"grow":{"splits":[{"shard":0,"at":"5"}]}}},"policy":"{}","distribution":"AUTO","warm_mibps":4,"shard_metrics":[]}"#;
    let shard = format!(
        r#"{{"key":1,"range":{range},"parents":[],"created_s":1700000000,"opened_ms":1700000000000,"closed":null}}"#
    );
    let closed = format!(
        r#"{{"key":2,"range":{half},"parents":[0,1],"created_s":1700000001,"opened_ms":1700000000001,"closed":{{"at_ms":1700000000500,"children":[{{"id":3,"range":{half},"parents":[1],"created_s":1700000002}}]}}}}"#
    );
    let consumer = r#"{"created_ms":1700000000000,"status":"CREATING","tags":{},"due_ms":5}"#;
    let lines = [
        ("stream/000000000000/us-east-1/orders", stream),
        ("shard/0000000000000001/0000000000", &shard),
        ("shard/0000000000000001/0000000001", &closed),
        ("consumer/0000000000000001/reader", consumer),
        ("stream/000000000000/us-east-1/clicks", grows),
        ("account/000000000000/us-east-1", r#"{"commitment":{"started_ms":5,"end_asked_ms":null}}"#),
        ("retired/000000000000/us-east-1/old", r#"{"second":1700000000}"#),
        (
            "next",
            r#"{"shards_of":{"account":"000000000000","region":"us-east-1"},"stream":"orders","uid":1,"filter":{"AfterShardId":1},"after":1}"#,
        ),
    ];
    let write = |lines: &[(&str, &str)]| {
        lines.iter().map(|(key, value)| format!("{key}\n{value}\n")).collect::<String>().into_bytes()
    };
    vec![write(&lines), write(&lines[..2]), write(&lines[4..])]
}
