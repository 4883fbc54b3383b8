//! CreateStream.

use rheos_streams::{CreateStream, Mode};
use rheos_types::StreamName;
use rheos_wire::generated::{CreateStreamInput, RecordDistributionStrategy, StreamMode};

use super::{Kinesis, RequestError, count};
use crate::auth::Caller;
use crate::fault::{self, Fault};

pub(crate) async fn run(kinesis: &Kinesis, caller: &Caller, input: CreateStreamInput) -> Result<(), Fault> {
    let mode = match input.stream_mode_details.as_ref().map(|details| details.stream_mode) {
        None | Some(StreamMode::Provisioned) => Mode::Provisioned,
        Some(StreamMode::OnDemand) => Mode::OnDemand,
    };
    check_settings(&input, mode)?;
    // The model's pattern has been checked before; it allows what a name allows.
    let name = StreamName::new(&input.stream_name).map_err(|_| RequestError::NoStream)?;
    let request = CreateStream {
        name: &name,
        mode,
        shard_count: input.shard_count.map(count),
        tags: input.tags.unwrap_or_default(),
        max_record_kib: input.max_record_size_in_kib.map(count),
    };
    let created = kinesis.streams.create_stream(&caller.namespace, request).await;
    created.map_err(|error| fault::create_stream(error, &caller.namespace, &name))?;
    kinesis.note_unreadable_limits(&caller.namespace, &name);
    Ok(())
}

/// Settings of streams on demand. None is taken and then not kept.
fn check_settings(input: &CreateStreamInput, mode: Mode) -> Result<(), RequestError> {
    let automatic = input.record_distribution_strategy == Some(RecordDistributionStrategy::Auto);
    let settings = [
        (automatic, "RecordDistributionStrategy AUTO"),
        (input.warm_throughput_mibps.is_some(), "WarmThroughputMiBps"),
    ];
    match settings.into_iter().find(|(given, _)| *given) {
        None => Ok(()),
        Some((_, member)) if mode == Mode::Provisioned => Err(RequestError::OnDemandOnly { member }),
        Some((_, member)) => Err(RequestError::NotImplemented { member }),
    }
}
