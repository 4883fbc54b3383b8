//! What a program writes, in whatever pieces it comes, as lines of which some are messages.

use super::protocol::{self, Said};

/// A line of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A message to the daemon.
    Message(Said),
    /// Anything else: programs print whatever they like. Without white space at its end, and never empty.
    Print(String),
}

/// Puts lines together. It holds one line at most, and no more than the longest line's bytes of it.
#[derive(Debug)]
pub struct Lines {
    line: Vec<u8>,
    longest_bytes: usize,
    /// The beginning of the line was longer than any message and is gone already.
    is_too_long: bool,
}

impl Lines {
    /// Lines of at most so many bytes, and at least one. What is longer is no message, and comes in pieces.
    #[must_use]
    pub fn new(longest_bytes: usize) -> Self {
        Self { line: Vec::new(), longest_bytes: longest_bytes.max(1), is_too_long: false }
    }

    /// Takes as much of `bytes` as belongs to one line: how many bytes that is, and the line if it has ended with them. To be called again with the
    /// rest until nothing is left.
    pub fn take(&mut self, bytes: &[u8]) -> (usize, Option<Heard>) {
        let room = self.longest_bytes.saturating_sub(self.line.len());
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let length = end.unwrap_or(bytes.len());
        if length > room {
            self.line.extend_from_slice(&bytes[..room]);
            let piece = self.heard(true);
            self.is_too_long = true;
            return (room, piece);
        }
        self.line.extend_from_slice(&bytes[..length]);
        match end {
            None => (length, None),
            Some(_) => {
                let is_rest = std::mem::take(&mut self.is_too_long);
                (length + 1, self.heard(is_rest))
            }
        }
    }

    /// Nothing more comes: the line that has begun is all there is of it.
    pub fn end(&mut self) -> Option<Heard> {
        let is_rest = std::mem::take(&mut self.is_too_long);
        self.heard(is_rest)
    }

    fn heard(&mut self, is_piece: bool) -> Option<Heard> {
        let line = std::mem::take(&mut self.line);
        let text = line.trim_ascii_end();
        if text.is_empty() {
            return None;
        }
        let said = if is_piece { None } else { protocol::parse(&line) };
        Some(said.map_or_else(|| Heard::Print(String::from_utf8_lossy(text).into_owned()), Heard::Message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut Lines, pieces: &[&str]) -> Vec<Heard> {
        let mut heard = Vec::new();
        for piece in pieces {
            let mut bytes = piece.as_bytes();
            while !bytes.is_empty() {
                let (taken, line) = lines.take(bytes);
                bytes = &bytes[taken..];
                heard.extend(line);
            }
        }
        heard
    }

    fn status(of: &str) -> Heard {
        Heard::Message(Said::Status { response_for: of.to_owned() })
    }

    fn print(text: &str) -> Heard {
        Heard::Print(text.to_owned())
    }

    #[test]
    fn lines_are_whole_in_whatever_pieces_they_come() {
        let mut lines = Lines::new(100);
        let pieces = ["\n{\"action\":\"sta", "tus\",\"responseFor\":\"a\"}", "\r\nhel", "lo \n\n \n{\"acti"];
        assert_eq!(all(&mut lines, &pieces), [status("a"), print("hello")]);
        assert_eq!(lines.end(), Some(print("{\"acti")));
        assert_eq!(lines.end(), None);
        assert_eq!(all(&mut lines, &[r#"{"action":"status","responseFor":"b"}"#]), []);
        assert_eq!(lines.end(), Some(status("b")), "the last line needs no end");
    }

    #[test]
    fn a_message_at_the_end_of_a_line_that_is_too_long_is_none() {
        let message = r#"{"action":"status","responseFor":"a"}"#;
        let mut lines = Lines::new(message.len());
        let long = format!("{}{message}\n{message}\n", "x".repeat(message.len()));
        assert_eq!(all(&mut lines, &[&long]), [print(&"x".repeat(message.len())), print(message), status("a")]);
        let longer = format!("{message}{message}");
        assert_eq!(all(&mut lines, &[&longer]), [print(message)], "nor is one at its beginning");
        assert_eq!(lines.end(), Some(print(message)));
    }
}
