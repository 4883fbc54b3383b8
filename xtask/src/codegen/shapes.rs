//! The table of input shapes.

use std::fmt::Write as _;

use anyhow::bail;

use super::model::{Model, Shape};
use super::words;

/// The name of a shape's static.
pub(crate) fn constant(shape: &str) -> String {
    words(shape).join("_").to_uppercase()
}

pub(crate) fn generate(model: &Model) -> anyhow::Result<String> {
    let mut out = String::from(
        "//! Every shape that an input of an operation is made of.

use crate::shape::{Kind, Member, Shape, optional, pattern, required};

",
    );
    let inputs = model.operations.0.iter().map(|(_, operation)| &operation.input.shape);
    for name in model.reach(inputs)? {
        let shape = model.shape(name)?;
        if shape.kind == "structure" {
            members(name, shape, &mut out)?;
        }
        write!(out, "pub(crate) static {}: Shape = Shape::new(\"{name}\", {})", constant(name), kind(name, shape)?)?;
        if let Some(min) = shape.min {
            write!(out, ".min({min})")?;
        }
        if let Some(max) = shape.max {
            write!(out, ".max({max})")?;
        }
        if let Some(pattern) = &shape.pattern {
            write!(out, ".pattern(pattern!(r\"{pattern}\"))")?;
        }
        if !shape.values.is_empty() {
            write!(out, ".values(&{:?})", shape.values)?;
        }
        out.push_str(";\n");
    }
    Ok(out)
}

fn members(name: &str, shape: &Shape, out: &mut String) -> anyhow::Result<()> {
    write!(out, "static {}_MEMBERS: [Member; {}] = [", constant(name), shape.members.0.len())?;
    for (member, reference) in &shape.members.0 {
        let presence = if shape.required.contains(member) { "required" } else { "optional" };
        write!(out, "{presence}(\"{member}\", &{}),", constant(&reference.shape))?;
    }
    out.push_str("];\n");
    Ok(())
}

fn kind(name: &str, shape: &Shape) -> anyhow::Result<String> {
    let text = match (shape.kind.as_str(), &shape.member, &shape.key, &shape.value) {
        ("string", ..) => "Kind::String".to_owned(),
        ("integer", ..) => "Kind::Integer".to_owned(),
        ("long", ..) => "Kind::Long".to_owned(),
        ("double", ..) => "Kind::Double".to_owned(),
        ("boolean", ..) => "Kind::Boolean".to_owned(),
        ("timestamp", ..) => "Kind::Timestamp".to_owned(),
        ("blob", ..) => "Kind::Blob".to_owned(),
        ("list", Some(member), ..) => format!("Kind::List(&{})", constant(&member.shape)),
        ("map", _, Some(key), Some(value)) => {
            format!("Kind::Map(&{}, &{})", constant(&key.shape), constant(&value.shape))
        }
        ("structure", ..) => format!("Kind::Structure(&{}_MEMBERS)", constant(name)),
        (other, ..) => bail!("{name} is of a kind that is not known: {other}"),
    };
    Ok(text)
}
