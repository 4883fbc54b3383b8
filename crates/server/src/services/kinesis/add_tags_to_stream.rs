//! AddTagsToStream.

use rheos_wire::generated::AddTagsToStreamInput;

use super::Kinesis;
use super::naming::{stream_resource, target};
use crate::auth::Caller;
use crate::fault::{Fault, change_tags};

pub(crate) async fn run(kinesis: &Kinesis, caller: &Caller, input: AddTagsToStreamInput) -> Result<(), Fault> {
    let stream = target!(AddTagsToStream, input).resolve(kinesis, caller)?;
    let added = kinesis.streams.add_tags(&stream_resource(caller, stream.clone()), &input.tags).await;
    added.map_err(|error| change_tags(error, "add tags to"))?;
    kinesis.note_unreadable_limits(&caller.namespace, &stream);
    Ok(())
}
