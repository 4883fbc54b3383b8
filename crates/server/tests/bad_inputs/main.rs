//! Bad inputs, and what the real service answers to each: status, code and message, from `reference/api.md` §2–§7.
//!
//! One server answers all of them, in JSON and, where it can be said in it, in CBOR. A row is what is sent and what comes
//! back; where the order of items is not fixed, or a
//! text has a time in it, the row says what the message contains.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that finds nothing has failed")]

mod consumers;
mod encryption;
mod requests;
mod resources;
mod settings;
mod shape;
mod state;

use rheos_testkit::{Call, Home, TestServer};
use serde_json::{Value, json};

enum Says {
    /// Exactly this.
    Exactly(&'static str),
    /// All of these.
    All(&'static [&'static str]),
    /// Nothing: there is no message.
    Nothing,
}
use Says::{All, Exactly, Nothing};

struct Row {
    what: &'static str,
    call: Call,
    status: u16,
    code: &'static str,
    says: Says,
}

fn row(what: &'static str, call: Call, code: &'static str, says: Says) -> Row {
    let status = if code.starts_with("InternalFailure") { 500 } else { 400 };
    Row { what, call, status, code, says }
}

const INVALID: &str = "InvalidArgumentException";
const VALIDATION: &str = "ValidationException";
const SERIALIZATION: &str = "SerializationException";
const NOT_FOUND: &str = "ResourceNotFoundException";
const IN_USE: &str = "ResourceInUseException";
const LIMIT: &str = "LimitExceededException";
const UNKNOWN: &str = "UnknownOperationException";

/// What a server that is asked has come from.
struct Past {
    /// Of `t`, which is gone.
    iterator_of_nothing: String,
    /// Of `t`, and expired.
    old_iterator: String,
    /// The creation second of the consumer `c` of `s`.
    second: u64,
    /// Of the consumers of `s`, and expired.
    old_consumers_token: String,
}

/// Every row, against a server that has one stream `s` of two shards, the second split, with a consumer `c`, and
/// one on demand, `d`.
fn rows(past: &Past) -> Vec<Row> {
    let mut rows = requests::malformed();
    rows.extend(requests::types());
    rows.extend(requests::constraints());
    rows.extend(requests::authentication());
    rows.extend(state::state());
    rows.extend(shape::shape());
    rows.extend(state::reads(&past.iterator_of_nothing, &past.old_iterator));
    rows.extend(consumers::rows(past));
    rows.extend(resources::rows(past));
    rows.extend(encryption::encryption());
    rows.extend(settings::rows());
    rows
}

fn call(operation: &str, body: Value) -> Call {
    Call::new(operation, &body)
}

#[tokio::test]
async fn every_bad_input_gets_the_answer_of_the_real_service() {
    let server = TestServer::start().await;
    server.create_stream("t", 1).await;
    let old_iterator = server.iterator("t", "0", "LATEST").await;
    server.create_stream("s", 2).await;
    let second = register(&server, "s", "c").await;
    register(&server, "s", "d").await;
    let page = server.ok("ListStreamConsumers", &json!({"StreamARN": arn("s"), "MaxResults": 1})).await;
    let old_consumers_token = page["NextToken"].as_str().unwrap().to_owned();
    server.clock.advance(300_001);
    let iterator_of_nothing = server.iterator("t", "0", "LATEST").await;
    server.ok("DeleteStream", &json!({"StreamName": "t"})).await;
    let middle = "255211775190703847597530955573826158592";
    server.ok("SplitShard", &json!({"StreamName": "s", "ShardToSplit": "1", "NewStartingHashKey": middle})).await;
    server.wait_until_active("s").await;
    server.ok("CreateStream", &json!({"StreamName": "d", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}})).await;
    server.wait_until_active("d").await;

    let rows = rows(&Past { iterator_of_nothing, old_iterator, second, old_consumers_token });
    assert!(rows.len() >= 60, "{} rows", rows.len());
    check(&server, rows).await;
    server.stop().await;
}

