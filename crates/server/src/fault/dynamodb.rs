//! The errors of the lease tables: as DynamoDB names and words them.

use rheos_tables::{CancellationReason, Invalid, ItemError, LogError, TableError, TableNotFound};
use rheos_wire::ErrorCode;
use rheos_wire::neighbour::{Code, ServiceError};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::sync::Arc;

use super::ServiceFault;

const NOT_FOUND: Code = Code::client("ResourceNotFoundException");
const IN_USE: Code = Code::client("ResourceInUseException");
const LIMIT: Code = Code::client("LimitExceededException");
const CONDITION: Code = Code::client("ConditionalCheckFailedException");
const CANCELLED: Code = Code::client("TransactionCanceledException");
const TOKEN: Code = Code::client("IdempotentParameterMismatchException");
/// What all clients of DynamoDB try again.
const TRY_AGAIN: Code = Code::client("ProvisionedThroughputExceededException");
const INTERNAL: Code = Code::client("InternalServerError").with_status(500);

fn error(code: Code, message: impl Into<Cow<'static, str>>) -> ServiceFault {
    ServiceError::new(code, message).into()
}

fn validation(message: impl Into<Cow<'static, str>>) -> ServiceFault {
    error(Code::common(ErrorCode::Validation), message)
}

/// For an operation that broke off.
pub(crate) fn table_broken_off() -> ServiceFault {
    error(INTERNAL, "The operation broke off: it may have happened.")
}

/// For a body that is not the operation's input, by what the reader of JSON says of it.
pub(crate) fn not_read(problem: &str) -> ServiceFault {
    if let Some(text) = Invalid::of_marked(problem) {
        return validation(text.to_owned());
    }
    let between = |before: &str| Some(problem.split_once(before)?.1.split_once('`')?.0);
    if let Some(name) = between("missing field `") {
        let mut lower = name.to_owned();
        lower[..1].make_ascii_lowercase();
        return validation(format!(
            "1 validation error detected: Value null at '{lower}' failed to satisfy constraint: Member must not be null"
        ));
    }
    if let Some(value) = between("unknown variant `") {
        let values = problem.split_once("expected ").map_or("", |(_, values)| values);
        let values = values.trim_start_matches("one of ").replace('`', "").replace(" or ", ", ");
        return validation(format!(
            "1 validation error detected: Value '{value}' failed to satisfy constraint: Member must satisfy enum value set: \
             [{values}]"
        ));
    }
    error(Code::common(ErrorCode::Serialization), problem.chars().take(300).collect::<String>())
}

/// For a table that is not there, to who asks for the table itself.
pub(crate) fn of_table(TableNotFound { table, .. }: TableNotFound) -> ServiceFault {
    error(NOT_FOUND, format!("Requested resource not found: Table: {table} not found"))
}

/// For what went wrong with an item.
pub(crate) fn of_operation(error: ItemError) -> ServiceFault {
    error.into()
}

fn log_fault(cause: LogError) -> ServiceFault {
    let mut fault = match &cause {
        LogError::Overloaded => {
            return error(TRY_AGAIN, "Rate exceeded: too much is waiting to be written. Nothing was done; try again.");
        }
        LogError::Full { free_bytes, reserve_bytes } => error(
            INTERNAL,
            format!(
                "The disk is full: {free_bytes} bytes are free, of which {reserve_bytes} are kept back. Nothing was written. \
                 Reads and deletions go on."
            ),
        ),
        LogError::Stopped => error(INTERNAL.with_status(503), "The server is stopping. Nothing was done."),
        LogError::Unknown => error(INTERNAL, "The log failed while this was being written: it may have happened."),
        LogError::Invalid(_) => error(INTERNAL, "Internal Service Failure"),
    };
    fault.cause = Some(Arc::new(cause));
    fault
}

impl From<TableError> for ServiceFault {
    fn from(fact: TableError) -> Self {
        match fact {
            TableError::Invalid(invalid) => validation(invalid.to_string()),
            TableError::NotFound(fact) => of_table(fact),
            TableError::Exists(table) => error(IN_USE, format!("Table already exists: {table}")),
            TableError::Busy { table, status } => error(
                IN_USE,
                format!(
                    "Attempt to change a resource which is still in use: Table is being {}: {table}",
                    if status == rheos_tables::TableStatus::Deleting { "deleted" } else { "updated" }
                ),
            ),
            TableError::Protected(_) => validation(
                "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.",
            ),
            TableError::NoIndex(name) => {
                error(NOT_FOUND, format!("Requested resource not found: Index: {name} not found"))
            }
            TableError::SeveralIndexes => error(
                LIMIT,
                "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
            ),
            TableError::TooManyTables { limit } => {
                error(LIMIT, format!("Subscriber limit exceeded: There is a limit of {limit} tables per subscriber"))
            }
            TableError::TooManyTags { limit } => {
                error(LIMIT, format!("Subscriber limit exceeded: a table has at most {limit} tags"))
            }
            TableError::Log(cause) => log_fault(cause),
        }
    }
}

impl From<ItemError> for ServiceFault {
    fn from(fact: ItemError) -> Self {
        match fact {
            ItemError::Invalid(invalid) => validation(invalid.to_string()),
            ItemError::NotFound(_) => error(NOT_FOUND, "Requested resource not found"),
            ItemError::ConditionFailed { item } => {
                let failed = ServiceError::new(CONDITION, "The conditional request failed");
                match item {
                    Some(item) => failed.with_member("Item", json!(item).to_string().into()).into(),
                    None => failed.into(),
                }
            }
            ItemError::TooMuchData { limit_bytes } => error(
                LIMIT,
                format!(
                    "The lease tables of an account take at most {limit_bytes} bytes of memory: they are for leases and \
                     checkpoints. Nothing was written; delete items that are not needed."
                ),
            ),
            ItemError::Cancelled(reasons) => cancelled(&reasons),
            ItemError::TokenReused => {
                error(TOKEN, "The request uses the same client token as a previous, but non-identical request.")
            }
            ItemError::Contended => {
                error(TRY_AGAIN, "Others change the same items all the time. Nothing was done; try again.")
            }
            ItemError::Log(cause) => log_fault(cause),
        }
    }
}

/// A transaction that was not carried out: a code for each of its actions, and what each code means for the action.
fn cancelled(reasons: &[Option<CancellationReason>]) -> ServiceFault {
    let code = |reason: &Option<CancellationReason>| match reason {
        None => "None",
        Some(CancellationReason::ConditionFailed(_)) => "ConditionalCheckFailed",
        Some(CancellationReason::Invalid(_)) => "ValidationError",
    };
    let told: Vec<Value> = reasons
        .iter()
        .map(|reason| {
            let mut told = json!({"Code": code(reason)});
            match reason {
                None => {}
                Some(CancellationReason::ConditionFailed(item)) => {
                    told["Message"] = json!("The conditional request failed");
                    if let Some(item) = item {
                        told["Item"] = json!(item);
                    }
                }
                Some(CancellationReason::Invalid(invalid)) => told["Message"] = json!(invalid.to_string()),
            }
            told
        })
        .collect();
    let codes = reasons.iter().map(code).collect::<Vec<_>>().join(", ");
    let message = format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]");
    let fault = ServiceError::new(CANCELLED, message);
    fault.with_member("CancellationReasons", Value::Array(told).to_string().into()).into()
}
