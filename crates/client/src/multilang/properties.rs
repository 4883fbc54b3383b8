//! Files of Java properties: `key = value`, with comments, continued lines and escapes.

use std::collections::BTreeMap;

/// White space within a line.
const BLANK: [char; 3] = [' ', '\t', '\x0c'];

/// Why a file of properties cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadEscape {
    /// Other characters, or none, where digits belong.
    #[error("`\\u{0}` is no escape: it takes four hexadecimal digits")]
    Digits(String),
    /// An escape that is half of a pair, without its other half.
    #[error("`{0}` has half a character: write the character itself")]
    Half(String),
}

/// The text of a file. Java reads Latin-1 unless told otherwise; people write UTF-8.
#[must_use]
pub fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| error.into_bytes().iter().map(|byte| char::from(*byte)).collect())
}

/// The keys and values of a file. A key that comes twice has its last value, as in Java.
///
/// # Errors
/// An escape that is none.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>, BadEscape> {
    let mut properties = BTreeMap::new();
    for line in logical_lines(text) {
        let (key, value) = cut(&line);
        properties.insert(unescape(key)?, unescape(value)?);
    }
    Ok(properties)
}

/// Lines without comments and empty ones; a line that ends with an odd number of backslashes goes on in the next.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut begun = String::new();
    // The two characters are one end: otherwise a line that goes on would go on in the empty line between them.
    for natural in text.replace("\r\n", "\n").split(['\n', '\r']) {
        let natural = natural.trim_start_matches(BLANK);
        if begun.is_empty() && natural.starts_with(['#', '!']) {
            continue;
        }
        let backslashes = natural.len() - natural.trim_end_matches('\\').len();
        let goes_on = backslashes % 2 == 1;
        begun.push_str(&natural[..natural.len() - usize::from(goes_on)]);
        if !goes_on && !begun.is_empty() {
            lines.push(std::mem::take(&mut begun));
        }
    }
    if !begun.is_empty() {
        lines.push(begun);
    }
    lines
}

/// The key ends at the first `=`, `:` or white space that is not escaped; white space around the separator is none of the value.
fn cut(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.char_indices().find(|(_, c)| {
        let ends = !escaped && matches!(c, '=' | ':' | ' ' | '\t' | '\x0c');
        escaped = !escaped && *c == '\\';
        ends
    });
    let Some((end, _)) = end else { return (line, "") };
    let rest = line[end..].trim_start_matches(BLANK);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (&line[..end], rest.trim_start_matches(BLANK))
}

fn unescape(text: &str) -> Result<String, BadEscape> {
    // UTF-16, because that is what \u escapes are of.
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => match chars.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\x0c',
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let is_whole = digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                    let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| is_whole);
                    units.push(unit.ok_or(BadEscape::Digits(digits))?);
                    continue;
                }
                Some(other) => other,
                None => continue,
            },
            other => other,
        };
        units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16(&units).map_err(|_| BadEscape::Half(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read_as_java_reads_them() {
        let text = "# a comment\n! another\n\nexecutableName = python3 app.py\nstreamName:words\r\n  applicationName\tPy\\\n    App\n\
                    path=C\\:\\\\data\nempty=\nalone\nkey\\ with\\=all = \\u0041b \nstreamName = later\n";
        let properties = parse(text).unwrap();
        let expected = [
            ("alone", ""),
            ("applicationName", "PyApp"),
            ("empty", ""),
            ("executableName", "python3 app.py"),
            ("key with=all", "Ab "),
            ("path", "C:\\data"),
            ("streamName", "later"),
        ];
        let read: Vec<(&str, &str)> = properties.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn a_bad_escape_is_named() {
        for (text, shown) in [("a = \\u12", "\\u12"), ("a = \\u+123", "\\u+123"), ("a = \\ud800b", "\\ud800b")] {
            assert!(parse(text).unwrap_err().to_string().contains(shown), "{text}");
        }
    }

    #[test]
    fn a_line_goes_on_whatever_its_end_is() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["\\", "# a comment", "a = one \\", "  two\\", "", "b = \\ud83d\\ude00", ""].join(end);
            let properties = parse(&text).unwrap();
            let expected = [("a", "one two"), ("b", "\u{1f600}")];
            let read: Vec<(&str, &str)> =
                properties.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            assert_eq!(read, expected, "{text:?}");
        }
    }
}
