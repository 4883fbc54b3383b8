//! Conditions and filters: a Pratt parser over AND, OR, NOT, comparators and functions.

use super::Operand;
use super::evaluate::{Comparator, compare_bounds};
use super::parser::{Parser, Scope, Term};
use super::path::Path;
use super::problem::{Problem, Which};
use crate::invalid::Invalid;
use crate::value::{AttributeValue, Type};

/// What must hold of an item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare { comparator: Comparator, left: Operand, right: Operand },
    Between { operand: Operand, lower: Operand, upper: Operand },
    In { operand: Operand, list: Vec<Operand> },
    Exists(Path),
    NotExists(Path),
    HasType { path: Path, kind: Type },
    BeginsWith { operand: Operand, prefix: Operand },
    Contains { operand: Operand, part: Operand },
}

const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;

impl Condition {
    /// Reads a condition or filter.
    ///
    /// # Errors
    /// [`Invalid`], as DynamoDB says it.
    pub(crate) fn parse<'a>(which: Which, text: &'a str, scope: &mut Scope<'a>) -> Result<Self, Invalid> {
        Parser::parse(which, text, scope, |parser| parser.condition(0).map(|(condition, _)| condition))
    }

    /// The paths that it looks at.
    pub(crate) fn paths(&self) -> Vec<&Path> {
        let mut paths = Vec::new();
        self.each_path(&mut |path| paths.push(path));
        paths
    }

    fn each_path<'a>(&'a self, visit: &mut impl FnMut(&'a Path)) {
        let operands: Vec<&Operand> = match self {
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().for_each(|part| part.each_path(visit));
                return;
            }
            Self::Not(part) => return part.each_path(visit),
            Self::Exists(path) | Self::NotExists(path) | Self::HasType { path, .. } => return visit(path),
            Self::Compare { left, right, .. } => vec![left, right],
            Self::Between { operand, lower, upper } => vec![operand, lower, upper],
            Self::In { operand, list } => list.iter().chain([operand]).collect(),
            Self::BeginsWith { operand, prefix } => vec![operand, prefix],
            Self::Contains { operand, part } => vec![operand, part],
        };
        for mut operand in operands {
            while let Operand::Size(inner) = operand {
                operand = inner;
            }
            if let Operand::Path(path) = operand {
                visit(path);
            }
        }
    }
}

impl Parser<'_, '_> {
    /// A condition whose operators bind at least as strongly as `binding`, and whether it is one in parentheses.
    fn condition(&mut self, binding: u8) -> Result<(Condition, bool), Problem> {
        let (mut left, mut in_parentheses) = if self.take_word("NOT") {
            self.operator()?;
            let (inner, _) = self.deeper(|parser| parser.condition(NOT))?;
            (Condition::Not(Box::new(inner)), false)
        } else if self.take_symbol("(") {
            let (inner, redundant) = self.deeper(|parser| parser.condition(0))?;
            self.expect_symbol(")")?;
            if redundant {
                self.note(Problem::Parentheses);
            }
            (inner, true)
        } else {
            (self.simple()?, false)
        };
        loop {
            let (word, power) = match self.peek() {
                token if token.is_word("AND") => ("AND", AND),
                token if token.is_word("OR") => ("OR", OR),
                _ => break,
            };
            if power < binding {
                break;
            }
            // A chain of one operator is one list: its length is no depth.
            let mut parts = vec![left];
            while self.take_word(word) {
                self.operator()?;
                parts.push(self.condition(power + 1)?.0);
            }
            left = if power == AND { Condition::All(parts) } else { Condition::Any(parts) };
            in_parentheses = false;
        }
        Ok((left, in_parentheses))
    }

    /// A comparison or a function.
    fn simple(&mut self) -> Result<Condition, Problem> {
        let first = self.term()?;
        let comparator = Comparator::ALL.into_iter().find(|it| self.peek().is_symbol(it.as_str()));
        if let Some(comparator) = comparator {
            self.operator()?;
            self.next();
            let second = self.term()?;
            let terms = [&first, &second];
            self.distinct(comparator.as_str(), &terms);
            let (left, right) = (self.operand(first.clone()), self.operand(second.clone()));
            if comparator.orders() {
                for operand in [&left, &right] {
                    self.ordered(comparator.as_str(), operand);
                }
            }
            return Ok(Condition::Compare { comparator, left, right });
        }
        if self.take_word("BETWEEN") {
            self.operator()?;
            let lower = self.term()?;
            if !self.take_word("AND") {
                return Err(self.unexpected());
            }
            let upper = self.term()?;
            let (operand, lower, upper) = (self.operand(first), self.operand(lower), self.operand(upper));
            for operand in [&operand, &lower, &upper] {
                self.ordered("BETWEEN", operand);
            }
            if let (Operand::Value(lower), Operand::Value(upper)) = (&lower, &upper)
                && let Some(problem) = compare_bounds(lower, upper)
            {
                self.note(problem);
            }
            return Ok(Condition::Between { operand, lower, upper });
        }
        if self.take_word("IN") {
            self.operator()?;
            self.expect_symbol("(")?;
            let mut list = vec![self.term()?];
            while self.take_symbol(",") {
                list.push(self.term()?);
            }
            self.expect_symbol(")")?;
            let operand = self.operand(first);
            let list = list.into_iter().map(|term| self.operand(term)).collect();
            return Ok(Condition::In { operand, list });
        }
        match first {
            Term::Call { name, arguments } => Ok(self.function(name, arguments)),
            Term::Path(_) | Term::Value(_) | Term::Undefined => Err(self.unexpected()),
        }
    }

