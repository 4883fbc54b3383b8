//! `rheos stream create|ls|describe|scale|rm`.

use std::time::Duration;

use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{
    ScalingType, Shard, ShardIteratorType, StreamDescriptionSummary, StreamMode, StreamModeDetails, StreamStatus,
    StreamSummary,
};
use serde_json::json;

use crate::args::{Create, Describe, List, Listing, Remove, Scale, StreamCommand};
use crate::client::Service;
use crate::edge;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Output, Screen, Style, Table};
use crate::reader::list_shards;
use crate::reader::time::{milliseconds, rfc3339};

/// How long `--wait` waits: as long as the SDKs' own waiters.
pub(super) const WAIT_LIMIT: Duration = Duration::from_secs(180);
pub(super) const WAIT_STEP: Duration = Duration::from_millis(100);
/// The largest record, in KiB, of a service that does not tell.
const DEFAULT_RECORD_KIB: i32 = 1024;
/// Shards that are asked for their oldest record before a stream is removed.
const SHARDS_PROBED: usize = 8;

/// Runs one of the verbs.
pub(crate) async fn run(command: StreamCommand, out: &Output) -> Outcome {
    match command {
        StreamCommand::Create(args) => create(args, out).await,
        StreamCommand::Ls(args) => ls(args, out).await,
        StreamCommand::Describe(args) => describe(args, out).await,
        StreamCommand::Scale(args) => scale(args, out).await,
        StreamCommand::Rm(args) => rm(args, out).await,
    }
}

async fn create(args: Create, out: &Output) -> Outcome {
    let service = Service::connect(&args.connect).await?;
    let mut request = service.client.create_stream().stream_name(&args.name);
    if args.on_demand {
        // The one member that there is, is set.
        let mode = StreamModeDetails::builder().stream_mode(StreamMode::OnDemand).build();
        request = request.stream_mode_details(mode.map_err(|error| Failure::new(error.to_string()))?);
    } else {
        request = request.shard_count(args.shards);
    }
    request.send().await.map_err(|e| Failure::service(format!("create {}", args.name), &service.endpoint, &e))?;
    if args.wait {
        wait_until_active(&service, &args.name).await?;
    }
    let how = if args.on_demand { String::from("on demand") } else { format!("with {}", shards(args.shards)) };
    let state = if args.wait { "created" } else { "is being created" };
    out.note(&format!("{} {state} {how} at {}", args.name, service.endpoint));
    Ok(())
}

async fn scale(args: Scale, out: &Output) -> Outcome {
    let service = Service::connect(&args.connect).await?;
    let request = service.client.update_shard_count().stream_name(&args.name).target_shard_count(args.shards);
    let answer = request.scaling_type(ScalingType::UniformScaling).send().await;
    let answer = answer.map_err(|e| Failure::service(format!("scale {}", args.name), &service.endpoint, &e))?;
    let before = answer.current_shard_count().unwrap_or_default();
    if before == args.shards {
        out.note(&format!("{} has {} already", args.name, shards(before)));
        return Ok(());
    }
    if args.no_wait {
        out.note(&format!("{} is being scaled from {before} to {}", args.name, shards(args.shards)));
        return Ok(());
    }
    let mut screen = Screen::default();
    let shown = wait_for(&service, &args.name, |summary| {
        if out.progress_is_watched() {
            let now = summary.open_shard_count();
            let status = summary.stream_status();
            screen.draw(out, &[format!("{} is {status}: {now} of {} open", args.name, shards(args.shards))]);
        }
    });
    let waited = shown.await;
    screen.clear(out);
    waited?;
    out.note(&format!("{} scaled from {before} to {}", args.name, shards(args.shards)));
    Ok(())
}

fn shards(count: i32) -> String {
    if count == 1 { String::from("1 shard") } else { format!("{count} shards") }
}

async fn ls(args: List, out: &Output) -> Outcome {
    let service = Service::connect(&args.connect).await?;
    let streams = list_streams(&service).await?;
    if is_json(args.format.output, out) {
        for stream in &streams {
            out.line(&stream.json().to_string())?;
        }
        return Ok(());
    }
    if streams.is_empty() {
        out.note(&format!("no streams at {}; `rheos stream create NAME` makes one", service.endpoint));
        return Ok(());
    }
    let mut table = Table::new(&["stream", "status", "mode", "created"]);
    for stream in streams {
        table.row([stream.name, stream.status, stream.mode, stream.created]);
    }
    table.lines(out).iter().try_for_each(|line| out.line(line))
}

