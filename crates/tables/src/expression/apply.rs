//! What an update makes of an item.

use super::path::{Path, Step};
use super::update::{Action, SetValue, Update};
use crate::limits::ITEM_BYTES;
use crate::number::NumberError;
use crate::value::{AttributeValue, Item};
use std::collections::BTreeSet;

/// Why an update cannot be done to an item. Nothing of it was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpdateRefusal {
    /// A path leads into something that is not there, or is no map or list.
    #[error("The document path provided in the update expression is invalid for update")]
    Path,
    /// A value is taken from what is not there.
    #[error("The provided expression refers to an attribute that does not exist in the item")]
    Absent,
    /// A value has another type than what is done with it.
    #[error("An operand in the update expression has an incorrect data type")]
    Type,
    /// The same, of the legacy form.
    #[error("Type mismatch for attribute to update")]
    LegacyType,
    /// The item would be larger than an item can be.
    #[error("Item size to update has exceeded the maximum allowed size")]
    TooLarge,
    /// A sum is no number that can be stored.
    #[error(transparent)]
    Number(#[from] NumberError),
}

impl Update {
    /// Does it: to `item`, which holds what was there, or the key alone.
    ///
    /// # Errors
    /// [`UpdateRefusal`]; `item` is then of no use any more.
    pub(crate) fn apply(&self, item: &mut Item) -> Result<(), UpdateRefusal> {
        // All values are of the item as it was.
        let mut changes = Vec::with_capacity(self.actions.len());
        let mut bytes = 0;
        for (path, action) in &self.actions {
            let value = match action {
                Action::Set(value) => Some(evaluate(value, item)?),
                Action::Add(value) => Some(self.added(path.get(item), value)?),
                Action::Delete(value) => self.without(path.get(item), value)?,
                Action::Remove => None,
            };
            bytes += value.as_ref().map_or(0, AttributeValue::size_bytes);
            if bytes > ITEM_BYTES {
                return Err(UpdateRefusal::TooLarge);
            }
            changes.push((path, value));
        }
        // What is put behind the end of a list stands in the order of its indexes.
        changes.sort_by_key(|(path, _)| *path);
        // Elements that go are taken out last, from the end: until then an index means what it meant.
        let mut gone: Vec<&Path> = Vec::new();
        for (path, value) in changes {
            match value {
                Some(value) => put(item, path, value)?,
                None if path.get(item).is_some() => gone.push(path),
                // Where nothing is, the way to it has to be there all the same.
                None => {
                    let _way = parent(item, path)?;
                }
            }
        }
        gone.into_iter().rev().for_each(|path| remove(item, path));
        Ok(())
    }

    fn mismatch(&self) -> UpdateRefusal {
        if self.legacy { UpdateRefusal::LegacyType } else { UpdateRefusal::Type }
    }

    fn added(&self, there: Option<&AttributeValue>, value: &AttributeValue) -> Result<AttributeValue, UpdateRefusal> {
        use AttributeValue as V;
        Ok(match (there, value) {
            (None, value) => value.clone(),
            (Some(V::N(there)), V::N(value)) => V::N(there.plus(*value)?),
            (Some(V::Ss(there)), V::Ss(value)) => V::Ss(there | value),
            (Some(V::Ns(there)), V::Ns(value)) => V::Ns(there | value),
            (Some(V::Bs(there)), V::Bs(value)) => V::Bs(there | value),
            (Some(V::L(there)), V::L(value)) if self.legacy => V::L(there.iter().chain(value).cloned().collect()),
            _ => return Err(self.mismatch()),
        })
    }