    /// A function that is a condition.
    fn function(&mut self, name: String, arguments: Vec<Term>) -> Condition {
        // What stands for a condition that is refused anyway.
        let refused = Condition::All(Vec::new());
        let count = match name.as_str() {
            "attribute_exists" | "attribute_not_exists" => 1,
            "attribute_type" | "begins_with" | "contains" => 2,
            "size" => {
                self.note(Problem::Misused(name));
                return refused;
            }
            _ => {
                self.note(Problem::UnknownFunction(name));
                return refused;
            }
        };
        if arguments.len() != count {
            self.note(Problem::OperandCount { function: name, count: arguments.len() });
            return refused;
        }
        self.distinct(&name, &arguments.iter().collect::<Vec<_>>());
        let mut operands = arguments.into_iter().map(|term| self.operand(term)).collect::<Vec<_>>().into_iter();
        let (Some(first), second) = (operands.next(), operands.next()) else { return refused };
        match (name.as_str(), first, second) {
            ("attribute_exists", Operand::Path(path), None) => Condition::Exists(path),
            ("attribute_not_exists", Operand::Path(path), None) => Condition::NotExists(path),
            ("attribute_exists" | "attribute_not_exists", _, _) => {
                self.note(Problem::NeedsPath(name));
                refused
            }
            ("attribute_type", first, Some(second)) => self.attribute_type(first, &second).unwrap_or(refused),
            ("begins_with", operand, Some(prefix)) => {
                for operand in [&operand, &prefix] {
                    if let Some(kind) = literal_type(operand).filter(|kind| !matches!(kind, Type::S | Type::B)) {
                        let (function, kind) = ("begins_with".to_owned(), kind.to_string());
                        self.note(Problem::OperandType { function, kind });
                    }
                }
                Condition::BeginsWith { operand, prefix }
            }
            (_, operand, Some(part)) => Condition::Contains { operand, part },
            (_, _, None) => refused,
        }
    }

    fn attribute_type(&mut self, first: Operand, second: &Operand) -> Option<Condition> {
        let function = || "attribute_type".to_owned();
        let Operand::Value(AttributeValue::S(name)) = second else {
            let kind =
                literal_type(second).map_or("{NS,SS,L,BS,N,M,B,BOOL,NULL,S}".to_owned(), |kind| kind.to_string());
            self.note(Problem::OperandType { function: function(), kind });
            return None;
        };
        let Some(kind) = Type::parse(name) else {
            self.note(Problem::UnknownType(name.clone()));
            return None;
        };
        let Operand::Path(path) = first else {
            self.note(Problem::NeedsPath(function()));
            return None;
        };
        Some(Condition::HasType { path, kind })
    }

    /// What a condition compares: of functions, only `size`.
    fn operand(&mut self, term: Term) -> Operand {
        // What stands for an operand of a condition that is refused anyway.
        let refused = Operand::Path(Path::of(""));
        match term {
            Term::Path(path) => Operand::Path(path),
            Term::Value(value) => Operand::Value(value),
            Term::Undefined => refused,
            Term::Call { name, arguments } if name == "size" => {
                let count = arguments.len();
                let mut arguments = arguments.into_iter();
                let (Some(argument), None) = (arguments.next(), arguments.next()) else {
                    self.note(Problem::OperandCount { function: name, count });
                    return refused;
                };
                let argument = self.operand(argument);
                let sizeless = |kind: &Type| matches!(kind, Type::N | Type::Bool | Type::Null);
                if let Some(kind) = literal_type(&argument).filter(sizeless) {
                    self.note(Problem::OperandType { function: name, kind: kind.to_string() });
                }
                Operand::Size(Box::new(argument))
            }
            Term::Call { name, .. } => {
                let known = ["attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains"];
                let is_known = known.contains(&name.as_str());
                self.note(if is_known { Problem::Misused(name) } else { Problem::UnknownFunction(name) });
                refused
            }
        }
    }

    /// Operands that have an order.
    fn ordered(&mut self, operator: &str, operand: &Operand) {
        let unordered = |kind: &Type| !matches!(kind, Type::S | Type::N | Type::B);
        if let Some(kind) = literal_type(operand).filter(unordered) {
            self.note(Problem::OperandType { function: operator.to_owned(), kind: kind.to_string() });
        }
    }

    fn distinct(&mut self, operator: &str, terms: &[&Term]) {
        if let [Term::Path(first), Term::Path(second)] = terms
            && first == second
        {
            let (operator, operand) = (operator.to_owned(), first.to_string());
            self.note(Problem::NotDistinct { operator, operand });
        }
    }
}

fn literal_type(operand: &Operand) -> Option<Type> {
    match operand {
        Operand::Value(value) => Some(value.kind()),
        Operand::Size(_) => Some(Type::N),
        Operand::Path(_) => None,
    }
}
