//! The raw records in gzip files, a new file after every five thousand. Each line has where the record was and, unchanged, what it held.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Consumer;
use crate::commands::demo::extract::Departure;
use crate::commands::demo::ledger::Seen;
use crate::edge;
use crate::failure::{Failure, Outcome};
use crate::reader::Record;

/// Records in one file.
const ROTATE_AFTER: u32 = 5_000;

#[derive(Serialize, Deserialize)]
struct Line<'record> {
    shard: &'record str,
    sequence: &'record str,
    key: &'record str,
    arrived_ms: i64,
    #[serde(borrow)]
    data: &'record RawValue,
}

/// The application.
pub(super) struct Archive {
    directory: PathBuf,
    file: Option<GzEncoder<File>>,
    files: u32,
    records_in_file: u32,
}

impl Archive {
    /// Nothing archived yet; files go to the directory.
    pub(super) fn new(directory: &Path) -> Outcome<Self> {
        Ok(Self { directory: directory.to_owned(), file: None, files: 0, records_in_file: 0 })
    }

    fn open(&mut self) -> Outcome<&mut GzEncoder<File>> {
        match &mut self.file {
            Some(file) => Ok(file),
            empty => {
                self.files += 1;
                self.records_in_file = 0;
                let path = self.directory.join(format!("records-{:05}.jsonl.gz", self.files));
                let file = edge::create(&path).map_err(|error| Failure::io(path.display(), &error))?;
                Ok(empty.insert(GzEncoder::new(file, Compression::default())))
            }
        }
    }

    fn close(&mut self) -> Outcome {
        match self.file.take() {
            Some(file) => file.finish().map(drop).map_err(|error| Failure::io("the archive", &error)),
            None => Ok(()),
        }
    }
}

impl Consumer for Archive {
    fn take(&mut self, record: &Record, _departure: &Departure) -> Outcome {
        let data: &RawValue = serde_json::from_slice(&record.data)
            .map_err(|error| Failure::new(format!("a record is no JSON: {error}")))?;
        let line = Line {
            shard: &record.shard,
            sequence: &record.sequence,
            key: &record.key,
            arrived_ms: record.arrived_ms,
            data,
        };
        let text = serde_json::to_string(&line).map_err(|error| Failure::new(format!("cannot archive: {error}")))?;
        writeln!(self.open()?, "{text}").map_err(|error| Failure::io("the archive", &error))?;
        self.records_in_file += 1;
        if self.records_in_file == ROTATE_AFTER { self.close() } else { Ok(()) }
    }

    fn finish(&mut self) -> Outcome {
        self.close()
    }
}

/// What an archiver wrote, in order.
pub(crate) fn read(directory: &Path) -> Outcome<Vec<Seen>> {
    let mut seen = Vec::new();
    for number in 1.. {
        let path = directory.join(format!("records-{number:05}.jsonl.gz"));
        let file = match edge::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => break,
            Err(error) => return Err(Failure::io(path.display(), &error)),
        };
        for line in BufReader::new(GzDecoder::new(file)).lines() {
            let line = line.map_err(|error| Failure::io(path.display(), &error))?;
            let wrong =
                |error: serde_json::Error| Failure::new(format!("{}: `{line}` is no record: {error}", path.display()));
            let entry: Line = serde_json::from_str(&line).map_err(wrong)?;
            let departure: Departure = serde_json::from_str(entry.data.get()).map_err(wrong)?;
            seen.push(Seen { shard: entry.shard.to_owned(), sequence: entry.sequence.to_owned(), id: departure.id });
        }
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::commands::demo::extract::departures;

    #[test]
    fn files_are_rotated_and_hold_everything() {
        let directory = tempfile::tempdir().unwrap();
        let mut archive = Archive::new(directory.path()).unwrap();
        let all: Vec<Departure> = departures().unwrap().into_iter().take(5_001).collect();
        for (at, departure) in all.iter().enumerate() {
            let data = serde_json::to_vec(departure).unwrap();
            let sequence = at.to_string();
            let record = Record {
                shard: Arc::from("s"),
                sequence,
                sub_sequence: None,
                key: departure.key(),
                data,
                arrived_ms: 7,
            };
            archive.take(&record, departure).unwrap();
        }
        archive.finish().unwrap();
        assert_eq!(archive.files, 2);
        let seen = read(directory.path()).unwrap();
        assert!(seen.iter().map(|seen| seen.id).eq(all.iter().map(|departure| departure.id)));
    }
}
