//! What is wrong with a request, whatever is stored: facts, which print in DynamoDB's own words.

use crate::expression::{KeyProblem, Problem, UpdateRefusal, Which};
use crate::number::NumberError;
use crate::value::Type;

/// Marks the text of a fact in an error of the JSON reader, which knows texts only.
const MARK: char = '\u{1}';

/// What is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the members are what the texts name")]
pub enum Invalid {
    // Values.
    #[error("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")]
    NoType,
    #[error(
        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
    )]
    SeveralTypes,
    #[error("One or more parameter values were invalid: Null attribute value types must have the value of true")]
    NullIsFalse,
    #[error("{}", empty_set(*.0))]
    EmptySet(Type),
    #[error("{}", duplicates(*kind, elements))]
    Duplicates { kind: Type, elements: Vec<String> },
    #[error(
        "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"
    )]
    TooDeep,
    #[error(transparent)]
    Number(#[from] NumberError),

    // Parameters.
    #[error("One or more parameter values were invalid: {0}")]
    Parameters(String),
    #[error("{0}")]
    Text(String),
    #[error("The BETWEEN condition was provided a range where the lower bound is greater than the upper bound")]
    ReversedBounds,
    #[error(
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: \
         {{{}}} Expression parameters: {{{}}}", legacy.join(", "), expressions.join(", ")
    )]
    Mixed { legacy: Vec<&'static str>, expressions: Vec<&'static str> },
    #[error("ExpressionAttributeNames can only be specified when using expressions{}", which_are_null(.0))]
    NamesWithoutExpression(&'static [&'static str]),
    #[error("ExpressionAttributeValues can only be specified when using expressions{}", which_are_null(.0))]
    ValuesWithoutExpression(&'static [&'static str]),
    #[error("{0} must not be empty")]
    EmptyParameter(&'static str),
    #[error("{parameter} contains invalid key: Syntax error; key: \"{key}\"")]
    ReferenceName { parameter: &'static str, key: String },
    #[error("Value provided in {parameter} unused in expressions: keys: {{{}}}", keys.join(", "))]
    Unused { parameter: &'static str, keys: Vec<String> },
    #[error("Invalid {which}: {problem}")]
    Expression { which: Which, problem: Problem },
    #[error(transparent)]
    Key(#[from] KeyProblem),
    #[error(transparent)]
    Update(#[from] UpdateRefusal),

    // Keys and items.
    #[error("The provided key element does not match the schema")]
    KeySchema,
    #[error("One or more parameter values were invalid: Missing the key {0} in the item")]
    MissingKey(String),
    #[error(
        "One or more parameter values were invalid: Type mismatch for key {name} expected: {expected} actual: {actual}"
    )]
    KeyType { name: String, expected: Type, actual: Type },
    #[error(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty \
         {} value. Key: {name}", if *binary { "binary" } else { "string" }
    )]
    EmptyKey { name: String, binary: bool },
    #[error(
        "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The \
         AttributeValue for a key attribute cannot contain an empty {} value. IndexName: {index}, IndexKey: {name}",
        if *binary { "binary" } else { "string" }
    )]
    EmptyIndexKey { index: String, name: String, binary: bool },
    #[error(
        "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes"
    )]
    HashKeyTooLong,
    #[error(
        "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of \
         1024 bytes"
    )]
    RangeKeyTooLong,
    #[error(
        "One or more parameter values were invalid: Type mismatch for Index Key {name} Expected: {expected} Actual: \
         {actual} IndexName: {index}"
    )]
    IndexKeyType { index: String, name: String, expected: Type, actual: Type },
    #[error("The update expression attempted to update the secondary index key to unsupported type")]
    UpdatedIndexKeyType,
    #[error(
        "One or more parameter values were invalid: Cannot update attribute {0}. This attribute is part of the key"
    )]
    UpdatesKey(String),
    #[error(
        "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: {}: {name}",
        if *of_index { "IndexKey" } else { "Key" }
    )]
    NestedKey { of_index: bool, name: String },
    #[error("Item size has exceeded the maximum allowed size")]
    ItemTooLarge,

    // Queries and scans.
    #[error("The table does not have the specified index: {0}")]
    NoIndex(String),
    #[error("Consistent reads are not supported on global secondary indexes")]
    ConsistentIndexRead,
    #[error("The provided starting key is invalid{}", .0.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
    StartKey(Option<Box<Invalid>>),
    #[error("The provided starting key is outside query boundaries based on provided conditions")]
    StartKeyOutside,
    #[error("The provided starting key does not match the range key predicate")]
    StartKeyRange,
    #[error(
        "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct \
         Segment. TotalSegments: {total} Segment: {segment}"
    )]
    StartKeySegment { segment: u32, total: u32 },
    #[error("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")]
    NoKeyConditions,
    #[error("{parameter} can only contain non-primary key attributes: Primary key attribute: {name}")]
    FiltersKey { parameter: &'static str, name: String },

    // Batches and transactions.
    #[error("Provided list of item keys contains duplicates")]
    DuplicateKeys,
    #[error("Too many items requested for the {0} call")]
    TooManyItems(&'static str),
    #[error("Transaction request cannot include multiple operations on one item")]
    SameItemTwice,
    #[error("Collection size limit exceeded: a transaction takes at most 4 MB of items")]
    TransactionTooLarge,
}

impl Invalid {
    /// The text as an error of the JSON reader carries it.
    pub(crate) fn marked(&self) -> String {
        format!("{MARK}{self}")
    }

    /// The text of the fact, if an error of the JSON reader carries one. Otherwise the JSON has another form than the
    /// API's.
    #[must_use]
    pub fn of_marked(error: &str) -> Option<&str> {
        Some(error.split_once(MARK)?.1)
    }
}

fn empty_set(kind: Type) -> String {
    let what = match kind {
        Type::Ss => "An string set  may not be empty",
        Type::Ns => "An number set  may not be empty",
        _ => "Binary sets should not be empty",
    };
    format!("One or more parameter values were invalid: {what}")
}

fn duplicates(kind: Type, elements: &[String]) -> String {
    let listed = elements.join(", ");
    match kind {
        Type::Ns => "Input collection contains duplicates".to_owned(),
        Type::Bs => format!(
            "One or more parameter values were invalid: Input collection [{listed}]of type BS contains duplicates."
        ),
        _ => format!("One or more parameter values were invalid: Input collection [{listed}] contains duplicates."),
    }
}

fn which_are_null(expressions: &[&str]) -> String {
    match expressions {
        [] => String::new(),
        [one] => format!(": {one} is null"),
        several => format!(": {} are null", several.join(" and ")),
    }
}
