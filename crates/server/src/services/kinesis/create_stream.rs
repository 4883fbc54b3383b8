//! CreateStream.

use rheos_streams::{CreateStream, Mode};
use rheos_types::StreamName;
use rheos_wire::generated::CreateStreamInput;

use super::{Kinesis, RequestError, count, describe};
use crate::auth::Caller;
use crate::fault::{self, Fault};

pub(crate) async fn run(kinesis: &Kinesis, caller: &Caller, input: CreateStreamInput) -> Result<(), Fault> {
    // The model's pattern has been checked before; it allows what a name allows.
    let name = StreamName::new(&input.stream_name).map_err(|_| RequestError::NoStream)?;
    let request = CreateStream {
        name: &name,
        mode: input.stream_mode_details.map_or(Mode::Provisioned, describe::mode_of),
        shard_count: input.shard_count.map(count),
        tags: input.tags.unwrap_or_default(),
        max_record_kib: input.max_record_size_in_kib.map(count),
        distribution: input.record_distribution_strategy.map(describe::distribution_of).unwrap_or_default(),
        warm_mibps: input.warm_throughput_mibps.map(count),
    };
    let created = kinesis.streams.create_stream(&caller.namespace, request).await;
    created.map_err(|error| fault::create_stream(error, &caller.namespace, &name))?;
    kinesis.note_unreadable_limits(&caller.namespace, &name);
    Ok(())
}
