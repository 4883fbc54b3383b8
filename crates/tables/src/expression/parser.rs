//! What the parsers of all expressions have in common: tokens, names and values, paths, operands.

use super::path::{Path, Step};
use super::problem::{Problem, Which};
use super::reserved::is_reserved;
use super::token::{Kind, Token, tokens, unexpected};
use super::{Names, Values};
use crate::invalid::Invalid;
use crate::value::AttributeValue;
use std::collections::BTreeSet;

/// The longest text of an expression.
const LENGTH_BYTES: usize = 4096;
/// How many operators and functions it may have.
const OPERATORS: usize = 300;
/// How deep parentheses, `NOT` and functions may lie in one another.
const DEPTH: usize = 64;

/// The names and values of a request, and which of them its expressions have used.
pub(crate) struct Scope<'a> {
    names: &'a Names,
    values: &'a Values,
    used: BTreeSet<String>,
}

impl<'a> Scope<'a> {
    /// The scope of a request's expressions.
    ///
    /// # Errors
    /// [`Invalid`], when a name or value is called in another way than `#name` and `:value`.
    pub(crate) fn new(names: Option<&'a Names>, values: Option<&'a Values>) -> Result<Self, Invalid> {
        static NO_NAMES: Names = Names::new();
        static NO_VALUES: Values = Values::new();
        if let Some(names) = names {
            check(names.keys(), '#', "ExpressionAttributeNames")?;
        }
        if let Some(values) = values {
            check(values.keys(), ':', "ExpressionAttributeValues")?;
        }
        Ok(Self { names: names.unwrap_or(&NO_NAMES), values: values.unwrap_or(&NO_VALUES), used: BTreeSet::new() })
    }

    /// Whether every name and every value was used.
    ///
    /// # Errors
    /// [`Invalid`], when not: probably the caller meant another expression.
    pub(crate) fn finish(self) -> Result<(), Invalid> {
        let Self { names, values, used } = self;
        let unused = |keys: &mut dyn Iterator<Item = &String>| {
            let unused: Vec<String> = keys.filter(|key| !used.contains(*key)).cloned().collect();
            (!unused.is_empty()).then_some(unused)
        };
        for (parameter, unused) in [
            ("ExpressionAttributeNames", unused(&mut names.keys())),
            ("ExpressionAttributeValues", unused(&mut values.keys())),
        ] {
            if let Some(keys) = unused {
                return Err(Invalid::Unused { parameter, keys });
            }
        }
        Ok(())
    }
}

fn check<'a>(
    mut keys: impl ExactSizeIterator<Item = &'a String>,
    sign: char,
    parameter: &'static str,
) -> Result<(), Invalid> {
    if keys.len() == 0 {
        return Err(Invalid::EmptyParameter(parameter));
    }
    let word = |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match keys.find(|key| !key.strip_prefix(sign).is_some_and(word)) {
        Some(key) => Err(Invalid::ReferenceName { parameter, key: key.clone() }),
        None => Ok(()),
    }
}

/// An operand as it stands in the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Term {
    Path(Path),
    Value(AttributeValue),
    /// A value that was not given: it has no type.
    Undefined,
    Call {
        name: String,
        arguments: Vec<Term>,
    },
}

/// Goes through the tokens of one expression.
pub(super) struct Parser<'a, 's> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    at: usize,
    scope: &'s mut Scope<'a>,
    problems: Vec<Problem>,
    depth: usize,
    operators: usize,
}

impl<'a, 's> Parser<'a, 's> {
    /// Parses a whole text. What is wrong but can be read on does not stop it: DynamoDB names syntax errors first.
    pub(super) fn parse<T>(
        which: Which,
        text: &'a str,
        scope: &'s mut Scope<'a>,
        parse: impl FnOnce(&mut Self) -> Result<T, Problem>,
    ) -> Result<T, Invalid> {
        let invalid = |problem| Invalid::Expression { which, problem };
        if text.is_empty() {
            return Err(invalid(Problem::Empty));
        }
        if text.len() > LENGTH_BYTES {
            return Err(invalid(Problem::TooLong { bytes: text.len() }));
        }
        let tokens = tokens(text).map_err(invalid)?;
        let mut parser = Self { text, tokens, at: 0, scope, problems: Vec::new(), depth: 0, operators: 0 };
        let tree = parse(&mut parser)
            .and_then(|tree| if parser.peek().kind == Kind::End { Ok(tree) } else { Err(parser.unexpected()) });
        match (tree, parser.problems.into_iter().min_by_key(|problem| problem.rank(which))) {
            (Ok(tree), None) => Ok(tree),
            (Err(problem), _) | (Ok(_), Some(problem)) => Err(invalid(problem)),
        }
    }

