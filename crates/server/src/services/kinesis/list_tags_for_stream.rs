//! ListTagsForStream.

use rheos_wire::generated::{ListTagsForStreamInput, ListTagsForStreamOutput, Tag};

use super::naming::target;
use super::{Kinesis, count};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    input: ListTagsForStreamInput,
) -> Result<ListTagsForStreamOutput, Fault> {
    let stream = target!(ListTagsForStream, input).resolve(kinesis, caller)?;
    let (limit, start) = (input.limit.map(count), input.exclusive_start_tag_key.as_deref());
    let page = kinesis.streams.list_tags(&caller.namespace, &stream, limit, start)?;
    let tags = page.tags.into_iter().map(|(key, value)| Tag { key, value: Some(value) });
    Ok(ListTagsForStreamOutput { tags: tags.collect(), has_more_tags: page.has_more })
}
