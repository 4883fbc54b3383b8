//! Projections: which parts of an item are asked for.

use super::parser::{Parser, Scope};
use super::path::{Path, Step};
use super::problem::{Problem, Which};
use crate::invalid::Invalid;
use crate::value::{AttributeValue, Item};
use std::collections::BTreeMap;

/// The paths that are asked for. None of them leads through another.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Projection(pub(crate) Vec<Path>);

impl Projection {
    /// Reads a projection expression.
    ///
    /// # Errors
    /// [`Invalid`], as DynamoDB says it.
    pub(crate) fn parse<'a>(text: &'a str, scope: &mut Scope<'a>) -> Result<Self, Invalid> {
        Parser::parse(Which::Projection, text, scope, |parser| {
            let mut paths: Vec<Path> = Vec::new();
            loop {
                let path = parser.path()?;
                if let Some((clash, one)) = paths.iter().find_map(|one| Some((one.clash(&path)?, one))) {
                    parser.note(Problem::Paths { clash, one: one.to_string(), two: path.to_string() });
                }
                paths.push(path);
                if !parser.take_symbol(",") {
                    return Ok(Self(paths));
                }
            }
        })
    }

    /// Whole attributes.
    pub(crate) fn of_attributes<'a>(names: impl IntoIterator<Item = &'a String>) -> Self {
        Self(names.into_iter().map(Path::of).collect())
    }

    /// The parts of an item that are asked for: maps and lists with what is asked for in them, lists without gaps.
    pub(crate) fn of(&self, item: &Item) -> Item {
        let mut kept = Item::new();
        // The steps that lead on from each attribute; none: all of it.
        let mut asked: BTreeMap<&str, Vec<&[Step]>> = BTreeMap::new();
        for path in &self.0 {
            asked.entry(&path.attribute).or_default().push(&path.steps);
        }
        for (name, steps) in asked {
            if let Some(value) = item.get(name).and_then(|value| part(value, &steps)) {
                kept.insert(name.to_owned(), value);
            }
        }
        kept
    }
}

/// The parts of a value to which any of the ways leads.
fn part(value: &AttributeValue, ways: &[&[Step]]) -> Option<AttributeValue> {
    if ways.iter().any(|way| way.is_empty()) {
        return Some(value.clone());
    }
    let mut asked: BTreeMap<&Step, Vec<&[Step]>> = BTreeMap::new();
    for way in ways {
        let (step, rest) = way.split_first()?;
        asked.entry(step).or_default().push(rest);
    }
    match value {
        AttributeValue::M(map) => {
            let parts = asked.into_iter().filter_map(|(step, ways)| match step {
                Step::Name(name) => Some((name.clone(), part(map.get(name)?, &ways)?)),
                Step::Index(_) => None,
            });
            let parts: Item = parts.collect();
            (!parts.is_empty()).then_some(AttributeValue::M(parts))
        }
        AttributeValue::L(list) => {
            let parts = asked.into_iter().filter_map(|(step, ways)| match step {
                Step::Index(index) => part(list.get(*index)?, &ways),
                Step::Name(_) => None,
            });
            let parts: Vec<_> = parts.collect();
            (!parts.is_empty()).then_some(AttributeValue::L(parts))
        }
        _ => None,
    }
}
