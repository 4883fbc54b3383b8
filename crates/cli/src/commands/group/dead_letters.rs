//! `rheos group dead-letters ls|replay`: records that no processor could process, and the way back for them.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_kinesis::primitives::Blob;
use bytes::Bytes;
use rheos_client::aggregation::{Contents, unpack};
use rheos_client::consumer::{DeadLetterEntry, KeptLetter, Kinesis, KinesisError, ReadFrom, SdkKinesis, ShardRecord};
use serde_json::{Value, json};

use super::{PAGE, agree, is_tip, shards_in_order};
use crate::args::{DeadLetterCommand, ListDeadLetters, ReplayDeadLetters, WhichLetters};
use crate::client::Service;
use crate::commands::stream::is_json;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Table};
use crate::reader::time::rfc3339;

/// So much of a cause is in a table.
const CAUSE_CHARS: usize = 60;

pub(super) async fn run(command: DeadLetterCommand, out: &Output) -> Outcome {
    match command {
        DeadLetterCommand::Ls(args) => ls(args, out).await,
        DeadLetterCommand::Replay(args) => replay(args, out).await,
    }
}

/// A letter and its place in the dead-letter stream.
struct Found {
    /// The shard of the dead-letter stream.
    in_shard: String,
    /// Its sequence number there.
    id: String,
    letter: KeptLetter,
    put_back: bool,
}

/// Calls back with every record of a stream, a shard after another, parents first.
async fn each_record(service: &Service, stream: &str, mut visit: impl FnMut(&str, ShardRecord) -> Outcome) -> Outcome {
    let failed = |error: KinesisError| {
        let failure = Failure::new(format!("could not read {stream} at {}: {error}", service.endpoint));
        if matches!(error, KinesisError::NotFound(_)) {
            failure.hint("`rheos stream ls` lists what there is")
        } else {
            failure
        }
    };
    let kinesis = SdkKinesis::new(service.client.clone(), stream, stream);
    for shard in shards_in_order(&kinesis).await.map_err(failed)? {
        let mut iterator = kinesis.shard_iterator(&shard.id, &ReadFrom::TrimHorizon).await.map_err(failed)?;
        loop {
            let page = kinesis.records(&iterator, PAGE).await.map_err(failed)?;
            let is_tip = is_tip(&page);
            page.records.into_iter().try_for_each(|record| visit(&shard.id, record))?;
            match page.next {
                Some(next) if !is_tip => iterator = next,
                _ => break,
            }
        }
    }
    Ok(())
}

/// Calls back with the letters that are wanted. Twice through the stream: a note that a letter is done comes after the letter.
async fn each_letter(
    service: &Service,
    which: &WhichLetters,
    out: &Output,
    mut visit: impl FnMut(Found) -> Outcome,
) -> Outcome {
    let mut put_back = BTreeSet::new();
    each_record(service, &which.stream, |_, record| {
        if let Some(DeadLetterEntry::PutBack(letter)) = DeadLetterEntry::parse(&record.data) {
            put_back.insert(letter);
        }
        Ok(())
    })
    .await?;
    let mut others = 0;
    let mut unseen: BTreeSet<&String> = which.letter.iter().collect();
    each_record(service, &which.stream, |in_shard, record| {
        let letter = match DeadLetterEntry::parse(&record.data) {
            Some(DeadLetterEntry::Letter(letter)) => *letter,
            Some(DeadLetterEntry::PutBack(_)) => return Ok(()),
            None => {
                others += 1;
                return Ok(());
            }
        };
        let id = record.sequence_number;
        let is_wanted = which.application.as_ref().is_none_or(|application| *application == letter.application)
            && (which.letter.is_empty() || which.letter.contains(&id));
        if !is_wanted {
            return Ok(());
        }
        unseen.remove(&id);
        let put_back = put_back.contains(&id);
        visit(Found { in_shard: in_shard.to_owned(), id, letter, put_back })
    })
    .await?;
    if others > 0 {
        out.note(&format!("{others} records of {} are no dead letters", which.stream));
    }
    match unseen.first() {
        Some(id) => Err(Failure::new(format!("{} has no letter {id}", which.stream))
            .hint(format!("`rheos group dead-letters ls {}` lists them", which.stream))),
        None => Ok(()),
    }
}

async fn ls(args: ListDeadLetters, out: &Output) -> Outcome {
    let service = Service::connect(&args.connect).await?;
    let json = is_json(args.format.output, out);
    let mut table = Table::new(&["letter", "application", "stream", "shard", "key", ">tries", "state", "cause"]);
    let mut count = 0u64;
    each_letter(&service, &args.which, out, |found| {
        count += 1;
        if json {
            return out.line(&as_json(&found).to_string());
        }
        let Found { id, letter, put_back, .. } = found;
        let first_line = letter.cause.lines().next().unwrap_or_default();
        let cause: String = first_line.chars().take(CAUSE_CHARS).collect();
        let state = if put_back { "put back" } else { "waiting" };
        let KeptLetter { application, stream, shard, partition_key, attempts, .. } = letter;
        table.row([id, application, stream, shard, partition_key, attempts.to_string(), state.to_owned(), cause]);
        Ok(())
    })
    .await?;
    if count == 0 {
        out.note(&format!("no dead letters in {}", args.which.stream));
    } else if !json {
        table.lines(out).iter().try_for_each(|line| out.line(line))?;
    }
    Ok(())
}

