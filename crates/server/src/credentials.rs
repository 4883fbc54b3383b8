//! Access keys, and the file in which the root key is kept.

use std::path::{Path, PathBuf};

use rheos_types::Random;
use rheos_wire::sigv4::SecretKey;
use serde::{Deserialize, Serialize};

use crate::own_files;

/// The file's name in the data directory.
pub const FILE_NAME: &str = "root-credentials.json";

/// An access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// The public half.
    pub id: String,
    /// The secret half.
    pub secret: SecretKey,
    /// The token that has to come with it, if it belongs to a session.
    pub session_token: Option<String>,
}

/// The file: `{"access_key_id":…,"secret_access_key":…}`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    access_key_id: String,
    secret_access_key: String,
}

/// Why there is no root key.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not one of ours.
    #[error("{} is not a key file: expected {{\"access_key_id\":…,\"secret_access_key\":…}}; restore it, or delete it to get a new key", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

impl AccessKey {
    /// A key that nobody has: `AKIA` and sixteen of the 32 letters and digits that AWS uses, and forty characters of
    /// secret, which hold 240 random bits.
    pub fn generate(random: &dyn Random) -> Self {
        const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let letters: [u8; 16] = rheos_types::random::bytes(random);
        let letters = letters.iter().map(|byte| char::from(BASE32[usize::from(byte % 32)]));
        let secret: [u8; 30] = rheos_types::random::bytes(random);
        Self {
            id: "AKIA".chars().chain(letters).collect(),
            secret: SecretKey::new(base64_simd::STANDARD.encode_to_string(secret)),
            session_token: None,
        }
    }

    /// The key in `directory`; at the first start one is made and stored there, readable by its owner only.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn of_directory(directory: &Path, random: &dyn Random) -> Result<Self, CredentialsError> {
        let path = directory.join(FILE_NAME);
        if let Some(text) = own_files::read(&path).map_err(|source| io_error("read", &path, source))? {
            return Self::parse(&text).map_err(|source| CredentialsError::Unreadable { path: path.clone(), source });
        }
        let key = Self::generate(random);
        let text = key.to_file().map_err(|source| CredentialsError::Unreadable { path: path.clone(), source })?;
        own_files::write(directory, FILE_NAME, own_files::SECRET, &text)
            .map_err(|source| io_error("write", &path, source))?;
        Ok(key)
    }

    /// Reads the file.
    pub(crate) fn parse(text: &[u8]) -> serde_json::Result<Self> {
        let stored: Stored = serde_json::from_slice(text)?;
        let secret = SecretKey::new(stored.secret_access_key);
        Ok(Self { id: stored.access_key_id, secret, session_token: None })
    }

    /// The file that holds the key.
    pub(crate) fn to_file(&self) -> serde_json::Result<Vec<u8>> {
        let stored = Stored { access_key_id: self.id.clone(), secret_access_key: self.secret.reveal().to_owned() };
        let mut text = serde_json::to_vec_pretty(&stored)?;
        text.push(b'\n');
        Ok(text)
    }
}

fn io_error(action: &'static str, path: &Path, source: std::io::Error) -> CredentialsError {
    CredentialsError::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_is_its_owners_alone() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("data");
        let random = rheos_types::SystemRandom;
        let key = AccessKey::of_directory(&below, &random).unwrap();
        assert!(key.id.starts_with("AKIA") && key.id.len() == 20, "{}", key.id);
        assert!(key.id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()), "{}", key.id);
        assert_eq!(key.secret.reveal().len(), 40);
        assert_eq!(AccessKey::of_directory(&below, &random).unwrap(), key);
        let mode = std::fs::metadata(below.join(FILE_NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_ne!(AccessKey::generate(&random), key);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a damaged file is made here")]
    fn a_file_that_is_no_key_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(FILE_NAME), "{}").unwrap();
        let error = AccessKey::of_directory(directory.path(), &rheos_types::SystemRandom).unwrap_err();
        assert!(error.to_string().contains("not a key file"), "{error}");
        assert_eq!(std::fs::read(directory.path().join(FILE_NAME)).unwrap(), b"{}");
    }
}
