//! A client: real HTTP over the simulated network, tries again as the SDKs do, and writes down what happened.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rheos_testkit::Frame;
use rheos_types::Clock;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::clock::SimClock;
use crate::dice::SharedDice;
use crate::history::{Call, History, Outcome};
use crate::network::SimNetwork;
use crate::sabotage::Sabotage;
use crate::scheduler::{Sim, WORLD};
use crate::trace::{Trace, trace};

/// What all clients share.
#[derive(Clone)]
pub struct World {
    /// Who runs them.
    pub sim: Sim,
    /// How they reach the server.
    pub network: SimNetwork,
    /// The time.
    pub clock: SimClock,
    /// The trace.
    pub trace: Trace,
    /// What they were answered.
    pub history: Arc<Mutex<History>>,
    /// What is broken on purpose.
    pub sabotage: Option<Sabotage>,
}

impl World {
    /// The logical time, and both clocks'.
    fn now(&self) -> (u64, u64, u64) {
        (self.trace.now(), self.clock.elapsed_ms(), self.clock.wall_ms())
    }
}

/// A client, with at most one connection.
pub struct Client {
    /// Which.
    pub id: u64,
    /// Its dice.
    pub dice: SharedDice,
    /// What it shares with others.
    pub world: World,
    /// It never gives up early.
    pub patient: bool,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// A client that is not connected.
    #[must_use]
    pub fn new(id: u64, dice: SharedDice, world: World) -> Self {
        Self { id, dice, world, patient: false, sender: None }
    }

    /// Calls once.
    pub async fn call(&mut self, operation: &'static str, input: Value) -> Outcome {
        let patience_ms = self.dice.with(|dice| if dice.percent(5) { dice.below(100) } else { 8_000 });
        let patience_ms = if self.patient { 60_000 } else { patience_ms };
        let begun = self.world.now();
        trace!(self.world.trace, "client {}: {operation} {input}", self.id);
        let answered = timeout(Duration::from_millis(patience_ms), self.exchange(operation, &input)).await;
        let mut outcome = answered.unwrap_or(Outcome::Unknown);
        if let Some(sabotage) = self.world.sabotage {
            if outcome.done().is_some() && self.dice.with(|dice| sabotage.doubles(operation, dice)) {
                // The second time, if it is done: nobody is told.
                let _again = self.exchange(operation, &input).await;
            }
            self.dice.with(|dice| sabotage.spoil(operation, &mut outcome, dice));
        }
        if outcome == Outcome::Unknown {
            // A late answer must not be taken for the next call's.
            self.sender = None;
        }
        self.record(operation, input, begun, outcome.clone());
        outcome
    }

    /// Writes down a call.
    fn record(&self, operation: &'static str, input: Value, begun: (u64, u64, u64), outcome: Outcome) {
        trace!(self.world.trace, "client {}: {operation} ends: {outcome:?}", self.id);
        let (begun, begun_ms, wall_ms) = begun;
        let (ended, ended_ms) = (self.world.trace.now(), self.world.clock.elapsed_ms());
        let call = Call { client: self.id, operation, input, begun, ended, begun_ms, ended_ms, wall_ms, outcome };
        self.world.history.lock().unwrap_or_else(PoisonError::into_inner).calls.push(call);
    }

    /// Calls until there is an answer that is not to be tried again, or it has been tried often enough.
    pub async fn insist(&mut self, operation: &'static str, input: &Value, tries: u32) -> Outcome {
        let mut outcome = Outcome::NotSent;
        for attempt in 0..tries {
            outcome = self.call(operation, input.clone()).await;
            match &outcome {
                Outcome::Done(_) => break,
                Outcome::Refused { code, .. } if !is_throttle(code) => break,
                Outcome::Refused { .. } | Outcome::NotSent | Outcome::Unknown => {}
            }
            self.pause(50 << attempt.min(6)).await;
        }
        outcome
    }

    /// Waits up to so long.
    pub async fn pause(&self, most_ms: u64) {
        let ms = self.dice.with(|dice| dice.below(most_ms + 1));
        sleep(Duration::from_millis(ms)).await;
    }

