//! Which service the client commands talk to, and as whom.
//!
//! The endpoint is, in this order: `--endpoint-url`, `AWS_ENDPOINT_URL_KINESIS`, `AWS_ENDPOINT_URL`, the profile's `endpoint_url`;
//! with `--aws` Amazon Kinesis itself; otherwise `http://127.0.0.1:4566`, so that nothing reaches an AWS account by accident.
//!
//! The credentials are, in this order: the key in `--data-dir` if that is given; for the default endpoint the key in
//! `./rheos-data` if there is one; then AWS's own order (environment, profile, ...). A service on this machine also gets the key in
//! `./rheos-data`, or in the end a placeholder, which a server with `--dev` accepts.
//!
//! Over TLS the authorities that count are those of `--ca`; else those of `AWS_CA_BUNDLE` or of the system, and the one of
//! `--dev-tls` in the data directory in which the key is looked for.

mod trust;

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_kinesis::Client;
use aws_types::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use serde::Deserialize;

use crate::args::Connect;
use crate::edge;
use crate::failure::{Failure, Outcome};

/// Where a server listens unless it is told otherwise.
pub(crate) const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:4566";
const DEFAULT_REGION: &str = "us-east-1";
const DEFAULT_DATA_DIR: &str = "rheos-data";
const KEY_FILE: &str = "root-credentials.json";

/// A service and the way to talk to it.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    /// The official client.
    pub(crate) client: Client,
    /// The official client of lease tables, at the same address unless `AWS_ENDPOINT_URL_DYNAMODB` says another.
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    /// The address, or a description of it where AWS decides.
    pub(crate) endpoint: String,
    /// The region in signatures.
    pub(crate) region: String,
    credentials: SharedCredentialsProvider,
}

impl Service {
    /// Resolves the endpoint and the credentials; nothing is sent yet.
    pub(crate) async fn connect(args: &Connect) -> Outcome<Self> {
        let config = ambient_config(args).await;
        let configured = args.endpoint_url.clone().or_else(|| configured_endpoint(&config));
        let target = Target::choose(configured, args.aws);
        let credentials = credentials_for(&target, args, &config).await?;
        let region = config.region().map_or(DEFAULT_REGION, Region::as_ref).to_owned();
        let authorities = trust::authorities(&target, args, edge::env("AWS_CA_BUNDLE").map(PathBuf::from))?;
        Ok(Self::new(&config, target, region, credentials, authorities))
    }

    /// The service at an address, with a key that is known.
    pub(crate) async fn with_key(endpoint: &str, key: &StoredKey) -> Self {
        let args = Connect { region: Some(DEFAULT_REGION.to_owned()), ..Connect::default() };
        let config = ambient_config(&args).await;
        let credentials = SharedCredentialsProvider::new(key.credentials());
        Self::new(&config, Target::Explicit(endpoint.to_owned()), DEFAULT_REGION.to_owned(), credentials, None)
    }

    fn new(
        config: &SdkConfig,
        target: Target,
        region: String,
        credentials: SharedCredentialsProvider,
        authorities: Option<trust::Authorities>,
    ) -> Self {
        let mut config = config.to_builder();
        if let Some(authorities) = authorities {
            config.set_http_client(Some(authorities.client()));
        }
        config.set_region(Some(Region::new(region.clone())));
        config.set_credentials_provider(Some(credentials.clone()));
        let config = config.build();
        let mut client = aws_sdk_kinesis::config::Builder::from(&config);
        client.set_endpoint_url(target.url().map(str::to_owned));
        let mut dynamodb = aws_sdk_dynamodb::config::Builder::from(&config);
        let tables = edge::env("AWS_ENDPOINT_URL_DYNAMODB").or_else(|| target.url().map(str::to_owned));
        dynamodb.set_endpoint_url(tables);
        let dynamodb = aws_sdk_dynamodb::Client::from_conf(dynamodb.build());
        let endpoint = target.url().map_or_else(|| format!("Amazon Kinesis in {region}"), str::to_owned);
        Self { client: Client::from_conf(client.build()), dynamodb, endpoint, region, credentials }
    }

    /// The key itself, for a client that signs on its own.
    pub(crate) async fn key(&self) -> Outcome<Credentials> {
        self.credentials.provide_credentials().await.map_err(|error| {
            Failure::unreachable(format!("no credentials for {}: {error}", self.endpoint))
                .hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a --profile or a --data-dir")
        })
    }
}

/// What the endpoint rules decide.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    /// Somebody named an address.
    Explicit(String),
    /// Nobody did: a server on this machine.
    Default,
    /// Amazon Kinesis, at the address that the SDK finds for the region.
    Aws,
}

impl Target {
    fn choose(configured: Option<String>, aws: bool) -> Self {
        match configured {
            Some(url) => Self::Explicit(url),
            None if aws => Self::Aws,
            None => Self::Default,
        }
    }

    fn url(&self) -> Option<&str> {
        match self {
            Self::Explicit(url) => Some(url),
            Self::Default => Some(DEFAULT_ENDPOINT),
            Self::Aws => None,
        }
    }

    /// Whether the service runs on this machine, where asking AWS's metadata services for credentials makes no sense.
    fn is_local(&self) -> bool {
        let host =
            self.url().and_then(|url| url.parse::<http::Uri>().ok()).and_then(|uri| uri.host().map(str::to_owned));
        host.is_some_and(|host| host == "localhost" || host == "[::1]" || host.starts_with("127."))
    }
}

