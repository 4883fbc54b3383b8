//! The lease tables over HTTP: forms of answers and errors, signatures, restarts.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up has failed")]

use rheos_testkit::{Answer, Call, Home, TestServer};
use rheos_wire::Service;
use serde_json::{Value, json};

fn call(operation: &str, body: &Value) -> Call {
    Call::to_service(Service::DynamoDb, body.to_string())
        .header("x-amz-target", &format!("DynamoDB_20120810.{operation}"))
        .header("content-type", "application/x-amz-json-1.0")
}

async fn ask(server: &TestServer, operation: &str, body: &Value) -> Answer {
    let answer = server.send(&call(operation, body)).await;
    let checksum = crc32fast::hash(&answer.body).to_string();
    assert_eq!(answer.header("x-amz-crc32"), checksum, "{operation}");
    answer
}

async fn create(server: &TestServer, name: &str) {
    let body = json!({
        "TableName": name, "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "leaseKey", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "leaseKey", "KeyType": "HASH"}]
    });
    let answer = ask(server, "CreateTable", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    assert_eq!(answer.json()["TableDescription"]["TableStatus"], "ACTIVE");
}

#[tokio::test]
async fn a_condition_that_does_not_hold_tells_the_item() {
    let server = TestServer::start().await;
    create(&server, "leases").await;
    let put = json!({
        "TableName": "leases", "Item": {"leaseKey": {"S": "a"}, "n": {"N": "1.0"}},
        "Expected": {"leaseKey": {"Exists": false}}, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"
    });
    let answer = ask(&server, "PutItem", &put).await;
    assert_eq!((answer.status, answer.json()), (200, json!({})));
    let answer = ask(&server, "PutItem", &put).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.json(),
        json!({
            "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
            "message": "The conditional request failed",
            "Item": {"leaseKey": {"S": "a"}, "n": {"N": "1"}}
        })
    );
    server.stop().await;
}

#[tokio::test]
async fn errors_have_dynamodbs_names_and_words() {
    let server = TestServer::start().await;
    create(&server, "leases").await;
    let key = json!({"leaseKey": {"S": "a"}});
    for (operation, body, kind, message) in [
        (
            "DescribeTable",
            json!({"TableName": "none"}),
            "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
            "Requested resource not found: Table: none not found",
        ),
        (
            "GetItem",
            json!({"TableName": "none", "Key": key}),
            "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
            "Requested resource not found",
        ),
        (
            "GetItem",
            json!({"TableName": "leases"}),
            "com.amazon.coral.validate#ValidationException",
            "1 validation error detected: Value null at 'key' failed to satisfy constraint: Member must not be null",
        ),
        (
            "GetItem",
            json!({"TableName": "leases", "Key": {"leaseKey": {"N": "x"}}}),
            "com.amazon.coral.validate#ValidationException",
            "The parameter cannot be converted to a numeric value: x",
        ),
        (
            "PutItem",
            json!({"TableName": "leases", "Item": key, "ReturnValues": "SOME"}),
            "com.amazon.coral.validate#ValidationException",
            "1 validation error detected: Value 'SOME' failed to satisfy constraint: Member must satisfy enum value set: [NONE, \
             ALL_OLD, UPDATED_OLD, ALL_NEW, UPDATED_NEW]",
        ),
        (
            "DeleteItem",
            json!({"TableName": "leases", "Key": key, "ConditionExpression": "name = :a"}),
            "com.amazon.coral.validate#ValidationException",
            "Invalid ConditionExpression: Attribute name is a reserved keyword; reserved keyword: name",
        ),
    ] {
        let answer = ask(&server, operation, &body).await;
        assert_eq!((answer.status, &answer.json()), (400, &json!({"__type": kind, "message": message})), "{operation}");
    }
    for body in ["[]", "{\"TableName\": 5}", "{\"TableName\": \"leases\", \"Key\": {\"leaseKey\": {\"S\": 5}}}"] {
        let answer = server.send(&call("GetItem", &serde_json::from_str(body).unwrap())).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["__type"], "com.amazon.coral.service#SerializationException", "{body}");
    }
    let answer = ask(&server, "ExportTableToPointInTime", &json!({})).await;
    assert_eq!(answer.json()["__type"], "com.amazon.coral.service#UnknownOperationException");
    let answer = server.send(&call("ListTables", &json!({})).unsigned()).await;
    assert_eq!(answer.json()["__type"], "com.amazon.coral.service#MissingAuthenticationTokenException");
    server.stop().await;
}

