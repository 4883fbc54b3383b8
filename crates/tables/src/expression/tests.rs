//! Expressions as their callers write them, against items.

use super::*;
use crate::invalid::Invalid;
use serde_json::{Value, json};

fn item(json: Value) -> Item {
    serde_json::from_value(json).unwrap()
}

fn names(pairs: &[(&str, &str)]) -> Names {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn sample() -> Item {
    item(json!({
        "leaseKey": {"S": "shardId-0"}, "leaseCounter": {"N": "5"}, "leaseOwner": {"S": "worker-1"},
        "parents": {"SS": ["a", "b"]}, "xs": {"L": [{"N": "1"}, {"S": "two"}, {"M": {"deep": {"BOOL": true}}}]},
        "doc": {"M": {"part": {"N": "7"}, "txt": {"S": "hello"}}}, "octets": {"B": "AAEC"}, "nothing": {"NULL": true},
        "numbers": {"NS": ["1", "2.50"]}
    }))
}

fn values() -> Values {
    item(json!({
        ":five": {"N": "5.0"}, ":six": {"N": "6"}, ":one": {"N": "1"}, ":key": {"S": "shardId-0"}, ":a": {"S": "a"},
        ":w": {"S": "worker"}, ":two": {"S": "two"}, ":S": {"S": "S"}, ":list": {"L": [{"S": "x"}]}, ":ss": {"SS": ["a"]},
        ":bytes": {"B": "AAE="}, ":size": {"N": "3"}
    }))
}

/// Whether a condition holds of the sample; its names and values need not all be used.
fn holds(text: &str) -> bool {
    let (names, values) = (names(&[("#n", "leaseCounter"), ("#m", "doc")]), values());
    let mut scope = Scope::new(Some(&names), Some(&values)).unwrap();
    Condition::parse(Which::Condition, text, &mut scope)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .holds(&sample())
}

fn refused(text: &str) -> String {
    let (names, values) = (names(&[("#n", "leaseCounter")]), values());
    let mut scope = Scope::new(Some(&names), Some(&values)).unwrap();
    Condition::parse(Which::Condition, text, &mut scope).unwrap_err().to_string()
}

#[test]
fn conditions_hold_or_not() {
    for text in [
        "leaseCounter = :five",
        "#n=:five AND leaseKey=:key",
        "(leaseCounter=:five)AND leaseKey = :key",
        "leaseCounter <> :six",
        "absent <> :six",
        "leaseCounter < :six and leaseCounter >= :five",
        "NOT leaseCounter > :six",
        "not absent = absentToo",
        "attribute_exists(leaseOwner) AND attribute_not_exists (absent)",
        "attribute_not_exists(doc.absent) AND attribute_exists(#m.part)",
        "attribute_exists(xs[2].deep) AND attribute_not_exists(xs[3])",
        "attribute_type(leaseKey, :S)",
        "begins_with(leaseOwner, :w) AND begins_with(octets, :bytes)",
        "contains(parents, :a) AND contains(xs, :two) AND contains(leaseKey, :key) AND contains(numbers, :one)",
        "size(parents) < :size AND size(xs) = :size AND size(octets) = :size",
        "leaseCounter BETWEEN :one AND :six AND leaseKey = :key",
        "leaseCounter IN (:one, :five)",
        "leaseKey = :a OR leaseCounter = :five AND leaseKey = :key",
        "NOT (leaseKey = :a OR leaseCounter = :six)",
        ":five = leaseCounter",
    ] {
        assert!(holds(text), "{text}");
    }
    for text in [
        "leaseCounter = :key",
        "absent = :five",
        "absent < :five",
        "leaseKey < :five",
        "leaseKey = :key AND leaseCounter = :six",
        "(leaseKey = :key OR leaseKey = :key) AND leaseCounter = :six",
        "leaseKey IN (:a, :five)",
        "contains(absent, :a)",
        "size(leaseCounter) > :one",
        "NOT attribute_exists(leaseKey)",
    ] {
        assert!(!holds(text), "{text}");
    }
}

#[test]
fn wrong_conditions_are_refused_in_dynamodbs_words() {
    for (text, why) in [
        ("", "Invalid ConditionExpression: The expression can not be empty;"),
        ("leaseKey", "Syntax error; token: \"<EOF>\", near: \"leaseKey\""),
        ("leaseKey = ", "Syntax error; token: \"<EOF>\", near: \"= \""),
        ("a = :five b", "Syntax error; token: \"b\", near: \":five b\""),
        ("name = :five", "Attribute name is a reserved keyword; reserved keyword: name"),
        ("#x = :five", "attribute name: #x"),
        ("a = :x", "An expression attribute value used in expression is not defined; attribute value: :x"),
        ("size(a)", "The function is not allowed to be used this way in an expression; function: size"),
        ("attribute_exists(a) = :five", "not allowed to be used this way in an expression; function: attribute_exists"),
        ("frob(a)", "Invalid function name; function: frob"),
        (
            "attribute_exists(:five)",
            "Operator or function requires a document path; operator or function: attribute_exists",
        ),
        ("begins_with(a, :five)", "Incorrect operand type for operator or function; operator or function: begins_with"),
        ("begins_with(a)", "operator or function: begins_with, number of operands: 1"),
        ("attribute_type(a, :a)", "Invalid attribute type name found; type: a"),
        ("a = a", "must be distinct from the remaining operands"),
        ("a BETWEEN :six AND :one", "requires upper bound to be greater than or equal to lower bound"),
        ("a BETWEEN :six AND :a", "requires same data type"),
        ("((a = :five))", "The expression has redundant parentheses;"),
        ("a[x] = :five", "Syntax error"),
        ("a = :five AND", "Syntax error"),
        ("a.b. = :five", "Syntax error"),
        ("AND = :five", "Syntax error"),
        ("a IN ()", "Syntax error"),
    ] {
        assert!(refused(text).contains(why), "{text}: {}", refused(text));
    }
}

#[test]
fn nothing_makes_the_parser_recurse_or_grow_without_bound() {
    let too_long = format!("a = :five {}", " ".repeat(5000));
    assert!(refused(&too_long).contains("exceeded the maximum allowed size; expression size: 5010"));
    assert!(refused(&format!("{}a = :five", "NOT ".repeat(900))).contains("nested too deeply"));
    assert!(refused(&"(".repeat(4000)).contains("nested too deeply"));
    assert!(refused(&"size(".repeat(800)).contains("nested too deeply"));
    let many = format!("a = :five{}", " OR a = :five".repeat(310));
    assert!(refused(&many).contains("too many operators"), "{}", refused(&many));
    assert!(refused("a[99999999999999999999999] = :five").contains("Syntax error"));
}

#[test]
fn names_and_values_must_be_used_and_well_called() {
    let scope = |names: &Names, values: &Values, text: &str| -> Result<(), Invalid> {
        let mut scope = Scope::new(Some(names), Some(values))?;
        Condition::parse(Which::Condition, text, &mut scope)?;
        scope.finish()
    };
    let (one, value) = (names(&[("#n", "a")]), item(json!({":v": {"S": "a"}})));
    assert_eq!(scope(&one, &value, "#n = :v"), Ok(()));
    let unused = scope(&one, &value, "a = :v").unwrap_err().to_string();
    assert_eq!(unused, "Value provided in ExpressionAttributeNames unused in expressions: keys: {#n}");
    let unused = scope(&one, &value, "attribute_exists(#n)").unwrap_err().to_string();
    assert_eq!(unused, "Value provided in ExpressionAttributeValues unused in expressions: keys: {:v}");
    let wrong = scope(&names(&[("n", "a")]), &value, "n = :v").unwrap_err().to_string();
    assert_eq!(wrong, "ExpressionAttributeNames contains invalid key: Syntax error; key: \"n\"");
    assert!(scope(&Names::new(), &value, "a = :v").unwrap_err().to_string().contains("must not be empty"));
}

fn updated(text: &str) -> Result<Item, String> {
    let (names, values) = (names(&[("#n", "leaseCounter")]), values());
    let mut scope = Scope::new(Some(&names), Some(&values)).unwrap();
    let update = Update::parse(text, &mut scope).map_err(|error| error.to_string())?;
    let mut item = sample();
    update.apply(&mut item).map_err(|error| error.to_string())?;
    Ok(item)
}

#[test]
fn updates_change_what_they_name_and_nothing_else() {
    for (text, changed) in [
        ("SET leaseCounter = leaseCounter + :one", json!({"leaseCounter": {"N": "6"}})),
        ("set #n=#n-:one, fresh=:a", json!({"leaseCounter": {"N": "4"}, "fresh": {"S": "a"}})),
        (
            "SET a = if_not_exists(a, :one), b = if_not_exists(leaseCounter, :one)",
            json!({"a": {"N": "1"}, "b": {"N": "5"}}),
        ),
        ("SET leaseCounter = if_not_exists(absent, :one) + :five", json!({"leaseCounter": {"N": "6"}})),
        (
            "SET doc.part = :a, doc.fresh = :one",
            json!({"doc": {"M": {
            "part": {"S": "a"}, "txt": {"S": "hello"}, "fresh": {"N": "1"}}}}),
        ),
        ("SET parents = :list", json!({"parents": {"L": [{"S": "x"}]}})),
        ("SET fresh = list_append(:list, :list)", json!({"fresh": {"L": [{"S": "x"}, {"S": "x"}]}})),
        // Both see the item as it was.
        (
            "SET leaseKey = leaseOwner, leaseOwner = leaseKey",
            json!({"leaseKey": {"S": "worker-1"}, "leaseOwner": {"S": "shardId-0"}}),
        ),
        ("REMOVE leaseOwner, absent", json!({"leaseOwner": null})),
        ("REMOVE xs[0], xs[2]", json!({"xs": {"L": [{"S": "two"}]}})),
        (
            "REMOVE xs[0] SET xs[9] = :one, xs[7] = :a",
            json!({"xs": {"L": [
            {"S": "two"}, {"M": {"deep": {"BOOL": true}}}, {"S": "a"}, {"N": "1"}]}}),
        ),
        ("ADD leaseCounter :one, fresh :one", json!({"leaseCounter": {"N": "6"}, "fresh": {"N": "1"}})),
        ("ADD parents :ss", json!({})),
        ("DELETE parents :ss", json!({"parents": {"SS": ["b"]}})),
        ("DELETE absent :ss", json!({})),
        ("SET fresh = (leaseCounter + :one)", json!({"fresh": {"N": "6"}})),
    ] {
        let mut expected = sample();
        for (name, value) in changed.as_object().unwrap() {
            match value {
                Value::Null => drop(expected.remove(name)),
                value => drop(expected.insert(name.clone(), serde_json::from_value(value.clone()).unwrap())),
            }
        }
        assert_eq!(updated(text), Ok(expected), "{text}");
    }
}

#[test]
fn wrong_updates_are_refused_and_change_nothing() {
    for (text, why) in [
        ("SET a = b", "The provided expression refers to an attribute that does not exist in the item"),
        ("SET a.b = :one", "The document path provided in the update expression is invalid for update"),
        ("SET leaseKey.b = :one", "The document path provided in the update expression is invalid for update"),
        ("REMOVE a.b", "The document path provided in the update expression is invalid for update"),
        ("SET a = leaseKey + :one", "An operand in the update expression has an incorrect data type"),
        ("ADD leaseKey :one", "An operand in the update expression has an incorrect data type"),
        ("ADD a :a", "Incorrect operand type for operator or function; operator: ADD, operand type: STRING"),
        ("DELETE a :one", "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER"),
        ("SET a = :a + :one", "operator or function: +, operand type: S"),
        ("SET a = :one SET b = :one", "The \"SET\" section can only be used once in an update expression;"),
        (
            "SET a = :one REMOVE a",
            "Two document paths overlap with each other; must remove or rewrite one of these paths; \
            path one: [a], path two: [a]",
        ),
        ("SET a.b = :one, a[0] = :one", "Two document paths conflict with each other"),
        ("SET a.b = :one REMOVE a.b.c", "path one: [a, b], path two: [a, b, c]"),
        ("SET a = size(b)", "Invalid function name; function: size"),
        ("SET a", "Syntax error"),
        ("a = :one", "Syntax error; token: \"a\", near: \"a =\""),
        ("SET a = :one,", "Syntax error"),
        ("SET a = list_append(:one, :list)", "operator or function: list_append, operand type: N"),
        ("SET a = if_not_exists(:one, :one)", "requires a document path; operator or function: if_not_exists"),
    ] {
        assert!(updated(text).unwrap_err().contains(why), "{text}: {:?}", updated(text));
    }
}

#[test]
fn appending_to_itself_again_and_again_is_bounded() {
    let mut text = "big".to_owned();
    for _ in 0..60 {
        text = format!("list_append(big, {text})");
    }
    let big = AttributeValue::L(vec![AttributeValue::S("x".repeat(10_000)); 20]);
    let mut item = Item::from([("big".to_owned(), big)]);
    let mut scope = Scope::new(None, None).unwrap();
    let text = format!("SET a = {text}");
    let update = Update::parse(&text, &mut scope).unwrap();
    assert_eq!(update.apply(&mut item), Err(UpdateRefusal::TooLarge));
}

#[test]
fn projections_keep_what_they_name() {
    let project = |text: &str| {
        let mut scope = Scope::new(None, None).unwrap();
        Projection::parse(text, &mut scope)
            .map(|projection| projection.of(&sample()))
            .map_err(|error| error.to_string())
    };
    assert_eq!(project("leaseKey, absent").unwrap(), item(json!({"leaseKey": {"S": "shardId-0"}})));
    assert_eq!(
        project("doc.part, xs[2].deep,xs[0]").unwrap(),
        item(json!({"doc": {"M": {"part": {"N": "7"}}}, "xs": {"L": [{"N": "1"}, {"M": {"deep": {"BOOL": true}}}]}}))
    );
    assert_eq!(project("doc.absent, xs[7]").unwrap(), Item::new());
    assert!(project("a, a.b").unwrap_err().contains("Two document paths overlap"));
    assert!(project("leaseKey,").unwrap_err().contains("Syntax error"));
}

#[test]
fn conditions_on_keys_are_one_or_two() {
    let parse = |text: &str| {
        let values = values();
        let mut scope = Scope::new(None, Some(&values)).unwrap();
        KeyConditions::parse(text, &mut scope).map(|keys| keys.0.len()).map_err(|error| error.to_string())
    };
    assert_eq!(parse("leaseOwner = :w"), Ok(1));
    assert_eq!(parse("(leaseOwner = :w) AND begins_with(leaseKey, :a)"), Ok(2));
    assert_eq!(parse(":w = leaseOwner AND :a < leaseKey"), Ok(2));
    for (text, why) in [
        ("a = :w OR b = :w", "Invalid operator used in KeyConditionExpression: OR"),
        ("a <> :w", "Invalid operator used in KeyConditionExpression: <>"),
        ("contains(a, :w)", "Invalid operator used in KeyConditionExpression: contains"),
        ("a.b = :w", "cannot have conditions on nested attributes"),
        ("a = :w AND a = :a", "must only contain one condition per key"),
        ("size(a) = :one", "cannot contain nested operations"),
        ("a = b", "Multiple attribute names used in one condition"),
        ("a = :w AND b = :w AND c = :w", "Conditions can be of length 1 or 2 only"),
    ] {
        assert!(parse(text).unwrap_err().contains(why), "{text}: {:?}", parse(text));
    }
}

mod legacy_forms {
    use super::*;
    use crate::expression::legacy::{self, ConditionalOperator};

    fn expects(json: Value, operator: Option<ConditionalOperator>) -> Result<bool, String> {
        let expected = serde_json::from_value(json).unwrap();
        let condition = legacy::expected(&expected, operator).map_err(|error| error.to_string())?;
        Ok(condition.is_none_or(|condition| condition.holds(&sample())))
    }

    #[test]
    fn what_the_kcl_expects() {
        for (json, holds) in [
            (json!({}), true),
            (json!({"leaseCounter": {"Value": {"N": "5"}}}), true),
            (json!({"leaseCounter": {"Value": {"N": "5"}}, "checkpointOwner": {"Exists": false}}), true),
            (json!({"leaseCounter": {"Value": {"N": "4"}}, "checkpointOwner": {"Exists": false}}), false),
            (json!({"leaseOwner": {"Value": {"S": "worker-1"}, "Exists": true}}), true),
            (json!({"leaseOwner": {"Value": {"S": "worker-2"}, "Exists": true}}), false),
            (json!({"leaseKey": {"Exists": false}}), false),
            (json!({"absent": {"Value": {"N": "5"}}}), false),
        ] {
            assert_eq!(expects(json.clone(), None), Ok(holds), "{json}");
        }
    }

    #[test]
    fn every_comparison_operator() {
        let check = |attribute: &str, operator: &str, values: Value| {
            let json = json!({attribute: {"ComparisonOperator": operator, "AttributeValueList": values}});
            expects(json, None)
        };
        for (attribute, operator, values, holds) in [
            ("leaseCounter", "EQ", json!([{"N": "5.00"}]), true),
            ("leaseCounter", "NE", json!([{"N": "5"}]), false),
            ("absent", "NE", json!([{"N": "5"}]), true),
            ("leaseCounter", "LT", json!([{"N": "6"}]), true),
            ("leaseCounter", "LE", json!([{"N": "5"}]), true),
            ("leaseCounter", "GT", json!([{"N": "5"}]), false),
            ("leaseCounter", "GE", json!([{"N": "5"}]), true),
            ("leaseCounter", "BETWEEN", json!([{"N": "1"}, {"N": "5"}]), true),
            ("leaseKey", "IN", json!([{"S": "a"}, {"S": "shardId-0"}]), true),
            ("leaseKey", "BEGINS_WITH", json!([{"S": "shard"}]), true),
            ("parents", "CONTAINS", json!([{"S": "a"}]), true),
            ("parents", "NOT_CONTAINS", json!([{"S": "a"}]), false),
            ("absent", "NULL", json!([]), true),
            ("leaseKey", "NOT_NULL", json!([]), true),
        ] {
            assert_eq!(check(attribute, operator, values), Ok(holds), "{attribute} {operator}");
        }
        for (operator, values, why) in [
            ("EQ", json!([]), "Invalid number of argument(s) for the EQ ComparisonOperator"),
            ("BETWEEN", json!([{"N": "1"}]), "Invalid number of argument(s) for the BETWEEN ComparisonOperator"),
            ("BETWEEN", json!([{"N": "2"}, {"N": "1"}]), "lower bound is greater than the upper bound"),
            ("IN", json!([{"N": "2"}, {"S": "1"}]), "must be of same type"),
            (
                "BEGINS_WITH",
                json!([{"N": "2"}]),
                "ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type",
            ),
        ] {
            assert!(check("leaseCounter", operator, values).unwrap_err().contains(why), "{operator}");
        }
    }

    #[test]
    fn conditions_are_joined() {
        let two = json!({"leaseCounter": {"Value": {"N": "4"}}, "leaseOwner": {"Value": {"S": "worker-1"}}});
        assert_eq!(expects(two.clone(), Some(ConditionalOperator::Or)), Ok(true));
        assert_eq!(expects(two.clone(), Some(ConditionalOperator::And)), Ok(false));
        assert_eq!(expects(two, None), Ok(false));
    }

    #[test]
    fn contradictions_are_refused() {
        for (json, why) in [
            (json!({"a": {}}), "Value must be provided when Exists is null for Attribute: a"),
            (json!({"a": {"Exists": true}}), "Value must be provided when Exists is true for Attribute: a"),
            (json!({"a": {"Exists": false, "Value": {"S": "x"}}}), "Value cannot be used when Exists is false"),
            (
                json!({"a": {"Exists": true, "ComparisonOperator": "NULL"}}),
                "Exists and ComparisonOperator cannot be used",
            ),
            (
                json!({"a": {"ComparisonOperator": "EQ"}}),
                "Value or AttributeValueList must be used with ComparisonOperator: EQ",
            ),
            (json!({"a": {"AttributeValueList": []}}), "AttributeValueList can only be used with a ComparisonOperator"),
            (json!({"a": {"Value": {"S": "x"}, "AttributeValueList": []}}), "cannot be used together"),
        ] {
            assert!(expects(json.clone(), None).unwrap_err().contains(why), "{json}");
        }
    }

    fn update(json: Value) -> Result<Item, String> {
        let updates = serde_json::from_value(json).unwrap();
        let update = legacy::update(&updates).map_err(|error| error.to_string())?;
        let mut item = sample();
        update.apply(&mut item).map_err(|error| error.to_string())?;
        Ok(item)
    }

    #[test]
    fn what_the_kcl_changes() {
        let taken = update(json!({
            "leaseCounter": {"Action": "ADD", "Value": {"N": "1"}}, "leaseOwner": {"Value": {"S": "worker-2"}},
            "checkpointOwner": {"Action": "DELETE"}, "ownerSwitches": {"Action": "ADD", "Value": {"N": "1"}},
            "parents": {"Action": "DELETE", "Value": {"SS": ["a", "z"]}}, "xs": {"Action": "ADD", "Value": {"L": [{"N": "9"}]}}
        }))
        .unwrap();
        assert_eq!(taken["leaseCounter"], AttributeValue::N(crate::Number::from(6)));
        assert_eq!(taken["leaseOwner"], AttributeValue::S("worker-2".to_owned()));
        assert_eq!(taken["ownerSwitches"], AttributeValue::N(crate::Number::from(1)));
        assert_eq!(taken["parents"], AttributeValue::Ss(["b".to_owned()].into()));
        assert!(matches!(&taken["xs"], AttributeValue::L(list) if list.len() == 4));
        // The last element takes the set with it.
        let emptied = update(json!({"parents": {"Action": "DELETE", "Value": {"SS": ["a", "b"]}}})).unwrap();
        assert!(!emptied.contains_key("parents"));
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        for (json, why) in [
            (json!({"a": {"Action": "PUT"}}), "Only DELETE action is allowed when no attribute value is specified"),
            (
                json!({"a": {"Action": "DELETE", "Value": {"S": "x"}}}),
                "DELETE action with value is not supported for the type S",
            ),
            (json!({"a": {"Action": "ADD", "Value": {"S": "x"}}}), "ADD action is not supported for the type S"),
            (json!({"leaseKey": {"Action": "ADD", "Value": {"N": "1"}}}), "Type mismatch for attribute to update"),
            (
                json!({"leaseKey": {"Action": "DELETE", "Value": {"SS": ["x"]}}}),
                "Type mismatch for attribute to update",
            ),
        ] {
            assert!(update(json.clone()).unwrap_err().contains(why), "{json}");
        }
    }
}
