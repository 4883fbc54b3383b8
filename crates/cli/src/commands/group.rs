//! `rheos group ls|describe|lag|why|reset|dead-letters`: consumer applications, seen through their lease tables.

mod dead_letters;
mod explain;
pub(crate) mod reset;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::KeyType;
use rheos_client::aggregation::{Contents, unpack};
use rheos_client::consumer::{Kinesis, KinesisError, Page, ReadFrom, SdkKinesis, Shard, ShardFilter, ShardRecord};
use rheos_client::lease::{Checkpoint, DynamoDbLeaseStore, Lease, LeaseError, LeaseTable, RecordNumber, StoreError};
use serde_json::json;

use self::explain::{Facts, explain};
use super::stream::is_json;
use crate::args::{DescribeGroup, GroupCommand, Lag, ListGroups, Why};
use crate::client::Service;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Output, Table};
use crate::units::{elapsed, grouped};

/// Owners that change nothing in so long give no signs of life: workers renew three times in it.
const LOOK: Duration = Duration::from_secs(10);

/// So many records are asked for at once.
const PAGE: u32 = 10_000;

/// Runs one of the verbs.
pub(crate) async fn run(command: GroupCommand, out: &Output) -> Outcome {
    match command {
        GroupCommand::Ls(args) => ls(args, out).await,
        GroupCommand::Describe(args) => describe(args, out).await,
        GroupCommand::Lag(args) => lag(args, out).await,
        GroupCommand::Reset(args) => reset::reset(args, out).await,
        GroupCommand::DeadLetters(command) => dead_letters::run(command, out).await,
        GroupCommand::Why(args) => why(args, out).await,
    }
}

fn lease_table(service: &Service, application: &str) -> LeaseTable {
    LeaseTable::new(Arc::new(DynamoDbLeaseStore::new(service.dynamodb.clone(), application)))
}

async fn leases(service: &Service, application: &str) -> Outcome<Vec<Lease>> {
    let leases = lease_table(service, application).list().await;
    leases.map_err(|error| match error {
        LeaseError::Store(StoreError::NoTable(_)) => {
            Failure::new(format!("there is no application {application} at {}", service.endpoint))
                .hint("`rheos group ls` lists those that there are")
        }
        LeaseError::Store(StoreError::Unavailable(_)) => {
            Failure::unreachable(format!("could not read the leases of {application} at {}: {error}", service.endpoint))
                .hint("start a server with `rheos serve`, or name another with --endpoint-url (AWS itself: --aws)")
        }
        error => Failure::new(format!("could not read the leases of {application} at {}: {error}", service.endpoint)),
    })
}

async fn ls(args: ListGroups, out: &Output) -> Outcome {
    let service = Service::connect(&args.connect).await?;
    let mut names = Vec::new();
    let mut from = None;
    loop {
        let page = service.dynamodb.list_tables().set_exclusive_start_table_name(from).send().await;
        let page = page.map_err(|error| Failure::service("list the tables", &service.endpoint, &error))?;
        names.extend(page.table_names.unwrap_or_default());
        from = page.last_evaluated_table_name;
        if from.is_none() {
            break;
        }
    }
    let json = is_json(args.format.output, out);
    let mut table = Table::new(&["application", ">shards", ">done", ">unowned", ">workers"]);
    let mut found = false;
    for name in names {
        let described = service.dynamodb.describe_table().table_name(&name).send().await;
        let described =
            described.map_err(|error| Failure::service(format!("describe {name}"), &service.endpoint, &error))?;
        let key_schema = described.table.and_then(|table| table.key_schema).unwrap_or_default();
        let is_lease_table = key_schema.len() == 1
            && key_schema.iter().all(|key| key.key_type == KeyType::Hash && key.attribute_name == "leaseKey");
        if !is_lease_table {
            continue;
        }
        found = true;
        let leases = leases(&service, &name).await?;
        let done = leases.iter().filter(|lease| lease.is_complete()).count();
        let unowned = leases.iter().filter(|lease| lease.owner.is_none() && !lease.is_complete()).count();
        let mut workers: Vec<&str> = leases.iter().filter_map(Lease::actual_owner).collect();
        workers.sort_unstable();
        workers.dedup();
        if json {
            let line = json!({ "application": name, "shards": leases.len(), "done": done, "unowned": unowned, "workers": workers });
            out.line(&line.to_string())?;
        } else {
            table.row([
                name,
                leases.len().to_string(),
                done.to_string(),
                unowned.to_string(),
                workers.len().to_string(),
            ]);
        }
    }
    if !found {
        out.note(&format!("no application has a lease table at {}", service.endpoint));
    } else if !json {
        table.lines(out).iter().try_for_each(|line| out.line(line))?;
    }
    Ok(())
}