async fn describe(args: Describe, out: &Output) -> Outcome {
    let service = Service::connect(&args.connect).await?;
    let summary = summary(&service, &args.name).await?;
    let shards = list_shards(&service, &args.name).await?;
    if is_json(args.format.output, out) {
        return out.line(&description_json(&summary, &shards).to_string());
    }
    let open = shards.iter().filter(|shard| is_open(shard)).count();
    let facts = [
        ("stream", summary.stream_name().to_owned()),
        ("arn", summary.stream_arn().to_owned()),
        ("status", summary.stream_status().as_str().to_owned()),
        ("mode", mode(summary.stream_mode_details())),
        ("retention", format!("{} hours", summary.retention_period_hours())),
        ("created", time(summary.stream_creation_timestamp())),
        ("records", format!("up to {} KiB", summary.max_record_size_in_kib().unwrap_or(DEFAULT_RECORD_KIB))),
        ("metrics", none_or(metrics(&summary).join(" "))),
        ("consumers", summary.consumer_count().unwrap_or(0).to_string()),
        ("shards", format!("{open} open, {} closed", shards.len() - open)),
    ];
    for (name, value) in facts {
        out.line(&format!("{} {value}", out.paint(Style::Bold, &format!("{name:<10}"))))?;
    }
    out.line("")?;
    let mut table = Table::new(&["shard", "state", "parents", ">keys", "first hash key", "starting sequence number"]);
    for shard in &shards {
        let state = if is_open(shard) { "open" } else { "closed" };
        let range = shard.hash_key_range();
        table.row([
            shard.shard_id().to_owned(),
            state.to_owned(),
            parents(shard).join(" "),
            format!("{:.2}%", 100.0 * share(shard)),
            range.map_or("", |range| range.starting_hash_key()).to_owned(),
            shard.sequence_number_range().map_or("", |range| range.starting_sequence_number()).to_owned(),
        ]);
    }
    table.lines(out).iter().try_for_each(|line| out.line(line))
}

async fn rm(args: Remove, out: &Output) -> Outcome {
    let service = Service::connect(&args.connect).await?;
    let summary = summary(&service, &args.name).await?;
    for line in removal_facts(&service, &summary).await? {
        out.note(&line);
    }
    if !args.yes {
        if !output::somebody_can_answer() {
            return Err(
                Failure::usage(format!("{} was not removed: nobody can be asked", args.name)).hint("--yes removes it")
            );
        }
        if !out.ask("Remove this stream and every record in it?")? {
            return Err(Failure::new(format!("{} was not removed", args.name)));
        }
    }
    let request = service.client.delete_stream().stream_name(&args.name).enforce_consumer_deletion(args.with_consumers);
    request.send().await.map_err(|e| Failure::service(format!("remove {}", args.name), &service.endpoint, &e))?;
    if args.wait {
        wait_until_gone(&service, &args.name).await?;
    }
    out.note(&format!("{} {}", args.name, if args.wait { "is removed" } else { "is being removed" }));
    Ok(())
}

/// What somebody must know before a stream is removed: which one, where, and what it holds.
async fn removal_facts(service: &Service, summary: &StreamDescriptionSummary) -> Outcome<Vec<String>> {
    let shards = list_shards(service, summary.stream_name()).await?;
    let open = shards.iter().filter(|shard| is_open(shard)).count();
    let account = summary.stream_arn().split(':').nth(4).unwrap_or("unknown");
    Ok(vec![
        format!("stream    {}", summary.stream_name()),
        format!("service   {}, account {account}, region {}", service.endpoint, service.region),
        format!("created   {}", time(summary.stream_creation_timestamp())),
        format!("shards    {open} open, {} closed", shards.len() - open),
        format!("records   {}", records_held(service, summary.stream_name(), &shards).await),
        format!("readers   {} registered consumers", summary.consumer_count().unwrap_or(0)),
    ])
}