/// A server on which changes take an hour: `creating`, `deleting`; of `s`, which is ACTIVE, the consumers `creating` and
/// `deleting`, and four more that are CREATING.
#[tokio::test]
async fn what_is_under_way_is_not_disturbed() {
    let home = Home::memory();
    let server = TestServer::start_with(home.clone(), |_| {}).await;
    for name in ["s", "deleting"] {
        server.create_stream(name, 1).await;
    }
    let deleting = register(&server, "s", "deleting").await;
    server.stop().await;
    let server = TestServer::start_with(home, |config| config.transition_ms = 3_600_000).await;
    server.ok("CreateStream", &json!({"StreamName": "creating", "ShardCount": 1})).await;
    server.ok("DeleteStream", &json!({"StreamName": "deleting"})).await;
    let arn = format!("{}/consumer/deleting:{deleting}", arn("s"));
    server.ok("DeregisterStreamConsumer", &json!({"ConsumerARN": arn})).await;
    let creating = register(&server, "s", "creating").await;
    for name in ["c1", "c2", "c3", "c4"] {
        register(&server, "s", name).await;
    }
    check(&server, consumers::under_way()).await;
    check(&server, resources::under_way(creating, deleting)).await;
    check(&server, settings::under_way()).await;
    server.stop().await;
}

/// The ARN of a stream.
fn arn(stream: &str) -> String {
    format!("arn:aws:kinesis:us-east-1:000000000000:stream/{stream}")
}

/// Registers a consumer, and waits until it is ACTIVE unless that takes long. Its creation second.
async fn register(server: &TestServer, stream: &str, name: &str) -> u64 {
    let named = json!({"StreamARN": arn(stream), "ConsumerName": name});
    let registered = server.ok("RegisterStreamConsumer", &named).await;
    for _ in 0..20 {
        let described = server.ok("DescribeStreamConsumer", &named).await;
        if described["ConsumerDescription"]["ConsumerStatus"] == "ACTIVE" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    registered["Consumer"]["ConsumerCreationTimestamp"].as_u64().unwrap()
}

/// Sends every row, and says which are answered otherwise.
async fn check(server: &TestServer, rows: Vec<Row>) {
    let mut wrong = Vec::new();
    let in_cbor = |row: &Row| row.call.in_cbor().map(|call| (format!("{}, in CBOR", row.what), call));
    let both = rows.iter().flat_map(|row| {
        let calls = [Some((row.what.to_owned(), row.call.clone())), in_cbor(row)];
        calls.into_iter().flatten().map(move |(what, call)| (what, call, row))
    });
    for (what, call, row) in both {
        let Row { status, code, says, .. } = row;
        let (status, code) = (*status, *code);
        let answer = server.send(&call).await;
        let body = answer.value();
        let body = if body["Output"].is_object() { body["Output"].clone() } else { body };
        // One error has its message in a member of another name.
        let message = if code == SERIALIZATION { &body["Message"] } else { &body["message"] };
        let message = message.as_str();
        let said = match (says, message) {
            (Nothing, None) => true,
            (Exactly(expected), Some(message)) => message == *expected,
            (All(parts), Some(message)) => parts.iter().all(|part| message.contains(part)),
            (Nothing, Some(_)) | (Exactly(_) | All(_), None) => false,
        };
        let named = answer.header("x-amzn-errortype");
        let named = named == code || code.contains('#');
        let identified = answer.header("x-amzn-requestid").len() == 36 && !answer.header("x-amz-id-2").is_empty();
        if !(answer.status == status && body["__type"] == code && said && named && identified) {
            let expected = match says {
                Exactly(text) => (*text).to_owned(),
                All(parts) => parts.join(" ... "),
                Nothing => String::new(),
            };
            let text: String = answer.text().chars().take(900).collect();
            wrong.push(format!("{what}:\n  expected {status} {code} {expected}\n  got {} {text}", answer.status));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