async fn describe(args: DescribeGroup, out: &Output) -> Outcome {
    let service = Service::connect(&args.connect).await?;
    let leases = leases(&service, &args.application).await?;
    let mut table = Table::new(&["shard", "owner", "checkpoint", ">counter", ">switches", "handed over to"]);
    let json = is_json(args.format.output, out);
    for lease in &leases {
        let to = lease.checkpoint_owner.as_ref().and(lease.owner.clone());
        let owner = lease.actual_owner().unwrap_or("-").to_owned();
        let checkpoint = lease.checkpoint_text();
        if json {
            let line = json!({
                "shard": lease.shard_id(),
                "owner": lease.actual_owner(),
                "handed_over_to": to,
                "checkpoint": lease.checkpoint.as_ref().map(Checkpoint::text),
                "sub_sequence_number": lease.checkpoint.as_ref().map(Checkpoint::sub_sequence_number),
                "counter": lease.counter,
                "owner_switches_since_checkpoint": lease.owner_switches_since_checkpoint,
                "parents": lease.parents,
                "children": lease.children,
                "throughput_kbps": lease.throughput_kbps,
            });
            out.line(&line.to_string())?;
        } else {
            let switches = lease.owner_switches_since_checkpoint.to_string();
            let to = to.unwrap_or_default();
            table.row([lease.shard_id().to_owned(), owner, checkpoint, lease.counter.to_string(), switches, to]);
        }
    }
    if leases.is_empty() {
        out.note(&format!("{} has no leases: no worker has begun", args.application));
    } else if !json {
        table.lines(out).iter().try_for_each(|line| out.line(line))?;
    }
    Ok(())
}

/// How far behind the place of a lease is.
struct Behind {
    millis: u64,
    /// The user records that wait, if they were counted.
    records: Option<u64>,
}

/// How far behind the place of a lease is. None: its shard has no more records, or is not there.
async fn behind(kinesis: &SdkKinesis, lease: &Lease, counts: bool) -> Result<Option<Behind>, KinesisError> {
    let from = match &lease.checkpoint {
        Some(Checkpoint::ShardEnd) => return Ok(None),
        // Inside of an aggregated record more of it may wait.
        Some(Checkpoint::At(number)) if counts => ReadFrom::At(number.sequence_number.clone()),
        Some(Checkpoint::At(number)) => ReadFrom::After(number.sequence_number.clone()),
        Some(Checkpoint::Latest) => ReadFrom::Latest,
        _ => ReadFrom::TrimHorizon,
    };
    let mut iterator = match kinesis.shard_iterator(lease.shard_id(), &from).await {
        Err(KinesisError::NotFound(_)) => return Ok(None),
        other => other?,
    };
    if !counts {
        let page = kinesis.records(&iterator, 1).await?;
        // Behind the one record that came there may be nothing; then it is this one that waits.
        return Ok(page.millis_behind_latest.map(|millis| Behind { millis, records: None }));
    }
    let (mut records, mut millis) = (0, None);
    loop {
        let page = kinesis.records(&iterator, PAGE).await?;
        let is_tip = is_tip(&page);
        records += page.records.iter().map(|record| waiting(record, lease.checkpoint.as_ref())).sum::<u64>();
        millis = millis.or(page.millis_behind_latest.filter(|_| !page.records.is_empty() || is_tip));
        match page.next {
            Some(next) if !is_tip => iterator = next,
            _ => return Ok(Some(Behind { millis: millis.unwrap_or(0), records: Some(records) })),
        }
    }
}

/// Whether nothing waits behind a page.
fn is_tip(page: &Page) -> bool {
    page.records.is_empty() && page.millis_behind_latest.unwrap_or(0) == 0
}

/// How many user records a record holds.
fn user_records(record: &ShardRecord) -> u64 {
    match unpack(&record.data) {
        Contents::Aggregated(users) => users.len() as u64,
        Contents::Plain | Contents::Malformed(_) => 1,
    }
}

