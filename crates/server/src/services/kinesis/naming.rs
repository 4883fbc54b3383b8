//! Which stream or consumer a request names: by its name, its ARN, its id, or several, which then
//! have to agree.

use rheos_streams::ConsumerInfo;
use rheos_types::{AccountId, ConsumerArn, ConsumerName, Region, ResourceArn, StreamArn, StreamId, StreamName};
use rheos_wire::Operation;
use rheos_wire::generated::EncryptionType;

use super::Kinesis;
use crate::auth::Caller;
use crate::fault::Fault;

/// What is wrong with a request that the model allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RequestError {
    /// It names no stream.
    NoStream,
    /// ListShards: it names no stream, and has no token that would.
    NoStreamOrToken,
    /// ListShards: it has a token and a member that only a first request has.
    WithToken { member: &'static str },
    /// No stream of the caller's has this id.
    NoSuchId { id: String, account: AccountId },
    /// Id and name (or ARN) are of different streams.
    IdDiffers { id: String, name: String },
    /// What should be an ARN of a stream is none.
    NotAStreamArn { arn: String },
    /// Name and ARN are of different streams.
    Differ { arn: StreamArn, name: String },
    /// It names no consumer.
    NoConsumer,
    /// What should be an ARN of a consumer is none.
    NotAConsumerArn { arn: String },
    /// The ARN of a consumer and another member, which names a stream or a consumer, do not agree.
    OtherConsumer { arn: ConsumerArn, member: &'static str },
    /// What should be an ARN of a resource is none.
    NotAResourceArn { arn: String },
    /// A channel or a queue, which there are none of.
    NoSuchResource { arn: String },
    /// GetRecords: the iterator is of another stream than the one that is named.
    OtherIterator { name: StreamName },
    /// The ARN's resource is in another region than the one that the request is signed for.
    OtherRegion { arn: StreamArn, region: Region },
    /// The ARN is of another account, which has not let this one in.
    OtherAccount { principal: String, action: &'static str, resource: String },
    /// A filter without what it filters by.
    FilterNeeds { filter: &'static str, member: &'static str },
    /// Start- and StopStreamEncryption: a type that is no encryption.
    NoEncryption,
    /// `DryRun`: it would have succeeded.
    WouldHaveSucceeded,
}

/// How a request names its stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) operation: Operation,
    pub(crate) name: Option<&'a str>,
    pub(crate) arn: Option<&'a str>,
    pub(crate) id: Option<&'a str>,
}

/// How the input of an operation names its stream: every one has the same three members.
macro_rules! target {
    ($operation:ident, $input:expr) => {
        crate::services::kinesis::Target {
            operation: rheos_wire::Operation::$operation,
            name: $input.stream_name.as_deref(),
            arn: $input.stream_arn.as_deref(),
            id: $input.stream_id.as_deref(),
        }
    };
}
pub(super) use target;

impl Target<'_> {
    /// Whether it names a stream in any way.
    pub(crate) fn is_given(&self) -> bool {
        self.name.is_some() || self.arn.is_some() || self.id.is_some()
    }

    /// The name of the stream, which is in the caller's namespace.
    pub(crate) fn resolve(self, kinesis: &Kinesis, caller: &Caller) -> Result<StreamName, RequestError> {
        self.resolve_with(caller, |id| {
            let (namespace, name) = kinesis.streams.stream_of_id(id)?;
            // A stranger is not told that there is one.
            (namespace == caller.namespace).then_some(name)
        })
    }

    /// The same, given whose id an id is.
    fn resolve_with(
        self,
        caller: &Caller,
        of_id: impl Fn(StreamId) -> Option<StreamName>,
    ) -> Result<StreamName, RequestError> {
        let arn = self.arn.map(|arn| stream_arn(arn, self.operation, caller)).transpose()?;
        let name = match (self.name, arn) {
            (None, None) => None,
            (None, Some(arn)) => Some(arn.name),
            (Some(name), Some(arn)) if name == arn.name.as_str() => Some(arn.name),
            (Some(name), Some(arn)) => return Err(RequestError::Differ { arn, name: name.to_owned() }),
            // The model's pattern has been checked before; it allows what a name allows.
            (Some(name), None) => Some(StreamName::new(name).map_err(|_| RequestError::NoStream)?),
        };
        let Some(text) = self.id else { return name.ok_or(RequestError::NoStream) };
        let id = || text.chars().take(200).collect();
        let missing = || RequestError::NoSuchId { id: id(), account: caller.namespace.account.clone() };
        let found = StreamId::parse(text).and_then(of_id).ok_or_else(missing)?;
        match name {
            Some(name) if name != found => Err(RequestError::IdDiffers { id: id(), name: name.to_string() }),
            Some(_) | None => Ok(found),
        }
    }
}

