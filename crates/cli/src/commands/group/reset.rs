//! `rheos group reset`: makes an application read from another place.
//!
//! First a plan, which is shown: from where to where each shard goes. A time becomes the last record before it, because a lease can hold a record
//! and no time. Parents come before their children, so that a child that is read meanwhile waits for them again.

use std::collections::BTreeSet;

use rheos_client::consumer::{Kinesis, KinesisError, ReadFrom, SdkKinesis, Shard, ShardRecord};
use rheos_client::lease::{Changed, Checkpoint, Lease, LeaseTable, RecordNumber};
use serde_json::json;

use super::{LOOK, PAGE, agree, is_tip, lease_table, leases, shards_in_order, user_records};
use crate::args::Reset;
use crate::client::Service;
use crate::commands::stream::is_json;
use crate::edge;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Table};
use crate::reader::since::Since;

/// So far before a time a record before it is looked for; then from the beginning.
const LOOKS_BACK_MS: [u64; 4] = [1_000, 60_000, 3_600_000, 86_400_000];

/// Where `--to` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// A time, or one of the two ends.
    When(Since),
    /// Behind this record of one shard.
    Behind(RecordNumber),
}

impl Destination {
    /// Reads the argument of `--to`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "TRIM_HORIZON" => return Ok(Self::When(Since::TrimHorizon)),
            "LATEST" => return Ok(Self::When(Since::Latest)),
            _ => {}
        }
        if let Some(number) = RecordNumber::parse(text, 0) {
            return Ok(Self::Behind(number));
        }
        let wrong = || {
            format!(
                "`{text}` is no place: write 10m (ago), 2013-01-14T08:30:00Z, TRIM_HORIZON, LATEST or a sequence number"
            )
        };
        Since::parse(text).map(Self::When).map_err(|_| wrong())
    }
}

/// What is to become of a shard.
#[derive(Clone, Debug, PartialEq)]
struct Step {
    shard: String,
    /// None: the shard has no lease, and gets this one.
    lease: Option<Lease>,
    new: Lease,
    to: Checkpoint,
}

/// Where in a shard a time is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// At its beginning.
    Beginning,
    /// Behind this record.
    Behind(RecordNumber),
    /// Behind its end: the shard is closed, and older than that.
    BehindTheEnd,
}

pub(super) async fn reset(args: Reset, out: &Output) -> Outcome {
    let application = &args.application;
    if matches!(args.to, Destination::Behind(_)) && args.shard.is_none() {
        return Err(Failure::usage("a sequence number is of one shard: name it with --shard"));
    }
    let service = Service::connect(&args.connect).await?;
    let table = lease_table(&service, application);
    let kinesis = SdkKinesis::new(service.client.clone(), &args.stream, application);
    let steps = plan(&service, &kinesis, &args).await?;
    show(&steps, is_json(args.format.output, out), out)?;
    if steps.is_empty() {
        out.note(&format!("nothing to do: no shard of {} is behind that place", args.stream));
        return Ok(());
    }
    if args.dry_run {
        out.note("nothing was changed (--dry-run)");
        return Ok(());
    }
    if !args.force {
        refuse_if_active(&service, application, out).await?;
    }
    let question = format!("{} shards of {application} go there. Go on?", steps.len());
    agree(args.yes, &question, out)?;
    for step in &steps {
        if !apply(&table, step).await? {
            let what = format!("the lease of {} changed meanwhile: a worker is active", step.shard);
            return Err(Failure::new(what).hint("shards before it in the list have been reset; run the command again"));
        }
    }
    out.note(&format!("{} shards of {application} are read from there", steps.len()));
    Ok(())
}

