//! The one list of the services that answer on the port: everything that is true of a service and does not depend on a
//! request.
//!
//! What is not addressed to another service is for Kinesis, whose front door has an error for everything
//! ([`crate::front`]). The others are its neighbours ([`crate::neighbour`]).

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Kinesis Data Streams.
    Kinesis,
    /// DynamoDB, where consumer applications keep their leases.
    DynamoDb,
    /// CloudWatch, where they send their metrics.
    CloudWatch,
    /// The Security Token Service, which tells a caller who it is.
    Sts,
}

/// What is true of a service.
struct Facts {
    service: Service,
    signing_name: &'static str,
    target_prefix: Option<&'static str>,
    rpc: bool,
    query: Option<Query>,
    error_prefix: &'static str,
}

/// How a service speaks the query protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// What the parameter `Version` says.
    pub version: &'static str,
    /// The namespace of its answers.
    pub xml_namespace: &'static str,
}

const FACTS: [Facts; 4] = [
    Facts {
        service: Service::Kinesis,
        signing_name: "kinesis",
        target_prefix: Some("Kinesis_20131202"),
        rpc: false,
        query: None,
        error_prefix: "",
    },
    Facts {
        service: Service::DynamoDb,
        signing_name: "dynamodb",
        target_prefix: Some("DynamoDB_20120810"),
        rpc: false,
        query: None,
        error_prefix: "com.amazonaws.dynamodb.v20120810#",
    },
    Facts {
        service: Service::CloudWatch,
        signing_name: "monitoring",
        target_prefix: Some("GraniteServiceVersion20100801"),
        rpc: true,
        query: Some(Query { version: "2010-08-01", xml_namespace: "http://monitoring.amazonaws.com/doc/2010-08-01/" }),
        // As it was recorded of the service (governance.md §1.2).
        error_prefix: "com.amazon.coral.service#",
    },
    Facts {
        service: Service::Sts,
        signing_name: "sts",
        target_prefix: None,
        rpc: false,
        query: Some(Query { version: "2011-06-15", xml_namespace: "https://sts.amazonaws.com/doc/2011-06-15/" }),
        error_prefix: "",
    },
];

impl Service {
    /// Every service.
    pub const ALL: [Self; 4] = [Self::Kinesis, Self::DynamoDb, Self::CloudWatch, Self::Sts];

    const fn facts(self) -> &'static Facts {
        &FACTS[self as usize]
    }

    /// What signatures for it name in their scope.
    pub const fn signing_name(self) -> &'static str {
        self.facts().signing_name
    }

    /// What `X-Amz-Target` puts before the name of an operation, if it is addressed so: in a JSON protocol.
    pub const fn target_prefix(self) -> Option<&'static str> {
        self.facts().target_prefix
    }

    /// Whether it speaks RPC v2 in CBOR, where the path names service and operation.
    pub const fn speaks_rpc(self) -> bool {
        self.facts().rpc
    }

    /// How it speaks the query protocol, if it does.
    pub const fn query(self) -> Option<Query> {
        self.facts().query
    }

    /// What stands before the names of its own errors where they are told with their namespace.
    pub const fn error_prefix(self) -> &'static str {
        self.facts().error_prefix
    }

    /// The service that a target's part before the dot, or of an RPC path, names.
    pub fn of_target(prefix: &str) -> Option<Self> {
        FACTS.iter().find(|facts| facts.target_prefix == Some(prefix)).map(|facts| facts.service)
    }

    /// The service whose query protocol has this version.
    pub fn of_version(version: &str) -> Option<Self> {
        FACTS.iter().find(|facts| facts.query.is_some_and(|query| query.version == version)).map(|facts| facts.service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_services() {
        for service in Service::ALL {
            assert_eq!(service.facts().service, service);
            assert_eq!(service.target_prefix().and_then(Service::of_target), service.target_prefix().map(|_| service));
            assert_eq!(
                service.query().and_then(|query| Service::of_version(query.version)),
                service.query().map(|_| service)
            );
        }
        assert_eq!(Service::Kinesis.target_prefix(), Some(crate::operation::TARGET_PREFIX));
    }
}
