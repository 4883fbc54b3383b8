//! Tables in documents that a command writes, between two marks.

use std::path::Path;

use anyhow::{Context as _, ensure};

use crate::workspace::{read, write};

const END: &str = "<!-- end -->";

/// A table that `command` writes into a document.
pub(crate) struct Marked<'a> {
    pub(crate) document: &'a Path,
    /// What writes it, as a user types it.
    pub(crate) command: &'a str,
    pub(crate) table: &'a str,
}

impl Marked<'_> {
    /// Puts the table between its marks if it may, and else checks that `is_same` holds for the document and the table.
    pub(crate) fn place(&self, may_write: bool, is_same: impl Fn(&str, &str) -> bool) -> anyhow::Result<()> {
        let text = read(self.document)?;
        let updated = self.replace_in(&text)?;
        if updated == text {
            return Ok(());
        }
        if may_write {
            return write(self.document, &updated);
        }
        let Self { document, command, table } = self;
        let document = document.display();
        ensure!(is_same(&text, table), "{document} is not what this run found; `{command}` writes it:\n{table}");
        Ok(())
    }

    fn replace_in(&self, text: &str) -> anyhow::Result<String> {
        let begin = format!("<!-- begin: written by `{}` -->", self.command);
        let (before, rest) = text.split_once(&begin).with_context(|| format!("no line {begin:?}"))?;
        let (_, after) = rest.split_once(END).with_context(|| format!("no line {END:?}"))?;
        ensure!(!self.table.contains(END), "the table has the mark of its end");
        Ok(format!("{before}{begin}\n{}\n{END}{after}", self.table.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_replaces_the_one_before() {
        let text = "top\n<!-- begin: written by `x --write` -->\nold\n<!-- end -->\nbottom\n";
        let marked = Marked { document: Path::new("x.md"), command: "x --write", table: "| new |\n" };
        let new = marked.replace_in(text).unwrap();
        assert_eq!(new, text.replace("old", "| new |"));
        assert_eq!(marked.replace_in(&new).unwrap(), new);
        assert!(marked.replace_in("no marks").is_err());
    }
}
