//! From the text of an expression to tokens. No spaces are needed between them, except between two words.

use super::Problem;

/// A piece of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword, a function's or an attribute's name: what it is, its place decides.
    Word,
    /// `#name`
    NameReference,
    /// `:value`
    ValueReference,
    /// Digits: an index of a list.
    Digits,
    /// One of `( ) [ ] , . + - = <> < <= > >=`.
    Symbol,
    /// The end.
    End,
}

/// A piece of an expression and where it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    start: usize,
}

impl Token<'_> {
    /// Whether it is this keyword, in any case.
    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    pub(crate) fn is_symbol(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }
}

/// Takes a text apart.
///
/// # Errors
/// At the first character that begins no token.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token<'_>>, Problem> {
    let mut tokens = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    let run = |from: usize, part: fn(u8) -> bool| bytes[from..].iter().take_while(|byte| part(**byte)).count();
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    while let Some(&byte) = bytes.get(at) {
        let (kind, length) = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            b'#' | b':' => match run(at + 1, word) {
                0 => (None, 1),
                length if byte == b'#' => (Some(Kind::NameReference), length + 1),
                length => (Some(Kind::ValueReference), length + 1),
            },
            b'0'..=b'9' => (Some(Kind::Digits), run(at, |byte| byte.is_ascii_digit())),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => (Some(Kind::Word), run(at, word)),
            b'<' if matches!(bytes.get(at + 1), Some(b'>' | b'=')) => (Some(Kind::Symbol), 2),
            b'>' if bytes.get(at + 1) == Some(&b'=') => (Some(Kind::Symbol), 2),
            b'(' | b')' | b'[' | b']' | b',' | b'.' | b'+' | b'-' | b'=' | b'<' | b'>' => (Some(Kind::Symbol), 1),
            _ => (None, text[at..].chars().next().map_or(1, char::len_utf8)),
        };
        let token = Token { kind: kind.unwrap_or(Kind::End), text: &text[at..at + length], start: at };
        tokens.push(token);
        at += length;
        if kind.is_none() {
            return Err(unexpected(text, &tokens, tokens.len() - 1));
        }
    }
    tokens.push(Token { kind: Kind::End, text: "<EOF>", start: text.len() });
    Ok(tokens)
}

/// The error that names a token and what is around it, as DynamoDB does.
pub(crate) fn unexpected(text: &str, tokens: &[Token<'_>], at: usize) -> Problem {
    let end = |token: &Token<'_>| (token.start + token.text.len()).min(text.len());
    let first = tokens[at.saturating_sub(1)].start;
    let last = tokens.get(at + 1).map_or_else(|| end(&tokens[at]), end);
    Problem::Syntax { token: tokens[at].text.to_owned(), near: text[first..last].to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_are_not_needed() {
        let texts = |text| tokens(text).unwrap().iter().map(|token| token.text.to_owned()).collect::<Vec<_>>();
        assert_eq!(
            texts("(a=:b)AND#c<>d[12].e"),
            ["(", "a", "=", ":b", ")", "AND", "#c", "<>", "d", "[", "12", "]", ".", "e", "<EOF>"]
        );
        assert_eq!(texts(" a\n<= b "), ["a", "<=", "b", "<EOF>"]);
    }

    #[test]
    fn a_stray_character_is_named_with_its_neighbours() {
        let Err(Problem::Syntax { token, near }) = tokens("a = ä OR b") else { panic!("it is no expression") };
        assert_eq!((token.as_str(), near.as_str()), ("ä", "= ä"));
        assert!(tokens("a = #").is_err());
    }
}
