//! Every error that the model declares for an operation, brought about over real HTTP: who calls it with this state of
//! affairs gets that code. What the messages say is in the table of bad inputs; where only numbers are exceeded, in the
//! tests of limits. `docs/coverage.md` says that nothing is missing.
//!
//! The rows come from the model: each operation that declares an error has to have it, also one that is added later.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that finds nothing has failed")]

mod bodies;
mod causes;

use bodies::{arn, body};
use rheos_testkit::{Call, TestServer};
use rheos_wire::{ErrorCode, Operation};
use serde_json::Value;

/// The operations that declare an error, but for those of channels and queues.
fn declaring(error: ErrorCode) -> Vec<Operation> {
    let product = |operation: &Operation| operation.name().contains("Channel") || operation.name().contains("Queue");
    let all = Operation::ALL.iter().copied().filter(|operation| !product(operation));
    all.filter(|operation| operation.errors().contains(&error)).collect()
}

/// Calls in both protocols, and adds what is answered with another code.
async fn expect(server: &TestServer, operation: Operation, body: &Value, error: ErrorCode, wrong: &mut Vec<String>) {
    for call in [Call::new(operation.name(), body), Call::cbor(operation.name(), body)] {
        let answer = server.send(&call).await;
        let status = if error == ErrorCode::InternalFailureException { 500 } else { 400 };
        if (answer.status, answer.header("x-amzn-errortype")) != (status, error.wire_name()) {
            wrong.push(format!("{} {body}: {} {}", operation.name(), answer.status, answer.value()));
        }
    }
}

fn none_is_wrong(error: ErrorCode, wrong: &[String]) {
    assert!(wrong.is_empty(), "{} not {}:\n{}", wrong.len(), error.wire_name(), wrong.join("\n"));
}
