//! What the parameters of calls have in common: conditions in either form, projections, and that forms are not mixed.

use crate::catalog::TableRecord;
use crate::expression::legacy::{ConditionalOperator, Expected, expected};
use crate::expression::{Condition, Names, Path, Projection, Scope, Values, Which};
use crate::invalid::Invalid;
use crate::key::{KeySchema, Place};
use crate::limits::{HASH_KEY_BYTES, RANGE_KEY_BYTES};
use crate::value::{AttributeValue, Item};
use std::collections::{BTreeMap, BTreeSet};

/// A parameter by its name, and whether it was given.
pub(crate) type Given = (&'static str, bool);

/// Whether a call keeps to one of the two forms, and gives names and values only with expressions.
pub(crate) fn check_forms(
    expressions: &[Given],
    legacy: &[Given],
    names: Option<&Names>,
    values: Option<&Values>,
    values_go_with: &'static [&'static str],
) -> Result<(), Invalid> {
    let given = |parameters: &[Given]| -> Vec<&'static str> {
        parameters.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect()
    };
    let (expressions, legacy) = (given(expressions), given(legacy));
    if !expressions.is_empty() && !legacy.is_empty() {
        return Err(Invalid::Mixed { legacy, expressions });
    }
    if names.is_some() && expressions.is_empty() {
        return Err(Invalid::NamesWithoutExpression(&[]));
    }
    if values.is_some() && !expressions.iter().any(|name| values_go_with.contains(name)) {
        return Err(Invalid::ValuesWithoutExpression(values_go_with));
    }
    Ok(())
}

/// The condition of a write, in whichever form.
pub(crate) fn condition<'a>(
    expression: Option<&'a str>,
    legacy: Option<&BTreeMap<String, Expected>>,
    operator: Option<ConditionalOperator>,
    scope: &mut Scope<'a>,
) -> Result<Option<Condition>, Invalid> {
    check_operator(operator, legacy.is_some_and(|expected| !expected.is_empty()))?;
    match (expression, legacy) {
        (Some(text), _) => Condition::parse(Which::Condition, text, scope).map(Some),
        (None, Some(legacy)) => expected(legacy, operator),
        (None, None) => Ok(None),
    }
}

/// Whether a ConditionalOperator has something to join.
pub(crate) fn check_operator(operator: Option<ConditionalOperator>, has_conditions: bool) -> Result<(), Invalid> {
    if operator.is_some() && !has_conditions {
        return Err(Invalid::Parameters("ConditionalOperator cannot be used without Filter or Expected".to_owned()));
    }
    Ok(())
}

/// The projection of a read, in whichever form.
pub(crate) fn projection<'a>(
    expression: Option<&'a str>,
    attributes: Option<&[String]>,
    scope: &mut Scope<'a>,
) -> Result<Option<Projection>, Invalid> {
    match (expression, attributes) {
        (Some(text), _) => Projection::parse(text, scope).map(Some),
        (None, Some([])) => Err(Invalid::Text(
            "1 validation error detected: Value '[]' at 'attributesToGet' failed to satisfy constraint: Member must have \
             length greater than or equal to 1"
                .to_owned(),
        )),
        (None, Some(names)) => {
            let mut seen = BTreeSet::new();
            match names.iter().find(|name| !seen.insert(*name)) {
                Some(twice) => Err(Invalid::Parameters(format!("Duplicate value in attribute name: {twice}"))),
                None => Ok(Some(Projection::of_attributes(names))),
            }
        }
        (None, None) => Ok(None),
    }
}

/// The place of the item with this key, which has the attributes of the schema and no others.
pub(crate) fn place_of_key(record: &TableRecord, key: &Item) -> Result<Place, Invalid> {
    if key.len() != record.key.names().count() {
        return Err(Invalid::KeySchema);
    }
    place_by(record, &record.key, key)
}

