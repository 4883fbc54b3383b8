//! The settings of TLS, and which of them go together.

use std::net::IpAddr;
use std::path::PathBuf;

use rustls::pki_types::DnsName;

use super::ConfigError;

/// Whether and how connections are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// With which certificate; without one there is no TLS.
    pub certificate: Option<Certificate>,
    /// Whether calls in clear text are refused: `require_tls`.
    pub required: bool,
    /// How often it is looked whether there is a newer certificate. Not for users to set.
    pub check_ms: u64,
}

impl Default for Tls {
    fn default() -> Self {
        Self { certificate: None, required: false, check_ms: 5000 }
    }
}

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// From PEM files: `tls_cert`, `tls_key`.
    Files {
        /// The certificate, and those between it and an authority that clients know.
        chain: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
    /// From an authority of the server's own in the data directory: `dev_tls`.
    Development {
        /// Names and addresses beside those that this machine has anyway: `tls_name`.
        names: Vec<String>,
    },
}

/// What was said about TLS, each setting for itself.
pub(super) struct Said {
    pub(super) chain: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) dev: Option<bool>,
    pub(super) names: Option<Vec<String>>,
    pub(super) required: Option<bool>,
}

impl Said {
    /// What all of it means together.
    pub(super) fn decide(self) -> Result<Tls, ConfigError> {
        let wrong = |setting: &str, problem: &str| Err(ConfigError::new(setting, problem));
        let is_dev = self.dev.unwrap_or(false);
        if self.names.is_some() && !is_dev {
            return wrong("tls_name", "has a meaning with dev_tls only: files bring their own names");
        }
        let certificate = match (self.chain, self.key) {
            (Some(_), Some(_)) if is_dev => {
                return wrong("dev_tls", "not together with tls_cert: expected one of them");
            }
            (Some(chain), Some(key)) => Some(Certificate::Files { chain, key }),
            (Some(_), None) => return wrong("tls_key", "expected, as tls_cert is set"),
            (None, Some(_)) => return wrong("tls_cert", "expected, as tls_key is set"),
            (None, None) => is_dev.then(|| Certificate::Development { names: self.names.unwrap_or_default() }),
        };
        let required = self.required.unwrap_or(false);
        if required && certificate.is_none() {
            return wrong("require_tls", "there is no TLS: expected tls_cert and tls_key, or dev_tls, as well");
        }
        Ok(Tls { certificate, required, ..Tls::default() })
    }
}

/// Names, with commas between them.
pub(super) fn names(text: &str) -> Result<Vec<String>, String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(name).collect()
}

fn name(text: &str) -> Result<String, String> {
    let is_name = |text: &str| DnsName::try_from(text.strip_prefix("*.").unwrap_or(text)).is_ok();
    if text.parse::<IpAddr>().is_ok() || is_name(text) {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} is neither a name, such as rheos.example or *.rheos.example, nor an address"))
}
