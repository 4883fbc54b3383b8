//! `rheos bench put|get|e2e`: how much a service takes, gives, and how soon. Works against anything that speaks the API over HTTP.

mod bodies;
pub(crate) mod connection;
mod end_to_end;
mod load;
mod signing;
mod subscribers;
mod tally;

use std::sync::Arc;

use serde_json::json;

use crate::args::{Bench, BenchCommand, BenchFormat, BenchOptions};
use crate::client::Service;
use crate::commands::stream::wait_until_active;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Style};
use crate::reader::list_shards;
use connection::Address;
use load::Measured;
use signing::Signer;

/// What every worker of a run knows.
pub(crate) struct Plan {
    pub(crate) options: BenchOptions,
    pub(crate) address: Address,
    pub(crate) signer: Signer,
    pub(crate) shards: Vec<String>,
}

/// Prepares the stream, measures, and tells.
pub(crate) async fn run(command: BenchCommand, out: &Output) -> Outcome {
    let (bench, options) = match command {
        BenchCommand::Put(options) => (Bench::Put, options),
        BenchCommand::Get(options) => (Bench::Get, options),
        BenchCommand::E2e(options) => (Bench::EndToEnd, options),
    };
    check(bench, &options)?;
    let service = Service::connect(&options.connect).await?;
    let address = Address::parse(&service.endpoint)?;
    let shards = prepare_stream(&service, &options).await?;
    let signer = Signer::new(service.key().await?, &service.region, address.authority())?;
    let plan = Arc::new(Plan { options, address, signer, shards });
    let feeds = subscribers::open(&plan, &service).await?;
    let measured = match bench {
        Bench::Put => load::put(&plan, feeds).await?,
        Bench::Get => load::get(&plan).await?,
        Bench::EndToEnd => end_to_end::run(&plan, feeds).await?,
    };
    tell(bench, &plan, &service, &measured, out)
}

fn check(bench: Bench, options: &BenchOptions) -> Outcome {
    if bench == Bench::Put && options.batch > 500 {
        return Err(Failure::usage("PutRecords takes at most 500 records: --batch is too large"));
    }
    if options.duration.is_zero() {
        return Err(Failure::usage("nothing can be measured in no time: --duration is zero"));
    }
    if options.record_size > 10 << 20 {
        return Err(Failure::usage("a record has at most 10 MiB: --record-size is too large"));
    }
    Ok(())
}

/// Creates the stream if it is absent, and finds its shards.
async fn prepare_stream(service: &Service, options: &BenchOptions) -> Outcome<Vec<String>> {
    let shards = i32::try_from(options.shards).unwrap_or(i32::MAX);
    let created = service.client.create_stream().stream_name(&options.stream).shard_count(shards).send().await;
    if let Err(error) = created {
        let exists = error.as_service_error().is_some_and(|reason| reason.is_resource_in_use_exception());
        if !exists {
            return Err(Failure::service(format!("create {}", options.stream), &service.endpoint, &error));
        }
    }
    wait_until_active(service, &options.stream).await?;
    let shards = list_shards(service, &options.stream).await?;
    Ok(shards.into_iter().map(|shard| shard.shard_id).collect())
}

fn tell(bench: Bench, plan: &Plan, service: &Service, measured: &Measured, out: &Output) -> Outcome {
    let tally = &measured.tally;
    let options = &plan.options;
    let (name, operation) = match bench {
        Bench::Put if options.batch == 1 => ("put", "PutRecord"),
        Bench::Put => ("put", "PutRecords"),
        Bench::Get => ("get", "GetRecords"),
        Bench::EndToEnd if options.consumers > 0 => ("e2e", "PutRecord to SubscribeToShard"),
        Bench::EndToEnd => ("e2e", "PutRecord to GetRecords"),
    };
    let figures = tally.figures(options.duration, options.record_size);
    let delivered = measured.delivered.as_ref().map(|all| all.figures(options.duration, options.record_size));
    match options.output {
        BenchFormat::Json => {
            let mut line = json!({
                "bench": name,
                "operation": operation,
                "endpoint": service.endpoint,
                "stream": options.stream,
                "shards": plan.shards.len(),
                "connections": options.connections,
                "batch": options.batch,
                "record_size": options.record_size,
                "consumers": options.consumers,
                "measured_from_ms": measured.window.from_ms,
                "version": env!("CARGO_PKG_VERSION"),
            });
            if let (Some(line), Some(figures)) = (line.as_object_mut(), figures.json().as_object_mut()) {
                line.append(figures);
            }
            if let (Some(line), Some(delivered)) = (line.as_object_mut(), &delivered) {
                line.insert("delivered".to_owned(), delivered.json());
            }
            out.line(&line.to_string())?;
        }
        BenchFormat::Text => {
            let load = match bench {
                Bench::EndToEnd => {
                    let rate = options.rate.unwrap_or(end_to_end::RATE);
                    format!("{rate} records/s, {} B each, {} consumers", options.record_size, options.consumers)
                }
                _ => format!(
                    "{} connections, {} records a call, {} B each",
                    options.connections, options.batch, options.record_size
                ),
            };
            let title = format!("{operation} at {}: {load}, {} shards", service.endpoint, plan.shards.len());
            out.line(&out.paint(Style::Bold, &title))?;
            figures.lines().iter().try_for_each(|line| out.line(line))?;
            if let Some(delivered) = &delivered {
                let title = format!("Delivered by SubscribeToShard to {} consumers meanwhile", options.consumers);
                out.line(&out.paint(Style::Bold, &title))?;
                delivered.lines().iter().take(2).try_for_each(|line| out.line(line))?;
            }
        }
    }
    match tally.first_error() {
        Some(error) if tally.is_empty() => Err(Failure::new(format!("no call succeeded: {error}"))),
        Some(error) => {
            out.note(&format!("{} {error}", out.paint(Style::Red, "first error:")));
            Ok(())
        }
        None => Ok(()),
    }
}
