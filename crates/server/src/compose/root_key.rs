//! The file in which the root key of encryption is kept: `encryption-key.json` in the data directory.
//!
//! It is made at the first start, before anything is served: so it is durable before a stream can be told to use it, and
//! every copy of the data directory has it. Once streams have keys that are wrapped under it, a start without it is
//! refused. Another key is never put in its place.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64_simd::STANDARD;
use rheos_log::files::{Files, read_exact_at};
use rheos_streams::KeyUnavailable;
use rheos_types::Random;
use rheos_types::seal::RootKey;
use serde::{Deserialize, Serialize};

/// The file's name in the data directory.
pub const FILE_NAME: &str = "encryption-key.json";
/// More than the file ever has.
const MAX_BYTES: u64 = 4096;

/// The file: `{"root_key":"<32 bytes in base64>","id":"<16 hex digits, which follow from the key>"}`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    root_key: String,
    id: String,
}

/// Why there is no root key.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not one of ours, or not as it was written.
    #[error("{} holds no root key: {problem}. Restore it from a copy; nothing that is encrypted can be read without it. If nothing is, delete it to get a new key", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// There is no file, and there should be.
    #[error("{} is missing, and streams are encrypted under it: restore it from a copy ({unavailable}: {})", path.display(), unavailable.source)]
    Missing {
        /// The file.
        path: PathBuf,
        /// What needs it.
        unavailable: Box<KeyUnavailable>,
    },
    /// The file is of another data directory, or the catalog is damaged.
    #[error("{} is not the root key that streams are encrypted under: restore that from a copy ({unavailable}: {})", path.display(), unavailable.source)]
    Other {
        /// The file.
        path: PathBuf,
        /// What needs another.
        unavailable: Box<KeyUnavailable>,
    },
}

/// A root key, and whether it is in its file yet.
pub(super) struct KeptKey {
    pub(super) key: Arc<RootKey>,
    path: PathBuf,
    /// What is to be written.
    unwritten: Option<[u8; 32]>,
}

impl KeptKey {
    /// The key in `directory`, or a new one that is in no file yet.
    pub(super) fn of_directory(files: &dyn Files, directory: &Path, random: &dyn Random) -> Result<Self, RootKeyError> {
        let path = directory.join(FILE_NAME);
        if let Some(text) = read(files, &path).map_err(|source| io_error("read", &path, source))? {
            let key = parse(&text).map_err(|problem| RootKeyError::Damaged { path: path.clone(), problem })?;
            return Ok(Self { key: Arc::new(key), path, unwritten: None });
        }
        let secret = rheos_types::random::bytes(random);
        Ok(Self { key: Arc::new(RootKey::new(&secret)), path, unwritten: Some(secret) })
    }

    /// A key that no file has.
    pub(super) fn in_memory(secret: &[u8; 32]) -> Self {
        Self { key: Arc::new(RootKey::new(secret)), path: PathBuf::from("memory"), unwritten: None }
    }

    /// Why streams could not be opened with this key.
    pub(super) fn unfit(self, unavailable: KeyUnavailable) -> RootKeyError {
        let (path, unavailable) = (self.path, Box::new(unavailable));
        match self.unwritten {
            Some(_) => RootKeyError::Missing { path, unavailable },
            None => RootKeyError::Other { path, unavailable },
        }
    }

    /// Writes a new key to its file, where it is durable once this returns.
    pub(super) fn keep(self, files: &dyn Files) -> Result<(), RootKeyError> {
        let Some(secret) = self.unwritten else { return Ok(()) };
        let stored = Stored { root_key: STANDARD.encode_to_string(secret), id: self.key.id().to_owned() };
        let written = serde_json::to_vec_pretty(&stored).map_err(io::Error::from).and_then(|mut text| {
            text.push(b'\n');
            files.replace(self.path.parent().unwrap_or(&self.path), FILE_NAME, &text)
        });
        written.map_err(|source| io_error("write", &self.path, source))
    }
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> RootKeyError {
    RootKeyError::Io { action, path: path.to_owned(), source }
}

pub(crate) fn parse(text: &[u8]) -> Result<RootKey, &'static str> {
    let expected = "expected {\"root_key\":…,\"id\":…}";
    let stored: Stored = serde_json::from_slice(text).map_err(|_| expected)?;
    let secret = STANDARD.decode_to_vec(stored.root_key).map_err(|_| "the key is not base64")?;
    let secret: [u8; 32] = secret.try_into().map_err(|_| "the key does not have 32 bytes")?;
    let key = RootKey::new(&secret);
    if key.id() == stored.id { Ok(key) } else { Err("the id is another key's") }
}

fn read(files: &dyn Files, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match files.open_read(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = file.len_bytes()?.min(MAX_BYTES);
    read_exact_at(&*file, 0, usize::try_from(length).unwrap_or(0)).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rheos_log::files::sim::{SimFiles, Unsynced};
    use rheos_types::SystemRandom;

    fn of(files: &SimFiles) -> Result<KeptKey, RootKeyError> {
        files.create_dir(Path::new("/data")).unwrap();
        KeptKey::of_directory(files, Path::new("/data"), &SystemRandom)
    }

    #[test]
    fn a_key_is_made_once() {
        let files = SimFiles::new();
        let first = of(&files).unwrap();
        let id = first.key.id().to_owned();
        first.keep(&files).unwrap();
        let again = of(&files.crash(Unsynced::Lost)).unwrap();
        assert_eq!((again.key.id(), again.unwritten), (&*id, None));
    }

    #[test]
    fn after_a_power_cut_at_any_operation_the_file_is_whole_or_absent() {
        for operation in 0.. {
            let files = SimFiles::new();
            let first = of(&files).unwrap();
            let before = files.operations();
            files.crash_at(before + operation);
            let (id, kept) = (first.key.id().to_owned(), first.keep(&files));
            for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Torn(operation + 1)] {
                let found = of(&files.crash(unsynced)).unwrap();
                if kept.is_ok() || found.unwritten.is_none() {
                    assert_eq!((found.key.id(), found.unwritten), (&*id, None), "operation {operation}");
                } else {
                    found.keep(&files.crash(unsynced)).unwrap();
                }
            }
            if kept.is_ok() {
                assert!(operation > 4, "as many as there are: {operation}");
                return;
            }
        }
    }

    #[test]
    fn a_file_that_is_no_key_is_refused_and_left_alone() {
        let files = SimFiles::new();
        let path = Path::new("/data").join(FILE_NAME);
        let secret = STANDARD.encode_to_string([7; 32]);
        let short = STANDARD.encode_to_string([7; 31]);
        for (text, problem) in [
            (String::new(), "expected"),
            ("{}".to_owned(), "expected"),
            (format!("{{\"root_key\":\"{secret}\",\"id\":\"0011223344556677\"}}"), "the id is another key's"),
            (format!("{{\"root_key\":\"{short}\",\"id\":\"\"}}"), "32 bytes"),
            ("{\"root_key\":\"?\",\"id\":\"\"}".to_owned(), "base64"),
        ] {
            files.create_dir(Path::new("/data")).unwrap();
            Files::replace(&files, Path::new("/data"), FILE_NAME, text.as_bytes()).unwrap();
            let Err(error) = of(&files) else { panic!("{text}") };
            assert!(error.to_string().contains(problem), "{error}");
            assert_eq!(read(&files, &path).unwrap().unwrap(), text.as_bytes());
        }
    }
}
