//! Whether a text is a policy that a stream or a consumer can have (`reference/governance.md` §2.2): JSON of the language of
//! IAM, for actions of Kinesis that can be shared, on this very resource, for principals that are named. What is not known
//! to be accepted by the service is refused, so that nothing is stored that will not be enforced as it is meant.

use rheos_types::limits::POLICY_BYTES;
use rheos_types::{AccountId, ResourceArn};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// What can be shared of a stream.
const OF_STREAMS: &[&str] =
    &["DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards", "PutRecord", "PutRecords"];
/// What can be shared of a consumer.
const OF_CONSUMERS: &[&str] = &["DescribeStreamConsumer", "SubscribeToShard"];
const VERSIONS: &[&str] = &["2012-10-17", "2008-10-17"];
/// Condition operators, without `ForAnyValue:`, `ForAllValues:` and `IfExists`.
const OPERATORS: &[&str] = &[
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
];

/// What is wrong with a policy, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {problem:?}")]
pub struct PolicyFlaw {
    /// Where, such as `Statement[1].Action`; `policy` for the whole.
    pub at: String,
    /// What.
    pub problem: PolicyProblem,
}

/// What can be wrong at a place of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyProblem {
    /// It is longer than it may be.
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// It is not JSON.
    NotJson {
        /// Where it stops to be.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// It should be something else.
    Expected {
        /// What.
        what: &'static str,
    },
    /// It is not there.
    Missing,
    /// It is no part of a policy, or one that resource policies of Kinesis do not have.
    Unknown,
    /// It is none of the values there are.
    NotOneOf {
        /// What it is.
        value: String,
        /// What it may be.
        known: &'static [&'static str],
    },
    /// A wildcard, where everything has to be named.
    Wildcard,
    /// It is no principal.
    Principal {
        /// What it is.
        value: String,
    },
    /// It is not the resource that the policy is for.
    OtherResource {
        /// What it is.
        value: String,
        /// What it has to be.
        resource: Box<ResourceArn>,
    },
    /// Another statement has the same Sid.
    SameSid {
        /// It.
        value: String,
    },
}

/// Whether `text` is a policy for `resource`.
pub(crate) fn check(text: &str, resource: &ResourceArn) -> Result<(), PolicyFlaw> {
    if text.len() > POLICY_BYTES {
        return Err(flaw("policy", PolicyProblem::TooLong { bytes: text.len(), limit: POLICY_BYTES }));
    }
    let parsed: Value = serde_json::from_str(text)
        .map_err(|error| flaw("policy", PolicyProblem::NotJson { line: error.line(), column: error.column() }))?;
    let policy = object(&parsed, "policy")?;
    known(policy, "", &["Version", "Id", "Statement"])?;
    if let Some(version) = policy.get("Version") {
        one_of(string(version, "Version")?, "Version", VERSIONS)?;
    }
    if let Some(id) = policy.get("Id") {
        string(id, "Id")?;
    }
    let mut sids = HashSet::new();
    for (at, statement) in one_or_more(required(policy, "", "Statement")?, "Statement", "an object, or a list of them")?
    {
        let members = object(statement, &at)?;
        if let Some(sid) = members.get("Sid") {
            let sid = string(sid, &format!("{at}.Sid"))?;
            if !sids.insert(sid) {
                return Err(flaw(format!("{at}.Sid"), PolicyProblem::SameSid { value: shown(sid) }));
            }
        }
        check_statement(members, &at, resource)?;
    }
    Ok(())
}

fn check_statement(members: &Map<String, Value>, at: &str, resource: &ResourceArn) -> Result<(), PolicyFlaw> {
    known(members, at, &["Sid", "Effect", "Principal", "Action", "Resource", "Condition"])?;
    let place = |member: &str| place(at, member);
    let effect = string(required(members, at, "Effect")?, &place("Effect"))?;
    one_of(effect, &place("Effect"), &["Allow", "Deny"])?;
    check_principal(required(members, at, "Principal")?, &place("Principal"))?;
    for (at, action) in texts(required(members, at, "Action")?, &place("Action"))? {
        check_action(action, &at, resource)?;
    }
    for (at, text) in texts(required(members, at, "Resource")?, &place("Resource"))? {
        if ResourceArn::parse(text).ok().as_ref() != Some(resource) {
            let problem = PolicyProblem::OtherResource { value: shown(text), resource: Box::new(resource.clone()) };
            return Err(flaw(at, problem));
        }
    }
    members.get("Condition").map_or(Ok(()), |condition| check_condition(condition, &place("Condition")))
}

fn check_principal(principal: &Value, at: &str) -> Result<(), PolicyFlaw> {
    if principal.as_str() == Some("*") {
        return Err(flaw(at, PolicyProblem::Wildcard));
    }
    let kinds = object(principal, at)?;
    known(kinds, at, &["AWS", "Service"])?;
    if kinds.is_empty() {
        return Err(flaw(at, PolicyProblem::Expected { what: "an object with AWS or Service" }));
    }
    for (kind, value) in kinds {
        for (at, text) in texts(value, &format!("{at}.{kind}"))? {
            if text.contains('*') {
                return Err(flaw(at, PolicyProblem::Wildcard));
            }
            if !(if kind == "AWS" { is_principal(text) } else { is_service(text) }) {
                return Err(flaw(at, PolicyProblem::Principal { value: shown(text) }));
            }
        }
    }
    Ok(())
}