#[tokio::test]
async fn what_a_table_cannot_have_is_named_and_nothing_is_made() {
    let server = TestServer::start().await;
    create(&server, "leases").await;
    let of_capacity = json!({"MaxReadRequestUnits": 5});
    for (operation, name, member) in [
        ("CreateTable", "StreamSpecification", json!({"StreamSpecification": {"StreamEnabled": true}})),
        ("CreateTable", "SSESpecification", json!({"SSESpecification": {"Enabled": true}})),
        ("CreateTable", "VectorIndexes", json!({"VectorIndexes": []})),
        ("CreateTable", "OnDemandThroughput", json!({"GlobalSecondaryIndexes": [{"OnDemandThroughput": of_capacity}]})),
        ("UpdateTable", "ReplicaUpdates", json!({"ReplicaUpdates": []})),
        ("UpdateTable", "OnDemandThroughput", json!({"OnDemandThroughput": of_capacity})),
        ("UpdateTable", "WarmThroughput", json!({"GlobalSecondaryIndexUpdates": [{"Update": {"WarmThroughput": {}}}]})),
    ] {
        let mut body = member;
        body["TableName"] = json!(if operation == "CreateTable" { "more" } else { "leases" });
        let answer = ask(&server, operation, &body).await;
        let message =
            format!("One or more parameter values were invalid: {name} is not supported by the lease tables of Rheos");
        assert_eq!(answer.json()["message"], message, "{operation} {name}");
        assert_eq!(answer.json()["__type"], "com.amazon.coral.validate#ValidationException");
    }
    let off = json!({"TableName": "leases", "StreamSpecification": {"StreamEnabled": false}, "DeletionProtectionEnabled": true});
    assert_eq!(ask(&server, "UpdateTable", &off).await.status, 200, "what is off is not asked for");
    assert_eq!(ask(&server, "ListTables", &json!({})).await.json()["TableNames"], json!(["leases"]));
    server.stop().await;
}

#[tokio::test]
async fn a_cancelled_transaction_tells_why_for_each_action() {
    let server = TestServer::start().await;
    create(&server, "leases").await;
    let put = |id: &str| {
        json!({"Put": {"TableName": "leases", "Item": {"leaseKey": {"S": id}}, "ConditionExpression": "attribute_not_exists(leaseKey)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}})
    };
    let first = json!({"TransactItems": [put("a"), put("b")], "ReturnConsumedCapacity": "TOTAL"});
    let answer = ask(&server, "TransactWriteItems", &first).await;
    assert_eq!(
        answer.json(),
        json!({"ConsumedCapacity": [{"TableName": "leases", "CapacityUnits": 4.0, "WriteCapacityUnits": 4.0}]})
    );
    let answer = ask(&server, "TransactWriteItems", &json!({"TransactItems": [put("c"), put("a")]})).await;
    assert_eq!(
        answer.json(),
        json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "message": "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed]",
            "CancellationReasons": [{"Code": "None"}, {"Code": "ConditionalCheckFailed",
                "Message": "The conditional request failed", "Item": {"leaseKey": {"S": "a"}}}]
        })
    );
    server.stop().await;
}

#[tokio::test]
async fn an_acknowledged_conditional_write_survives_a_restart() {
    let home = Home::directory();
    let server = TestServer::start_with(home.clone(), |_| {}).await;
    create(&server, "leases").await;
    for counter in 0..5 {
        let update = json!({
            "TableName": "leases", "Key": {"leaseKey": {"S": "a"}},
            "UpdateExpression": "SET n = :is", "ConditionExpression": "attribute_not_exists(n) OR n = :was",
            "ExpressionAttributeValues": {":was": {"N": counter.to_string()}, ":is": {"N": (counter + 1).to_string()}}
        });
        assert_eq!(ask(&server, "UpdateItem", &update).await.status, 200);
    }
    server.stop().await;
    let server = TestServer::start_with(home, |_| {}).await;
    let get = json!({"TableName": "leases", "Key": {"leaseKey": {"S": "a"}}});
    let item = ask(&server, "GetItem", &get).await.json();
    assert_eq!(item["Item"]["n"], json!({"N": "5"}));
    // An index is made by the ticker, with nobody asking.
    let index = json!({
        "TableName": "leases",
        "AttributeDefinitions": [{"AttributeName": "n", "AttributeType": "N"}],
        "GlobalSecondaryIndexUpdates": [{"Create": {"IndexName": "by-n", "Projection": {"ProjectionType": "ALL"},
            "KeySchema": [{"AttributeName": "n", "KeyType": "HASH"}]}}]
    });
    assert_eq!(ask(&server, "UpdateTable", &index).await.json()["TableDescription"]["TableStatus"], "UPDATING");
    loop {
        let table = ask(&server, "DescribeTable", &json!({"TableName": "leases"})).await.json()["Table"].clone();
        if table["TableStatus"] == "ACTIVE" {
            assert_eq!(table["GlobalSecondaryIndexes"][0]["ItemCount"], 1);
            break;
        }
    }
    server.stop().await;
}