/// The place in the order of a schema that these attributes make, each of the right type.
pub(crate) fn place_by(record: &TableRecord, schema: &KeySchema, key: &Item) -> Result<Place, Invalid> {
    for name in schema.names() {
        let value = key.get(name).ok_or(Invalid::KeySchema)?;
        if record.type_of(name).map(crate::key::KeyType::kind) != Some(value.kind()) {
            return Err(Invalid::KeySchema);
        }
        check_key_value(name, value, *name == schema.hash)?;
    }
    Place::of(key, schema).ok_or(Invalid::KeySchema)
}

/// The place of an item, if its key is as the schema says.
pub(crate) fn place_of_item(record: &TableRecord, item: &Item) -> Result<Place, Invalid> {
    for name in record.key.names() {
        let value = item.get(name).ok_or_else(|| Invalid::MissingKey(name.clone()))?;
        let expected = record.type_of(name).map_or(crate::value::Type::S, crate::key::KeyType::kind);
        if value.kind() != expected {
            return Err(Invalid::KeyType { name: name.clone(), expected, actual: value.kind() });
        }
        check_key_value(name, value, *name == record.key.hash)?;
    }
    Place::of(item, &record.key).ok_or(Invalid::KeySchema)
}

fn check_key_value(name: &str, value: &AttributeValue, is_hash: bool) -> Result<(), Invalid> {
    let (length, binary) = match value {
        AttributeValue::S(text) => (text.len(), false),
        AttributeValue::B(bytes) => (bytes.len(), true),
        _ => return Ok(()),
    };
    match length {
        0 => Err(Invalid::EmptyKey { name: name.to_owned(), binary }),
        _ if is_hash && length > HASH_KEY_BYTES => Err(Invalid::HashKeyTooLong),
        _ if !is_hash && length > RANGE_KEY_BYTES => Err(Invalid::RangeKeyTooLong),
        _ => Ok(()),
    }
}

/// Whether an item's attributes can be in the indexes that they are keys of.
pub(crate) fn check_index_keys(
    record: &TableRecord,
    item: &Item,
    concerns: impl Fn(&str) -> bool,
) -> Result<(), Invalid> {
    for (index, it) in &record.indexes {
        for name in it.key.names().filter(|name| concerns(name)) {
            let (Some(value), Some(expected)) = (item.get(name), record.type_of(name)) else { continue };
            let (expected, actual) = (expected.kind(), value.kind());
            if actual != expected {
                return Err(Invalid::IndexKeyType { index: index.clone(), name: name.clone(), expected, actual });
            }
            let empty = |binary| Err(Invalid::EmptyIndexKey { index: index.clone(), name: name.clone(), binary });
            match value {
                AttributeValue::S(text) if text.is_empty() => return empty(false),
                AttributeValue::B(bytes) if bytes.is_empty() => return empty(true),
                _ => {}
            }
            check_key_value(name, value, *name == it.key.hash)?;
        }
    }
    Ok(())
}

/// Whether paths lead into attributes that are keys, which have no inside.
pub(crate) fn check_paths<'a>(record: &TableRecord, paths: impl IntoIterator<Item = &'a Path>) -> Result<(), Invalid> {
    for path in paths.into_iter().filter(|path| path.is_nested()) {
        let name = &path.attribute;
        if record.key.names().any(|key| key == name) {
            return Err(Invalid::NestedKey { of_index: false, name: name.clone() });
        }
        if record.indexes.values().flat_map(|index| index.key.names()).any(|key| key == name) {
            return Err(Invalid::NestedKey { of_index: true, name: name.clone() });
        }
    }
    Ok(())
}

/// How many entries of a list are asked for, if that can be asked.
pub(crate) fn check_limit(limit: Option<u32>, most: Option<u32>) -> Result<Option<usize>, Invalid> {
    let bound = match (limit, most) {
        (Some(0), _) => "greater than or equal to 1".to_owned(),
        (Some(limit), Some(most)) if limit > most => format!("less than or equal to {most}"),
        _ => return Ok(limit.map(|limit| limit as usize)),
    };
    Err(Invalid::Text(format!(
        "1 validation error detected: Value '{}' at 'limit' failed to satisfy constraint: Member must have value {bound}",
        limit.unwrap_or_default()
    )))
}
