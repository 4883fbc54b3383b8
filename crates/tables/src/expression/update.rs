//! Updates: SET, REMOVE, ADD and DELETE.

use super::parser::{Parser, Scope, Term};
use super::path::Path;
use super::problem::{Problem, Which};
use crate::invalid::Invalid;
use crate::value::{AttributeValue, Type};

/// What is to be done to an item. All of it looks at the item as it was.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Update {
    pub(crate) actions: Vec<(Path, Action)>,
    /// It came as `AttributeUpdates`: it appends to lists, and words its refusals otherwise.
    pub(crate) legacy: bool,
}

/// What is done to what is at a path.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Set(SetValue),
    Remove,
    /// Adds to a number or a set, or puts one there.
    Add(AttributeValue),
    /// Takes elements from a set.
    Delete(AttributeValue),
}

impl Action {
    /// The value that it writes or adds, if that is given as it is.
    pub(crate) fn literal(&self) -> Option<&AttributeValue> {
        match self {
            Self::Set(SetValue::Value(value)) | Self::Add(value) => Some(value),
            Self::Set(_) | Self::Remove | Self::Delete(_) => None,
        }
    }
}

/// What something is set to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SetValue {
    Path(Path),
    Value(AttributeValue),
    IfNotExists(Path, Box<SetValue>),
    ListAppend(Box<SetValue>, Box<SetValue>),
    Plus(Box<SetValue>, Box<SetValue>),
    Minus(Box<SetValue>, Box<SetValue>),
}

const SECTIONS: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];

impl Update {
    /// Reads an update expression.
    ///
    /// # Errors
    /// [`Invalid`], as DynamoDB says it.
    pub(crate) fn parse<'a>(text: &'a str, scope: &mut Scope<'a>) -> Result<Self, Invalid> {
        Parser::parse(Which::Update, text, scope, Parser::update)
    }

    /// What it changes.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.actions.iter().map(|(path, _)| path)
    }

    /// What it looks at without changing it.
    pub(crate) fn sources(&self) -> Vec<&Path> {
        fn visit<'a>(value: &'a SetValue, paths: &mut Vec<&'a Path>) {
            match value {
                SetValue::Path(path) => paths.push(path),
                SetValue::Value(_) => {}
                SetValue::IfNotExists(path, other) => {
                    paths.push(path);
                    visit(other, paths);
                }
                SetValue::ListAppend(a, b) | SetValue::Plus(a, b) | SetValue::Minus(a, b) => {
                    visit(a, paths);
                    visit(b, paths);
                }
            }
        }
        let mut paths = Vec::new();
        for (_, action) in &self.actions {
            if let Action::Set(value) = action {
                visit(value, &mut paths);
            }
        }
        paths
    }
}

impl Parser<'_, '_> {
    fn update(&mut self) -> Result<Update, Problem> {
        let mut seen: Vec<&'static str> = Vec::new();
        let mut actions = Vec::new();
        loop {
            let Some(section) = SECTIONS.into_iter().find(|section| self.peek().is_word(section)) else {
                if seen.is_empty() {
                    return Err(self.unexpected());
                }
                break;
            };
            self.next();
            if seen.contains(&section) {
                self.note(Problem::SectionTwice(section));
            }
            seen.push(section);
            loop {
                let path = self.path()?;
                let action = match section {
                    "SET" => {
                        self.expect_symbol("=")?;
                        self.operator()?;
                        Action::Set(self.set_value()?)
                    }
                    "REMOVE" => Action::Remove,
                    "ADD" => Action::Add(self.action_value("ADD")?),
                    _ => Action::Delete(self.action_value("DELETE")?),
                };
                actions.push((path, action));
                if !self.take_symbol(",") {
                    break;
                }
            }
        }
        for (at, (two, _)) in actions.iter().enumerate() {
            let clash = actions[..at].iter().find_map(|(one, _)| Some((one.clash(two)?, one)));
            if let Some((clash, one)) = clash {
                self.note(Problem::Paths { clash, one: one.to_string(), two: two.to_string() });
                break;
            }
        }
        Ok(Update { actions, legacy: false })
    }

    /// The value of an ADD or a DELETE.
    fn action_value(&mut self, operator: &'static str) -> Result<AttributeValue, Problem> {
        Ok(match self.value()? {
            Term::Value(value) => {
                let kind = value.kind();
                let fits = kind.is_set() || (operator == "ADD" && kind == Type::N);
                if !fits {
                    self.note(Problem::ActionType { operator, kind });
                }
                value
            }
            // It was noted that it is not defined.
            Term::Path(_) | Term::Undefined | Term::Call { .. } => AttributeValue::Null,
        })
    }

    fn set_value(&mut self) -> Result<SetValue, Problem> {
        let left = self.set_operand()?;
        for (symbol, make) in [("+", SetValue::Plus as fn(_, _) -> _), ("-", SetValue::Minus as fn(_, _) -> _)] {
            if self.take_symbol(symbol) {
                self.operator()?;
                let right = self.set_operand()?;
                for operand in [&left, &right] {
                    self.literal_is(operand, symbol, Type::N);
                }
                return Ok(make(Box::new(left), Box::new(right)));
            }
        }
        Ok(left)
    }

    fn set_operand(&mut self) -> Result<SetValue, Problem> {
        if self.take_symbol("(") {
            let inner = self.deeper(Self::set_value)?;
            self.expect_symbol(")")?;
            return Ok(inner);
        }
        let term = self.term()?;
        Ok(self.set_term(term))
    }

    fn set_term(&mut self, term: Term) -> SetValue {
        // What stands for a value of an update that is refused anyway.
        let refused = SetValue::Path(Path::of(""));
        match term {
            Term::Path(path) => SetValue::Path(path),
            Term::Value(value) => SetValue::Value(value),
            Term::Undefined => refused,
            Term::Call { name, .. } if name != "if_not_exists" && name != "list_append" => {
                self.note(Problem::UnknownFunction(name));
                refused
            }
            Term::Call { name, arguments } => {
                let count = arguments.len();
                let mut arguments = arguments.into_iter();
                let (Some(first), Some(second), None) = (arguments.next(), arguments.next(), arguments.next()) else {
                    self.note(Problem::OperandCount { function: name, count });
                    return refused;
                };
                let (first, second) = (self.set_term(first), self.set_term(second));
                match first {
                    SetValue::Path(path) if name == "if_not_exists" => SetValue::IfNotExists(path, Box::new(second)),
                    _ if name == "if_not_exists" => {
                        self.note(Problem::NeedsPath(name));
                        refused
                    }
                    first => {
                        for operand in [&first, &second] {
                            self.literal_is(operand, &name, Type::L);
                        }
                        SetValue::ListAppend(Box::new(first), Box::new(second))
                    }
                }
            }
        }
    }

    fn literal_is(&mut self, operand: &SetValue, function: &str, expected: Type) {
        if let SetValue::Value(value) = operand
            && value.kind() != expected
        {
            self.note(Problem::OperandType { function: function.to_owned(), kind: value.kind().to_string() });
        }
    }
}

impl Update {
    /// Whether it only takes away.
    pub(crate) fn only_removes(&self) -> bool {
        self.actions.iter().all(|(_, action)| matches!(action, Action::Remove | Action::Delete(_)))
    }
}