/// The shards of a stream, parents before their children.
async fn shards_in_order(kinesis: &SdkKinesis) -> Result<Vec<Shard>, KinesisError> {
    let mut shards = kinesis.list_shards(ShardFilter::All).await?;
    shards.sort_by_key(|shard| (RecordNumber::parse(&shard.starting_sequence_number, 0), shard.id.clone()));
    Ok(shards)
}

/// Fails unless it is wanted: by `--yes`, or by somebody who is asked.
fn agree(yes: bool, question: &str, out: &Output) -> Outcome {
    if yes || (output::somebody_can_answer() && out.ask(question)?) {
        return Ok(());
    }
    Err(Failure::new("nothing was changed").hint("--yes says that you mean it"))
}

/// The user records of a record that lie behind a checkpoint.
fn waiting(record: &ShardRecord, checkpoint: Option<&Checkpoint>) -> u64 {
    let users = user_records(record);
    match checkpoint {
        Some(Checkpoint::At(number)) if number.sequence_number == record.sequence_number => {
            users.saturating_sub(number.sub_sequence_number + 1)
        }
        _ => users,
    }
}

async fn lag(args: Lag, out: &Output) -> Outcome {
    let service = Service::connect(&args.connect).await?;
    let kinesis = SdkKinesis::new(service.client.clone(), &args.stream, &args.application);
    let json = is_json(args.format.output, out);
    let mut table = Table::new(&["shard", "owner", "checkpoint", ">behind", ">records"]);
    let (mut most_ms, mut all) = (0, 0);
    for lease in leases(&service, &args.application).await?.iter().filter(|lease| !lease.is_complete()) {
        let behind = behind(&kinesis, lease, args.records).await;
        let behind =
            behind.map_err(|error| Failure::new(format!("could not look at {}: {error}", lease.shard_id())))?;
        let millis = behind.as_ref().map(|behind| behind.millis);
        let records = behind.as_ref().and_then(|behind| behind.records);
        most_ms = most_ms.max(millis.unwrap_or(0));
        all += records.unwrap_or(0);
        if json {
            let mut line = json!({
                "shard": lease.shard_id(),
                "owner": lease.actual_owner(),
                "checkpoint": lease.checkpoint.as_ref().map(Checkpoint::text),
                "millis_behind_latest": millis,
            });
            if args.records {
                line["records"] = records.into();
            }
            out.line(&line.to_string())?;
        } else {
            table.row([
                lease.shard_id().to_owned(),
                lease.actual_owner().unwrap_or("-").to_owned(),
                lease.checkpoint_text(),
                millis.map_or_else(|| "gone".to_owned(), |ms| elapsed(Duration::from_millis(ms))),
                records.map_or_else(|| "-".to_owned(), grouped),
            ]);
        }
    }
    if !json {
        table.lines(out).iter().try_for_each(|line| out.line(line))?;
        let counted = if args.records { format!(", {} records in all", grouped(all)) } else { String::new() };
        out.note(&format!("at most {} ms of arrival behind the newest record{counted}", grouped(most_ms)));
    }
    Ok(())
}

async fn why(args: Why, out: &Output) -> Outcome {
    let service = Service::connect(&args.connect).await?;
    let kinesis = SdkKinesis::new(service.client.clone(), &args.stream, &args.application);
    let shards = kinesis.list_shards(ShardFilter::All).await;
    let shards =
        shards.map_err(|error| Failure::new(format!("could not list the shards of {}: {error}", args.stream)))?;
    let before = leases(&service, &args.application).await?;
    let is_of = |lease: &&Lease| lease.shard_id() == args.shard;
    if before.iter().find(is_of).is_some_and(|lease| lease.owner.is_some() && !lease.is_complete()) {
        out.note(&format!("looking for {} s whether its owner gives signs of life", LOOK.as_secs()));
        tokio::time::sleep(LOOK).await;
    }
    let now = leases(&service, &args.application).await?;
    let millis_behind = match now.iter().find(is_of) {
        Some(lease) => behind(&kinesis, lease, false).await.ok().flatten().map(|behind| behind.millis),
        None => None,
    };
    let facts = Facts { shard: &args.shard, shards: &shards, before: &before, now: &now, millis_behind };
    explain(&facts).iter().try_for_each(|line| out.line(line))
}
