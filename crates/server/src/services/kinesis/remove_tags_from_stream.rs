//! RemoveTagsFromStream.

use rheos_wire::generated::RemoveTagsFromStreamInput;

use super::Kinesis;
use super::naming::{stream_resource, target};
use crate::auth::Caller;
use crate::fault::{Fault, change_tags};

pub(crate) async fn run(kinesis: &Kinesis, caller: &Caller, input: RemoveTagsFromStreamInput) -> Result<(), Fault> {
    let stream = target!(RemoveTagsFromStream, input).resolve(kinesis, caller)?;
    let removed = kinesis.streams.remove_tags(&stream_resource(caller, stream), &input.tag_keys).await;
    removed.map_err(|error| change_tags(error, "remove tags from"))
}