/// Fails if a lease changes within the time in which workers give signs of life.
async fn refuse_if_active(service: &Service, application: &str, out: &Output) -> Outcome {
    let before = leases(service, application).await?;
    if before.iter().all(|lease| lease.owner.is_none()) {
        return Ok(());
    }
    out.note(&format!("looking for {} s whether workers of {application} are active", LOOK.as_secs()));
    tokio::time::sleep(LOOK).await;
    let now = leases(service, application).await?;
    let active: Vec<&Lease> = now
        .iter()
        .filter(|lease| before.iter().any(|before| before.key == lease.key && before.counter != lease.counter))
        .collect();
    let workers: BTreeSet<&str> = active.iter().filter_map(|lease| lease.actual_owner()).collect();
    if active.is_empty() {
        return Ok(());
    }
    let workers = workers.into_iter().collect::<Vec<_>>().join(", ");
    let what = format!("{} shards of {application} are being read, by {workers}", active.len());
    Err(Failure::new(what)
        .hint("stop its workers first, or say --force: then they lose their leases and read on from the new place"))
}

async fn apply(table: &LeaseTable, step: &Step) -> Outcome<bool> {
    let failed = |error| Failure::new(format!("could not reset {}: {error}", step.shard));
    let Some(lease) = &step.lease else { return table.create(&step.new).await.map_err(failed) };
    // A worker that is active may have given a sign of life since; that it has is no reason with --force, nor is one more.
    let mut lease = lease.clone();
    for _ in 0..5 {
        match table.reset(&lease, &step.to).await.map_err(failed)? {
            Changed::Made(_) => return Ok(true),
            Changed::Refused(Some(there)) => lease = there,
            Changed::Refused(None) => return Ok(false),
        }
    }
    Ok(false)
}

async fn plan(service: &Service, kinesis: &SdkKinesis, args: &Reset) -> Outcome<Vec<Step>> {
    let of_stream =
        |what: &str, error: KinesisError| Failure::new(format!("could not {what} of {}: {error}", args.stream));
    let mut shards = shards_in_order(kinesis).await.map_err(|error| of_stream("list the shards", error))?;
    if let Some(wanted) = &args.shard {
        shards.retain(|shard| shard.id == *wanted);
        if shards.is_empty() {
            return Err(Failure::new(format!("{} has no shard {wanted}", args.stream))
                .hint(format!("`rheos stream describe {}` lists its shards", args.stream)));
        }
    }
    let leases = leases(service, &args.application).await?;
    if leases.is_empty() {
        return Err(Failure::new(format!("{} has no leases: no worker has begun", args.application))
            .hint("where an application begins is said in its configuration"));
    }
    let mut steps = Vec::new();
    for shard in shards {
        let lease = leases.iter().find(|lease| lease.shard_id() == shard.id);
        let to = match &args.to {
            Destination::Behind(number) => Some(Checkpoint::At(number.clone())),
            Destination::When(Since::TrimHorizon) => Some(Checkpoint::TrimHorizon),
            Destination::When(Since::Latest) => {
                // What is done stays done; a closed shard has nothing that would be the latest.
                let is_done = lease.map_or(!shard.is_open, Lease::is_complete);
                (!is_done).then_some(Checkpoint::Latest)
            }
            Destination::When(Since::At(ms)) => {
                place(kinesis, &shard, *ms, lease).await.map_err(|error| of_stream("read", error))?
            }
            Destination::When(Since::Ago(ms)) => {
                let at_ms = edge::wall_ms().saturating_sub(*ms);
                place(kinesis, &shard, at_ms, lease).await.map_err(|error| of_stream("read", error))?
            }
        };
        steps.extend(to.map(|to| step(&shard, lease, to)));
    }
    Ok(steps)
}

fn step(shard: &Shard, lease: Option<&Lease>, to: Checkpoint) -> Step {
    let new = Lease {
        parents: shard.parents.iter().cloned().collect(),
        hash_range: Some(shard.hash_range),
        ..Lease::new(&shard.id, to.clone())
    };
    Step { shard: shard.id.clone(), lease: lease.cloned(), new, to }
}

