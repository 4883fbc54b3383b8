//! Whom to trust over TLS. The AWS SDK for Rust knows nothing of `AWS_CA_BUNDLE`, and panics at a file that is no good.

use std::path::{Path, PathBuf};

use aws_smithy_http_client::tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_types::sdk_config::SharedHttpClient;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{DEFAULT_DATA_DIR, Target};
use crate::args::Connect;
use crate::edge;
use crate::failure::{Failure, Outcome};

/// The authority that a server with `--dev-tls` keeps in its data directory.
const DEVELOPMENT: &str = "dev-ca.pem";

/// Authorities to trust.
#[derive(Debug)]
pub(super) struct Authorities(TlsContext);

impl Authorities {
    /// A client that trusts them.
    pub(super) fn client(self) -> SharedHttpClient {
        let provider = tls::Provider::Rustls(CryptoMode::AwsLc);
        aws_smithy_http_client::Builder::new().tls_provider(provider).tls_context(self.0).build_https()
    }
}

/// The authorities that somebody named and that of a server on this machine; `None` where only the system's count. `bundle` is
/// what the environment names.
pub(super) fn authorities(target: &Target, args: &Connect, bundle: Option<PathBuf>) -> Outcome<Option<Authorities>> {
    let mut store = TrustStore::empty();
    let named = args.ca.clone().or(bundle);
    if let Some(path) = &named {
        let pem = edge::read(path)
            .map_err(|error| Failure::usage(format!("cannot read the authorities in {}: {error}", path.display())))?;
        store.add_pem_certificate(sound(path, pem)?);
    }
    let development = if args.ca.is_some() { None } else { development(target, args)? };
    if named.is_none() && development.is_none() {
        return Ok(None);
    }
    if let Some(pem) = development {
        store = store.with_native_roots(named.is_none()).with_pem_certificate(pem);
    }
    let context = TlsContext::builder().with_trust_store(store).build();
    context.map(|context| Some(Authorities(context))).map_err(|error| Failure::new(error.to_string()))
}

/// The authority of the server in the data directory, which may have none.
fn development(target: &Target, args: &Connect) -> Outcome<Option<Vec<u8>>> {
    let is_encrypted = target.url().is_some_and(|url| url.starts_with("https://"));
    let near = || target.is_local().then(|| PathBuf::from(DEFAULT_DATA_DIR));
    let Some(directory) = args.data_dir.clone().or_else(near).filter(|_| is_encrypted) else { return Ok(None) };
    let path = directory.join(DEVELOPMENT);
    edge::read(&path).ok().map(|pem| sound(&path, pem)).transpose()
}

/// Authorities in PEM, every one of them sound.
fn sound(path: &Path, pem: Vec<u8>) -> Outcome<Vec<u8>> {
    let unusable = |problem: String| Failure::usage(format!("{}: {problem}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let added = certificate
            .map_err(|error| error.to_string())
            .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
        added.map_err(|problem| unusable(format!("has a certificate that is damaged: {problem}")))?;
    }
    if roots.is_empty() {
        return Err(unusable("has no certificate: expected PEM, -----BEGIN CERTIFICATE-----".to_owned()));
    }
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(ca: &Path) -> Result<Option<Authorities>, String> {
        let args = Connect { ca: Some(ca.to_owned()), ..Connect::default() };
        authorities(&Target::Default, &args, None).map_err(|failure| failure.message)
    }

    #[test]
    fn files_that_are_no_authorities_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        assert!(asked(&path).unwrap_err().contains("cannot read"));
        for (text, expected) in [
            ("", "has no certificate"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "damaged"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", "damaged"),
        ] {
            std::io::Write::write_all(&mut edge::create(&path).unwrap(), text.as_bytes()).unwrap();
            let said = asked(&path).unwrap_err();
            assert!(said.contains("ca.pem") && said.contains(expected), "{said}");
        }
    }

    #[test]
    fn a_server_on_this_machine_is_found_by_its_data_directory() {
        let directory = tempfile::tempdir().unwrap();
        let args = Connect { data_dir: Some(directory.path().to_owned()), ..Connect::default() };
        let local = Target::Explicit("https://localhost:4566".to_owned());
        assert!(authorities(&local, &args, None).unwrap().is_none());
        std::io::Write::write_all(&mut edge::create(&directory.path().join(DEVELOPMENT)).unwrap(), b"x").unwrap();
        assert!(authorities(&local, &args, None).is_err());
        assert!(authorities(&Target::Default, &args, None).unwrap().is_none(), "clear text needs no trust");
    }
}
