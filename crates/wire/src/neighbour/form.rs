//! Bodies of the query protocol: forms. `MetricData.member.1.Values.member.2=3` is the second value of the first metric.

use std::borrow::Cow;

use base64_simd::STANDARD;

use crate::error::{ErrorBody, ErrorCode};
use crate::service::Service;
use crate::shape::{Kind, Shape};
use crate::sigv4::time;
use crate::text::prefix;
use crate::value::{Number, Value};

/// How much of an offending text an error repeats.
const MAX_QUOTED: usize = 1024;

/// The service whose version a form has, and the operation that its `Action` names.
pub fn action(form: &[u8]) -> Option<(Service, Cow<'_, str>)> {
    let (mut action, mut service) = (None, None);
    for (name, value) in form_urlencoded::parse(form) {
        match &*name {
            "Action" => action = Some(value),
            "Version" => service = Some(Service::of_version(&value)?),
            _ => {}
        }
        if let (Some(_), Some(service)) = (&action, service) {
            return action.map(|action| (service, action));
        }
    }
    None
}

/// The parameters of a form whose names begin alike.
#[derive(Clone, Copy)]
struct Part<'f> {
    /// In the order of their names, dot by dot.
    parameters: &'f [(Cow<'f, str>, Cow<'f, str>)],
    /// Where the next part of a name begins. A name that ends one before has its text here.
    at: usize,
}

impl<'f> Part<'f> {
    /// What is said of this name itself; of several, the last.
    fn text(self) -> Option<&'f str> {
        let own = self.parameters.iter().rev().find(|(name, _)| name.len() + 1 == self.at);
        own.map(|(_, text)| &**text)
    }

    /// The next part of a name; `None` of one that ends here.
    fn next(self, name: &str) -> Option<&str> {
        name.get(self.at..).map(|rest| rest.split('.').next().unwrap_or_default())
    }

    /// What is below, by the next part of the names.
    fn below(self) -> impl Iterator<Item = (&'f str, Part<'f>)> {
        let groups = self.parameters.chunk_by(move |(one, _), (other, _)| self.next(one) == self.next(other));
        groups.filter_map(move |parameters| {
            let part = self.next(&parameters.first()?.0)?;
            Some((part, Part { parameters, at: self.at + part.len() + 1 }))
        })
    }

    /// What is below one name.
    fn named(self, name: &str) -> Option<Part<'f>> {
        self.below().find(|(part, _)| *part == name).map(|(_, part)| part)
    }

    /// What is below one name and has a number for its own, in the order of the numbers, whichever there are.
    fn numbered(self, name: &str) -> impl Iterator<Item = Part<'f>> {
        let below = self.named(name).into_iter().flat_map(Part::below);
        let mut elements: Vec<_> = below.filter_map(|(part, of)| Some((part.parse::<u32>().ok()?, of))).collect();
        elements.sort_by_key(|(number, _)| *number);
        elements.into_iter().map(|(_, of)| of)
    }
}

/// The tree of a form, read along a shape. What the model does not know is not kept.
pub(super) fn parse(shape: &'static Shape, form: &[u8], max_parameters: usize) -> Result<Value, ErrorBody> {
    let mut parameters: Vec<_> = form_urlencoded::parse(form).take(max_parameters + 1).collect();
    if parameters.len() > max_parameters {
        return Err(refuse("The form has too many parameters."));
    }
    parameters.sort_by(|(one, _), (other, _)| one.split('.').cmp(other.split('.')));
    value(shape, Part { parameters: &parameters, at: 0 })
}

fn value(shape: &'static Shape, part: Part<'_>) -> Result<Value, ErrorBody> {
    match shape.kind {
        Kind::Structure(_) => {
            let known = part.below().filter_map(|(name, part)| Some((shape.member(name)?, part)));
            let members = known.map(|(member, part)| Ok((member.name.to_owned(), value(member.shape, part)?)));
            members.collect::<Result<_, _>>().map(Value::Map)
        }
        Kind::List(element) => {
            part.numbered("member").map(|part| value(element, part)).collect::<Result<_, _>>().map(Value::List)
        }
        Kind::Map(_, element) => {
            let entry = |part: Part<'_>| {
                let key = part.named("key").and_then(Part::text).unwrap_or_default().to_owned();
                let of_key = part.named("value").map_or(Ok(Value::Null), |part| value(element, part));
                of_key.map(|value| (key, value))
            };
            part.numbered("entry").map(entry).collect::<Result<_, _>>().map(Value::Map)
        }
        _ => part.text().map_or(Ok(Value::Null), |text| scalar(shape, text)),
    }
}