    /// The next token.
    pub(super) fn peek(&self) -> Token<'a> {
        self.tokens[self.at]
    }

    fn after_next(&self) -> Option<&Token<'a>> {
        self.tokens.get(self.at + 1)
    }

    /// Takes the next token. The end stays.
    pub(super) fn next(&mut self) -> Token<'a> {
        let token = self.tokens[self.at];
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    pub(super) fn unexpected(&self) -> Problem {
        unexpected(self.text, &self.tokens, self.at)
    }

    /// Remembers what is wrong.
    pub(super) fn note(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Counts an operator or a function.
    pub(super) fn operator(&mut self) -> Result<(), Problem> {
        self.operators += 1;
        if self.operators > OPERATORS { Err(Problem::TooManyOperators { count: self.operators }) } else { Ok(()) }
    }

    /// Goes one level deeper for `parse`.
    pub(super) fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Problem>) -> Result<T, Problem> {
        if self.depth == DEPTH {
            return Err(Problem::TooDeep { depth: DEPTH });
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// Takes the symbol if it is next.
    pub(super) fn take_symbol(&mut self, symbol: &str) -> bool {
        let is_next = self.peek().is_symbol(symbol);
        if is_next {
            self.next();
        }
        is_next
    }

    pub(super) fn expect_symbol(&mut self, symbol: &str) -> Result<(), Problem> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Takes the keyword if it is next.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let is_next = self.peek().is_word(word);
        if is_next {
            self.next();
        }
        is_next
    }

    /// A path, a value or a call.
    pub(super) fn term(&mut self) -> Result<Term, Problem> {
        let token = self.peek();
        match token.kind {
            Kind::ValueReference => self.value(),
            Kind::Word if self.after_next().is_some_and(|token| token.is_symbol("(")) && !is_operator(token) => {
                self.operator()?;
                self.next();
                self.next();
                let mut arguments = vec![self.deeper(Self::term)?];
                while self.take_symbol(",") {
                    arguments.push(self.deeper(Self::term)?);
                }
                self.expect_symbol(")")?;
                Ok(Term::Call { name: token.text.to_owned(), arguments })
            }
            _ => Ok(Term::Path(self.path()?)),
        }
    }

    /// A value of the request.
    pub(super) fn value(&mut self) -> Result<Term, Problem> {
        let token = self.peek();
        if token.kind != Kind::ValueReference {
            return Err(self.unexpected());
        }
        self.next();
        self.scope.used.insert(token.text.to_owned());
        Ok(match self.scope.values.get(token.text) {
            Some(value) => Term::Value(value.clone()),
            None => {
                self.note(Problem::UndefinedValue(token.text.to_owned()));
                Term::Undefined
            }
        })
    }

    /// A document path.
    pub(super) fn path(&mut self) -> Result<Path, Problem> {
        let attribute = self.name()?;
        let mut steps = Vec::new();
        loop {
            if self.take_symbol(".") {
                steps.push(Step::Name(self.name()?));
            } else if self.peek().is_symbol("[") {
                self.next();
                let token = self.peek();
                // What is no index is no index of a list, however long it is.
                let index = token.text.parse().ok().filter(|_| token.kind == Kind::Digits);
                steps.push(Step::Index(index.ok_or_else(|| self.unexpected())?));
                self.next();
                self.expect_symbol("]")?;
            } else {
                return Ok(Path { attribute, steps });
            }
        }
    }

    fn name(&mut self) -> Result<String, Problem> {
        let token = self.peek();
        match token.kind {
            Kind::NameReference => {
                self.next();
                self.scope.used.insert(token.text.to_owned());
                Ok(self.scope.names.get(token.text).cloned().unwrap_or_else(|| {
                    self.problems.push(Problem::UndefinedName(token.text.to_owned()));
                    token.text.to_owned()
                }))
            }
            Kind::Word if !is_operator(token) => {
                self.next();
                if is_reserved(token.text) {
                    self.note(Problem::Reserved(token.text.to_owned()));
                }
                Ok(token.text.to_owned())
            }
            _ => Err(self.unexpected()),
        }
    }
}

/// Whether a word is an operator of conditions, which cannot be a name.
fn is_operator(token: Token<'_>) -> bool {
    ["AND", "OR", "NOT", "BETWEEN", "IN"].iter().any(|operator| token.is_word(operator))
}