    async fn exchange(&mut self, operation: &'static str, input: &Value) -> Outcome {
        let response = match self.send(operation, input).await {
            Ok(response) => response,
            Err(outcome) => return outcome,
        };
        let status = response.status().as_u16();
        let Ok(body) = response.into_body().collect().await else { return Outcome::Unknown };
        answer(status, &body.to_bytes())
    }

    async fn send(&mut self, operation: &str, input: &Value) -> Result<http::Response<Incoming>, Outcome> {
        if self.sender.as_ref().is_none_or(SendRequest::is_closed) {
            let stream = self.world.network.connect().map_err(|_| Outcome::NotSent)?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|_| Outcome::NotSent)?;
            // How it ended is told to whoever waits for an answer.
            self.world.sim.spawn(WORLD, async move { drop(connection.await) });
            self.sender = Some(sender);
        }
        let sender = self.sender.as_mut().ok_or(Outcome::NotSent)?;
        if sender.ready().await.is_err() {
            self.sender = None;
            return Err(Outcome::NotSent);
        }
        let request = Request::post("/")
            .header("host", "kinesis")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("Kinesis_20131202.{operation}"))
            .header("authorization", AUTHORIZATION)
            .header("x-amz-date", "20250615T000000Z")
            .body(Full::new(Bytes::from(input.to_string())))
            .map_err(|_| Outcome::NotSent)?;
        sender.send_request(request).await.map_err(|_| Outcome::Unknown)
    }

    /// Subscribes to a shard on a connection of its own, for so long at most.
    pub async fn subscribe(&mut self, input: Value, patience_ms: u64) -> Outcome {
        let operation = "SubscribeToShard";
        let begun = self.world.now();
        self.sender = None;
        let mut events = Vec::new();
        let listened = timeout(Duration::from_millis(patience_ms), self.listen(operation, &input, &mut events)).await;
        self.sender = None;
        let outcome = match listened {
            Ok(Err(outcome)) if events.is_empty() => outcome,
            Ok(_) | Err(_) => Outcome::Done(Value::Array(events)),
        };
        self.record(operation, input, begun, outcome.clone());
        outcome
    }

    async fn listen(&mut self, operation: &str, input: &Value, events: &mut Vec<Value>) -> Result<(), Outcome> {
        let mut response = self.send(operation, input).await?;
        let status = response.status().as_u16();
        if status != 200 {
            let body = response.into_body().collect().await.map_err(|_| Outcome::Unknown)?;
            return Err(answer(status, &body.to_bytes()));
        }
        let mut bytes = Vec::new();
        while let Some(frame) = response.body_mut().frame().await {
            let Ok(frame) = frame else { return Ok(()) };
            if let Ok(data) = frame.into_data() {
                bytes.extend_from_slice(&data);
            }
            while let Some(frame) = Frame::take(&mut bytes) {
                match frame.kind() {
                    "SubscribeToShardEvent" => events.push(frame.payload),
                    "initial-response" => {}
                    kind => events.push(json!({ "Exception": kind })),
                }
            }
        }
        Ok(())
    }
}

/// Who calls does not matter to a server with `dev`; that somebody does, it does.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20250615/us-east-1/kinesis/aws4_request, \
     SignedHeaders=host;x-amz-date, Signature=0000000000000000000000000000000000000000000000000000000000000000";

fn answer(status: u16, body: &[u8]) -> Outcome {
    let value: Value = if body.is_empty() { json!({}) } else { serde_json::from_slice(body).unwrap_or(Value::Null) };
    match status {
        200 => Outcome::Done(value),
        400..=499 => {
            let code = value["__type"].as_str().unwrap_or_default().to_owned();
            let message = value["message"].as_str().or(value["Message"].as_str()).unwrap_or_default().to_owned();
            Outcome::Refused { code, message }
        }
        _ => Outcome::Unknown,
    }
}

/// Whether an error is for now only.
#[must_use]
pub fn is_throttle(code: &str) -> bool {
    matches!(code, "ProvisionedThroughputExceededException" | "LimitExceededException" | "ThrottlingException")
}
