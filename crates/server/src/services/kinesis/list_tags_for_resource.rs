//! ListTagsForResource.

use rheos_wire::generated::{ListTagsForResourceInput, ListTagsForResourceOutput, Tag};

use super::Kinesis;
use super::naming::resource_target;
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    input: ListTagsForResourceInput,
) -> Result<ListTagsForResourceOutput, Fault> {
    let resource = resource_target!(ListTagsForResource, input).resolve(kinesis, caller)?;
    let tags = kinesis.streams.tags_of(&resource)?.into_iter().map(|(key, value)| Tag { key, value: Some(value) });
    Ok(ListTagsForResourceOutput { tags: Some(tags.collect()) })
}
