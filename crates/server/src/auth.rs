//! Who calls: from a signature to a caller, or to the error that AWS has for it.

use rheos_types::{AccountId, Namespace, Region};
use rheos_wire::Service;
use rheos_wire::sigv4::{self, AuthError, Presented, RequestHead, SigningKeyCache};

use crate::credentials::AccessKey;

/// Signing keys to remember: one for each access key, day, region and service.
const SIGNING_KEYS: usize = 256;

/// Who a request comes from, and whose streams it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The account, and the region that the request is signed for.
    pub(crate) namespace: Namespace,
}

impl Caller {
    /// The caller's ARN, as messages name it.
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:iam::{}:root", self.namespace.account)
    }
}

/// Decides who may come in.
#[derive(Debug)]
pub(crate) struct Authenticator {
    account: AccountId,
    region: Region,
    admits: Admits,
    signing_keys: SigningKeyCache,
}

/// Whom the server lets in.
#[derive(Clone, Debug)]
pub(crate) enum Admits {
    /// Whoever signs with this key.
    Key(AccessKey),
    /// Everybody, signed or not.
    Everybody,
}

impl Authenticator {
    /// All callers belong to `account`; one that names no region gets `region`.
    pub(crate) fn new(account: AccountId, region: Region, admits: Admits) -> Self {
        Self { account, region, admits, signing_keys: SigningKeyCache::new(SIGNING_KEYS) }
    }

    /// Finds out who sent a request to a service.
    ///
    /// In this order, as on AWS: the shape of the signature, its scope, whether there is such a key, the time, what is
    /// signed, the signature.
    pub(crate) fn authenticate(
        &self,
        service: Service,
        head: &RequestHead<'_>,
        body: &[u8],
        now_ms: u64,
    ) -> Result<Caller, AuthError> {
        let presented = sigv4::parse(head);
        let key = match &self.admits {
            Admits::Everybody => {
                // Whatever was signed, and however badly: only the region is of interest.
                let region = presented.ok().flatten().and_then(|presented| Region::new(presented.region()).ok());
                return Ok(self.caller(region.unwrap_or_else(|| self.region.clone())));
            }
            Admits::Key(key) => key,
        };
        let presented = presented?.ok_or(AuthError::missing())?;
        let region = self.scope(service, &presented)?;
        let is_known = presented.access_key_id() == key.id;
        if !is_known || presented.session_token() != key.session_token.as_deref() {
            return Err(AuthError::unknown_key());
        }
        let now = i64::try_from(now_ms).unwrap_or(i64::MAX);
        sigv4::verify(&presented, head, body, &key.secret, now, &self.signing_keys)?;
        Ok(self.caller(region))
    }

    /// The region of a signature that is for a service. Any region will do; each is a namespace of its own.
    fn scope(&self, service: Service, presented: &Presented<'_>) -> Result<Region, AuthError> {
        let region = Region::new(presented.region());
        let valid_regions = [self.region.as_str()];
        presented.check_scope(service.signing_name(), region.is_err().then_some(&valid_regions))?;
        // Not reached with an invalid region: it is not among the valid ones.
        Ok(region.unwrap_or_else(|_| self.region.clone()))
    }

    fn caller(&self, region: Region) -> Caller {
        Caller { namespace: Namespace { account: self.account.clone(), region } }
    }
}
