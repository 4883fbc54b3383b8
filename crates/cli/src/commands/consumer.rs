//! `rheos consumer ls|register|describe|rm`.

use aws_sdk_kinesis::types::{Consumer, ConsumerDescription, ConsumerStatus};
use serde_json::json;

use super::stream::{WAIT_LIMIT, WAIT_STEP, is_json, summary, time};
use crate::args::{ConsumerCommand, DescribeConsumer, ListConsumers, RegisterConsumer, RemoveConsumer};
use crate::client::Service;
use crate::edge;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Style, Table};

/// Runs one of the verbs.
pub(crate) async fn run(command: ConsumerCommand, out: &Output) -> Outcome {
    match command {
        ConsumerCommand::Ls(args) => ls(args, out).await,
        ConsumerCommand::Register(args) => register(args, out).await,
        ConsumerCommand::Describe(args) => describe(args, out).await,
        ConsumerCommand::Rm(args) => rm(args, out).await,
    }
}

async fn ls(args: ListConsumers, out: &Output) -> Outcome {
    let service = Service::connect(&args.connect).await?;
    let consumers = list_consumers(&service, &args.stream).await?;
    if is_json(args.format.output, out) {
        for consumer in &consumers {
            let line = json!({
                "consumer": consumer.consumer_name(),
                "status": consumer.consumer_status().as_str(),
                "created": time(consumer.consumer_creation_timestamp()),
                "arn": consumer.consumer_arn(),
            });
            out.line(&line.to_string())?;
        }
        return Ok(());
    }
    if consumers.is_empty() {
        out.note(&format!("{0} has no consumers; `rheos consumer register {0} NAME` makes one", args.stream));
        return Ok(());
    }
    let mut table = Table::new(&["consumer", "status", "created", "arn"]);
    for consumer in &consumers {
        table.row([
            consumer.consumer_name().to_owned(),
            consumer.consumer_status().as_str().to_owned(),
            time(consumer.consumer_creation_timestamp()),
            consumer.consumer_arn().to_owned(),
        ]);
    }
    table.lines(out).iter().try_for_each(|line| out.line(line))
}

async fn register(args: RegisterConsumer, out: &Output) -> Outcome {
    let service = Service::connect(&args.connect).await?;
    let arn = stream_arn(&service, &args.stream).await?;
    let request = service.client.register_stream_consumer().stream_arn(&arn).consumer_name(&args.name);
    let what = format!("register {} with {}", args.name, args.stream);
    request.send().await.map_err(|e| Failure::service(what, &service.endpoint, &e))?;
    if args.wait {
        wait_until_active(&service, &arn, &args.name).await?;
    }
    let state = if args.wait { "is registered" } else { "is being registered" };
    out.note(&format!("{} {state} with {} at {}", args.name, args.stream, service.endpoint));
    Ok(())
}

async fn describe(args: DescribeConsumer, out: &Output) -> Outcome {
    let service = Service::connect(&args.connect).await?;
    let arn = stream_arn(&service, &args.stream).await?;
    let consumer = description(&service, &arn, &args.name).await?;
    let facts = [
        ("consumer", consumer.consumer_name().to_owned()),
        ("arn", consumer.consumer_arn().to_owned()),
        ("status", consumer.consumer_status().as_str().to_owned()),
        ("created", time(consumer.consumer_creation_timestamp())),
        ("stream", consumer.stream_arn().to_owned()),
    ];
    if is_json(args.format.output, out) {
        let members = facts.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
        return out.line(&serde_json::Value::Object(members.collect()).to_string());
    }
    facts
        .into_iter()
        .try_for_each(|(name, value)| out.line(&format!("{} {value}", out.paint(Style::Bold, &format!("{name:<10}")))))
}

async fn rm(args: RemoveConsumer, out: &Output) -> Outcome {
    let service = Service::connect(&args.connect).await?;
    let arn = stream_arn(&service, &args.stream).await?;
    let request = service.client.deregister_stream_consumer().stream_arn(arn).consumer_name(&args.name);
    let what = format!("deregister {} from {}", args.name, args.stream);
    request.send().await.map_err(|e| Failure::service(what, &service.endpoint, &e))?;
    out.note(&format!("{} is being deregistered from {}", args.name, args.stream));
    Ok(())
}

/// Consumers are asked for by the ARN of their stream.
async fn stream_arn(service: &Service, stream: &str) -> Outcome<String> {
    Ok(summary(service, stream).await?.stream_arn().to_owned())
}

async fn list_consumers(service: &Service, stream: &str) -> Outcome<Vec<Consumer>> {
    let arn = stream_arn(service, stream).await?;
    let mut consumers = Vec::new();
    let mut token = None;
    loop {
        let page = service.client.list_stream_consumers().stream_arn(&arn).set_next_token(token).send().await;
        let failed = |e| Failure::service(format!("list the consumers of {stream}"), &service.endpoint, &e);
        let page = page.map_err(failed)?;
        token = page.next_token().map(str::to_owned);
        consumers.extend(page.consumers.unwrap_or_default());
        if token.is_none() {
            return Ok(consumers);
        }
    }
}

async fn description(service: &Service, stream_arn: &str, name: &str) -> Outcome<ConsumerDescription> {
    let answer = service.client.describe_stream_consumer().stream_arn(stream_arn).consumer_name(name).send().await;
    let answer = answer.map_err(|e| Failure::service(format!("describe {name}"), &service.endpoint, &e))?;
    answer.consumer_description.ok_or_else(|| Failure::new(format!("{} described nothing", service.endpoint)))
}

async fn wait_until_active(service: &Service, stream_arn: &str, name: &str) -> Outcome {
    let begun = edge::now();
    loop {
        let status = description(service, stream_arn, name).await?.consumer_status;
        if status == ConsumerStatus::Active {
            return Ok(());
        }
        if begun.elapsed() > WAIT_LIMIT {
            return Err(Failure::new(format!("{name} is still {status} after 3 minutes")));
        }
        tokio::time::sleep(WAIT_STEP).await;
    }
}
