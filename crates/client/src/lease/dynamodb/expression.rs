//! Conditions, changes and values in the language of DynamoDB.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;

use crate::lease::store::{Attribute, Change, Expect, Row, StoreError};

/// The names and values of an expression.
pub(super) struct Words {
    /// What the attribute of the key is called above, and in this table.
    key: (&'static str, &'static str),
    pub(super) names: BTreeMap<String, String>,
    pub(super) values: BTreeMap<String, AttributeValue>,
}

impl Words {
    /// For a table whose key has another name above than in it.
    pub(super) fn new(above: &'static str, there: &'static str) -> Self {
        Self { key: (above, there), names: BTreeMap::new(), values: BTreeMap::new() }
    }

    fn name(&mut self, attribute: &str) -> String {
        let attribute = if attribute == self.key.0 { self.key.1 } else { attribute };
        let name = format!("#{attribute}");
        self.names.insert(name.clone(), attribute.to_owned());
        name
    }

    fn value(&mut self, attribute: &Attribute) -> Result<String, StoreError> {
        let name = format!(":v{}", self.values.len());
        self.values.insert(name.clone(), value(attribute)?);
        Ok(name)
    }

    /// All of these, if there are any.
    pub(super) fn condition(&mut self, expected: &[Expect]) -> Result<Option<String>, StoreError> {
        let terms = expected.iter().map(|expect| {
            Ok(match expect {
                Expect::Equals(name, value) => format!("{} = {}", self.name(name), self.value(value)?),
                Expect::Absent(name) => format!("attribute_not_exists({})", self.name(name)),
                Expect::Present(name) => format!("attribute_exists({})", self.name(name)),
            })
        });
        let terms = terms.collect::<Result<Vec<_>, StoreError>>()?;
        Ok((!terms.is_empty()).then(|| terms.join(" AND ")))
    }

    /// The changes, in the clauses of an update.
    pub(super) fn update(&mut self, changes: &[Change]) -> Result<String, StoreError> {
        let (mut set, mut remove, mut add) = (Vec::new(), Vec::new(), Vec::new());
        for change in changes {
            match change {
                Change::Put(name, value) => set.push(format!("{} = {}", self.name(name), self.value(value)?)),
                Change::Delete(name) => remove.push(self.name(name)),
                Change::Add(name, addend) => {
                    let addend = self.value(&Attribute::number(*addend))?;
                    add.push(format!("{} {addend}", self.name(name)));
                }
            }
        }
        let clauses = [("SET", set), ("REMOVE", remove), ("ADD", add)].into_iter();
        let clauses = clauses.filter(|(_, terms)| !terms.is_empty());
        Ok(clauses.map(|(word, terms)| format!("{word} {}", terms.join(", "))).collect::<Vec<_>>().join(" "))
    }
}

pub(super) fn value(attribute: &Attribute) -> Result<AttributeValue, StoreError> {
    Ok(match attribute {
        Attribute::S(text) => AttributeValue::S(text.clone()),
        Attribute::N(digits) => AttributeValue::N(digits.clone()),
        Attribute::B(bytes) => AttributeValue::B(Blob::new(bytes.as_ref())),
        Attribute::Ss(texts) => AttributeValue::Ss(texts.iter().cloned().collect()),
        Attribute::Bool(yes) => AttributeValue::Bool(*yes),
        Attribute::L(values) => AttributeValue::L(values.iter().map(value).collect::<Result<_, _>>()?),
        Attribute::M(values) => {
            let values = values.iter().map(|(name, inner)| Ok((name.clone(), value(inner)?)));
            AttributeValue::M(values.collect::<Result<_, StoreError>>()?)
        }
        Attribute::Other => return Err(StoreError::Refused("an attribute has a type that no lease has".to_owned())),
    })
}

fn attribute(value: AttributeValue) -> Attribute {
    match value {
        AttributeValue::S(text) => Attribute::S(text),
        // 1.250000 comes back as 1.25, and 1.0 as 1: numbers are numbers there.
        AttributeValue::N(digits) => Attribute::N(digits),
        AttributeValue::B(bytes) => Attribute::B(Bytes::from(bytes.into_inner())),
        AttributeValue::Ss(texts) => Attribute::Ss(texts.into_iter().collect()),
        AttributeValue::Bool(yes) => Attribute::Bool(yes),
        AttributeValue::L(values) => Attribute::L(values.into_iter().map(attribute).collect()),
        AttributeValue::M(values) => {
            Attribute::M(values.into_iter().map(|(name, value)| (name, attribute(value))).collect())
        }
        _ => Attribute::Other,
    }
}

pub(super) fn row(item: std::collections::HashMap<String, AttributeValue>) -> Row {
    item.into_iter().map(|(name, value)| (name, attribute(value))).collect()
}
