//! Tags and policies of streams and consumers, and what is no policy.

use super::*;
use crate::policy_check::check;
use rheos_types::{ConsumerArn, ConsumerName};

const STREAM: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/a";

/// A policy of one statement, whose members `change` replaces.
fn policy(resource: &str, action: &str, change: &[(&str, serde_json::Value)]) -> String {
    let mut statement = serde_json::json!({
        "Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": action, "Resource": resource,
    });
    for (member, value) in change {
        if value.is_null() {
            statement.as_object_mut().unwrap().remove(*member);
        } else {
            statement[*member] = value.clone();
        }
    }
    serde_json::json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

impl Bench {
    async fn consumer(&self, stream: &StreamName, name: &str) -> ConsumerArn {
        let name = ConsumerName::new(name).unwrap();
        let registered = self.streams.register_consumer(&self.ns, stream, &name, &BTreeMap::new()).await.unwrap();
        self.settle().await;
        registered.arn()
    }
}

#[tokio::test]
async fn streams_and_consumers_have_tags_of_their_own_that_outlast_a_restart() {
    let mut bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    let consumer = ResourceArn::Consumer(bench.consumer(&a, "c").await);
    let tags = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    bench.streams.add_tags(&bench.arn(&a), &tags(&[("of", "stream")])).await.unwrap();
    bench.streams.add_tags(&consumer, &tags(&[("of", "consumer"), ("b", "1")])).await.unwrap();
    bench.restart().await;
    assert_eq!(bench.streams.tags_of(&consumer).unwrap(), tags(&[("b", "1"), ("of", "consumer")]));
    bench.streams.remove_tags(&consumer, &["of".to_owned(), "none".to_owned()]).await.unwrap();
    assert_eq!(bench.streams.tags_of(&consumer).unwrap(), tags(&[("b", "1")]));
    assert_eq!(bench.streams.tags_of(&bench.arn(&a)).unwrap(), tags(&[("of", "stream")]));
    let many = (0..50).map(|n| (format!("k{n}"), String::new())).collect();
    let refused = bench.streams.add_tags(&consumer, &many).await;
    assert!(matches!(refused, Err(TagError::Refused { refusal: TagRefusal::TooMany { limit: 50 }, .. })));
}

#[tokio::test]
async fn what_is_not_in_service_has_neither() {
    let bench = Bench::new().await;
    bench.begin("a", 1).await.unwrap();
    let a = name_of("a");
    let stream = bench.arn(&a);
    assert!(matches!(bench.streams.tags_of(&stream), Err(ResourceError::NotActive(_))));
    let tags = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    let refused = bench.streams.add_tags(&stream, &tags).await;
    assert!(matches!(refused, Err(TagError::Resource(ResourceError::NotActive(_)))));
    bench.settle().await;
    let arn = bench.consumer(&a, "c").await;
    bench.streams.deregister_consumer(&arn).await.unwrap();
    let consumer = ResourceArn::Consumer(arn.clone());
    assert!(matches!(bench.streams.policy(&consumer), Err(ResourceError::ConsumerNotActive(_))));
    bench.settle().await;
    assert!(matches!(bench.streams.policy(&consumer), Err(ResourceError::Consumer(_))));
    let refused = bench.streams.delete_policy(&bench.arn(&name_of("b"))).await;
    assert!(matches!(refused, Err(DeletePolicyError::Resource(ResourceError::Stream(_)))));
}

#[tokio::test]
async fn a_policy_is_kept_as_it_was_written_until_it_is_deleted_or_its_resource_is() {
    let mut bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    let stream = bench.arn(&a);
    assert_eq!(bench.streams.policy(&stream), Ok(None));
    assert!(matches!(bench.streams.delete_policy(&stream).await, Err(DeletePolicyError::NoPolicy { .. })));
    let first = policy(STREAM, "kinesis:PutRecord", &[]);
    let second = format!("  {}", policy(STREAM, "kinesis:PutRecords", &[]));
    bench.streams.put_policy(&stream, &first).await.unwrap();
    bench.streams.put_policy(&stream, &second).await.unwrap();
    let refused = bench.streams.put_policy(&stream, "{}").await;
    assert!(matches!(refused, Err(PutPolicyError::Flaw(_))));
    let arn = bench.consumer(&a, "c").await;
    let consumer = ResourceArn::Consumer(arn.clone());
    let of_consumer = policy(&arn.to_string(), "kinesis:SubscribeToShard", &[]);
    bench.streams.put_policy(&consumer, &of_consumer).await.unwrap();
    bench.restart().await;
    assert_eq!(bench.streams.policy(&stream), Ok(Some(second)));
    assert_eq!(bench.streams.policy(&consumer), Ok(Some(of_consumer)));
    bench.streams.delete_policy(&consumer).await.unwrap();
    assert_eq!(bench.streams.policy(&consumer), Ok(None));
    bench.streams.delete_stream(&bench.ns, &a, true).await.unwrap();
    bench.settle().await;
    bench.create("a", 1).await;
    assert_eq!(bench.streams.policy(&stream), Ok(None), "another stream of that name");
}

#[test]
fn policies_of_every_shape_that_the_service_takes() {
    let resource = ResourceArn::parse(STREAM).unwrap();
    let consumer_text = format!("{STREAM}/consumer/c:1700000000");
    let consumer = ResourceArn::parse(&consumer_text).unwrap();
    let taken = |policy: &str, resource| assert_eq!(check(policy, resource), Ok(()), "{policy}");
    use serde_json::json;
    taken(&policy(STREAM, "KINESIS:putrecord", &[]), &resource);
    taken(&policy(&consumer_text, "kinesis:DescribeStreamConsumer", &[]), &consumer);
    for principal in [
        json!({"AWS": ["111111111111", "arn:aws:iam::111111111111:root"]}),
        json!({"AWS": "arn:aws:iam::111111111111:user/path/name"}),
        json!({"AWS": "arn:aws:sts::111111111111:assumed-role/role/session"}),
        json!({"Service": "lambda.amazonaws.com"}),
    ] {
        taken(&policy(STREAM, "kinesis:GetRecords", &[("Principal", principal)]), &resource);
    }
    let condition = json!({"StringEqualsIfExists": {"aws:PrincipalOrgID": ["o-1", "o-2"]}, "Bool": {"aws:SecureTransport": true},
                           "ForAnyValue:StringLike": {"aws:TagKeys": "a*"}, "Null": {"aws:TokenIssueTime": "true"}});
    let change = [
        ("Condition", condition),
        ("Sid", json!("one")),
        ("Effect", json!("Deny")),
        ("Action", json!(["kinesis:ListShards", "kinesis:GetShardIterator"])),
        ("Resource", json!([STREAM])),
    ];
    taken(&policy(STREAM, "", &change), &resource);
    let single = json!({"Id": "x", "Statement": {"Effect": "Allow", "Principal": {"AWS": "111111111111"},
                        "Action": "kinesis:DescribeStreamSummary", "Resource": STREAM.replace("arn:aws:", "arn:aws-cn:")}});
    taken(&single.to_string(), &resource);
}

#[test]
fn what_is_no_policy_is_said_to_be_none_and_where() {
    use serde_json::json;
    let resource = ResourceArn::parse(STREAM).unwrap();
    let of = |change: (&str, serde_json::Value)| policy(STREAM, "kinesis:GetRecords", &[change]);
    let null = serde_json::Value::Null;
    let two = json!({"Statement": [{"Sid": "s", "Effect": "Allow", "Principal": {"AWS": "111111111111"},
                     "Action": "kinesis:GetRecords", "Resource": STREAM}, {"Sid": "s"}]});
    for (text, at) in [
        (String::new(), "policy"),
        ("[]".to_owned(), "policy"),
        ("[".repeat(1000), "policy"),
        (format!("{{\"Id\":\"{}\"}}", "x".repeat(20 << 10)), "policy"),
        ("{}".to_owned(), "Statement"),
        ("{\"Statement\":[]}".to_owned(), "Statement"),
        ("{\"Statement\":[5]}".to_owned(), "Statement[0]"),
        ("{\"Version\":\"2012-10-18\",\"Statement\":[]}".to_owned(), "Version"),
        ("{\"Version\":5,\"Statement\":[]}".to_owned(), "Version"),
        ("{\"Statements\":[]}".to_owned(), "Statements"),
        (two.to_string(), "Statement[1].Sid"),
        (of(("Effect", json!("allow"))), "Statement[0].Effect"),
        (of(("Effect", null.clone())), "Statement[0].Effect"),
        (of(("Principal", null.clone())), "Statement[0].Principal"),
        (of(("Principal", json!("*"))), "Statement[0].Principal"),
        (of(("Principal", json!({}))), "Statement[0].Principal"),
        (of(("Principal", json!({"AWS": "*"}))), "Statement[0].Principal.AWS"),
        (of(("Principal", json!({"AWS": ["111111111111", "me"]}))), "Statement[0].Principal.AWS[1]"),
        (of(("Principal", json!({"AWS": "arn:aws:iam::111111111111:group/g"}))), "Statement[0].Principal.AWS"),
        (of(("Principal", json!({"Service": "lambda"}))), "Statement[0].Principal.Service"),
        (of(("Principal", json!({"CanonicalUser": "x"}))), "Statement[0].Principal.CanonicalUser"),
        (of(("NotPrincipal", json!({"AWS": "111111111111"}))), "Statement[0].NotPrincipal"),
        (of(("Action", null.clone())), "Statement[0].Action"),
        (of(("Action", json!("kinesis:*"))), "Statement[0].Action"),
        (of(("Action", json!(["kinesis:GetRecords", "kinesis:DeleteStream"]))), "Statement[0].Action[1]"),
        (of(("Action", json!("kinesis:SubscribeToShard"))), "Statement[0].Action"),
        (of(("Action", json!("s3:GetObject"))), "Statement[0].Action"),
        (of(("Action", json!([]))), "Statement[0].Action"),
        (of(("Action", json!([5]))), "Statement[0].Action[0]"),
        (of(("Resource", null)), "Statement[0].Resource"),
        (of(("Resource", json!("*"))), "Statement[0].Resource"),
        (of(("Resource", json!(format!("{STREAM}b")))), "Statement[0].Resource"),
        (of(("Condition", json!([]))), "Statement[0].Condition"),
        (of(("Condition", json!({"Equals": {}}))), "Statement[0].Condition.Equals"),
        (of(("Condition", json!({"NullIfExists": {}}))), "Statement[0].Condition.NullIfExists"),
        (of(("Condition", json!({"Bool": 5}))), "Statement[0].Condition.Bool"),
        (of(("Condition", json!({"Bool": {"k": {}}}))), "Statement[0].Condition.Bool.k"),
        (of(("Condition", json!({"Bool": {"k": []}}))), "Statement[0].Condition.Bool.k"),
    ] {
        let flaw = check(&text, &resource).unwrap_err();
        assert_eq!(flaw.at, at, "{text}: {flaw}");
    }
}