/// How a request names a consumer: by its ARN alone, or by its stream and its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConsumerTarget<'a> {
    pub(crate) operation: Operation,
    pub(crate) arn: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
    pub(crate) stream_arn: Option<&'a str>,
    pub(crate) stream_id: Option<&'a str>,
}

/// How the input of an operation names a consumer: both that do have the same four members.
macro_rules! consumer_target {
    ($operation:ident, $input:expr) => {
        crate::services::kinesis::ConsumerTarget {
            operation: rheos_wire::Operation::$operation,
            arn: $input.consumer_arn.as_deref(),
            name: $input.consumer_name.as_deref(),
            stream_arn: $input.stream_arn.as_deref(),
            stream_id: $input.stream_id.as_deref(),
        }
    };
}
pub(super) use consumer_target;

impl ConsumerTarget<'_> {
    /// The consumer, which is of a stream in the caller's namespace.
    pub(crate) fn resolve(self, kinesis: &Kinesis, caller: &Caller) -> Result<ConsumerInfo, Fault> {
        let arn = self.arn.map(|arn| consumer_arn(arn, self.operation, caller)).transpose()?;
        let stream = Target { operation: self.operation, name: None, arn: self.stream_arn, id: self.stream_id };
        let stream = stream.is_given().then(|| stream.resolve(kinesis, caller)).transpose()?;
        let Some(arn) = arn else {
            let (Some(stream), Some(name)) = (stream, self.name) else { return Err(RequestError::NoConsumer.into()) };
            // The model's pattern has been checked before; it allows what a name allows.
            let name = ConsumerName::new(name).map_err(|_| RequestError::NoConsumer)?;
            return Ok(kinesis.streams.consumer_named(&caller.namespace, &stream, &name)?);
        };
        if self.name.is_some_and(|name| name != arn.name.as_str()) {
            return Err(RequestError::OtherConsumer { arn, member: "ConsumerName" }.into());
        }
        if stream.is_some_and(|stream| stream != arn.stream.name) {
            let member = if self.stream_arn.is_some() { "StreamARN" } else { "StreamId" };
            return Err(RequestError::OtherConsumer { arn, member }.into());
        }
        Ok(kinesis.streams.consumer(&arn)?)
    }
}

/// A stream of the caller's as a resource.
pub(super) fn stream_resource(caller: &Caller, name: StreamName) -> ResourceArn {
    ResourceArn::Stream(StreamArn { namespace: caller.namespace.clone(), name })
}

/// How a request names a resource: by its ARN, with which its stream's id has to agree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResourceTarget<'a> {
    pub(crate) operation: Operation,
    pub(crate) arn: &'a str,
    pub(crate) stream_id: Option<&'a str>,
}

/// How the input of an operation names a resource: every one that does has the same two members.
macro_rules! resource_target {
    ($operation:ident, $input:expr) => {
        crate::services::kinesis::ResourceTarget {
            operation: rheos_wire::Operation::$operation,
            arn: &$input.resource_arn,
            stream_id: $input.stream_id.as_deref(),
        }
    };
}
pub(super) use resource_target;

impl ResourceTarget<'_> {
    /// The resource, which is in the caller's namespace.
    pub(crate) fn resolve(self, kinesis: &Kinesis, caller: &Caller) -> Result<ResourceArn, RequestError> {
        let text = || self.arn.chars().take(200).collect();
        let kind = self.arn.splitn(6, ':').nth(5).unwrap_or_default();
        if kind.starts_with("channel/") || kind.starts_with("queue/") {
            return Err(RequestError::NoSuchResource { arn: text() });
        }
        let arn = ResourceArn::parse(self.arn).map_err(|_| RequestError::NotAResourceArn { arn: text() })?;
        require_own(arn.stream(), &arn, self.operation, caller)?;
        if self.stream_id.is_some() {
            let name = Some(arn.stream().name.as_str());
            Target { operation: self.operation, name, arn: None, id: self.stream_id }.resolve(kinesis, caller)?;
        }
        Ok(arn)
    }
}