/// The API counts no records, but it tells the oldest of each shard. Facts that cannot be had do not stop the removal.
async fn records_held(service: &Service, stream: &str, shards: &[Shard]) -> String {
    let mut oldest: Option<DateTime> = None;
    for shard in shards.iter().take(SHARDS_PROBED) {
        if let Some(time) = oldest_record(service, stream, shard.shard_id()).await {
            oldest = Some(oldest.map_or(time, |known| known.min(time)));
        }
    }
    match oldest {
        Some(oldest) => format!("some, the oldest from {}", time(&oldest)),
        None if shards.len() > SHARDS_PROBED => format!("none found in the first {SHARDS_PROBED} shards"),
        None => String::from("none found"),
    }
}

async fn oldest_record(service: &Service, stream: &str, shard: &str) -> Option<DateTime> {
    let from_start = service.client.get_shard_iterator().stream_name(stream).shard_id(shard);
    let answer = from_start.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.ok()?;
    let page = service.client.get_records().shard_iterator(answer.shard_iterator()?).limit(1).send().await.ok()?;
    page.records().first()?.approximate_arrival_timestamp().copied()
}

/// Waits until the stream can be used.
pub(crate) async fn wait_until_active(service: &Service, stream: &str) -> Outcome {
    wait_for(service, stream, |_| {}).await
}

/// The same, and shows what there is meanwhile.
async fn wait_for(service: &Service, stream: &str, mut show: impl FnMut(&StreamDescriptionSummary)) -> Outcome {
    let begun = edge::now();
    loop {
        let summary = summary(service, stream).await?;
        show(&summary);
        if *summary.stream_status() == StreamStatus::Active {
            return Ok(());
        }
        if begun.elapsed() > WAIT_LIMIT {
            return Err(Failure::new(format!("{stream} is still {} after 3 minutes", summary.stream_status())));
        }
        tokio::time::sleep(WAIT_STEP).await;
    }
}

async fn wait_until_gone(service: &Service, stream: &str) -> Outcome {
    let begun = edge::now();
    loop {
        match service.client.describe_stream_summary().stream_name(stream).send().await {
            Ok(_) if begun.elapsed() > WAIT_LIMIT => {
                return Err(Failure::new(format!("{stream} is still there after 3 minutes")));
            }
            Ok(_) => tokio::time::sleep(WAIT_STEP).await,
            Err(error) => match error.as_service_error() {
                Some(reason) if reason.is_resource_not_found_exception() => return Ok(()),
                _ => return Err(Failure::service(format!("describe {stream}"), &service.endpoint, &error)),
            },
        }
    }
}

pub(super) async fn summary(service: &Service, stream: &str) -> Outcome<StreamDescriptionSummary> {
    let answer = service.client.describe_stream_summary().stream_name(stream).send().await;
    let answer = answer.map_err(|e| Failure::service(format!("describe {stream}"), &service.endpoint, &e))?;
    answer.stream_description_summary.ok_or_else(|| Failure::new(format!("{} described nothing", service.endpoint)))
}

/// A line of `stream ls`. Old emulators tell no more than the name.
struct Listed {
    name: String,
    status: String,
    mode: String,
    created: String,
}

impl Listed {
    fn json(&self) -> serde_json::Value {
        json!({ "stream": self.name, "status": self.status, "mode": self.mode, "created": self.created })
    }
}

impl From<&StreamSummary> for Listed {
    fn from(summary: &StreamSummary) -> Self {
        Self {
            name: summary.stream_name().to_owned(),
            status: summary.stream_status().as_str().to_owned(),
            mode: mode(summary.stream_mode_details()),
            created: summary.stream_creation_timestamp().map(time).unwrap_or_default(),
        }
    }
}