fn as_json(found: &Found) -> Value {
    let letter = &found.letter;
    let mut line = json!({
        "letter": found.id,
        "application": letter.application,
        "stream": letter.stream,
        "shard": letter.shard,
        "sequence_number": letter.number.sequence_number,
        "sub_sequence_number": letter.number.sub_sequence_number,
        "partition_key": letter.partition_key,
        "arrived": letter.arrival_ms.and_then(|ms| i64::try_from(ms).ok()).map(rfc3339),
        "attempts": letter.attempts,
        "put_back": found.put_back,
        "cause": letter.cause,
    });
    // As `rheos tail` shows data.
    let (name, data) = match letter.data.as_ref().map(|data| std::str::from_utf8(data).map_err(|_| data)) {
        Some(Ok(text)) => ("data", Value::from(text)),
        Some(Err(bytes)) => ("data_base64", Value::from(base64_simd::STANDARD.encode_to_string(bytes))),
        None => ("data", Value::Null),
    };
    line[name] = data;
    line
}

async fn replay(args: ReplayDeadLetters, out: &Output) -> Outcome {
    let service = Service::connect(&args.connect).await?;
    let letters_stream = &args.which.stream;
    // What is kept of each is where it is and not what it holds: letters may be many and large.
    let mut wanted: Vec<(String, String)> = Vec::new();
    let (mut done, mut streams) = (0u64, BTreeMap::<String, u64>::new());
    each_letter(&service, &args.which, out, |found| {
        if found.put_back && !args.again {
            done += 1;
        } else {
            *streams.entry(found.letter.stream).or_default() += 1;
            wanted.push((found.in_shard, found.id));
        }
        Ok(())
    })
    .await?;
    if done > 0 {
        out.note(&format!("{done} letters were put back before; --again does it once more"));
    }
    if wanted.is_empty() {
        out.note(&format!("no letter of {letters_stream} waits"));
        return Ok(());
    }
    let to: Vec<String> = streams.iter().map(|(stream, count)| format!("{count} into {stream}")).collect();
    let what = format!(
        "{} records go back: {}; every application of the stream reads them again",
        wanted.len(),
        to.join(", ")
    );
    if args.dry_run {
        out.note(&format!("{what} (--dry-run: nothing was changed)"));
        return Ok(());
    }
    agree(args.yes, &format!("{what}. Go on?"), out)?;
    let json = is_json(args.format.output, out);
    let mut failures = 0u64;
    for (in_shard, id) in &wanted {
        match put_back(&service, letters_stream, in_shard, id).await {
            Ok((stream, shard, number)) if json => {
                let line = json!({ "letter": id, "stream": stream, "shard": shard, "sequence_number": number });
                out.line(&line.to_string())?;
            }
            Ok((stream, shard, number)) => out.line(&format!("{id} is {number} in {shard} of {stream}"))?,
            Err(failure) => {
                failures += 1;
                out.failure(&failure);
            }
        }
    }
    match failures {
        0 => Ok(()),
        _ => Err(Failure::new(format!("{failures} of {} records were not put back", wanted.len()))),
    }
}

/// Writes the record of a letter into its stream, and then the note that this was done: a crash between the two makes it come twice, and
/// loses nothing.
async fn put_back(service: &Service, letters: &str, in_shard: &str, id: &str) -> Outcome<(String, String, String)> {
    let record = find(service, letters, in_shard, id).await?;
    let Some(DeadLetterEntry::Letter(letter)) = DeadLetterEntry::parse(&record.data) else {
        return Err(Failure::new(format!("{id} in {letters} is no dead letter")));
    };
    let data = match &letter.data {
        Some(data) => data.clone(),
        None => data_of(service, &letter).await?,
    };
    let call = service.client.put_record().stream_name(&letter.stream).data(Blob::new(data));
    let key = Some(letter.partition_key.clone()).filter(|key| !key.is_empty());
    let call = call.set_partition_key(key).set_explicit_hash_key(letter.explicit_hash_key.clone());
    let doing = format!("put the record of letter {id} back into {}", letter.stream);
    let put = call.send().await.map_err(|error| Failure::service(&doing, &service.endpoint, &error))?;
    let note = DeadLetterEntry::put_back(id, put.shard_id(), put.sequence_number()).to_string();
    let noted = service.client.put_record().stream_name(letters).partition_key(id).data(Blob::new(note)).send().await;
    noted.map_err(|error| {
        let doing = format!("note in {letters} that letter {id} has been put back, which it has,");
        Failure::service(doing, &service.endpoint, &error).hint("the next replay puts it back once more")
    })?;
    Ok((letter.stream.clone(), put.shard_id, put.sequence_number))
}

/// The data of a record that was too large for its letter.
async fn data_of(service: &Service, letter: &KeptLetter) -> Outcome<Bytes> {
    let record = find(service, &letter.stream, &letter.shard, &letter.number.sequence_number).await?;
    let gone = || Failure::new(format!("{} in {} holds no such user record", letter.number, letter.stream));
    match unpack(&record.data) {
        Contents::Aggregated(users) => {
            let user = usize::try_from(letter.number.sub_sequence_number).ok().and_then(|at| users.get(at));
            user.map(|user| record.data.slice_ref(user.data)).ok_or_else(gone)
        }
        Contents::Plain | Contents::Malformed(_) => Ok(record.data.clone()),
    }
}

/// A record by its sequence number.
async fn find(service: &Service, stream: &str, shard: &str, number: &str) -> Outcome<ShardRecord> {
    let kinesis = SdkKinesis::new(service.client.clone(), stream, stream);
    let failed = |error: KinesisError| Failure::new(format!("could not read {number} in {stream}: {error}"));
    let iterator = kinesis.shard_iterator(shard, &ReadFrom::At(number.to_owned())).await.map_err(failed)?;
    let page = kinesis.records(&iterator, 1).await.map_err(failed)?;
    page.records.into_iter().find(|record| record.sequence_number == number).ok_or_else(|| {
        Failure::new(format!("{stream} does not have the record {number} any more")).hint("its retention is over")
    })
}
