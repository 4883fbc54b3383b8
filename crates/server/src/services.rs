//! The services that answer on the one port: Kinesis, and its neighbours with a folder or a file each. A neighbour has a
//! list of operations and a function `run` that takes one of them with its caller and its body.

mod operations;

pub(crate) mod cloudwatch;
pub(crate) mod dynamodb;
pub(crate) mod kinesis;
pub(crate) mod sts;

use rheos_wire::Service;

pub(crate) use operations::operations;

/// An operation of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    DynamoDb(dynamodb::Operation),
    CloudWatch(cloudwatch::Operation),
    Sts(sts::Operation),
}

/// What an operation of a neighbour does to the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// May change something: an answer is never withheld for want of memory, so it has to be small.
    Mutating,
    /// Changes nothing.
    Reading,
}

impl Operation {
    /// The operation that goes by this name; `None` if the service has none, or Kinesis is asked about.
    pub(crate) fn find(service: Service, name: &str) -> Option<Self> {
        match service {
            Service::Kinesis => None,
            Service::DynamoDb => dynamodb::Operation::from_name(name).map(Self::DynamoDb),
            Service::CloudWatch => cloudwatch::Operation::from_name(name).map(Self::CloudWatch),
            Service::Sts => sts::Operation::from_name(name).map(Self::Sts),
        }
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DynamoDb(operation) => operation.name(),
            Self::CloudWatch(operation) => operation.name(),
            Self::Sts(operation) => operation.name(),
        }
    }

    /// What it does to the state.
    pub(crate) fn access(self) -> Access {
        match self {
            Self::DynamoDb(operation) => operation.access(),
            Self::CloudWatch(operation) => operation.access(),
            Self::Sts(operation) => operation.access(),
        }
    }
}
