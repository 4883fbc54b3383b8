"""The lease tables through boto3: every operation as its users call it, and that what was acknowledged survives."""

import concurrent.futures
import threading

import pytest
from botocore.exceptions import ClientError

from harness import REGION, Server


def dynamodb(server, **config):
    """A boto3 client: nothing but the endpoint, the key and the region differs from AWS."""
    return server.boto3("dynamodb", max_pool_connections=64, **config)


@pytest.fixture(scope="module")
def tables_server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("tables"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def db(tables_server):
    return dynamodb(tables_server)


def make(db, table, *, index=False):
    """A table as the KCL makes its lease table."""
    attributes = [{"AttributeName": "leaseKey", "AttributeType": "S"}]
    members = {}
    if index:
        attributes.append({"AttributeName": "leaseOwner", "AttributeType": "S"})
        key = [{"AttributeName": "leaseOwner", "KeyType": "HASH"}, {"AttributeName": "leaseKey", "KeyType": "RANGE"}]
        members["GlobalSecondaryIndexes"] = [
            {"IndexName": "LeaseOwnerToLeaseKeyIndex", "KeySchema": key, "Projection": {"ProjectionType": "KEYS_ONLY"}}
        ]
    db.create_table(
        TableName=table,
        AttributeDefinitions=attributes,
        KeySchema=[{"AttributeName": "leaseKey", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        **members,
    )
    db.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
    return table


def refused(code, call, **members):
    with pytest.raises(ClientError) as error:
        call(**members)
    assert error.value.response["Error"]["Code"] == code, error.value
    return error.value.response


def key(lease):
    return {"leaseKey": {"S": lease}}


def test_a_table_from_its_making_to_its_end(db):
    table = make(db, "lifecycle")
    described = db.describe_table(TableName=table)["Table"]
    assert described["TableStatus"] == "ACTIVE" and described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert described["TableArn"] == f"arn:aws:dynamodb:{REGION}:000000000000:table/lifecycle"
    assert table in db.list_tables()["TableNames"]
    make(db, "lifecycle-2")
    assert db.list_tables(Limit=1)["LastEvaluatedTableName"] == table
    refused("ResourceInUseException", make, db=db, table=table)
    db.put_item(TableName=table, Item=key("a") | {"leaseOwner": {"S": "w"}})
    db.update_table(
        TableName=table,
        AttributeDefinitions=[
            {"AttributeName": "leaseKey", "AttributeType": "S"}, {"AttributeName": "leaseOwner", "AttributeType": "S"}
        ],
        GlobalSecondaryIndexUpdates=[
            {
                "Create": {
                    "IndexName": "LeaseOwnerToLeaseKeyIndex",
                    "KeySchema": [
                        {"AttributeName": "leaseOwner", "KeyType": "HASH"}, {"AttributeName": "leaseKey", "KeyType": "RANGE"}
                    ],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            }
        ],
    )
    for _ in range(100):
        described = db.describe_table(TableName=table)["Table"]
        if described["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE":
            break
    assert described["TableStatus"] == "ACTIVE"
    found = db.query(
        TableName=table, IndexName="LeaseOwnerToLeaseKeyIndex", KeyConditionExpression="leaseOwner = :leaseOwner",
        ExpressionAttributeValues={":leaseOwner": {"S": "w"}},
    )
    assert found["Items"] == [key("a") | {"leaseOwner": {"S": "w"}}]
    db.update_table(TableName=table, DeletionProtectionEnabled=True)
    refused("ValidationException", db.delete_table, TableName=table)
    db.update_table(TableName=table, DeletionProtectionEnabled=False)
    assert db.delete_table(TableName=table)["TableDescription"]["TableStatus"] == "DELETING"
    db.get_waiter("table_not_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
    refused("ResourceNotFoundException", db.describe_table, TableName=table)
    refused("ResourceNotFoundException", db.put_item, TableName=table, Item=key("a"))


def test_settings_and_tags(db):
    table = make(db, "settings")
    arn = db.describe_table(TableName=table)["Table"]["TableArn"]
    db.tag_resource(ResourceArn=arn, Tags=[{"Key": "team", "Value": "a"}, {"Key": "env", "Value": "b"}])
    db.untag_resource(ResourceArn=arn, TagKeys=["team"])
    assert db.list_tags_of_resource(ResourceArn=arn)["Tags"] == [{"Key": "env", "Value": "b"}]
    backups = db.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"
    enable = {"PointInTimeRecoveryEnabled": True}
    backups = db.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=enable)
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
    db.update_table(TableName=table, BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 3, "WriteCapacityUnits": 4})
    assert db.describe_table(TableName=table)["Table"]["ProvisionedThroughput"]["WriteCapacityUnits"] == 4
    assert db.describe_limits()["TableMaxReadCapacityUnits"] > 0
    assert db.describe_time_to_live(TableName=table)["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED"


def test_a_lease_with_legacy_parameters(db):
    table = make(db, "legacy", index=True)
    new = key("shard-0") | {"leaseCounter": {"N": "0"}, "checkpoint": {"S": "TRIM_HORIZON"}}
    db.put_item(TableName=table, Item=new, Expected={"leaseKey": {"Exists": False}})
    refused("ConditionalCheckFailedException", db.put_item, TableName=table, Item=new, Expected={"leaseKey": {"Exists": False}})
    taken = db.update_item(
        TableName=table, Key=key("shard-0"), Expected={"leaseCounter": {"Value": {"N": "0"}}, "leaseOwner": {"Exists": False}},
        AttributeUpdates={
            "leaseCounter": {"Action": "ADD", "Value": {"N": "1"}}, "leaseOwner": {"Action": "PUT", "Value": {"S": "w1"}},
            "checkpointOwner": {"Action": "DELETE"},
        },
        ReturnValues="ALL_NEW",
    )["Attributes"]
    assert taken == new | {"leaseCounter": {"N": "1"}, "leaseOwner": {"S": "w1"}}
    failed = refused(
        "ConditionalCheckFailedException", db.update_item, TableName=table, Key=key("shard-0"),
        Expected={"leaseCounter": {"Value": {"N": "7"}}}, AttributeUpdates={"leaseCounter": {"Value": {"N": "8"}}},
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
    assert failed["Item"] == taken, "the exception carries the item"
    old = db.delete_item(TableName=table, Key=key("shard-0"), ReturnValues="ALL_OLD")["Attributes"]
    assert old == taken and "Item" not in db.get_item(TableName=table, Key=key("shard-0"), ConsistentRead=True)


def test_items_batches_pages_and_capacity(db):
    table = make(db, "pages")
    for start in range(0, 100, 25):
        puts = [{"PutRequest": {"Item": key(f"{n:03}") | {"n": {"N": str(n)}}}} for n in range(start, start + 25)]
        assert db.batch_write_item(RequestItems={table: puts})["UnprocessedItems"] == {}
    pages = db.get_paginator("scan").paginate(TableName=table, PaginationConfig={"PageSize": 7})
    assert sorted(item["leaseKey"]["S"] for page in pages for item in page["Items"]) == [f"{n:03}" for n in range(100)]
    counted = sum(db.scan(TableName=table, Segment=n, TotalSegments=4, Select="COUNT")["Count"] for n in range(4))
    assert counted == 100
    found = db.scan(
        TableName=table, FilterExpression="n BETWEEN :a AND :b", ExpressionAttributeValues={":a": {"N": "10"}, ":b": {"N": "12"}},
        ProjectionExpression="leaseKey", ReturnConsumedCapacity="TOTAL",
    )
    assert (found["Count"], found["ScannedCount"]) == (3, 100) and found["ConsumedCapacity"]["CapacityUnits"] > 0
    keys = [key(f"{n:03}") for n in range(98, 103)]
    got = db.batch_get_item(RequestItems={table: {"Keys": keys, "ConsistentRead": True}})
    assert len(got["Responses"][table]) == 2 and got["UnprocessedKeys"] == {}
    query = db.query(
        TableName=table, KeyConditions={"leaseKey": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "050"}]}}
    )
    assert query["Items"][0]["n"] == {"N": "50"}
    refused("ValidationException", db.query, TableName=table, KeyConditionExpression="leaseKey > :a", ExpressionAttributeValues={":a": {"S": ""}})


def test_transactions(db):
    table = make(db, "transactions")
    put = {"Put": {"TableName": table, "Item": key("a"), "ConditionExpression": "attribute_not_exists(leaseKey)"}}
    other = {"Put": {"TableName": table, "Item": key("b")}}
    db.transact_write_items(TransactItems=[put, other], ClientRequestToken="once")
    db.transact_write_items(TransactItems=[put, other], ClientRequestToken="once")
    failed = refused("TransactionCanceledException", db.transact_write_items, TransactItems=[
        {"Delete": {"TableName": table, "Key": key("b")}},
        {"Put": put["Put"] | {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}},
    ])
    assert [reason["Code"] for reason in failed["CancellationReasons"]] == ["None", "ConditionalCheckFailed"]
    assert failed["CancellationReasons"][1]["Item"] == key("a")
    refused("IdempotentParameterMismatchException", db.transact_write_items, TransactItems=[other], ClientRequestToken="once")
    got = db.transact_get_items(TransactItems=[{"Get": {"TableName": table, "Key": key(name)}} for name in ("a", "b", "c")])
    assert [response.get("Item") for response in got["Responses"]] == [key("a"), key("b"), None]


def test_of_many_workers_one_takes_the_lease(tables_server):
    db = dynamodb(tables_server, retries={"max_attempts": 0})
    table = make(db, "contended")
    db.put_item(TableName=table, Item=key("s") | {"leaseCounter": {"N": "0"}})
    together = threading.Barrier(16)

    def take(worker, counter):
        together.wait()
        try:
            db.update_item(
                TableName=table, Key=key("s"), Expected={"leaseCounter": {"Value": {"N": str(counter)}}},
                AttributeUpdates={"leaseCounter": {"Value": {"N": str(counter + 1)}}, "leaseOwner": {"Value": {"S": str(worker)}}},
            )
            return worker
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ConditionalCheckFailedException"

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for counter in range(10):
            winners = [worker for worker in pool.map(take, range(16), [counter] * 16) if worker is not None]
            assert len(winners) == 1
            item = db.get_item(TableName=table, Key=key("s"), ConsistentRead=True)["Item"]
            assert item["leaseOwner"] == {"S": str(winners[0])}


def test_what_was_acknowledged_survives_a_kill(tmp_path):
    server = Server(tmp_path)
    db = dynamodb(server, retries={"max_attempts": 0})
    table = make(db, "durable", index=True)
    db.put_item(TableName=table, Item=key("s") | {"leaseCounter": {"N": "0"}})
    for counter in range(30):
        db.update_item(
            TableName=table, Key=key("s"), ConditionExpression="leaseCounter = :was", UpdateExpression="SET leaseCounter = :is",
            ExpressionAttributeValues={":was": {"N": str(counter)}, ":is": {"N": str(counter + 1)}},
        )
    server.kill()
    server.start()
    db = dynamodb(server)
    assert db.get_item(TableName=table, Key=key("s"))["Item"]["leaseCounter"] == {"N": "30"}
    refused(
        "ConditionalCheckFailedException", db.update_item, TableName=table, Key=key("s"),
        ConditionExpression="leaseCounter = :was", UpdateExpression="SET leaseCounter = :was",
        ExpressionAttributeValues={":was": {"N": "29"}},
    )
    server.stop()