/// Reads the ARN of a consumer of a stream in the caller's namespace.
pub(super) fn consumer_arn(text: &str, operation: Operation, caller: &Caller) -> Result<ConsumerArn, RequestError> {
    let invalid = |_| RequestError::NotAConsumerArn { arn: text.chars().take(200).collect() };
    let arn = ConsumerArn::parse(text).map_err(invalid)?;
    require_own(&arn.stream, &arn, operation, caller)?;
    Ok(arn)
}

/// Reads the ARN of a stream in the caller's namespace.
pub(super) fn stream_arn(text: &str, operation: Operation, caller: &Caller) -> Result<StreamArn, RequestError> {
    let invalid = |_| RequestError::NotAStreamArn { arn: text.chars().take(200).collect() };
    let arn = StreamArn::parse(text).map_err(invalid)?;
    require_own(&arn, &arn, operation, caller)?;
    Ok(arn)
}

/// Whether a stream is in the caller's namespace, and with it the resource that the request names.
fn require_own(
    stream: &StreamArn,
    resource: &dyn std::fmt::Display,
    operation: Operation,
    caller: &Caller,
) -> Result<(), RequestError> {
    if stream.namespace.account != caller.namespace.account {
        let (principal, action, resource) = (caller.arn(), operation.action(), resource.to_string());
        return Err(RequestError::OtherAccount { principal, action, resource });
    }
    if stream.namespace.region != caller.namespace.region {
        return Err(RequestError::OtherRegion { arn: stream.clone(), region: caller.namespace.region.clone() });
    }
    Ok(())
}

/// The model has a type that says that there is no encryption, which can be neither started nor stopped.
pub(super) fn check_encryption_type(encryption: EncryptionType) -> Result<(), RequestError> {
    match encryption {
        EncryptionType::Kms => Ok(()),
        EncryptionType::None => Err(RequestError::NoEncryption),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rheos_types::{AccountId, Namespace};

    fn caller() -> Caller {
        let account = AccountId::new("123456789012").unwrap();
        Caller { namespace: Namespace { account, region: Region::new("us-east-1").unwrap() } }
    }

    fn resolve(name: Option<&str>, arn: Option<&str>, id: Option<&str>) -> Result<String, RequestError> {
        let target = Target { operation: Operation::PutRecord, name, arn, id };
        let of_id = |id: StreamId| (id == StreamId(7)).then(|| StreamName::new("s").unwrap());
        target.resolve_with(&caller(), of_id).map(|name| name.to_string())
    }

    #[test]
    fn name_and_arn_have_to_agree() {
        let arn = "arn:aws:kinesis:us-east-1:123456789012:stream/s";
        assert_eq!(resolve(Some("s"), None, None).unwrap(), "s");
        assert_eq!(resolve(None, Some(arn), None).unwrap(), "s");
        assert_eq!(resolve(Some("s"), Some(arn), None).unwrap(), "s");
        assert!(matches!(resolve(Some("t"), Some(arn), None), Err(RequestError::Differ { .. })));
        assert_eq!(resolve(None, None, None), Err(RequestError::NoStream));
        let id = StreamId(7).to_string();
        assert_eq!(resolve(None, None, Some(&id)).unwrap(), "s");
        assert_eq!(resolve(Some("s"), Some(arn), Some(&id)).unwrap(), "s");
        assert!(matches!(resolve(Some("t"), None, Some(&id)), Err(RequestError::IdDiffers { .. })));
        for id in [StreamId(8).to_string(), "abcdefghij0123456789-abc".to_owned()] {
            assert!(matches!(resolve(Some("s"), None, Some(&id)), Err(RequestError::NoSuchId { .. })), "{id}");
        }
        let arn = |region: &str, account: &str| format!("arn:aws:kinesis:{region}:{account}:stream/s");
        let other = arn("us-east-1", "000000000000");
        assert!(matches!(resolve(None, Some(&other), None), Err(RequestError::OtherAccount { .. })));
        let other = arn("eu-west-1", "123456789012");
        assert!(matches!(resolve(None, Some(&other), None), Err(RequestError::OtherRegion { .. })));
        assert!(matches!(resolve(None, Some("arn:x"), None), Err(RequestError::NotAStreamArn { .. })));
    }
}
