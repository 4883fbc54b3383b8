//! Expressions: conditions and filters, updates, projections, conditions on keys.
//!
//! A text becomes tokens (`token.rs`), a parser makes a tree of them (`parser.rs` what all have in common, `condition.rs`,
//! `update.rs` and `projection.rs` the rest), with the names and values of the request already in it. The legacy forms of
//! the API become the same trees (`legacy.rs`), so that there is one evaluator of each: [`Condition::holds`],
//! [`Update::apply`], [`Projection::of`].
//!
//! What an input can make of memory and depth is bounded: 4 KiB of text, 300 operators, a depth of 64.

mod apply;
mod condition;
mod evaluate;
mod key_condition;
pub(crate) mod legacy;
mod parser;
mod path;
mod problem;
mod projection;
mod reserved;
mod token;
mod update;

#[cfg(test)]
mod tests;

pub use apply::UpdateRefusal;
pub use path::Clash;
pub use problem::{KeyProblem, Problem, Which};

pub(crate) use condition::Condition;
pub(crate) use evaluate::Comparator;
pub(crate) use key_condition::{KeyCondition, KeyConditions, RangeTest};
pub(crate) use parser::Scope;
pub(crate) use path::Path;
pub(crate) use projection::Projection;
pub(crate) use update::Update;

use crate::value::{AttributeValue, Item};

/// What a condition compares.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    /// What is at a path of the item.
    Path(Path),
    /// A value of the request.
    Value(AttributeValue),
    /// The size of what the operand is.
    Size(Box<Operand>),
}

/// The attributes that a caller named with `#`, and the values that he named with `:`.
pub type Names = std::collections::BTreeMap<String, String>;
/// As [`Names`].
pub type Values = Item;
