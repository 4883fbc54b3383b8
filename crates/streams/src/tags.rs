//! Tags of streams and consumers: TagResource, UntagResource, ListTagsForResource, and for streams AddTagsToStream,
//! RemoveTagsFromStream, ListTagsForStream, which are about the same tags.

use crate::facts::{ConsumerNotFound, StreamNotFound};
use crate::open::Streams;
use crate::resource::ResourceError;
use rheos_log::LogError;
use rheos_types::limits::TAGS;
use rheos_types::{Namespace, ResourceArn, StreamName};
use std::collections::BTreeMap;
use std::ops::Bound;

/// Why tags are not acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TagRefusal {
    /// A key or value has a character that is not allowed.
    #[error("a tag has a character that is not allowed")]
    InvalidCharacters,
    /// A key or value has a `%`, which is said to be allowed and is not.
    #[error("a tag has a %")]
    Percent,
    /// The resource would have too many.
    #[error("more than {limit} tags")]
    TooMany {
        /// How many it may have.
        limit: usize,
    },
}

/// Why tags were not changed.
#[derive(Debug, thiserror::Error)]
pub enum TagError {
    /// There is no such resource, or it is not in service.
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// The tags are not acceptable.
    #[error("{resource}: {refusal}")]
    Refused {
        /// What they are put on.
        resource: ResourceArn,
        /// What is wrong.
        refusal: TagRefusal,
    },
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl From<StreamNotFound> for TagError {
    fn from(fact: StreamNotFound) -> Self {
        Self::Resource(fact.into())
    }
}

impl From<ConsumerNotFound> for TagError {
    fn from(fact: ConsumerNotFound) -> Self {
        Self::Resource(fact.into())
    }
}

/// A page of tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagPage {
    /// Keys and values, in order of the keys.
    pub tags: Vec<(String, String)>,
    /// Whether more follow.
    pub has_more: bool,
}

impl Streams {
    /// Adds tags to a stream or a consumer, or gives them other values.
    ///
    /// # Errors
    /// [`TagError`].
    pub async fn add_tags(&self, resource: &ResourceArn, tags: &BTreeMap<String, String>) -> Result<(), TagError> {
        let refused = |refusal| TagError::Refused { resource: resource.clone(), refusal };
        check_characters(tags.iter().flat_map(|(key, value)| [key, value])).map_err(refused)?;
        self.change_attached(resource, |attached| {
            attached.tags.extend(tags.clone());
            check_count(attached.tags.len()).map_err(refused)
        })
        .await
    }

    /// Removes tags from a stream or a consumer; those that it has not are no error.
    ///
    /// # Errors
    /// [`TagError`].
    pub async fn remove_tags(&self, resource: &ResourceArn, keys: &[String]) -> Result<(), TagError> {
        let refused = |refusal| TagError::Refused { resource: resource.clone(), refusal };
        check_characters(keys).map_err(refused)?;
        self.change_attached(resource, |attached| {
            attached.tags.retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await
    }

    /// All tags of a stream or a consumer.
    ///
    /// # Errors
    /// [`ResourceError`].
    pub fn tags_of(&self, resource: &ResourceArn) -> Result<BTreeMap<String, String>, ResourceError> {
        Ok(self.attached(resource)?.tags)
    }

    /// Lists a stream's tags after `exclusive_start_key`: at most `limit`, or all.
    ///
    /// # Errors
    /// [`StreamNotFound`].
    pub fn list_tags(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        limit: Option<u32>,
        exclusive_start_key: Option<&str>,
    ) -> Result<TagPage, StreamNotFound> {
        let view = self.stream(namespace, name)?;
        let start = exclusive_start_key.map_or(Bound::Unbounded, Bound::Excluded);
        let mut later = view.record.tags.range::<str, _>((start, Bound::Unbounded));
        let limit = limit.map_or(usize::MAX, |limit| limit as usize);
        let tags = later.by_ref().take(limit).map(|(key, value)| (key.clone(), value.clone())).collect();
        Ok(TagPage { tags, has_more: later.next().is_some() })
    }
}

/// Whether a new stream may have these tags.
pub(crate) fn check_tags<'a>(tags: impl ExactSizeIterator<Item = (&'a String, &'a String)>) -> Result<(), TagRefusal> {
    check_count(tags.len())?;
    check_characters(tags.flat_map(|(key, value)| [key, value]))
}

fn check_count(count: usize) -> Result<(), TagRefusal> {
    if count <= TAGS { Ok(()) } else { Err(TagRefusal::TooMany { limit: TAGS }) }
}

/// Letters, digits and white space of any script, and a few signs. The service's texts do not name the colon, but its
/// manual does, and so do the keys that other systems use.
fn check_characters<'a>(texts: impl IntoIterator<Item = &'a String>) -> Result<(), TagRefusal> {
    let mut percent = false;
    for character in texts.into_iter().flat_map(|text| text.chars()) {
        percent |= character == '%';
        let allowed = character.is_alphanumeric() || character.is_whitespace() || "_./=+-%@:".contains(character);
        if !allowed {
            return Err(TagRefusal::InvalidCharacters);
        }
    }
    if percent { Err(TagRefusal::Percent) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percent_sign_passes_the_first_check_and_fails_the_second() {
        let check = |text: &str| check_characters([&text.to_owned()]);
        assert_eq!(check("Ünï 09 _./=+-@:"), Ok(()));
        assert_eq!(check("100%"), Err(TagRefusal::Percent));
        assert_eq!(check("100%;"), Err(TagRefusal::InvalidCharacters));
        assert_eq!(check("a~b"), Err(TagRefusal::InvalidCharacters));
    }
}
