//! GetRecords: from the log's blocks straight into the body of the answer.

use bytes::Bytes;
use rheos_streams::{OpenIteratorError, ReadError, Records};
use rheos_types::limits::{GET_RECORDS_BYTES, GET_RECORDS_COUNT, Profile};
use rheos_types::token::ShardIterator;
use rheos_wire::codec::Format;
use rheos_wire::generated::GetRecordsInput;
use rheos_wire::{Operation, Protocol, in_format};

use super::{Kinesis, RequestError, Target, count, records};
use crate::admission::{Overloaded, Room};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    protocol: Protocol,
    input: GetRecordsInput,
) -> Result<Bytes, Fault> {
    let iterator = kinesis.streams.open_iterator(&input.shard_iterator)?;
    // Whose iterator it is decides, not who holds it.
    if iterator.namespace != caller.namespace {
        return Err(OpenIteratorError::Invalid.into());
    }
    let (arn, id) = (input.stream_arn.as_deref(), input.stream_id.as_deref());
    let target = Target { operation: Operation::GetRecords, name: None, arn, id };
    if target.is_given() {
        let name = target.resolve(kinesis, caller)?;
        if name != iterator.stream {
            return Err(RequestError::OtherIterator { name }.into());
        }
    }
    let (records, room) = read(kinesis, &iterator, input.limit.map(count), input.dry_run == Some(true)).await?;
    Ok(room.carry(in_format!(protocol, write(&records))))
}

fn write<F: Format>(records: &Records) -> Vec<u8> {
    let mut out = Vec::new();
    records::write::<F, _>(&mut out, records, |writer, next, behind, children| {
        writer.finish(next.map(String::as_str), behind, children);
    });
    out
}

/// Reads what there is. Of a stream with open limits, a reader that comes back to the tip, where it has found nothing
/// before, waits for a record, for a while: then it need not ask again and again. Whoever comes there for the first time
/// is told at once that this is the end.
async fn read(
    kinesis: &Kinesis,
    iterator: &ShardIterator,
    limit: Option<u32>,
    only_try: bool,
) -> Result<(Records, Room), Fault> {
    let (records, room) = read_once(kinesis, iterator, limit).await?;
    if only_try {
        return Err(RequestError::WouldHaveSucceeded.into());
    }
    let comes_back = iterator.at_tip && records.is_at_tip();
    let waits = comes_back && kinesis.streams.profile_of(&iterator.namespace, &iterator.stream) == Profile::Open;
    if !waits || kinesis.long_poll.is_zero() {
        return Ok((records, room));
    }
    let room = room.given_back();
    tokio::select! {
        biased;
        () = kinesis.streams.next_record(iterator) => {}
        () = tokio::time::sleep(kinesis.long_poll) => return Ok((records, room)),
        () = kinesis.subscribers.stopped() => return Ok((records, room)),
    }
    read_once(kinesis, iterator, limit).await
}

async fn read_once(kinesis: &Kinesis, iterator: &ShardIterator, limit: Option<u32>) -> Result<(Records, Room), Fault> {
    let overloaded = |_: Overloaded| ReadError::Read(rheos_log::ReadError::Overloaded);
    let most_records = limit.map_or(GET_RECORDS_COUNT, |limit| GET_RECORDS_COUNT.min(limit as usize));
    let room = kinesis.admission.room(GET_RECORDS_BYTES, most_records, kinesis.memory_wait).await;
    let mut room = room.map_err(overloaded)?;
    let records = kinesis.streams.get_records(iterator, limit, room.bytes).await?;
    room.fits(records.bytes(), records.count(), kinesis.memory_wait).await.map_err(overloaded)?;
    Ok((records, room))
}