/// Where a shard has to be read from. None: it has nothing of that time, and its lease says nothing else.
async fn place(
    kinesis: &SdkKinesis,
    shard: &Shard,
    at_ms: i64,
    lease: Option<&Lease>,
) -> Result<Option<Checkpoint>, KinesisError> {
    let at_ms = u64::try_from(at_ms).unwrap_or(0);
    let is_done = lease.is_none_or(Lease::is_complete);
    Ok(match find(kinesis, shard, at_ms).await? {
        Place::Beginning => Some(Checkpoint::TrimHorizon),
        Place::Behind(number) => Some(Checkpoint::At(number)),
        Place::BehindTheEnd => (!is_done).then_some(Checkpoint::ShardEnd),
    })
}

/// The place behind the last record that arrived before a time. Kinesis cannot be read backwards, so it is read from a while before.
async fn find(kinesis: &SdkKinesis, shard: &Shard, at_ms: u64) -> Result<Place, KinesisError> {
    for back_ms in LOOKS_BACK_MS.map(Some).into_iter().chain([None]) {
        let from = match back_ms.and_then(|back_ms| at_ms.checked_sub(back_ms)) {
            Some(from_ms) => ReadFrom::AtTimestamp(from_ms),
            None => ReadFrom::TrimHorizon,
        };
        let mut iterator = kinesis.shard_iterator(&shard.id, &from).await?;
        let mut last: Option<ShardRecord> = None;
        let is_at_end = loop {
            let page = kinesis.records(&iterator, PAGE).await?;
            let is_tip = is_tip(&page);
            let before = page.records.iter().take_while(|record| record.arrival_ms.is_none_or(|ms| ms < at_ms)).count();
            let is_found = before < page.records.len();
            last = page.records.into_iter().take(before).last().or(last);
            match page.next {
                _ if is_found => break false,
                None => break true,
                Some(_) if is_tip => break false,
                Some(next) => iterator = next,
            }
        };
        match last {
            Some(_) if is_at_end => return Ok(Place::BehindTheEnd),
            Some(record) => return Ok(Place::Behind(end_of(&record)?)),
            None if from == ReadFrom::TrimHorizon => return Ok(Place::Beginning),
            None => {}
        }
    }
    Ok(Place::Beginning)
}

/// The last user record of a record.
fn end_of(record: &ShardRecord) -> Result<RecordNumber, KinesisError> {
    RecordNumber::parse(&record.sequence_number, user_records(record).saturating_sub(1))
        .ok_or_else(|| KinesisError::Unavailable(format!("{:?} is no sequence number", record.sequence_number)))
}

fn show(steps: &[Step], json: bool, out: &Output) -> Outcome {
    let mut table = Table::new(&["shard", "owner", "from", "to"]);
    for step in steps {
        let from = step.lease.as_ref().and_then(|lease| lease.checkpoint.clone());
        let owner = step.lease.as_ref().and_then(Lease::actual_owner);
        if json {
            let line = json!({
                "shard": step.shard,
                "owner": owner,
                "from": from.as_ref().map(ToString::to_string),
                "to": step.to.to_string(),
            });
            out.line(&line.to_string())?;
        } else {
            let from = from.map_or_else(|| "no lease".to_owned(), |from| from.to_string());
            table.row([step.shard.clone(), owner.unwrap_or("-").to_owned(), from, step.to.to_string()]);
        }
    }
    if !json && !steps.is_empty() {
        table.lines(out).iter().try_for_each(|line| out.line(line))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_destination() {
        for (text, expected) in [
            ("TRIM_HORIZON", Destination::When(Since::TrimHorizon)),
            ("trim-horizon", Destination::When(Since::TrimHorizon)),
            ("LATEST", Destination::When(Since::Latest)),
            ("10m", Destination::When(Since::Ago(600_000))),
            ("2013-01-14T08:30:00Z", Destination::When(Since::At(1_358_152_200_000))),
            ("4959033", Destination::Behind(RecordNumber::parse("4959033", 0).unwrap())),
        ] {
            assert_eq!(Destination::parse(text), Ok(expected), "{text}");
        }
        for wrong in ["", "yesterday", "SHARD_END", "AT_TIMESTAMP", "-7"] {
            assert!(Destination::parse(wrong).is_err(), "{wrong}");
        }
    }
}
