//! The authority of `--dev-tls`: made once, kept in the data directory, and trusted by whoever is told to.
//!
//! It needs no parser of certificates: everything in its own follows from its key.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, date_time_ymd,
};
use rheos_types::time::civil;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, DnsName, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::own_files;
use crate::tls::TlsError;

/// The authority's certificate in the data directory: what clients are told to trust.
pub(crate) const CERTIFICATE_NAME: &str = "dev-ca.pem";
/// Its private key.
const KEY_NAME: &str = "dev-ca-key.pem";

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// How long the server's certificate is valid, and how long before its end there is a new one.
const VALID_DAYS: u64 = 90;
const RENEWED_DAYS: u64 = 30;
/// The authority's end. It is for development, and nobody is to trust another one again and again.
const END_YEAR: i32 = 2099;

/// An authority.
pub(crate) struct Authority {
    params: CertificateParams,
    key: KeyPair,
    /// Its certificate.
    pub(crate) pem: String,
}

/// A certificate of the server, with its key.
pub(crate) struct Leaf {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) renew_at_ms: u64,
}

impl Authority {
    /// A new one, which nobody trusts yet.
    ///
    /// # Errors
    /// [`TlsError::Made`].
    pub(crate) fn generate() -> Result<Self, TlsError> {
        Self::with_key(KeyPair::generate().map_err(made)?)
    }

    /// The authority in `directory`; at the first start one is made and kept there, its key readable by its owner only.
    ///
    /// # Errors
    /// [`TlsError`]; nothing is replaced then.
    pub(crate) fn of_directory(directory: &Path) -> Result<Self, TlsError> {
        let (key_path, path) = (directory.join(KEY_NAME), directory.join(CERTIFICATE_NAME));
        let read = |path: &Path| own_files::read(path).map_err(|source| TlsError::io("read", path, source));
        let write = |name, mode, text: &str| {
            let written = own_files::write(directory, name, mode, text.as_bytes());
            written.map_err(|source| TlsError::io("write", &directory.join(name), source))
        };
        let certificate = read(&path)?;
        let key = match read(&key_path)? {
            Some(text) => {
                let key = std::str::from_utf8(&text).ok().and_then(|text| KeyPair::from_pem(text).ok());
                key.ok_or_else(|| {
                    TlsError::file(&key_path, "is not the key of an authority: restore it, or delete it and dev-ca.pem")
                })?
            }
            None if certificate.is_some() => {
                let problem = "its key dev-ca-key.pem is missing: restore it, or delete this file for a new authority";
                return Err(TlsError::file(&path, problem));
            }
            None => {
                let key = KeyPair::generate().map_err(made)?;
                // First the key: of a start that ends here, the next one makes the certificate.
                write(KEY_NAME, own_files::SECRET, &key.serialize_pem())?;
                key
            }
        };
        let Some(certificate) = certificate else {
            let authority = Self::with_key(key)?;
            write(CERTIFICATE_NAME, own_files::PUBLIC, &authority.pem)?;
            return Ok(authority);
        };
        let is_its_own = CertificateDer::from_pem_slice(&certificate).is_ok_and(|certificate| {
            let public = key.subject_public_key_info();
            certificate.windows(public.len()).any(|window| window == public)
        });
        match String::from_utf8(certificate) {
            Ok(pem) if is_its_own => Ok(Self { params: params(&key), key, pem }),
            _ => {
                let problem = "does not belong to dev-ca-key.pem: restore it, or delete it to have it made again";
                Err(TlsError::file(&path, problem))
            }
        }
    }

    fn with_key(key: KeyPair) -> Result<Self, TlsError> {
        let params = params(&key);
        let pem = params.self_signed(&key).map_err(made)?.pem();
        Ok(Self { params, key, pem })
    }

    /// Signs a certificate for `names`, with a key of its own.
    ///
    /// # Errors
    /// [`TlsError::Made`].
    pub(crate) fn sign(&self, names: &[String], now_ms: u64) -> Result<Leaf, TlsError> {
        let key = KeyPair::generate().map_err(made)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Rheos");
        params.subject_alt_names = names.iter().map(|name| alternative(name)).collect::<Result<_, _>>()?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        // Clocks of clients may be slow.
        let (year, month, of_month) = day(now_ms.saturating_sub(DAY_MS));
        params.not_before = date_time_ymd(year, month, of_month);
        let (year, month, of_month) = day(now_ms.saturating_add(VALID_DAYS * DAY_MS));
        params.not_after = date_time_ymd(year, month, of_month);
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).map_err(made)?;
        Ok(Leaf {
            chain: vec![certificate.der().clone()],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            renew_at_ms: now_ms.saturating_add((VALID_DAYS - RENEWED_DAYS) * DAY_MS),
        })
    }
}

/// The names and addresses of this machine, and the ones that were asked for.
pub(crate) fn names_of_machine(listen: IpAddr, asked: &[String]) -> Vec<String> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut names = vec!["localhost".to_owned(), Ipv4Addr::LOCALHOST.to_string(), Ipv6Addr::LOCALHOST.to_string()];
    let host = Some(host).filter(|host| DnsName::try_from(host.as_str()).is_ok());
    let address = Some(listen).filter(|address| !address.is_unspecified()).map(|address| address.to_string());
    for name in host.into_iter().chain(address).chain(asked.iter().cloned()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// What is in the authority's certificate.
fn params(key: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    // Several authorities may be trusted on one machine, and are told apart by name.
    let id: String = params.key_identifier(key).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Rheos development authority {id}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(END_YEAR, 12, 31);
    params
}

fn alternative(name: &str) -> Result<SanType, TlsError> {
    match name.parse::<IpAddr>() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => Ia5String::try_from(name).map(SanType::DnsName).map_err(made),
    }
}

/// The day of a moment, as `date_time_ymd` takes it.
fn day(epoch_ms: u64) -> (i32, u8, u8) {
    let (year, month, day) = civil(epoch_ms / DAY_MS);
    let year = i32::try_from(year).unwrap_or(END_YEAR).min(END_YEAR);
    (year, u8::try_from(month).unwrap_or(1), u8::try_from(day).unwrap_or(1))
}

fn made(error: impl ToString) -> TlsError {
    TlsError::Made(error.to_string())
}
