//! What a caller says of a table and its indexes, and whether it fits together.

use crate::catalog::{BillingMode, IndexProjection, IndexRecord, IndexStatus, Throughput};
use crate::invalid::Invalid;
use crate::key::{KeySchema, KeyType};
use crate::limits::{GLOBAL_INDEXES, LOCAL_INDEXES, PROJECTED_ATTRIBUTES};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// An attribute and its type.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct AttributeDefinition {
    pub attribute_name: String,
    pub attribute_type: KeyType,
}

/// The part that an attribute has in a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "they are the API's names")]
pub enum KeyPart {
    Hash,
    Range,
}

/// An attribute of a key.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct KeySchemaElement {
    pub attribute_name: String,
    pub key_type: KeyPart,
}

/// Which attributes an index shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "they are the API's names")]
pub enum ProjectionType {
    All,
    KeysOnly,
    Include,
}

/// What an index shows.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct ProjectionInput {
    pub projection_type: Option<ProjectionType>,
    pub non_key_attributes: Option<Vec<String>>,
}

/// What a table or an index is said to need.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct ThroughputInput {
    pub read_capacity_units: u64,
    pub write_capacity_units: u64,
}

impl ThroughputInput {
    pub(crate) fn checked(self) -> Result<Throughput, Invalid> {
        for (name, units) in
            [("ReadCapacityUnits", self.read_capacity_units), ("WriteCapacityUnits", self.write_capacity_units)]
        {
            if units == 0 {
                let lower = name[..1].to_ascii_lowercase() + &name[1..];
                return Err(Invalid::Text(format!(
                    "1 validation error detected: Value '0' at 'provisionedThroughput.{lower}' failed to satisfy \
                     constraint: Member must have value greater than or equal to 1"
                )));
            }
            if units > 1_000_000_000_000 {
                return Err(Invalid::Text(format!("Given value {units} for {name} is out of bounds")));
            }
        }
        Ok(Throughput { read: self.read_capacity_units, write: self.write_capacity_units })
    }
}

/// A secondary index to be made.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct IndexInput {
    pub index_name: String,
    pub key_schema: Vec<KeySchemaElement>,
    pub projection: ProjectionInput,
    pub provisioned_throughput: Option<ThroughputInput>,
}

/// The types of attributes as they were given, each once.
pub(crate) fn attributes(definitions: &[AttributeDefinition]) -> Result<Vec<(String, KeyType)>, Invalid> {
    let mut made: Vec<(String, KeyType)> = Vec::new();
    for definition in definitions {
        check_name(&definition.attribute_name)?;
        if made.iter().any(|(name, _)| *name == definition.attribute_name) {
            return refused(format!("Duplicate AttributeName in AttributeDefinitions: {}", definition.attribute_name));
        }
        made.push((definition.attribute_name.clone(), definition.attribute_type));
    }
    Ok(made)
}

fn check_name(name: &str) -> Result<(), Invalid> {
    if (1..=255).contains(&name.len()) {
        return Ok(());
    }
    Err(Invalid::Text(format!(
        "1 validation error detected: Value '{}' at 'attributeName' failed to satisfy constraint: Member must have \
         length between 1 and 255",
        name.chars().take(300).collect::<String>()
    )))
}

fn refused<T>(what: String) -> Result<T, Invalid> {
    Err(Invalid::Parameters(what))
}

/// The key of a table or an index.
pub(crate) fn key(elements: &[KeySchemaElement], attributes: &[(String, KeyType)]) -> Result<KeySchema, Invalid> {
    let invalid = |what: &str| Err(Invalid::Text(format!("Invalid KeySchema: {what}")));
    let names = || elements.iter().map(|element| element.attribute_name.as_str());
    if !(1..=2).contains(&elements.len()) {
        return Err(Invalid::Text(
            "1 validation error detected: Value at 'keySchema' failed to satisfy constraint: Member must have length \
             between 1 and 2"
                .to_owned(),
        ));
    }
    if names().any(|name| !attributes.iter().any(|(attribute, _)| attribute == name)) {
        let defined: Vec<_> = attributes.iter().map(|(name, _)| name.as_str()).collect();
        return refused(format!(
            "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], AttributeDefinitions: [{}]",
            names().collect::<Vec<_>>().join(", "),
            defined.join(", ")
        ));
    }
    if elements[0].key_type != KeyPart::Hash {
        return invalid("The first KeySchemaElement is not a HASH key type");
    }
    let hash = elements[0].attribute_name.clone();
    let Some(second) = elements.get(1) else { return Ok(KeySchema { hash, range: None }) };
    if second.attribute_name == hash {
        return Err(Invalid::Text(
            "Both the Hash Key and the Range Key element in the KeySchema have the same name".to_owned(),
        ));
    }
    if second.key_type != KeyPart::Range {
        return invalid("The second KeySchemaElement is not a RANGE key type");
    }
    Ok(KeySchema { hash, range: Some(second.attribute_name.clone()) })
}

