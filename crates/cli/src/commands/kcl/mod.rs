//! `rheos kcl`: the daemon of the KCL for other languages, without a Java machine.

mod child;
mod launch;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use aws_config::{BehaviorVersion, Region};
use rheos_client::consumer::{
    CloudWatchMetrics, DeadLetterStream, DeadLetters, Environment, MetricsLevel, MetricsPublisher, SdkKinesis,
    Services, Worker,
};
use rheos_client::lease::DynamoDbLeaseStore;
use rheos_client::multilang::{Settings, properties};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use self::child::{Program, Programs};
use self::launch::Launch;
use crate::edge;
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// A client of one of the services, at an address if there is one, else where it is by itself.
macro_rules! client {
    ($sdk:ident, $shared:expr, $endpoint:expr) => {{
        let mut config = $sdk::config::Builder::from($shared);
        if let Some(endpoint) = $endpoint {
            config.set_endpoint_url(Some(endpoint));
        }
        $sdk::Client::from_conf(config.build())
    }};
}

/// Runs the daemon until it is told to stop by SIGTERM or Ctrl-C.
pub(crate) async fn run(arguments: &[String], out: &Output) -> Outcome {
    let launch = Launch::parse(arguments)?;
    let properties = properties::parse(&launch.read()?).map_err(|error| Failure::new(error.to_string()))?;
    let settings = Settings::new(&properties, random_name).map_err(|error| Failure::new(error.to_string()))?;
    let filter = EnvFilter::builder().parse_lossy(edge::env("RHEOS_LOG").unwrap_or_else(|| "info".to_owned()));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(out.progress_is_watched())
        .with_writer(std::io::stderr);
    tracing::subscriber::set_global_default(log.finish()).map_err(|error| Failure::new(error.to_string()))?;
    let config = settings.config;
    out.note(&format!(
        "{} reads {} as worker {}, a process of `{}` for each shard",
        config.application,
        config.stream,
        config.worker,
        settings.command.join(" ")
    ));
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    if let Some(region) = settings.region {
        loader = loader.region(Region::new(region));
    }
    let shared = loader.load().await;
    let metrics_endpoint = settings.cloudwatch_endpoint.or_else(|| beside(settings.kinesis_endpoint.as_deref()));
    let metrics = (config.metrics.level > MetricsLevel::None).then(|| {
        let client = client!(aws_sdk_cloudwatch, &shared, metrics_endpoint);
        let metrics: Arc<dyn MetricsPublisher> = Arc::new(CloudWatchMetrics::new(client, &config.application));
        metrics
    });
    let kinesis = client!(aws_sdk_kinesis, &shared, settings.kinesis_endpoint);
    let dynamodb = client!(aws_sdk_dynamodb, &shared, settings.dynamodb_endpoint);
    let store = DynamoDbLeaseStore::new(dynamodb, settings.table);
    let store = if settings.migrates { store.migrating() } else { store };
    let dead_letters = settings.dead_letter_stream.map(|stream| {
        let letters: Arc<dyn DeadLetters> = Arc::new(DeadLetterStream::new(kinesis.clone(), stream));
        letters
    });
    let stream = SdkKinesis::new(kinesis, &config.stream, settings.consumer);
    let protocol = settings.protocol.unwrap_or(launch.protocol);
    let programs = Arc::new(Programs { command: settings.command, protocol, timeout: settings.timeout });
    let factory = move |shard: &str| Program::new(programs.clone(), shard);
    let services = Services { leases: Arc::new(store), kinesis: Arc::new(stream), dead_letters, metrics };
    let worker = Worker::new(config, Environment::system(), services, factory);
    let handle = worker.handle();
    let running = worker.run();
    tokio::pin!(running);
    let listen = |kind| signal(kind).map_err(|error| Failure::io("cannot listen for signals", &error));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let outcome = tokio::select! {
        biased;
        outcome = &mut running => outcome,
        _ = terminate.recv() => stop(&handle, running).await,
        _ = interrupt.recv() => stop(&handle, running).await,
    };
    outcome.map_err(|error| Failure::new(error.to_string()))
}

async fn stop<T>(handle: &rheos_client::consumer::WorkerHandle, running: impl Future<Output = T>) -> T {
    tracing::info!("the worker stops: programs finish, and leases are given back");
    handle.stop();
    running.await
}

/// Where metrics go if nobody says it: to the server of the stream, so that nothing about it reaches an AWS account by accident; to AWS if the stream is there.
fn beside(kinesis_endpoint: Option<&str>) -> Option<String> {
    let is_said = edge::env("AWS_ENDPOINT_URL_CLOUDWATCH").is_some();
    let endpoint = kinesis_endpoint.filter(|_| !is_said)?;
    let uri: http::Uri = endpoint.parse().ok()?;
    let is_of_aws = uri.host()?.split('.').any(|label| label == "amazonaws");
    (!is_of_aws).then(|| endpoint.to_owned())
}

/// Another name for each process, as Java draws one.
fn random_name() -> String {
    let bytes: [u8; 16] = rheos_types::random::bytes(&rheos_types::SystemRandom);
    format!("{:032x}", u128::from_be_bytes(bytes))
}
