//! The AWS SDK for Rust against a Kinesis server: a run for each argument `NAME=ENDPOINT`, and a line of JSON for each thing
//! that it tried. Key, region and certificate authority come from the environment.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a failed expectation is a panic, which is reported"
)]
#![allow(clippy::disallowed_methods, reason = "a client, not a part of the server: it has no clock but the real one")]

/// Asks again and again until the answer is yes. (A closure could not say that its future may change threads.)
macro_rules! until {
    ($what:expr, $done:expr) => {
        let mut patience = 1500;
        while !$done {
            patience -= 1;
            assert!(patience > 0, "in vain waited for: {}", $what);
            crate::pause().await;
        }
    };
}

mod consumers;
mod errors;
mod records;
mod reshards;
mod settings;
mod streams;
mod subscriptions;

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{BehaviorVersion, Builder, Region};
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::DateTime;
use serde_json::json;

/// One endpoint, and a client for it.
#[derive(Clone)]
pub(crate) struct Run {
    name: String,
    config: Builder,
    pub(crate) client: Client,
}

/// Where the last panic was, as `JoinError` does not say.
static PANIC: Mutex<String> = Mutex::new(String::new());

#[tokio::main]
async fn main() {
    std::panic::set_hook(Box::new(|info| *PANIC.lock().unwrap() = info.to_string()));
    for argument in std::env::args().skip(1) {
        let (name, endpoint) = argument.split_once('=').expect("arguments are NAME=ENDPOINT");
        let loaded = aws_config::defaults(BehaviorVersion::latest()).endpoint_url(endpoint).load().await;
        let region = loaded.region().cloned().unwrap_or(Region::from_static("us-east-1"));
        let config = aws_sdk_kinesis::config::Builder::from(&loaded).region(region);
        let run = Run { name: name.to_owned(), client: Client::from_conf(config.clone().build()), config };
        streams::all(&run).await;
        settings::all(&run).await;
        records::all(&run).await;
        reshards::all(&run).await;
        consumers::all(&run).await;
        subscriptions::all(&run).await;
        errors::all(&run).await;
    }
}

impl Run {
    /// Tries one thing, which fails by a panic.
    async fn test<F>(&self, area: &str, test: &str, body: impl FnOnce(Run) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let outcome = tokio::spawn(body(self.clone())).await;
        let detail = outcome.as_ref().err().map(|_| PANIC.lock().unwrap().clone()).unwrap_or_default();
        let version = aws_sdk_kinesis::meta::PKG_VERSION;
        let line = json!({
            "client": "AWS SDK for Rust", "version": version, "run": self.name,
            "area": area, "test": test, "ok": outcome.is_ok(), "detail": detail,
        });
        println!("{line}");
    }

    /// Another client of the same endpoint.
    fn connect(&self, change: impl FnOnce(Builder) -> Builder) -> Client {
        Client::from_conf(change(self.config.clone()).build())
    }
}

/// Says that a call was refused with this code and a message that has this in it.
fn refused<O, E: ProvideErrorMetadata + std::fmt::Debug>(answer: Result<O, E>, code: &str, message: &str) {
    let Err(error) = answer else { panic!("not refused with {code}") };
    assert_eq!(error.code(), Some(code), "{error:?}");
    let said = error.message().unwrap_or_default();
    assert!(said.contains(message), "{said:?} says nothing of {message:?}");
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

fn recent(moment: Option<&DateTime>) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let moment = moment.expect("a time").as_secs_f64();
    assert!((now - moment).abs() < 300.0, "{moment} is not now, {now}");
}
