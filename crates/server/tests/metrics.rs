//! CloudWatch in three protocols: what is put in one is read in all, what is wrong is refused in each one's words.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up has failed")]

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use rheos_testkit::{Answer, Call, Home, TestServer};
use rheos_types::Clock;
use rheos_wire::Service;
use rheos_wire::codec::cbor;
use serde_json::{Value, json};

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

fn in_json(operation: &str, body: &Value) -> Call {
    let target = format!("GraniteServiceVersion20100801.{operation}");
    Call::to_service(Service::CloudWatch, body.to_string())
        .header("x-amz-target", &target)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amzn-query-mode", "true")
}

fn in_cbor(operation: &str, body: impl Into<Vec<u8>>) -> Call {
    Call::to_service(Service::CloudWatch, body)
        .path(&format!("/service/GraniteServiceVersion20100801/operation/{operation}"))
        .header("smithy-protocol", "rpc-v2-cbor")
        .header("content-type", "application/cbor")
}

fn in_form(operation: &str, parameters: &str) -> Call {
    let body = format!("Action={operation}&Version=2010-08-01&{parameters}");
    Call::to_service(Service::CloudWatch, body).header("content-type", FORM)
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

async fn ok(server: &TestServer, call: &Call) -> Answer {
    let answer = server.send(call).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer
}

/// What is asked for in JSON.
async fn read(server: &TestServer, operation: &str, body: &Value) -> Value {
    ok(server, &in_json(operation, body)).await.json()
}

/// A minute before now, on the minute, in seconds.
fn minute(server: &TestServer) -> u64 {
    server.clock.wall_ms() / 60_000 * 60 - 60
}

fn statistics(server: &TestServer, name: &str, more: &Value) -> Value {
    let mut body = json!({
        "Namespace": "App", "MetricName": name, "StartTime": minute(server) - 60, "EndTime": minute(server) + 180, "Period": 60,
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn text_of(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(0x60 | u8::try_from(text.len()).unwrap());
    bytes.extend_from_slice(text.as_bytes());
}

#[tokio::test]
async fn what_is_put_in_any_protocol_is_one_series() {
    let server = TestServer::start().await;
    let at = minute(&server);
    let datum = json!({"MetricName": "Latency", "Unit": "Milliseconds", "Timestamp": at,
                       "Dimensions": [{"Name": "Shard", "Value": "0"}, {"Name": "Worker", "Value": "w"}],
                       "Values": [1, 2.5], "Counts": [1, 2]});
    let answer = ok(&server, &in_json("PutMetricData", &json!({"Namespace": "App", "MetricData": [datum]}))).await;
    assert_eq!(answer.header("content-type"), "application/x-amz-json-1.0");

    // The same series, its dimensions the other way round: a statistic set in a map of indefinite length, the time a float.
    let mut body = vec![0xbf];
    text_of(&mut body, "Namespace");
    text_of(&mut body, "App");
    text_of(&mut body, "MetricData");
    body.extend([0x9f, 0xbf]);
    text_of(&mut body, "MetricName");
    text_of(&mut body, "Latency");
    text_of(&mut body, "Unit");
    text_of(&mut body, "Milliseconds");
    text_of(&mut body, "Dimensions");
    body.push(0x82);
    for (name, value) in [("Worker", "w"), ("Shard", "0")] {
        body.push(0xa2);
        text_of(&mut body, "Name");
        text_of(&mut body, name);
        text_of(&mut body, "Value");
        text_of(&mut body, value);
    }
    text_of(&mut body, "Timestamp");
    body.extend([0xc1, 0xfb]);
    #[expect(clippy::cast_precision_loss, reason = "seconds")]
    body.extend((at as f64 + 0.25).to_be_bytes());
    text_of(&mut body, "StatisticValues");
    body.push(0xa4);
    for (name, value) in [("SampleCount", 2_u8), ("Sum", 20), ("Minimum", 8), ("Maximum", 12)] {
        text_of(&mut body, name);
        body.push(if value < 24 { value } else { unreachable!() });
    }
    body.extend([0xff, 0xff]);
    text_of(&mut body, "Unknown");
    body.extend([0xf6, 0xff]);
    let answer = ok(&server, &in_cbor("PutMetricData", body)).await;
    assert_eq!(answer.header("smithy-protocol"), "rpc-v2-cbor");

    let parameters = "Namespace=App&MetricData.member.1.MetricName=Latency&MetricData.member.1.Unit=Milliseconds\
                      &MetricData.member.1.Value=0.5&MetricData.member.1.Dimensions.member.1.Name=Shard\
                      &MetricData.member.1.Dimensions.member.1.Value=0&MetricData.member.1.Dimensions.member.2.Name=Worker\
                      &MetricData.member.1.Dimensions.member.2.Value=w";
    let dated = format!("{parameters}&MetricData.member.1.Timestamp={}", iso(at + 1));
    let answer = ok(&server, &in_form("PutMetricData", &dated)).await;
    assert!(text(&answer).starts_with("<PutMetricDataResponse xmlns="), "{}", text(&answer));

    let dimensions = json!([{"Name": "Shard", "Value": "0"}, {"Name": "Worker", "Value": "w"}]);
    let all = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"];
    let asked = statistics(&server, "Latency", &json!({"Dimensions": dimensions, "Statistics": all}));
    let found = read(&server, "GetMetricStatistics", &asked).await;
    assert_eq!(found["Label"], "Latency");
    let expected = json!([{"Timestamp": at, "Unit": "Milliseconds", "SampleCount": 6.0, "Sum": 26.5, "Minimum": 0.5,
                           "Maximum": 12.0, "Average": 26.5 / 6.0}]);
    assert_eq!(found["Datapoints"], expected);

    // And the answer in the others.
    let parameters = format!(
        "Namespace=App&MetricName=Latency&StartTime={}&EndTime={}&Period=60&Statistics.member.1=Sum&Unit=Milliseconds\
         &Dimensions.member.1.Name=Worker&Dimensions.member.1.Value=w&Dimensions.member.2.Name=Shard\
         &Dimensions.member.2.Value=0",
        iso(at),
        iso(at + 60)
    );
    let answer = ok(&server, &in_form("GetMetricStatistics", &parameters)).await;
    let time = iso(at).replace("%3A", ":");
    for part in [format!("<Timestamp>{time}</Timestamp>"), "<Datapoints><member><Sum>26.5</Sum>".to_owned()] {
        assert!(text(&answer).contains(&part), "{part} in {}", text(&answer));
    }
    let answer = ok(&server, &in_cbor("ListMetrics", Vec::new())).await;
    assert_eq!(answer.header("content-type"), "application/cbor");
    let listed = cbor::to_json(&answer.body).unwrap();
    assert_eq!(listed["Metrics"], json!([{"Namespace": "App", "MetricName": "Latency", "Dimensions": dimensions}]));
    server.stop().await;
}

fn iso(second: u64) -> String {
    let at = i64::try_from(second * 1000).unwrap();
    let basic = rheos_wire::sigv4::time::iso_basic(at);
    let (day, time) = basic.split_at(8);
    let time = time.trim_start_matches('T');
    format!("{}-{}-{}T{}%3A{}%3A{}Z", &day[..4], &day[4..6], &day[6..], &time[..2], &time[2..4], &time[4..6])
}

#[tokio::test]
async fn a_compressed_body_is_verified_as_it_came_and_read_as_it_was() {
    let server = TestServer::start().await;
    let data: Vec<Value> = (0..300).map(|n| json!({"MetricName": format!("m{n:03}"), "Value": n})).collect();
    let body = json!({"Namespace": "Zipped", "MetricData": data}).to_string();
    let zip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let target = "GraniteServiceVersion20100801.PutMetricData";
    let call = Call::to_service(Service::CloudWatch, zip(&body))
        .header("x-amz-target", target)
        .header("content-type", "application/x-amz-json-1.0")
        .header("content-encoding", "gzip");
    ok(&server, &call).await;
    let form = "Action=PutMetricData&Version=2010-08-01&Namespace=Zipped&MetricData.member.1.MetricName=form\
                &MetricData.member.1.Value=1";
    let call = Call::to_service(Service::CloudWatch, zip(form))
        .header("content-type", FORM)
        .header("content-encoding", "gzip");
    ok(&server, &call).await;
    let refused = server.send(&call.clone().unsigned()).await;
    assert_eq!(refused.status, 403);
    let nonsense = Call::to_service(Service::CloudWatch, zip("Action=Nonsense&Version=2010-08-01"));
    let nonsense = nonsense.header("content-type", FORM).header("content-encoding", "gzip");
    assert!(text(&server.send(&nonsense).await).contains("<Code>InvalidAction</Code>"));
    let other = Call::to_service(Service::CloudWatch, zip("Action=GetCallerIdentity&Version=2011-06-15"));
    let other = other.header("content-type", FORM).header("content-encoding", "gzip");
    assert!(text(&server.send(&other).await).contains("<Code>InvalidAction</Code>"));
    let listed = read(&server, "ListMetrics", &json!({"Namespace": "Zipped"})).await;
    assert_eq!(listed["Metrics"].as_array().unwrap().len(), 301);
    server.stop().await;
}

#[tokio::test]
async fn metrics_are_listed_page_by_page_and_data_too() {
    let server = TestServer::start().await;
    let at = minute(&server);
    for part in 0..2 {
        let data: Vec<Value> =
            (0..400).map(|n| json!({"MetricName": format!("m{part}{n:03}"), "Value": n, "Timestamp": at})).collect();
        ok(&server, &in_json("PutMetricData", &json!({"Namespace": "Many", "MetricData": data}))).await;
    }
    let first = read(&server, "ListMetrics", &json!({})).await;
    assert_eq!(first["Metrics"].as_array().unwrap().len(), 500);
    let second = read(&server, "ListMetrics", &json!({"NextToken": first["NextToken"]})).await;
    assert_eq!(second["Metrics"].as_array().unwrap().len(), 300);
    assert!(second.get("NextToken").is_none());
    assert_eq!(second["Metrics"][0]["MetricName"], "m1100");

    let data: Vec<Value> = (0..5)
        .map(|n| json!({"MetricName": "steps", "Value": n, "Timestamp": at - 60 * n, "Dimensions": []}))
        .collect();
    ok(&server, &in_json("PutMetricData", &json!({"Namespace": "App", "MetricData": data}))).await;
    let query = |id: &str, name: &str| json!({"Id": id, "MetricStat": {"Metric": {"Namespace": "App", "MetricName": name}, "Period": 60, "Stat": "Sum"}});
    let mut body = json!({"StartTime": at - 600, "EndTime": at + 60, "MaxDatapoints": 3,
                          "MetricDataQueries": [query("a", "steps"), query("none", "nothing"), query("b", "steps")]});
    let mut seen: Vec<(String, f64)> = Vec::new();
    let mut pages = 0;
    loop {
        let page = read(&server, "GetMetricData", &body).await;
        pages += 1;
        for result in page["MetricDataResults"].as_array().unwrap() {
            for value in result["Values"].as_array().unwrap() {
                seen.push((result["Id"].as_str().unwrap().to_owned(), value.as_f64().unwrap()));
            }
        }
        match page.get("NextToken") {
            Some(token) => body["NextToken"] = token.clone(),
            None => break,
        }
    }
    // Newest first.
    let once = |id: &str| [0.0, 1.0, 2.0, 3.0, 4.0].map(|value| (id.to_owned(), value));
    assert_eq!(seen, [once("a"), once("b")].concat());
    assert_eq!(pages, 4);
    let refused = server.send(&in_json("ListMetrics", &json!({"NextToken": "nonsense"}))).await;
    assert_eq!(refused.json()["__type"], "com.amazon.coral.service#InvalidNextToken");
    server.stop().await;
}

#[tokio::test]
async fn percentiles_are_had_of_values_and_not_of_sets() {
    let server = TestServer::start().await;
    let at = minute(&server);
    let values: Vec<u32> = (1..=100).collect();
    let data = json!([
        {"MetricName": "v", "Values": values, "Timestamp": at},
        {"MetricName": "s", "StatisticValues": {"SampleCount": 3, "Sum": 6, "Minimum": 1, "Maximum": 3}, "Timestamp": at},
        {"MetricName": "f", "Value": 7, "Timestamp": at + 1, "StorageResolution": 1},
    ]);
    ok(&server, &in_json("PutMetricData", &json!({"Namespace": "App", "MetricData": data}))).await;
    let asked = json!({"ExtendedStatistics": ["p50", "p99.5"]});
    let found = read(&server, "GetMetricStatistics", &statistics(&server, "v", &asked)).await;
    assert_eq!(found["Datapoints"][0]["ExtendedStatistics"], json!({"p50": 50.0, "p99.5": 100.0}));
    let found = read(&server, "GetMetricStatistics", &statistics(&server, "s", &asked)).await;
    assert_eq!(found["Datapoints"], json!([]));
    let seconds = json!({"Statistics": ["Sum"], "Period": 1, "StartTime": at, "EndTime": at + 60});
    let found = read(&server, "GetMetricStatistics", &statistics(&server, "f", &seconds)).await;
    assert_eq!(found["Datapoints"], json!([{"Timestamp": at + 1, "Sum": 7.0, "Unit": "None"}]));
    server.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_refused_and_nothing_of_it_is_kept() {
    let server = TestServer::start_with(Home::default(), |_| {}).await;
    let now = server.clock.wall_ms() / 1000;
    let fine = json!({"MetricName": "fine", "Value": 1});
    let with = |datum: Value| json!({"Namespace": "App", "MetricData": [fine, datum]});
    let set = |count: f64, minimum: f64| json!({"MetricName": "m", "StatisticValues": {"SampleCount": count, "Sum": 1, "Minimum": minimum, "Maximum": 1}});
    let invalid = ("InvalidParameterValueException", "InvalidParameterValue");
    let missing = ("MissingRequiredParameterException", "MissingParameter");
    let combination = ("InvalidParameterCombinationException", "InvalidParameterCombination");
    let validation = ("ValidationException", "ValidationError");
    for (body, (name, query_name)) in [
        (json!({"Namespace": "AWS/Kinesis", "MetricData": [fine]}), invalid),
        (json!({"Namespace": "App"}), missing),
        (json!({"MetricData": [fine]}), validation),
        (with(json!({"MetricName": "m"})), missing),
        (with(json!({"MetricName": ""})), validation),
        (with(json!({"MetricName": "m", "Value": 1, "Values": [1]})), combination),
        (with(json!({"MetricName": "m", "Value": "NaN"})), invalid),
        (with(json!({"MetricName": "m", "Value": 1e109})), invalid),
        (with(json!({"MetricName": "m", "Values": [1, 2], "Counts": [1]})), invalid),
        (with(json!({"MetricName": "m", "Values": []})), missing),
        (with(json!({"MetricName": "m", "Values": vec![1; 151]})), invalid),
        (with(set(0.0, 0.0)), invalid),
        (with(set(1.0, 2.0)), invalid),
        (with(json!({"MetricName": "m", "Value": 1, "Timestamp": now - 15 * 24 * 3600})), invalid),
        (with(json!({"MetricName": "m", "Value": 1, "Timestamp": now + 3 * 3600})), invalid),
        (with(json!({"MetricName": "m", "Value": 1, "StorageResolution": 5})), invalid),
        (with(json!({"MetricName": "m", "Value": 1, "Unit": "Miles"})), validation),
        (
            with(json!({"MetricName": "m", "Value": 1,
                        "Dimensions": [{"Name": "a", "Value": "1"}, {"Name": "a", "Value": "2"}]})),
            invalid,
        ),
        (json!({"Namespace": "App", "MetricData": vec![fine.clone(); 1001]}), invalid),
    ] {
        let answer = server.send(&in_json("PutMetricData", &body)).await;
        assert_eq!(answer.status, 400, "{body}");
        let said = answer.json();
        assert!(said["__type"].as_str().unwrap().ends_with(&format!("#{name}")), "{body}: {said}");
        assert_eq!(answer.header("x-amzn-query-error"), format!("{query_name};Sender"), "{body}");
    }
    let all = json!({"Statistics": ["Sum"]});
    for (more, (name, _)) in [
        (json!({}), missing),
        (json!({"Statistics": ["Sum"], "ExtendedStatistics": ["p50"]}), combination),
        (json!({"ExtendedStatistics": ["tm99"]}), invalid),
        (json!({"Statistics": ["Sum"], "Period": 61}), invalid),
        (json!({"Statistics": ["Sum"], "EndTime": 0}), combination),
        (json!({"Statistics": ["Sum"], "StartTime": 0}), combination),
        (json!({"Statistics": ["Median"]}), validation),
    ] {
        let answer = server.send(&in_json("GetMetricStatistics", &statistics(&server, "m", &more))).await;
        assert!(answer.json()["__type"].as_str().unwrap().ends_with(&format!("#{name}")), "{more}: {}", answer.json());
    }
    ok(&server, &in_json("GetMetricStatistics", &statistics(&server, "m", &all))).await;
    let metric = json!({"Metric": {"Namespace": "App", "MetricName": "m"}, "Period": 60, "Stat": "Sum"});
    for query in [
        json!({"Id": "Upper", "MetricStat": metric}),
        json!({"Id": "a"}),
        json!({"Id": "a", "Expression": "SUM(METRICS())"}),
        json!({"Id": "a", "MetricStat": {"Metric": {}, "Period": 60, "Stat": "Sum"}}),
        json!({"Id": "a", "MetricStat": {"Metric": metric["Metric"], "Period": 60, "Stat": "Nonsense"}}),
    ] {
        let body = json!({"StartTime": now - 60, "EndTime": now, "MetricDataQueries": [query]});
        let answer = server.send(&in_json("GetMetricData", &body)).await;
        assert_eq!(
            answer.json()["__type"],
            "com.amazon.coral.validate#ValidationException",
            "{query}: {}",
            answer.json()
        );
    }
    let answer = server.send(&in_form("PutMetricData", "Namespace=App&MetricData.member.1.MetricName=m")).await;
    assert!(text(&answer).contains("<Code>MissingParameter</Code>"), "{}", text(&answer));
    let answer = server.send(&in_form("PutMetricData", "Namespace=App&MetricData.member.1.Value=x")).await;
    assert!(text(&answer).contains("<Code>MalformedInput</Code>"), "{}", text(&answer));
    let answer = server.send(&in_cbor("PutMetricData", vec![0xa0])).await;
    assert_eq!(cbor::to_json(&answer.body).unwrap()["__type"], "com.amazon.coral.validate#ValidationException");
    let answer = server.send(&in_cbor("PutMetricData", vec![0xff])).await;
    assert_eq!(cbor::to_json(&answer.body).unwrap()["__type"], "com.amazon.coral.service#SerializationException");
    assert_eq!(read(&server, "ListMetrics", &json!({})).await["Metrics"], json!([]));
    server.stop().await;
}