async fn list_streams(service: &Service) -> Outcome<Vec<Listed>> {
    let mut streams = Vec::<Listed>::new();
    loop {
        let after = streams.last().map(|last| last.name.clone());
        let answer = service.client.list_streams().set_exclusive_start_stream_name(after).send().await;
        let answer = answer.map_err(|e| Failure::service("list the streams", &service.endpoint, &e))?;
        if answer.stream_summaries().is_empty() {
            let unknown = String::new;
            streams.extend(answer.stream_names().iter().map(|name| Listed {
                name: name.clone(),
                status: unknown(),
                mode: unknown(),
                created: unknown(),
            }));
        } else {
            streams.extend(answer.stream_summaries().iter().map(Listed::from));
        }
        if !answer.has_more_streams() {
            return Ok(streams);
        }
    }
}

fn description_json(summary: &StreamDescriptionSummary, shards: &[Shard]) -> serde_json::Value {
    let shards: Vec<_> = shards
        .iter()
        .map(|shard| {
            json!({
                "shard": shard.shard_id(),
                "open": is_open(shard),
                "parents": parents(shard),
                "share": share(shard),
                "starting_hash_key": shard.hash_key_range().map(|range| range.starting_hash_key()),
                "ending_hash_key": shard.hash_key_range().map(|range| range.ending_hash_key()),
                "starting_sequence_number": shard.sequence_number_range().map(|range| range.starting_sequence_number()),
                "ending_sequence_number": shard.sequence_number_range().and_then(|range| range.ending_sequence_number()),
            })
        })
        .collect();
    json!({
        "stream": summary.stream_name(),
        "arn": summary.stream_arn(),
        "status": summary.stream_status().as_str(),
        "mode": mode(summary.stream_mode_details()),
        "retention_hours": summary.retention_period_hours(),
        "created": time(summary.stream_creation_timestamp()),
        "max_record_kib": summary.max_record_size_in_kib().unwrap_or(DEFAULT_RECORD_KIB),
        "shard_metrics": metrics(summary),
        "consumers": summary.consumer_count().unwrap_or(0),
        "shards": shards,
    })
}

pub(super) fn is_json(wanted: Option<Listing>, out: &Output) -> bool {
    match wanted {
        Some(listing) => listing == Listing::Json,
        None => !out.data_is_for_people(),
    }
}

/// The metrics of single shards that are switched on.
fn metrics(summary: &StreamDescriptionSummary) -> Vec<&str> {
    let metrics = summary.enhanced_monitoring().iter().flat_map(|metrics| metrics.shard_level_metrics());
    metrics.map(|metric| metric.as_str()).collect()
}

fn none_or(text: String) -> String {
    if text.is_empty() { String::from("none of single shards") } else { text }
}

fn mode(details: Option<&aws_sdk_kinesis::types::StreamModeDetails>) -> String {
    details.map_or("PROVISIONED", |details| details.stream_mode().as_str()).to_owned()
}

fn is_open(shard: &Shard) -> bool {
    shard.sequence_number_range().is_none_or(|range| range.ending_sequence_number().is_none())
}

fn parents(shard: &Shard) -> Vec<String> {
    [shard.parent_shard_id(), shard.adjacent_parent_shard_id()].into_iter().flatten().map(str::to_owned).collect()
}

/// The part of all keys that fall into this shard.
fn share(shard: &Shard) -> f64 {
    let Some(range) = shard.hash_key_range() else { return 0.0 };
    let (Ok(first), Ok(last)) = (range.starting_hash_key().parse::<u128>(), range.ending_hash_key().parse::<u128>())
    else {
        return 0.0;
    };
    last.saturating_sub(first) as f64 / u128::MAX as f64
}

pub(super) fn time(time: &DateTime) -> String {
    rfc3339(milliseconds(time))
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::types::{HashKeyRange, SequenceNumberRange};

    use super::*;

    #[test]
    fn a_shard_is_a_share_of_the_keys() {
        let quarter = (u128::MAX / 4).to_string();
        let range = HashKeyRange::builder().starting_hash_key("0").ending_hash_key(quarter).build().unwrap();
        let numbers = SequenceNumberRange::builder().starting_sequence_number("1").build().unwrap();
        let shard =
            Shard::builder().shard_id("shardId-000000000000").hash_key_range(range).sequence_number_range(numbers);
        let shard = shard.build().unwrap();
        assert_eq!(format!("{:.2}", 100.0 * share(&shard)), "25.00");
        assert!(is_open(&shard));
        assert!(parents(&shard).is_empty());
    }
}
