//! What is told of metrics that cannot be taken or read. The texts are close to the service's where it is known to have one.

use rheos_wire::neighbour::{Code, ServiceError};
use rheos_wire::{ErrorBody, ErrorCode};

use super::ServiceFault;
use crate::services::cloudwatch::{MetricError, QueryError};

const INVALID: Code = Code::client("InvalidParameterValueException").with_query_name("InvalidParameterValue");
const MISSING: Code = Code::client("MissingRequiredParameterException").with_query_name("MissingParameter");
const COMBINATION: Code =
    Code::client("InvalidParameterCombinationException").with_query_name("InvalidParameterCombination");
const NEXT_TOKEN: Code = Code::client("InvalidNextToken");
const TOO_LARGE: Code = Code::client("RequestEntityTooLargeException").with_status(413);

impl From<MetricError> for ServiceFault {
    fn from(error: MetricError) -> Self {
        let error = match error {
            MetricError::Invalid { member, value, expected } => ServiceError::new(
                INVALID,
                format!("The value {value} for parameter {member} is invalid. Expected {expected}."),
            ),
            MetricError::Missing { members, of } => {
                ServiceError::new(MISSING, format!("The parameter {of}{members} is required."))
            }
            MetricError::Both { members: [one, other] } => ServiceError::new(
                COMBINATION,
                format!("The parameters {one} and {other} are mutually exclusive and you have specified both."),
            ),
            MetricError::TooLarge { bytes, limit_bytes } => {
                ServiceError::new(TOO_LARGE, format!("The request has {bytes} bytes; it may have {limit_bytes}."))
            }
            MetricError::TooMany { member, count, limit } => ServiceError::new(
                INVALID,
                format!("The collection {member} must not have a size greater than {limit}; it has {count}."),
            ),
            MetricError::NoTime => {
                ServiceError::new(COMBINATION, "The parameter StartTime must be less than the parameter EndTime.")
            }
            MetricError::TooManyPoints { asked, limit } => ServiceError::new(
                COMBINATION,
                format!(
                    "You have requested up to {asked} datapoints, which exceeds the limit of {limit}. You may reduce the \
                     datapoints requested by increasing Period, or decreasing the time range."
                ),
            ),
            MetricError::Token => ServiceError::new(NEXT_TOKEN, "The NextToken is none that was given out."),
            MetricError::Query { id, error } => {
                let why = match error {
                    QueryError::Id => {
                        "its id has to be the only one, to begin with a lower-case letter and to have letters, digits and \
                         underscores alone"
                            .to_owned()
                    }
                    QueryError::Kind => "either MetricStat or Expression should be provided".to_owned(),
                    QueryError::Expression => "this server computes no expressions; ask for the metrics".to_owned(),
                    QueryError::Metric => "its metric needs Namespace and MetricName".to_owned(),
                    QueryError::Statistic(name) => format!(
                        "{name} is none of SampleCount, Average, Sum, Minimum, Maximum and percentiles such as p99"
                    ),
                };
                ErrorBody::new(ErrorCode::Validation, format!("Error in query '{id}': {why}.")).into()
            }
        };
        error.into()
    }
}
