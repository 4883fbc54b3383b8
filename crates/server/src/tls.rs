//! Certificates: where they come from, and how a newer one takes the place of one that is in use.
//!
//! Connections take the newest at their handshake. A thread looks every few seconds whether there is a newer one: in the
//! files of `--tls-cert` and `--tls-key`, or because that of `--dev-tls` is about to expire.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use rheos_types::Clock;
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;

use crate::dev_tls::Authority;
use crate::own_files;

/// What clients and server agree on by name (ALPN), what the server prefers first.
const ALPN: [&[u8]; 2] = [b"h2", ALPN_HTTP1];
/// The name of HTTP/1.1.
pub(crate) const ALPN_HTTP1: &[u8] = b"http/1.1";

/// The newest configuration; none as long as there is no certificate yet.
pub(crate) type Tls = watch::Receiver<Option<Arc<ServerConfig>>>;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file has not what it should have.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// The certificate and the key are no pair, or of no kind that is known.
    #[error("the certificate {} and the key {} cannot be used: {problem}", chain.display(), key.display())]
    Pair {
        /// The certificate's file.
        chain: PathBuf,
        /// The key's.
        key: PathBuf,
        /// Why.
        problem: String,
    },
    /// No certificate could be made.
    #[error("cannot make a certificate: {0}")]
    Made(String),
}

impl TlsError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn file(path: &Path, problem: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), problem: problem.into() }
    }
}

/// Something that gives a certificate, and knows when there is a newer one.
pub(crate) trait Source: Send {
    /// A certificate that is newer than the last one that was asked for; `None` as long as there is none.
    fn newer(&mut self, now_ms: u64) -> Result<Option<ServerConfig>, TlsError>;
}

/// PEM files that somebody else renews.
pub(crate) struct Files {
    chain: PathBuf,
    key: PathBuf,
    /// What they had when they were last looked at, good or bad: the same is not reported twice.
    seen: Option<Seen>,
}

/// The bytes of the chain and of the key, or why there were none.
type Seen = Result<(Vec<u8>, Vec<u8>), io::ErrorKind>;

impl Files {
    pub(crate) fn new(chain: PathBuf, key: PathBuf) -> Self {
        Self { chain, key, seen: None }
    }
}

impl Source for Files {
    fn newer(&mut self, _now_ms: u64) -> Result<Option<ServerConfig>, TlsError> {
        let contents = contents(&self.chain).and_then(|chain| Ok((chain, contents(&self.key)?)));
        let seen = contents.as_ref().map_err(|(_, error)| error.kind()).cloned();
        if self.seen.as_ref() == Some(&seen) {
            return Ok(None);
        }
        self.seen = Some(seen);
        let (chain, key) = contents.map_err(|(path, source)| TlsError::io("read", &path, source))?;
        let chain = read_chain(&self.chain, &chain)?;
        let key = read_key(&self.key, &key)?;
        let pair = |problem: String| TlsError::Pair { chain: self.chain.clone(), key: self.key.clone(), problem };
        server_config(chain, key).map(Some).map_err(|error| {
            pair(match error {
                rustls::Error::InconsistentKeys(_) => "the key is not that of the first certificate".to_owned(),
                other => other.to_string(),
            })
        })
    }
}

/// The bytes of a file that has to be there.
fn contents(path: &Path) -> Result<Vec<u8>, (PathBuf, io::Error)> {
    let bytes = own_files::read(path).and_then(|bytes| bytes.ok_or_else(|| io::ErrorKind::NotFound.into()));
    bytes.map_err(|error| (path.to_owned(), error))
}

pub(crate) fn read_chain(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
    match chain {
        Ok(chain) if chain.is_empty() => {
            Err(TlsError::file(path, "has no certificate: expected PEM, -----BEGIN CERTIFICATE-----"))
        }
        Ok(chain) => Ok(chain),
        Err(error) => Err(TlsError::file(path, format!("is damaged: {error}"))),
    }
}

pub(crate) fn read_key(path: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| {
        let is_encrypted = text.windows(21).any(|window| window == b"ENCRYPTED PRIVATE KEY");
        TlsError::file(
            path,
            match error {
                pem::Error::NoItemsFound if is_encrypted => {
                    "the private key is encrypted: expected one without a passphrase (openssl pkey -in … -out …)".into()
                }
                pem::Error::NoItemsFound => "has no private key: expected PEM, -----BEGIN PRIVATE KEY-----".into(),
                other => format!("is damaged: {other}"),
            },
        )
    })
}

/// What every handshake is done with: TLS 1.2 and 1.3, no certificates of clients, no early data.
pub(crate) fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    // By name: a process may have several providers, and then rustls would not choose.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// The authority of `--dev-tls`, and the names of its one certificate.
pub(crate) struct Development {
    authority: Authority,
    names: Vec<String>,
    renew_at_ms: u64,
}

impl Development {
    pub(crate) fn new(authority: Authority, names: Vec<String>) -> Self {
        Self { authority, names, renew_at_ms: 0 }
    }
}

impl Source for Development {
    fn newer(&mut self, now_ms: u64) -> Result<Option<ServerConfig>, TlsError> {
        if now_ms < self.renew_at_ms {
            return Ok(None);
        }
        let leaf = self.authority.sign(&self.names, now_ms)?;
        let config = server_config(leaf.chain, leaf.key).map_err(|error| TlsError::Made(error.to_string()))?;
        self.renew_at_ms = leaf.renew_at_ms;
        Ok(Some(config))
    }
}

/// The certificate in use, and what there is to renew it.
pub(crate) struct Certificates {
    source: Box<dyn Source>,
    newest: watch::Sender<Option<Arc<ServerConfig>>>,
}

impl Certificates {
    /// Takes the first certificate, for all who look at `newest`.
    ///
    /// # Errors
    /// [`TlsError`]: there is none.
    pub(crate) fn new(
        mut source: Box<dyn Source>,
        newest: watch::Sender<Option<Arc<ServerConfig>>>,
        now_ms: u64,
    ) -> Result<Self, TlsError> {
        newest.send_replace(source.newer(now_ms)?.map(Arc::new));
        Ok(Self { source, newest })
    }

    /// Looks whether there is a newer one. A bad one changes nothing.
    pub(crate) fn check(&mut self, now_ms: u64) {
        match self.source.newer(now_ms) {
            Ok(None) => {}
            Ok(Some(config)) => {
                self.newest.send_replace(Some(Arc::new(config)));
                tracing::info!("new connections get the new certificate");
            }
            Err(error) => {
                tracing::warn!(%error, "the new certificate is not taken; the one before stays in use");
            }
        }
    }

    /// Looks every `interval`, until the other end of `stop` is gone.
    pub(crate) fn keep(mut self, clock: &dyn Clock, interval: Duration, stop: &mpsc::Receiver<()>) {
        while stop.recv_timeout(interval) == Err(mpsc::RecvTimeoutError::Timeout) {
            self.check(clock.wall_ms());
        }
    }
}
