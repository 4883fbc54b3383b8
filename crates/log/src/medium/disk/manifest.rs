//! The manifest: which log files exist, and the engine's root. Replaced as a whole: written beside, synced, renamed over,
//! directory synced.
//!
//! ```text
//! rheos-manifest 1            <- the format, readable by every version
//! {"log_id":…,"log_files":…}  <- the medium's part
//! {"snapshot":…}              <- the engine's root, opaque here
//! crc32c 1a2b3c4d             <- of everything before
//! ```

use super::super::OpenError;
use super::log_file;
use crate::files::{Files, read_exact_at};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

pub(crate) const NAME: &str = "MANIFEST";
const MAGIC: &str = "rheos-manifest ";
const FORMAT: u32 = 1;
/// Larger files are not a manifest: 64 MiB would name a million segments.
const MAX_BYTES: u64 = 64 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// A random number that tells this log from every other.
    #[serde(with = "hex_u128")]
    pub(crate) log_id: u128,
    /// How often the log has been opened.
    pub(crate) generation: u64,
    /// The id of the next log file.
    pub(crate) next_file_id: u64,
    /// Log files in the order of their use.
    pub(crate) log_files: Vec<LogFileRef>,
    /// The engine's root.
    #[serde(skip)]
    pub(crate) root: Option<Bytes>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogFileRef {
    pub(crate) id: u64,
    pub(crate) bytes: u64,
}

mod hex_u128 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(value: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{value:032x}"))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        let text = String::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}

impl Manifest {
    /// Whether a log file of this name is listed.
    pub(crate) fn lists(&self, name: &str) -> bool {
        self.log_files.iter().any(|listed| log_file::name(listed.id) == name)
    }

    /// Reads the manifest of `directory`; `None` if there is none.
    pub(crate) fn load(files: &dyn Files, directory: &Path) -> Result<Option<Self>, OpenError> {
        let path = directory.join(NAME);
        let name = path.display().to_string();
        let io_error = |source| OpenError::Io { what: "cannot read", file: name.clone(), source };
        let file = match files.open_read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(error)),
        };
        let length = file.len_bytes().map_err(io_error)?;
        let corrupt = |what: &str| OpenError::Corrupt { file: name.clone(), offset: 0, what: what.to_owned() };
        if length > MAX_BYTES {
            return Err(corrupt("it is far too long for a manifest"));
        }
        let bytes = read_exact_at(&*file, 0, length as usize).map_err(io_error)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| corrupt("it is not text"))?;
        let mut lines = text.split_inclusive('\n');
        let format =
            lines.next().and_then(|line| line.strip_prefix(MAGIC)).and_then(|rest| rest.trim_end().parse().ok());
        match format {
            Some(FORMAT) => {}
            Some(format) => return Err(OpenError::newer(&name, format, 0)),
            None => return Err(corrupt("it does not begin with `rheos-manifest` and a format")),
        }
        let (Some(own), Some(root), Some(crc), None) = (lines.next(), lines.next(), lines.next(), lines.next()) else {
            return Err(corrupt("it does not have four lines"));
        };
        let covered = text.len() - crc.len();
        if crc.trim_end() != format!("crc32c {:08x}", crc32c::crc32c(&bytes[..covered])) {
            return Err(corrupt("its checksum does not match"));
        }
        let mut manifest: Self = serde_json::from_str(own).map_err(|error| corrupt(&error.to_string()))?;
        let root = root.trim_end_matches('\n');
        manifest.root = (!root.is_empty()).then(|| Bytes::copy_from_slice(root.as_bytes()));
        Ok(Some(manifest))
    }

    /// Replaces the manifest of `directory`, durably.
    ///
    /// # Errors
    /// The operating system's, and `FileTooLarge` for one that could not be loaded again: that changes nothing.
    pub(crate) fn store(&self, files: &dyn Files, directory: &Path) -> io::Result<()> {
        let mut bytes = format!("{MAGIC}{FORMAT}\n{}\n", serde_json::to_string(self)?).into_bytes();
        bytes.extend_from_slice(self.root.as_deref().unwrap_or_default());
        bytes.push(b'\n');
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(format!("crc32c {crc:08x}\n").as_bytes());
        if bytes.len() as u64 > MAX_BYTES {
            // A start would not read it. The old one stands.
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the manifest would name too many files"));
        }
        files.replace(directory, NAME, &bytes)
    }
}
