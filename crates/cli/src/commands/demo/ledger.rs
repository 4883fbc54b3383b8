//! What an application has seen, written down by itself, so that it can be compared with the source afterwards.
//! One line for each record, in the order of arrival at the application: shard, sequence number, id.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use crate::edge;
use crate::failure::{Failure, Outcome};
use crate::reader::Record;

/// The name of the file in an application's directory.
const FILE: &str = "seen.tsv";

/// A record that an application has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) shard: String,
    pub(crate) sequence: String,
    pub(crate) id: u32,
}

/// The list being written.
pub(crate) struct Ledger {
    file: BufWriter<File>,
}

impl Ledger {
    /// A new list in an application's directory.
    pub(crate) fn create(directory: &Path) -> Outcome<Self> {
        let path = directory.join(FILE);
        let file = edge::create(&path).map_err(|error| Failure::io(path.display(), &error))?;
        Ok(Self { file: BufWriter::new(file) })
    }

    /// Notes a record.
    pub(crate) fn note(&mut self, record: &Record, id: u32) -> Outcome {
        writeln!(self.file, "{}\t{}\t{id}", record.shard, record.sequence).map_err(|error| Failure::io(FILE, &error))
    }

    /// Writes everything noted to the file.
    pub(crate) fn flush(&mut self) -> Outcome {
        self.file.flush().map_err(|error| Failure::io(FILE, &error))
    }
}

/// The list that an application wrote.
pub(crate) fn read(directory: &Path) -> Outcome<Vec<Seen>> {
    let path = directory.join(FILE);
    let unreadable = |error: &std::io::Error| Failure::io(path.display(), error);
    let file = edge::open(&path).map_err(|error| unreadable(&error))?;
    let mut seen = Vec::new();
    for line in BufReader::new(file).lines() {
        let line = line.map_err(|error| unreadable(&error))?;
        let entry = parse(&line).ok_or_else(|| Failure::new(format!("{}: `{line}` is no entry", path.display())))?;
        seen.push(entry);
    }
    Ok(seen)
}

fn parse(line: &str) -> Option<Seen> {
    let mut fields = line.split('\t');
    let (shard, sequence, id) = (fields.next()?, fields.next()?, fields.next()?);
    Some(Seen { shard: shard.to_owned(), sequence: sequence.to_owned(), id: id.parse().ok()? })
}
