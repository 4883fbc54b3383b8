//! Files of Java properties: `key = value`, with comments, continued lines and escapes.

use std::collections::BTreeMap;

/// The keys and values of a file. A key that comes twice has its last value, as in Java.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
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
    let mut begun: Option<String> = None;
    for natural in text.split(['\n', '\r']) {
        let natural = natural.trim_start_matches([' ', '\t', '\x0c']);
        if begun.is_none() && (natural.is_empty() || natural.starts_with(['#', '!'])) {
            continue;
        }
        let mut line = begun.take().unwrap_or_default();
        let backslashes = natural.len() - natural.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            line.push_str(&natural[..natural.len() - 1]);
            begun = Some(line);
        } else {
            line.push_str(natural);
            lines.push(line);
        }
    }
    lines.extend(begun.filter(|line| !line.is_empty()));
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
    let blank = [' ', '\t', '\x0c'];
    let rest = line[end..].trim_start_matches(blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (&line[..end], rest.trim_start_matches(blank))
}

fn unescape(text: &str) -> Result<String, String> {
    // UTF-16, because that is what \u escapes are of.
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    let mut push = |c: char| units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    while let Some(c) = chars.next() {
        if c != '\\' {
            push(c);
            continue;
        }
        match chars.next() {
            Some('t') => push('\t'),
            Some('n') => push('\n'),
            Some('r') => push('\r'),
            Some('f') => push('\x0c'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                let unit =
                    unit.ok_or_else(|| format!("`\\u{digits}` is no escape: it takes four hexadecimal digits"))?;
                match char::from_u32(u32::from(unit)) {
                    Some(c) => push(c),
                    None => return Err(format!("`\\u{digits}` is half a character: write the character itself")),
                }
            }
            Some(other) => push(other),
            None => {}
        }
    }
    String::from_utf16(&units).map_err(|error| error.to_string())
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
        assert!(parse("a = \\u12").unwrap_err().contains("\\u12"));
        assert!(parse("a = \\ud800").is_err());
    }
}