fn scalar(shape: &'static Shape, text: &str) -> Result<Value, ErrorBody> {
    let value = match shape.kind {
        Kind::Integer | Kind::Long => text.parse().ok().map(|number| Value::Number(Number::Int(number))),
        Kind::Double => text.parse().ok().map(|number| Value::Number(Number::Float(number))),
        Kind::Boolean => match text {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        },
        Kind::Timestamp => {
            let seconds = || text.parse::<f64>().ok().filter(|seconds| seconds.is_finite());
            let by_number = || seconds().map(|seconds| Value::Number(Number::Float(seconds)));
            time::parse(text).map(Value::Timestamp).or_else(by_number)
        }
        Kind::Blob => STANDARD.decode_to_vec(text.as_bytes()).ok().map(Value::Bytes),
        Kind::String => return Ok(Value::String(text.to_owned())),
        Kind::List(_) | Kind::Map(..) | Kind::Structure(_) => None,
    };
    value.ok_or_else(|| {
        let kind = match shape.kind {
            Kind::Integer | Kind::Long => "a whole number",
            Kind::Double => "a number",
            Kind::Boolean => "true or false",
            Kind::Timestamp => "a date of ISO 8601",
            _ => "base64",
        };
        refuse(format!("'{}' is not {kind}, as a {} has to be.", prefix(text, MAX_QUOTED), shape.name))
    })
}

fn refuse(message: impl Into<Cow<'static, str>>) -> ErrorBody {
    ErrorBody::new(ErrorCode::Serialization, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::cloudwatch::PutMetricDataInput;
    use crate::neighbour::codec::decode;
    use crate::neighbour::{Input, Protocol};

    fn read(form: &str) -> Result<PutMetricDataInput, ErrorBody> {
        decode(Protocol::Query, form.as_bytes())
    }

    #[test]
    fn lists_are_in_the_order_of_their_numbers_whichever_there_are() {
        let form = "MetricData.member.10.MetricName=c&Namespace=a+b%2Fc&MetricData.member.2.MetricName=b\
                    &MetricData.member.1.MetricName=a&MetricData.member.1.Values.member.2=2&MetricData.member.1.Values.member.1=1e3\
                    &MetricData.member.x.MetricName=no&MetricData.member.1-=no&Unknown.member.1=no&MetricData.member=no";
        let input = read(form).unwrap();
        assert_eq!(input.namespace, "a b/c");
        let data = input.metric_data.unwrap();
        assert_eq!(data.iter().map(|datum| datum.metric_name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(data[0].values, Some(vec![1000.0, 2.0]));
    }

    #[test]
    fn times_truths_and_maps_are_read() {
        let form = "Namespace=n&StrictEntityValidation=true&MetricData.member.1.MetricName=m\
                    &MetricData.member.1.Timestamp=2025-11-29T16%3A00%3A00.000Z\
                    &EntityMetricData.member.1.Entity.KeyAttributes.entry.1.key=Type\
                    &EntityMetricData.member.1.Entity.KeyAttributes.entry.1.value=Service\
                    &EntityMetricData.member.1.Entity.KeyAttributes.entry.2.key=Name\
                    &EntityMetricData.member.1.Entity.KeyAttributes.entry.2.value=x";
        let input = read(form).unwrap();
        assert_eq!(input.strict_entity_validation, Some(true));
        assert_eq!(input.metric_data.unwrap()[0].timestamp.unwrap().0, 1_764_432_000_000);
        let entity = input.entity_metric_data.unwrap()[0].entity.clone().unwrap();
        assert_eq!(entity.key_attributes.unwrap()["Type"], "Service");
    }

    #[test]
    fn what_is_no_number_is_named() {
        let error = read("Namespace=n&MetricData.member.1.MetricName=m&MetricData.member.1.Value=x").unwrap_err();
        assert_eq!(error.code, ErrorCode::Serialization);
        assert_eq!(error.message.unwrap(), "'x' is not a number, as a DatapointValue has to be.");
        let long = "a.".repeat(100_000);
        assert!(parse(PutMetricDataInput::SHAPE, long.as_bytes(), 10).is_ok(), "depth costs nothing");
        assert!(parse(PutMetricDataInput::SHAPE, "a&".repeat(11).as_bytes(), 10).is_err());
    }
}
