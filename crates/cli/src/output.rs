//! Everything that this program prints goes through here: data to standard output, everything else to standard error.

use std::io::{self, IsTerminal, Write};

use crate::args::Color;
use crate::edge;
use crate::failure::{Exit, Failure, Outcome};

/// The two streams of the process and what is known about them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    color: bool,
}

/// A way to emphasise a piece of text, used only where colour is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Style {
    Bold,
    Dim,
    Red,
    Green,
    Cyan,
}

impl Output {
    /// Looks at the streams once; `--color` decides over `NO_COLOR`, which decides over what the terminal seems to be.
    pub(crate) fn new(color: Color) -> Self {
        let stdout_is_terminal = io::stdout().is_terminal();
        let stderr_is_terminal = io::stderr().is_terminal();
        let dumb = edge::env("NO_COLOR").is_some() || edge::env("TERM").as_deref() == Some("dumb");
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => stdout_is_terminal && stderr_is_terminal && !dumb,
        };
        Self { stdout_is_terminal, stderr_is_terminal, color }
    }

    /// Whether a person reads the data.
    pub(crate) fn data_is_for_people(&self) -> bool {
        self.stdout_is_terminal
    }

    /// Whether a person watches the progress.
    pub(crate) fn progress_is_watched(&self) -> bool {
        self.stderr_is_terminal
    }

    /// One line of data.
    pub(crate) fn line(&self, text: &str) -> Outcome {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| out.write_all(b"\n"))
            .map_err(|error| Failure::io("standard output", &error))
    }

    /// Bytes of data as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Outcome {
        io::stdout().lock().write_all(bytes).map_err(|error| Failure::io("standard output", &error))
    }

    /// Data that must reach its reader now.
    pub(crate) fn flush(&self) -> Outcome {
        io::stdout().lock().flush().map_err(|error| Failure::io("standard output", &error))
    }

    /// One line for the person at the terminal. Nobody is told if it cannot be written.
    pub(crate) fn note(&self, text: &str) {
        self.progress(&format!("{text}\n"));
    }

    /// Text for the person at the terminal, without a line break of ours.
    pub(crate) fn progress(&self, text: &str) {
        let mut err = io::stderr().lock();
        drop(err.write_all(text.as_bytes()).and_then(|()| err.flush()));
    }

    /// Explains a failure.
    pub(crate) fn failure(&self, failure: &Failure) {
        if failure.exit == Exit::Done || failure.message.is_empty() {
            return;
        }
        self.note(&format!("{} {}", self.paint(Style::Red, "error:"), failure.message));
        if let Some(hint) = &failure.hint {
            self.note(&format!("{} {hint}", self.paint(Style::Cyan, "hint:")));
        }
    }

    /// The text in a style, or as it is when colours are off.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Bold => 1,
            Style::Dim => 2,
            Style::Red => 31,
            Style::Green => 32,
            Style::Cyan => 36,
        };
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { String::from(text) }
    }

    /// Asks a yes-or-no question on the terminal. The answer is no unless the person says yes.
    pub(crate) fn ask(&self, question: &str) -> Outcome<bool> {
        self.progress(&format!("{question} [y/N] "));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map_err(|error| Failure::io("standard input", &error))?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }
}

/// Whether somebody can answer a question.
pub(crate) fn somebody_can_answer() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// The width of the terminal that shows `stream`; 100 if there is none.
pub(crate) fn width(stream: impl std::os::fd::AsFd) -> usize {
    match rustix::termios::tcgetwinsize(stream) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => 100,
    }
}

/// Part of the terminal (standard error) that is drawn again and again in place.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    lines: usize,
}

impl Screen {
    /// Replaces what this screen showed before. Lines are cut at the terminal's width, so that each stays one line.
    pub(crate) fn draw(&mut self, out: &Output, lines: &[String]) {
        let width = width(io::stderr());
        let mut text = self.back();
        for line in lines {
            text.push_str(&cut(line, width.saturating_sub(1)));
            text.push_str("\x1b[0m\x1b[K\n");
        }
        text.push_str("\x1b[J");
        self.lines = lines.len();
        out.progress(&text);
    }

    /// Removes what this screen shows.
    pub(crate) fn clear(&mut self, out: &Output) {
        if self.lines > 0 {
            out.progress(&(self.back() + "\x1b[J"));
        }
        self.lines = 0;
    }

    fn back(&self) -> String {
        if self.lines == 0 { String::new() } else { format!("\x1b[{}F", self.lines) }
    }
}

/// The first `width` characters of a line; escape sequences take no room.
fn cut(line: &str, width: usize) -> String {
    let mut text = String::with_capacity(line.len());
    let mut room = width;
    let mut in_escape = false;
    for c in line.chars() {
        if in_escape {
            in_escape = !c.is_ascii_alphabetic();
        } else if c == '\x1b' {
            in_escape = true;
        } else if room == 0 {
            continue;
        } else {
            room -= 1;
        }
        text.push(c);
    }
    text
}

/// Rows in columns, as wide as needed.
#[derive(Debug)]
pub(crate) struct Table {
    head: Vec<&'static str>,
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// The heads of the columns; a head that begins with `>` makes a column of numbers, aligned to the right.
    pub(crate) fn new(heads: &[&'static str]) -> Self {
        let right = heads.iter().map(|head| head.starts_with('>')).collect();
        let head = heads.iter().map(|head| head.trim_start_matches('>')).collect();
        Self { head, right, rows: Vec::new() }
    }

    /// One more row, with one cell for each column.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.head.len(), "a row has a cell for each column");
        self.rows.push(cells.into());
    }

    /// The table as lines, the heads first.
    pub(crate) fn lines(&self, out: &Output) -> Vec<String> {
        let mut widths: Vec<usize> = self.head.iter().map(|head| head.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let heads: Vec<String> = self.head.iter().map(|head| String::from(*head)).collect();
        let head = out.paint(Style::Bold, &self.line(&heads, &widths));
        std::iter::once(head).chain(self.rows.iter().map(|row| self.line(row, &widths))).collect()
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, width), right) in cells.iter().zip(widths).zip(&self.right) {
            if !line.is_empty() {
                line.push_str("  ");
            }
            let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
            let (before, after) = if *right { (padding.as_str(), "") } else { ("", padding.as_str()) };
            line.extend([before, cell, after]);
        }
        line.truncate(line.trim_end().len());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Output = Output { stdout_is_terminal: false, stderr_is_terminal: false, color: false };

    #[test]
    fn tables_align_text_left_and_numbers_right() {
        let mut table = Table::new(&["shard", ">records"]);
        table.row([String::from("a"), String::from("7")]);
        table.row([String::from("longer"), String::from("1,000")]);
        assert_eq!(table.lines(&PLAIN), ["shard   records", "a             7", "longer    1,000"]);
    }

    #[test]
    fn cutting_keeps_escape_sequences() {
        assert_eq!(cut("\x1b[31mred\x1b[0m", 2), "\x1b[31mre\x1b[0m");
        assert_eq!(cut("äöü", 2), "äö");
    }
}
