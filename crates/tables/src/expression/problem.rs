//! What can be wrong with an expression, each in DynamoDB's own words.

use super::path::Clash;
use crate::value::Type;
use std::fmt;

/// The parameter that an expression came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// `ConditionExpression`
    Condition,
    /// `FilterExpression`
    Filter,
    /// `KeyConditionExpression`
    KeyCondition,
    /// `ProjectionExpression`
    Projection,
    /// `UpdateExpression`
    Update,
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Condition => "ConditionExpression",
            Self::Filter => "FilterExpression",
            Self::KeyCondition => "KeyConditionExpression",
            Self::Projection => "ProjectionExpression",
            Self::Update => "UpdateExpression",
        })
    }
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It has no text.
    #[error("The expression can not be empty;")]
    Empty,
    /// Its text is too long.
    #[error("Expression size has exceeded the maximum allowed size; expression size: {bytes}")]
    TooLong {
        /// How long.
        bytes: usize,
    },
    /// A token is not where it can be.
    #[error("Syntax error; token: \"{token}\", near: \"{near}\"")]
    Syntax {
        /// The token.
        token: String,
        /// What is around it.
        near: String,
    },
    /// It has too many operators.
    #[error("The expression contains too many operators; operator count: {count}")]
    TooManyOperators {
        /// How many, at least.
        count: usize,
    },
    /// Parentheses, `NOT`s or functions lie too deep in one another.
    #[error("The expression is nested too deeply; maximum depth: {depth}")]
    TooDeep {
        /// How deep they may lie.
        depth: usize,
    },
    /// Parentheses around parentheses.
    #[error("The expression has redundant parentheses;")]
    Parentheses,
    /// There is no such function here.
    #[error("Invalid function name; function: {0}")]
    UnknownFunction(String),
    /// A function cannot stand there.
    #[error("The function is not allowed to be used this way in an expression; function: {0}")]
    Misused(String),
    /// A name needs a `#`.
    #[error("Attribute name is a reserved keyword; reserved keyword: {0}")]
    Reserved(String),
    /// A name was not given.
    #[error("An expression attribute name used in the document path is not defined; attribute name: {0}")]
    UndefinedName(String),
    /// A value was not given.
    #[error("An expression attribute value used in expression is not defined; attribute value: {0}")]
    UndefinedValue(String),
    /// A function has too few or too many operands.
    #[error(
        "Incorrect number of operands for operator or function; operator or function: {function}, number of operands: \
         {count}"
    )]
    OperandCount {
        /// The function.
        function: String,
        /// How many it has.
        count: usize,
    },
    /// Something is compared with itself.
    #[error(
        "The first operand must be distinct from the remaining operands for this operator or function; operator: \
         {operator}, first operand: {operand}"
    )]
    NotDistinct {
        /// The operator or function.
        operator: String,
        /// The operand.
        operand: String,
    },
    /// A function wants a path.
    #[error("Operator or function requires a document path; operator or function: {0}")]
    NeedsPath(String),
    /// An operand has a type that the function does not take.
    #[error("Incorrect operand type for operator or function; operator or function: {function}, operand type: {kind}")]
    OperandType {
        /// The function.
        function: String,
        /// The type, or all that are possible.
        kind: String,
    },
    /// ADD or DELETE has an operand of a type that it does not take.
    #[error("Incorrect operand type for operator or function; operator: {operator}, operand type: {}", kind.long_name())]
    ActionType {
        /// `ADD` or `DELETE`.
        operator: &'static str,
        /// The type.
        kind: Type,
    },
    /// There is no such type.
    #[error("Invalid attribute type name found; type: {0}, valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}")]
    UnknownType(String),
    /// The bounds of BETWEEN are of two types.
    #[error(
        "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: \
         AttributeValue: {lower}, upper bound operand: AttributeValue: {upper}"
    )]
    BoundTypes {
        /// The lower bound.
        lower: String,
        /// The upper bound.
        upper: String,
    },
    /// The bounds of BETWEEN are the wrong way round.
    #[error(
        "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: \
         AttributeValue: {lower}, upper bound operand: AttributeValue: {upper}"
    )]
    BoundOrder {
        /// The lower bound.
        lower: String,
        /// The upper bound.
        upper: String,
    },
    /// A section of an update comes twice.
    #[error("The \"{0}\" section can only be used once in an update expression;")]
    SectionTwice(&'static str),
    /// Two paths exclude each other.
    #[error(
        "Two document paths {clash} with each other; must remove or rewrite one of these paths; path one: {one}, path \
         two: {two}"
    )]
    Paths {
        /// How they are to each other.
        clash: Clash,
        /// The first.
        one: String,
        /// The second.
        two: String,
    },
}

impl Problem {
    /// Which of several problems of one expression DynamoDB names: the one with the lowest number.
    pub(super) fn rank(&self, which: Which) -> u8 {
        let is_condition = !matches!(which, Which::Update | Which::Projection);
        match self {
            Self::Empty | Self::TooLong { .. } | Self::Syntax { .. } => 0,
            Self::TooManyOperators { .. } | Self::TooDeep { .. } | Self::Parentheses => 1,
            Self::Reserved(_) if is_condition => 4,
            Self::UndefinedName(_) | Self::UndefinedValue(_) if is_condition => 5,
            Self::Reserved(_) => 1,
            Self::UnknownFunction(_) => 2,
            Self::Misused(_) | Self::SectionTwice(_) => 3,
            Self::UndefinedName(_) => 4,
            Self::UndefinedValue(_) => 5,
            Self::Paths { clash: Clash::Overlap, .. } => 6,
            Self::Paths { clash: Clash::Conflict, .. } => 7,
            Self::ActionType { .. } => 8,
            Self::OperandCount { .. } => 9,
            Self::NotDistinct { .. } => 10,
            Self::NeedsPath(_)
            | Self::OperandType { .. }
            | Self::UnknownType(_)
            | Self::BoundTypes { .. }
            | Self::BoundOrder { .. } => 11,
        }
    }
}

/// Why a condition is none on keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// An operator cannot be used.
    #[error("Invalid operator used in KeyConditionExpression: {0}")]
    Operator(&'static str),
    /// Operations lie in one another.
    #[error("KeyConditionExpressions cannot contain nested operations")]
    NestedOperations,
    /// A path leads into an attribute.
    #[error("KeyConditionExpressions cannot have conditions on nested attributes")]
    NestedAttribute,
    /// One condition names two attributes.
    #[error("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")]
    SeveralAttributes,
    /// A condition names no attribute.
    #[error("Invalid condition in KeyConditionExpression: No key attribute specified")]
    NoAttribute,
    /// The attribute does not stand first.
    #[error(
        "Invalid condition in KeyConditionExpression: {0} operator must have the key attribute as its first operand"
    )]
    AttributeNotFirst(&'static str),
    /// Two conditions are about one attribute.
    #[error("KeyConditionExpressions must only contain one condition per key")]
    Twice,
    /// There are no conditions, or too many.
    #[error("Conditions can be of length 1 or 2 only")]
    Count,
    /// The key has another form than the conditions.
    #[error("Query key condition not supported")]
    Unsupported,
    /// A part of the key has no condition.
    #[error("Query condition missed key schema element: {0}")]
    Missed(String),
    /// No order of keys answers it.
    #[error("Attempted conditional constraint is not an indexable operation")]
    NotIndexable,
    /// A value has another type than the key.
    #[error("One or more parameter values were invalid: Condition parameter type does not match schema type")]
    Type,
}
