//! Tags of tables.

use crate::facts::{TableError, TableNotFound};
use crate::invalid::Invalid;
use crate::limits::TAGS;
use crate::open::Tables;
use rheos_types::{Namespace, TableName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct Tag {
    pub key: String,
    pub value: String,
}

/// Tags with others added.
pub(crate) fn checked_tags(
    mut tags: BTreeMap<String, String>,
    added: &[Tag],
) -> Result<BTreeMap<String, String>, TableError> {
    for tag in added {
        if !(1..=128).contains(&tag.key.chars().count()) || tag.value.chars().count() > 256 {
            return Err(Invalid::Text(
                "One or more parameter values were invalid: a tag has a key of 1 to 128 characters and a value of at \
                 most 256"
                    .to_owned(),
            )
            .into());
        }
        tags.insert(tag.key.clone(), tag.value.clone());
    }
    if tags.len() > TAGS { Err(TableError::TooManyTags { limit: TAGS }) } else { Ok(tags) }
}

impl Tables {
    /// Adds tags to a table, or gives them other values.
    ///
    /// # Errors
    /// [`TableError`].
    pub async fn tag(&self, namespace: &Namespace, name: &TableName, tags: &[Tag]) -> Result<(), TableError> {
        self.change(namespace, name, |_, record| {
            record.tags = checked_tags(record.tags.clone(), tags)?;
            Ok(())
        })
        .await
        .map(drop)
    }

    /// Removes tags from a table; those that it has not are no error.
    ///
    /// # Errors
    /// [`TableError`].
    pub async fn untag(&self, namespace: &Namespace, name: &TableName, keys: &[String]) -> Result<(), TableError> {
        self.change(namespace, name, |_, record| {
            record.tags.retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await
        .map(drop)
    }

    /// All tags of a table.
    ///
    /// # Errors
    /// [`TableNotFound`].
    pub fn tags_of(&self, namespace: &Namespace, name: &TableName) -> Result<Vec<Tag>, TableNotFound> {
        let view = self.table(namespace, name)?;
        let tag = |(key, value): (&String, &String)| Tag { key: key.clone(), value: value.clone() };
        Ok(view.record.tags.iter().map(tag).collect())
    }
}
