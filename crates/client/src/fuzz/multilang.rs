//! What programs of other languages say, and the file that says what is to be done with them.

use std::collections::BTreeMap;

use serde_json::json;

use crate::multilang::protocol::{self, Said};
use crate::multilang::{Heard, Lines, Settings, properties};

/// What a program writes, as it comes and in pieces. The first byte says how long a line may be, the second how long the pieces are.
pub fn program(input: &[u8]) {
    let [longest, piece, bytes @ ..] = input else { return };
    let longest_bytes = 1 + 8 * usize::from(*longest);
    let heard = hear(bytes, longest_bytes, bytes.len().max(1));
    assert_eq!(heard, hear(bytes, longest_bytes, usize::from(*piece).max(1)), "pieces make no difference");
    let lines = || bytes.split(|byte| *byte == b'\n');
    if lines().all(|line| line.len() <= longest_bytes) {
        let said = lines().filter_map(protocol::parse).map(Heard::Message);
        let messages = heard.iter().filter(|line| matches!(line, Heard::Message(_))).cloned();
        assert!(messages.eq(said), "a message is a line");
    }
    for line in heard {
        match line {
            Heard::Message(said) => says_the_same_again(&said),
            // A byte that is no text is shown as three.
            Heard::Print(text) => assert!(!text.is_empty() && text.len() <= 3 * longest_bytes, "a line has a bound"),
        }
    }
}

fn hear(bytes: &[u8], longest_bytes: usize, piece: usize) -> Vec<Heard> {
    let (mut lines, mut heard) = (Lines::new(longest_bytes), Vec::new());
    for mut piece in bytes.chunks(piece) {
        while !piece.is_empty() {
            let (taken, line) = lines.take(piece);
            assert!(taken <= piece.len() && taken <= longest_bytes + 1, "a line at most");
            piece = &piece[taken..];
            heard.extend(line);
        }
    }
    heard.extend(lines.end());
    assert_eq!(lines.end(), None, "it has been taken");
    heard
}

fn says_the_same_again(said: &Said) {
    let again = match said {
        Said::Checkpoint { sequence_number, sub_sequence_number } => {
            let answer = protocol::checkpointed(sequence_number.as_deref(), *sub_sequence_number, None).to_string();
            assert!(!answer.contains('\n'), "an answer is one line");
            if let Some(number) = sequence_number.as_deref().and_then(|text| protocol::record_number(text, None)) {
                let number = &number.sequence_number;
                assert!(sequence_number.as_deref().is_some_and(|text| text.ends_with(number.as_str())), "its digits");
            }
            json!({"action": "checkpoint", "sequenceNumber": sequence_number, "subSequenceNumber": sub_sequence_number})
        }
        Said::Status { response_for } => json!({"action": "status", "responseFor": response_for}),
    };
    assert_eq!(protocol::parse(again.to_string().as_bytes()).as_ref(), Some(said));
}

/// Messages as kclpy, Node and Ruby write them, and what programs print between.
#[must_use]
pub fn program_seeds() -> Vec<Vec<u8>> {
    let kclpy = "\n{\"action\": \"status\", \"responseFor\": \"initialize\"}\n\n{\"action\": \"checkpoint\", \"sequenceNumber\": \"49\", \"subSequenceNumber\": 1}\nhello\n{\"responseFor\": \"processRecords\", \"action\": \"status\"}\n";
    let others = "{\"action\":\"checkpoint\",\"checkpoint\":49,\"subSequenceNumber\":\"2\"}\r\n{\"action\":\"checkpoint\",\"sequenceNumber\":null}\n{\"action\":\"status\",\"responseFor\":\"leaseLost\"}";
    vec![[b"\x40\x07", kclpy.as_bytes()].concat(), [b"\x08\xff", others.as_bytes()].concat()]
}

/// A file of properties: read as Java reads it, written and read again, and understood.
pub fn daemon_properties(input: &[u8]) {
    let text = properties::text(input.to_vec());
    let read = properties::parse(&text).ok();
    assert_eq!(read, as_java(&text.chars().collect::<Vec<_>>()), "as Java reads it");
    let Some(read) = read else { return };
    assert_eq!(properties::parse(&written(&read)).as_ref(), Ok(&read), "as it was written");
    if let Ok(settings) = Settings::new(&read, || "drawn".to_owned()) {
        let config = &settings.config;
        let names = [&config.application, &config.stream, &config.worker, &settings.table, &settings.consumer];
        assert!(names.iter().all(|name| !name.is_empty()) && !settings.command.is_empty(), "{settings:?}");
        assert!(config.failover_ms > 0 && config.leader_lock_ms > config.failover_ms, "{settings:?}");
        let waits = [config.assignment_interval_ms, config.shard_sync_interval_ms, config.worker_metrics_interval_ms];
        assert!(
            waits.iter().all(|wait| *wait > 0) && config.retry.attempts > 0,
            "nothing is done without end: {settings:?}"
        );
    }
}