async fn ambient_config(args: &Connect) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    if let Some(profile) = &args.profile {
        loader = loader.profile_name(profile);
    }
    // The region is settled here too, because AWS's own order ends with a question to the instance metadata service.
    let region = args.region.clone().or_else(|| edge::env("AWS_REGION")).or_else(|| edge::env("AWS_DEFAULT_REGION"));
    let region = match region {
        Some(region) => Region::new(region),
        None => profile_region(args.profile.as_deref()).await.unwrap_or(Region::from_static(DEFAULT_REGION)),
    };
    let timeouts = aws_config::timeout::TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(60))
        .build();
    loader.region(region).timeout_config(timeouts).load().await
}

async fn profile_region(profile: Option<&str>) -> Option<Region> {
    use aws_config::meta::region::ProvideRegion;
    let mut provider = aws_config::profile::ProfileFileRegionProvider::builder();
    if let Some(profile) = profile {
        provider = provider.profile_name(profile);
    }
    provider.build().region().await
}

/// `AWS_ENDPOINT_URL_KINESIS`, `AWS_ENDPOINT_URL`, or the same two in the profile.
fn configured_endpoint(config: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id("Kinesis")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    let specific = config.service_config().and_then(|service| service.load_config(key));
    specific.or_else(|| config.endpoint_url().map(str::to_owned))
}

async fn credentials_for(target: &Target, args: &Connect, config: &SdkConfig) -> Outcome<SharedCredentialsProvider> {
    if let Some(directory) = &args.data_dir {
        return match StoredKey::read(directory)? {
            Some(key) => Ok(SharedCredentialsProvider::new(key.credentials())),
            None => Err(Failure::unreachable(format!("there is no {KEY_FILE} in {}", directory.display()))
                .hint("a server writes it there at its first start")),
        };
    }
    let stored = || StoredKey::read(Path::new(DEFAULT_DATA_DIR)).map(|key| key.map(|key| key.credentials()));
    if *target == Target::Default
        && args.profile.is_none()
        && let Some(key) = stored()?
    {
        return Ok(SharedCredentialsProvider::new(key));
    }
    if target.is_local() {
        let key = match local_credentials(args.profile.as_deref()).await {
            Some(key) => key,
            None => stored()?.unwrap_or_else(|| Credentials::new("rheos", "rheos", None, None, "placeholder")),
        };
        return Ok(SharedCredentialsProvider::new(key));
    }
    config.credentials_provider().ok_or_else(|| Failure::unreachable("no credentials are configured"))
}

/// What the environment and the profile files hold; nothing that asks the network.
async fn local_credentials(profile: Option<&str>) -> Option<Credentials> {
    let environment = aws_config::environment::EnvironmentVariableCredentialsProvider::new();
    if profile.is_none()
        && let Ok(key) = environment.provide_credentials().await
    {
        return Some(key);
    }
    let mut files = aws_config::profile::ProfileFileCredentialsProvider::builder();
    if let Some(profile) = profile {
        files = files.profile_name(profile);
    }
    files.build().provide_credentials().await.ok()
}

/// The key that a server keeps in its data directory.
#[derive(Clone, Deserialize)]
pub(crate) struct StoredKey {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
}

impl StoredKey {
    /// The key in a data directory, if there is one.
    pub(crate) fn read(directory: &Path) -> Outcome<Option<Self>> {
        let path: PathBuf = directory.join(KEY_FILE);
        match edge::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|error| Failure::unreachable(format!("{} is no key file: {error}", path.display()))),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(error) => {
                Err(Failure { exit: crate::failure::Exit::Unreachable, ..Failure::io(path.display(), &error) })
            }
        }
    }

    fn credentials(&self) -> Credentials {
        Credentials::new(&self.access_key_id, &self.secret_access_key, None, None, "rheos-data")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_aws_unless_it_is_said() {
        assert_eq!(Target::choose(None, false), Target::Default);
        assert_eq!(Target::choose(None, true), Target::Aws);
        let named = Target::choose(Some("http://example:1".to_owned()), true);
        assert_eq!(named.url(), Some("http://example:1"));
    }

    #[test]
    fn local_services_are_recognised() {
        for (url, local) in [
            ("http://127.0.0.1:4566", true),
            ("http://localhost:4566/", true),
            ("http://[::1]:4566", true),
            ("https://kinesis.example", false),
            ("http://10.0.0.1:4566", false),
        ] {
            assert_eq!(Target::Explicit(url.to_owned()).is_local(), local, "{url}");
        }
        assert!(Target::Default.is_local());
        assert!(!Target::Aws.is_local());
    }

    #[test]
    fn the_key_of_a_data_directory_is_read() {
        let directory = tempfile::tempdir().unwrap();
        assert!(StoredKey::read(directory.path()).unwrap().is_none());
        let path = directory.path().join(KEY_FILE);
        let text = br#"{"access_key_id":"AKIAEXAMPLE","secret_access_key":"secret"}"#;
        std::io::Write::write_all(&mut edge::create(&path).unwrap(), text).unwrap();
        assert_eq!(StoredKey::read(directory.path()).unwrap().unwrap().access_key_id, "AKIAEXAMPLE");
        std::io::Write::write_all(&mut edge::create(&path).unwrap(), b"{}").unwrap();
        assert!(StoredKey::read(directory.path()).is_err());
    }
}