/// A secondary index, as it begins.
pub(crate) fn index(
    input: &IndexInput,
    local_of: Option<&KeySchema>,
    billing: BillingMode,
    attributes: &[(String, KeyType)],
) -> Result<IndexRecord, Invalid> {
    let name = &input.index_name;
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if !(3..=255).contains(&name.len()) || !name.bytes().all(valid) {
        return Err(Invalid::Text(format!(
            "1 validation error detected: Value '{}' at 'indexName' failed to satisfy constraint: Member must be 3 to \
             255 characters of [a-zA-Z0-9_.-]",
            name.chars().take(300).collect::<String>()
        )));
    }
    let key = key(&input.key_schema, attributes)?;
    if let Some(table) = local_of {
        if key.range.is_none() {
            return refused(format!("Index KeySchema does not have a range key for index: {name}"));
        }
        if key.hash != table.hash {
            return refused(format!(
                "Index KeySchema does not have the same leading hash key as table KeySchema for index: {name}. index \
                 hash key: {}, table hash key: {}",
                key.hash, table.hash
            ));
        }
    }
    let projection = match (input.projection.projection_type, &input.projection.non_key_attributes) {
        (None, _) => return refused("Unknown ProjectionType: null".to_owned()),
        (Some(ProjectionType::All), None) => IndexProjection::All,
        (Some(ProjectionType::KeysOnly), None) => IndexProjection::KeysOnly,
        (Some(ProjectionType::Include), Some(names)) if !names.is_empty() => {
            names.iter().try_for_each(|name| check_name(name))?;
            IndexProjection::Include(names.clone())
        }
        (Some(ProjectionType::Include), _) => {
            return refused("ProjectionType is INCLUDE, but NonKeyAttributes is not specified".to_owned());
        }
        (Some(kind), Some(_)) => {
            let kind = if kind == ProjectionType::All { "ALL" } else { "KEYS_ONLY" };
            return refused(format!("ProjectionType is {kind}, but NonKeyAttributes is specified"));
        }
    };
    let throughput = match (local_of, billing, input.provisioned_throughput) {
        (Some(_), _, _) | (None, BillingMode::PayPerRequest, None) => Throughput::default(),
        (None, BillingMode::PayPerRequest, Some(_)) => {
            return refused(format!(
                "ProvisionedThroughput should not be specified for index: {name} when BillingMode is PAY_PER_REQUEST"
            ));
        }
        (None, BillingMode::Provisioned, Some(throughput)) => throughput.checked()?,
        (None, BillingMode::Provisioned, None) => {
            return refused(format!("ProvisionedThroughput must be specified for index: {name}"));
        }
    };
    Ok(IndexRecord { key, projection, status: IndexStatus::Active, local: local_of.is_some(), throughput })
}

/// Whether the indexes of a table are few enough, and the attributes those that its keys need.
pub(crate) fn check_whole(
    attributes: &[(String, KeyType)],
    table: &KeySchema,
    indexes: &BTreeMap<String, IndexRecord>,
) -> Result<(), Invalid> {
    let (local, global): (Vec<_>, Vec<_>) = indexes.values().partition(|index| index.local);
    if local.len() > LOCAL_INDEXES {
        return refused(format!("Number of LocalSecondaryIndexes exceeds per-table limit of {LOCAL_INDEXES}"));
    }
    if global.len() > GLOBAL_INDEXES {
        return refused(format!("GlobalSecondaryIndex count exceeds the per-table limit of {GLOBAL_INDEXES}"));
    }
    let projected = indexes.values().map(|index| match &index.projection {
        IndexProjection::Include(names) => names.len(),
        IndexProjection::All | IndexProjection::KeysOnly => 0,
    });
    if projected.sum::<usize>() > PROJECTED_ATTRIBUTES {
        return refused(format!("Number of projected attributes exceeds per-table limit of {PROJECTED_ATTRIBUTES}"));
    }
    let used: BTreeSet<&String> = indexes.values().flat_map(|index| index.key.names()).chain(table.names()).collect();
    if attributes.iter().any(|(name, _)| !used.contains(name)) {
        let keys = used.into_iter().cloned().collect::<Vec<_>>().join(", ");
        let defined = attributes.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        return if indexes.is_empty() {
            refused(
                "Number of attributes in KeySchema does not exactly match number of attributes defined in \
                 AttributeDefinitions"
                    .to_owned(),
            )
        } else {
            refused(format!(
                "Some AttributeDefinitions are not used. AttributeDefinitions: [{defined}], keys used: [{keys}]"
            ))
        };
    }
    Ok(())
}
