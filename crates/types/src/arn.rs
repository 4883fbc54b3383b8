//! ARNs of streams, `arn:aws:kinesis:REGION:ACCOUNT:stream/NAME`, and of their consumers,
//! `arn:aws:kinesis:REGION:ACCOUNT:stream/NAME/consumer/CONSUMER:SECOND`.

use crate::name::{AccountId, ConsumerName, InvalidName, Namespace, Region, StreamName};
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

/// The ARN of a consumer of a stream: its creation second tells it from others of its name, before and after it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConsumerArn {
    /// The stream that it reads.
    pub stream: StreamArn,
    /// Its name.
    pub name: ConsumerName,
    /// When it was registered, in seconds since the epoch.
    pub created_s: u64,
}

impl ConsumerArn {
    /// Reads an ARN of any partition; the partition is not kept. The second is written in one way only: digits, no
    /// leading zeros.
    ///
    /// # Errors
    /// [`InvalidName`] if it is not the ARN of a consumer.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let invalid = || InvalidName {
            what: "consumer ARN",
            value: text.chars().take(160).collect(),
            expected: "arn:aws:kinesis:REGION:ACCOUNT:stream/NAME/consumer/CONSUMER:SECOND",
        };
        let (stream, consumer) = text.split_once("/consumer/").ok_or_else(invalid)?;
        let (name, second) = consumer.split_once(':').ok_or_else(invalid)?;
        let digits = second.bytes().all(|b| b.is_ascii_digit()) && (second == "0" || !second.starts_with('0'));
        if !digits {
            return Err(invalid());
        }
        Ok(Self {
            stream: StreamArn::parse(stream)?,
            name: ConsumerName::new(name)?,
            created_s: second.parse().map_err(|_| invalid())?,
        })
    }
}

impl fmt::Display for ConsumerArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/consumer/{}:{}", self.stream, self.name, self.created_s)
    }
}

/// What has tags and a policy of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ResourceArn {
    /// A stream.
    Stream(StreamArn),
    /// A consumer of a stream.
    Consumer(ConsumerArn),
}

impl ResourceArn {
    /// Reads the ARN of a stream or of a consumer.
    ///
    /// # Errors
    /// [`InvalidName`] if it is neither.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        if text.contains("/consumer/") {
            ConsumerArn::parse(text).map(Self::Consumer)
        } else {
            StreamArn::parse(text).map(Self::Stream)
        }
    }

    /// The stream, or that of the consumer.
    #[must_use]
    pub fn stream(&self) -> &StreamArn {
        match self {
            Self::Stream(stream) => stream,
            Self::Consumer(consumer) => &consumer.stream,
        }
    }
}

impl fmt::Display for ResourceArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(stream) => stream.fmt(f),
            Self::Consumer(consumer) => consumer.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    #[test]
    fn streams_and_consumers_are_told_apart() {
        let stream = "arn:aws:kinesis:us-east-1:123456789012:stream/a";
        let consumer = format!("{stream}/consumer/c:1");
        assert!(matches!(ResourceArn::parse(stream), Ok(ResourceArn::Stream(_))));
        let read = ResourceArn::parse(&consumer).unwrap();
        assert_eq!((read.to_string(), read.stream().to_string()), (consumer, stream.to_owned()));
        assert!(ResourceArn::parse("arn:aws:kinesis:us-east-1:123456789012:queue/a").is_err());
    }

    #[test]
    fn refuses_what_is_not_a_consumer() {
        let stream = "arn:aws:kinesis:us-east-1:123456789012:stream/a";
        for rest in [
            "",
            "/consumer/",
            "/consumer/c",
            "/consumer/c:",
            "/consumer/:1",
            "/consumer/c:01",
            "/consumer/c:+1",
            "/consumer/c:1 ",
            "/consumer/c:1:2",
            "/consumer/c:18446744073709551616",
            "/consumer/c/consumer/d:1",
            "/consumers/c:1",
        ] {
            assert!(ConsumerArn::parse(&format!("{stream}{rest}")).is_err(), "{rest}");
        }
    }

    proptest! {
        #[test]
        fn a_consumers_arn_reads_as_it_prints(
            account in "[0-9]{12}", region in "[a-z]{2}-[a-z]{4,9}-[1-9]", stream in "[a-zA-Z0-9_.-]{1,128}",
            consumer in "[a-zA-Z0-9_.-]{1,128}", created_s in any::<u64>(),
        ) {
            let text = format!("arn:aws:kinesis:{region}:{account}:stream/{stream}/consumer/{consumer}:{created_s}");
            let arn = ConsumerArn::parse(&text).unwrap();
            prop_assert_eq!(arn.to_string(), text);
            prop_assert_eq!(
                (arn.stream.name.as_str(), arn.name.as_str(), arn.created_s),
                (stream.as_str(), consumer.as_str(), created_s)
            );
        }

        #[test]
        fn whatever_reads_as_a_consumer_is_what_it_prints(
            text in "arn:aws[a-z-]{0,4}:kinesis:us-east-1:[0-9]{11,13}:stream/[a-z/:]{0,4}/consumer/[a-z0-9/:]{0,6}:[0-9]{0,3}",
        ) {
            if let Ok(arn) = ConsumerArn::parse(&text) {
                let partition = text.split(':').nth(1).unwrap_or_default().to_owned();
                prop_assert_eq!(arn.to_string().replacen("arn:aws:", &format!("arn:{partition}:"), 1), text);
            }
        }
    }
}