    /// A set without some elements; `None` if nothing is left of it.
    fn without(
        &self,
        there: Option<&AttributeValue>,
        value: &AttributeValue,
    ) -> Result<Option<AttributeValue>, UpdateRefusal> {
        use AttributeValue as V;
        fn rest<T: Ord + Clone>(
            there: &BTreeSet<T>,
            value: &BTreeSet<T>,
            make: fn(BTreeSet<T>) -> AttributeValue,
        ) -> Option<AttributeValue> {
            let rest = there - value;
            (!rest.is_empty()).then(|| make(rest))
        }
        Ok(match (there, value) {
            (None, _) => None,
            (Some(V::Ss(there)), V::Ss(value)) => rest(there, value, V::Ss),
            (Some(V::Ns(there)), V::Ns(value)) => rest(there, value, V::Ns),
            (Some(V::Bs(there)), V::Bs(value)) => rest(there, value, V::Bs),
            _ => return Err(self.mismatch()),
        })
    }
}

fn evaluate(value: &SetValue, item: &Item) -> Result<AttributeValue, UpdateRefusal> {
    use AttributeValue as V;
    Ok(match value {
        SetValue::Value(value) => value.clone(),
        SetValue::Path(path) => path.get(item).ok_or(UpdateRefusal::Absent)?.clone(),
        SetValue::IfNotExists(path, other) => match path.get(item) {
            Some(there) => there.clone(),
            None => evaluate(other, item)?,
        },
        SetValue::ListAppend(first, second) => match (evaluate(first, item)?, evaluate(second, item)?) {
            (V::L(mut first), V::L(second)) => {
                first.extend(second);
                let appended = V::L(first);
                // Doubled a few hundred times it would take all memory.
                if appended.size_bytes() > ITEM_BYTES {
                    return Err(UpdateRefusal::TooLarge);
                }
                appended
            }
            _ => return Err(UpdateRefusal::Type),
        },
        SetValue::Plus(left, right) | SetValue::Minus(left, right) => {
            match (evaluate(left, item)?, evaluate(right, item)?) {
                (V::N(left), V::N(right)) if matches!(value, SetValue::Plus(..)) => V::N(left.plus(right)?),
                (V::N(left), V::N(right)) => V::N(left.minus(right)?),
                _ => return Err(UpdateRefusal::Type),
            }
        }
    })
}

/// The list or map that the last step of a nested path leads into.
enum Parent<'a> {
    Map(&'a mut Item, &'a str),
    List(&'a mut Vec<AttributeValue>, usize),
}

fn parent<'a>(item: &'a mut Item, path: &'a Path) -> Result<Parent<'a>, UpdateRefusal> {
    let Some((last, steps)) = path.steps.split_last() else { return Ok(Parent::Map(item, &path.attribute)) };
    let mut value = item.get_mut(&path.attribute).ok_or(UpdateRefusal::Path)?;
    for step in steps {
        let inner = match (value, step) {
            (AttributeValue::M(map), Step::Name(name)) => map.get_mut(name),
            (AttributeValue::L(list), Step::Index(index)) => list.get_mut(*index),
            _ => None,
        };
        value = inner.ok_or(UpdateRefusal::Path)?;
    }
    match (value, last) {
        (AttributeValue::M(map), Step::Name(name)) => Ok(Parent::Map(map, name)),
        (AttributeValue::L(list), Step::Index(index)) => Ok(Parent::List(list, *index)),
        _ => Err(UpdateRefusal::Path),
    }
}

fn put(item: &mut Item, path: &Path, value: AttributeValue) -> Result<(), UpdateRefusal> {
    match parent(item, path)? {
        Parent::Map(map, name) => drop(map.insert(name.to_owned(), value)),
        Parent::List(list, index) => match list.get_mut(index) {
            Some(there) => *there = value,
            // Behind the end is at the end.
            None => list.push(value),
        },
    }
    Ok(())
}

fn remove(item: &mut Item, path: &Path) {
    match parent(item, path) {
        Ok(Parent::Map(map, name)) => drop(map.remove(name)),
        Ok(Parent::List(list, index)) if index < list.len() => drop(list.remove(index)),
        Ok(Parent::List(..)) | Err(_) => {}
    }
}