/// Writes properties with as many escapes as there are.
fn written(properties: &BTreeMap<String, String>) -> String {
    let escaped = |text: &str| {
        let units = text.encode_utf16().map(|unit| match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            Ok(byte @ (b' ' | b'=' | b':' | b'#' | b'!' | b'\\')) => format!("\\{}", char::from(byte)),
            _ => format!("\\u{unit:04x}"),
        });
        units.collect::<String>()
    };
    properties.iter().map(|(key, value)| format!("{}={}\r\n", escaped(key), escaped(value))).collect()
}

/// As `java.util.Properties` is specified, character by character; None where it refuses, or where it makes half a character.
fn as_java(text: &[char]) -> Option<BTreeMap<String, String>> {
    let is_end = |c: char| c == '\n' || c == '\r';
    let is_blank = |c: char| matches!(c, ' ' | '\t' | '\x0c');
    let mut properties = BTreeMap::new();
    let mut at = 0;
    while at < text.len() {
        // White space before a line, and lines of nothing else; then comments.
        if is_blank(text[at]) || is_end(text[at]) {
            at += 1;
            continue;
        }
        if matches!(text[at], '#' | '!') {
            at += text[at..].iter().take_while(|c| !is_end(**c)).count();
            continue;
        }
        // A line: its characters, each with whether a backslash is before it.
        let mut line: Vec<(char, bool)> = Vec::new();
        while at < text.len() && !is_end(text[at]) {
            let c = text[at];
            at += 1;
            if c != '\\' {
                line.push((c, false));
                continue;
            }
            match text.get(at).copied() {
                None => {}
                Some(end) if is_end(end) => {
                    at += if text[at..].starts_with(&['\r', '\n']) { 2 } else { 1 };
                    at += text[at..].iter().take_while(|c| is_blank(**c)).count();
                    // Nothing but the backslash so far: the line begins with what comes.
                    if line.is_empty() {
                        break;
                    }
                }
                Some(escaped) => {
                    at += 1;
                    line.push((escaped, true));
                }
            }
        }
        if line.is_empty() {
            continue;
        }
        let separates = |(c, is_escaped): &(char, bool)| !is_escaped && (is_blank(*c) || matches!(c, '=' | ':'));
        let key_ends = line.iter().position(separates).unwrap_or(line.len());
        let (key, mut value) = line.split_at(key_ends);
        let mut has_separator = false;
        while let [(c, false), rest @ ..] = value {
            let is_separator = !has_separator && matches!(c, '=' | ':');
            if !is_blank(*c) && !is_separator {
                break;
            }
            has_separator |= is_separator;
            value = rest;
        }
        properties.insert(meant(key)?, meant(value)?);
    }
    Some(properties)
}

/// The text that characters and escapes mean.
fn meant(line: &[(char, bool)]) -> Option<String> {
    let mut units = Vec::new();
    let mut rest = line;
    while let [(c, is_escaped), more @ ..] = rest {
        rest = more;
        match (c, is_escaped) {
            ('u', true) => {
                // A backslash among the digits is none of them.
                let (digits, after) = more.split_at_checked(4)?;
                let digits = digits.iter().map(|(c, is_escaped)| c.to_digit(16).filter(|_| !is_escaped));
                units.push(digits.collect::<Option<Vec<_>>>()?.iter().fold(0, |unit, digit| 16 * unit + *digit as u16));
                rest = after;
            }
            ('t', true) => units.push(9),
            ('n', true) => units.push(10),
            ('r', true) => units.push(13),
            ('f', true) => units.push(12),
            (c, _) => units.extend_from_slice(c.encode_utf16(&mut [0; 2])),
        }
    }
    String::from_utf16(&units).ok()
}

/// A file as kclpy has it for its sample, and one of everything that a line can be.
#[must_use]
pub fn daemon_properties_seeds() -> Vec<Vec<u8>> {
    let sample = "# of kclpy\nexecutableName = sample_kclpy_app.py --fast\nstreamName = words\napplicationName = PythonKCLSample\ninitialPositionInStream = TRIM_HORIZON\nprocessingLanguage = python/3.8\nregionName = us-east-1\nmaxRecords=50\nfailoverTimeMillis: 10000\nretrievalMode=POLLING\n";
    let rare = "! another\r\nkey\\ with\\=all \\\r\n   = \\u0041\\ud83d\\ude00\\t\\\r\n  more\\\\\r\nstreamArn=arn:aws:kinesis:us-west-2:1:stream/d\rempty\rexecutableName=a\rapplicationName=b\rrheos.poison=dead-letter\rrheos.deadLetterStream=dead\rtimeoutInSeconds=5\rinitialPositionInStreamExtended=7";
    let latin = [sample.as_bytes(), b"workerId=\xe9\n"].concat();
    vec![sample.as_bytes().to_vec(), rare.as_bytes().to_vec(), latin]
}