/// An account, or the ARN of an account, a user, a role or a session of a role.
fn is_principal(text: &str) -> bool {
    if AccountId::new(text).is_ok() {
        return true;
    }
    let mut parts = text.splitn(6, ':');
    let mut next = || parts.next().unwrap_or_default();
    let (arn, partition, service, region, account, entity) = (next(), next(), next(), next(), next(), next());
    let named = |kind: &str| entity.strip_prefix(kind).is_some_and(|name| !name.is_empty() && !name.contains(' '));
    let known = match service {
        "iam" => entity == "root" || named("user/") || named("role/"),
        "sts" => named("assumed-role/") || named("federated-user/"),
        _ => false,
    };
    arn == "arn" && partition.starts_with("aws") && region.is_empty() && AccountId::new(account).is_ok() && known
}

/// The name of a service, such as `lambda.amazonaws.com`.
fn is_service(text: &str) -> bool {
    let name = text.strip_suffix(".amazonaws.com").or_else(|| text.strip_suffix(".amazonaws.com.cn"));
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(allowed))
}

fn check_action(action: &str, at: &str, resource: &ResourceArn) -> Result<(), PolicyFlaw> {
    if action.contains(['*', '?']) {
        return Err(flaw(at, PolicyProblem::Wildcard));
    }
    let shareable = match resource {
        ResourceArn::Stream(_) => OF_STREAMS,
        ResourceArn::Consumer(_) => OF_CONSUMERS,
    };
    // Case does not matter in actions.
    let name = action.split_once(':').filter(|(service, _)| service.eq_ignore_ascii_case("kinesis"));
    if name.is_some_and(|(_, name)| shareable.iter().any(|known| known.eq_ignore_ascii_case(name))) {
        return Ok(());
    }
    Err(flaw(at, PolicyProblem::NotOneOf { value: shown(action), known: shareable }))
}

fn check_condition(condition: &Value, at: &str) -> Result<(), PolicyFlaw> {
    for (operator, keys) in object(condition, at)? {
        let at = place(at, operator);
        let plain = operator.strip_prefix("ForAnyValue:").or_else(|| operator.strip_prefix("ForAllValues:"));
        let plain = plain.unwrap_or(operator);
        let plain = plain.strip_suffix("IfExists").unwrap_or(plain);
        if operator != "Null" {
            one_of(plain, &at, OPERATORS)?;
        }
        for (key, values) in object(keys, &at)? {
            let at = place(&at, key);
            for (at, value) in one_or_more(values, &at, SCALARS)? {
                if !(value.is_string() || value.is_boolean() || value.is_number()) {
                    return Err(flaw(at, PolicyProblem::Expected { what: SCALARS }));
                }
            }
        }
    }
    Ok(())
}

const SCALARS: &str = "a string, number or boolean, or a list of them";

fn flaw(at: impl Into<String>, problem: PolicyProblem) -> PolicyFlaw {
    PolicyFlaw { at: at.into(), problem }
}

/// The beginning of a text of the caller's, for a message.
fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

/// Where a member is, by its name, of which as much is shown as a message has room for; one without a name is `""`.
fn place(at: &str, member: &str) -> String {
    let name = if member.is_empty() { "\"\"".to_owned() } else { shown(member) };
    if at.is_empty() { name } else { format!("{at}.{name}") }
}

fn object<'a>(value: &'a Value, at: &str) -> Result<&'a Map<String, Value>, PolicyFlaw> {
    value.as_object().ok_or_else(|| flaw(at, PolicyProblem::Expected { what: "an object" }))
}

fn string<'a>(value: &'a Value, at: &str) -> Result<&'a str, PolicyFlaw> {
    value.as_str().ok_or_else(|| flaw(at, PolicyProblem::Expected { what: "a string" }))
}

fn one_of(value: &str, at: &str, known: &'static [&'static str]) -> Result<(), PolicyFlaw> {
    if known.contains(&value) {
        return Ok(());
    }
    Err(flaw(at, PolicyProblem::NotOneOf { value: shown(value), known }))
}

fn required<'a>(members: &'a Map<String, Value>, at: &str, member: &str) -> Result<&'a Value, PolicyFlaw> {
    members.get(member).ok_or_else(|| flaw(place(at, member), PolicyProblem::Missing))
}

fn known(members: &Map<String, Value>, at: &str, names: &[&str]) -> Result<(), PolicyFlaw> {
    match members.keys().find(|member| !names.contains(&member.as_str())) {
        None => Ok(()),
        Some(member) => Err(flaw(place(at, member), PolicyProblem::Unknown)),
    }
}

/// A value by itself, or the members of a list that has some; each with its place.
fn one_or_more<'a>(value: &'a Value, at: &str, what: &'static str) -> Result<Vec<(String, &'a Value)>, PolicyFlaw> {
    match value {
        Value::Array(list) if list.is_empty() => Err(flaw(at, PolicyProblem::Expected { what })),
        Value::Array(list) => Ok(list.iter().enumerate().map(|(n, value)| (format!("{at}[{n}]"), value)).collect()),
        single => Ok(vec![(at.to_owned(), single)]),
    }
}

fn texts<'a>(value: &'a Value, at: &str) -> Result<Vec<(String, &'a str)>, PolicyFlaw> {
    let what = "a string, or a list of strings";
    let text = |(at, value): (String, &'a Value)| match value.as_str() {
        Some(text) => Ok((at, text)),
        None => Err(flaw(at, PolicyProblem::Expected { what })),
    };
    one_or_more(value, at, what)?.into_iter().map(text).collect()
}
