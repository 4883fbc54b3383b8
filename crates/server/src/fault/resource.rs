//! What hangs on resources: their state, their policies.

use rheos_streams::{DeletePolicyError, PolicyFlaw, PolicyProblem, PutPolicyError, ResourceError};
use rheos_wire::ErrorCode;

use super::Fault;
use super::consumer::consumer_not_active;

impl From<ResourceError> for Fault {
    fn from(error: ResourceError) -> Self {
        match error {
            ResourceError::Stream(fact) => fact.into(),
            ResourceError::Consumer(fact) => fact.into(),
            ResourceError::NotActive(fact) => fact.into(),
            ResourceError::ConsumerNotActive(consumer) => consumer_not_active(&consumer),
        }
    }
}

impl From<PutPolicyError> for Fault {
    fn from(error: PutPolicyError) -> Self {
        match error {
            PutPolicyError::Resource(error) => error.into(),
            PutPolicyError::Flaw(flaw) => flaw.into(),
            PutPolicyError::Log(error) => error.into(),
        }
    }
}

/// The service's texts begin like this (`reference/governance.md` §2.2); the rest is our own.
impl From<PolicyFlaw> for Fault {
    fn from(PolicyFlaw { at, problem }: PolicyFlaw) -> Self {
        let text = match problem {
            PolicyProblem::TooLong { bytes, limit } => format!("has {bytes} bytes, more than {limit}"),
            PolicyProblem::NotJson { line, column } => format!("is not JSON (line {line}, column {column})"),
            PolicyProblem::Expected { what } => format!("should be {what}"),
            PolicyProblem::Missing => "is missing".to_owned(),
            PolicyProblem::Unknown => "is not supported in a resource policy of Kinesis".to_owned(),
            PolicyProblem::NotOneOf { value, known } => format!("{value:?} is none of {}", known.join(", ")),
            PolicyProblem::Wildcard => "has a wildcard: each has to be named".to_owned(),
            PolicyProblem::Principal { value } => {
                format!("{value:?} is not an account, the ARN of an account, user, role or session, or a service")
            }
            PolicyProblem::OtherResource { value, resource } => {
                format!("{value:?} is not {resource}, which the policy is for")
            }
            PolicyProblem::SameSid { value } => format!("{value:?} is the Sid of another statement too"),
        };
        Self::invalid(format!("Policy validation error: {at} {text}."))
    }
}

impl From<DeletePolicyError> for Fault {
    fn from(error: DeletePolicyError) -> Self {
        match error {
            DeletePolicyError::Resource(error) => error.into(),
            DeletePolicyError::NoPolicy { resource } => {
                Self::new(ErrorCode::ResourceNotFound, format!("No resource policy found for resource ARN {resource}."))
            }
            DeletePolicyError::Log(error) => error.into(),
        }
    }
}
