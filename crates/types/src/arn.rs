//! Stream ARNs: `arn:aws:kinesis:REGION:ACCOUNT:stream/NAME`.

use crate::name::{AccountId, InvalidName, Namespace, Region, StreamName};
use std::fmt;

/// The ARN of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamArn {
    /// The account and region that the stream lives in.
    pub namespace: Namespace,
    /// The stream's name.
    pub name: StreamName,
}

impl StreamArn {
    /// Reads an ARN of any partition (`aws`, `aws-cn`, …); the partition is not kept.
    ///
    /// # Errors
    /// [`InvalidName`] if it is not the ARN of a stream.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let invalid = || InvalidName {
            what: "stream ARN",
            value: text.chars().take(160).collect(),
            expected: "arn:aws:kinesis:REGION:ACCOUNT:stream/NAME",
        };
        let mut parts = text.splitn(6, ':');
        let (Some("arn"), Some(partition), Some("kinesis"), Some(region), Some(account), Some(resource)) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(invalid());
        };
        let name = resource.strip_prefix("stream/").ok_or_else(invalid)?;
        if !partition.starts_with("aws") {
            return Err(invalid());
        }
        Ok(Self {
            namespace: Namespace { account: AccountId::new(account)?, region: Region::new(region)? },
            name: StreamName::new(name)?,
        })
    }
}

impl fmt::Display for StreamArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Namespace { account, region } = &self.namespace;
        write!(f, "arn:aws:kinesis:{region}:{account}:stream/{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints() {
        let text = "arn:aws:kinesis:eu-west-3:123456789012:stream/orders.v2";
        assert_eq!(StreamArn::parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn refuses_what_is_not_a_stream() {
        for text in [
            "",
            "arn:aws:kinesis:us-east-1:1:stream/a",
            "arn:aws:sqs:us-east-1:123456789012:stream/a",
            "arn:aws:kinesis:us-east-1:123456789012:stream/a/consumer/c:1",
        ] {
            assert!(StreamArn::parse(text).is_err(), "{text}");
        }
    }
}
