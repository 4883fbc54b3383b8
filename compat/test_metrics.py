"""CloudWatch and STS as the clients of Kinesis meet them: boto3 (JSON 1.0), the AWS CLI, and forms as older clients send them."""

import datetime
import subprocess
import sys
import urllib.request
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from urllib.parse import urlencode

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from harness import ACCOUNT, REGION

CLIENT = "boto3"
AREA = "metrics and identity"
FORM = "application/x-www-form-urlencoded; charset=utf-8"
CLOUDWATCH = "{http://monitoring.amazonaws.com/doc/2010-08-01/}"


@pytest.fixture(scope="module")
def cloudwatch(server):
    return server.boto3("cloudwatch")


@pytest.fixture
def minute():
    """The minute before this one."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.replace(second=0, microsecond=0) - datetime.timedelta(minutes=1)


def total(cloudwatch, namespace, metric, minute, **more):
    answer = cloudwatch.get_metric_statistics(
        Namespace=namespace, MetricName=metric, StartTime=minute, EndTime=minute + datetime.timedelta(minutes=3), Period=60,
        Statistics=["Sum", "SampleCount"], **more,
    )  # fmt: skip
    return [(point["Timestamp"], point["Sum"], point["SampleCount"], point["Unit"]) for point in answer["Datapoints"]]


def test_what_is_put_is_listed_and_read(cloudwatch, minute):
    dimensions = [{"Name": "ShardId", "Value": "shardId-000000000000"}, {"Name": "Operation", "Value": "ProcessTask"}]
    datum = {"MetricName": "Time", "Dimensions": dimensions, "Timestamp": minute, "Unit": "Milliseconds"}
    statistics = {"SampleCount": 4, "Sum": 10, "Minimum": 1, "Maximum": 4}
    cloudwatch.put_metric_data(
        Namespace="read",
        MetricData=[datum | {"StatisticValues": statistics}, datum | {"Value": 5.5}, datum | {"Values": [1, 2], "Counts": [3, 1]}],
    )
    listed = cloudwatch.list_metrics(Namespace="read", Dimensions=[{"Name": "Operation"}])["Metrics"]
    assert [metric["MetricName"] for metric in listed] == ["Time"]
    assert sorted(listed[0]["Dimensions"], key=str) == sorted(dimensions, key=str)
    assert total(cloudwatch, "read", "Time", minute, Dimensions=dimensions) == [(minute, 20.5, 9, "Milliseconds")]
    assert total(cloudwatch, "read", "Time", minute) == [], "other dimensions are another series"
    query = {"Metric": {"Namespace": "read", "MetricName": "Time", "Dimensions": dimensions}, "Period": 60, "Stat": "Maximum"}
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[{"Id": "m", "MetricStat": query}], StartTime=minute, EndTime=minute + datetime.timedelta(minutes=2)
    )
    results = [result for page in pages for result in page["MetricDataResults"]]
    assert [(result["Id"], result["StatusCode"], result["Values"]) for result in results] == [("m", "Complete", [5.5])]


def test_a_large_body_comes_compressed(cloudwatch, server, minute):
    data = [{"MetricName": f"metric-{n:04}", "Value": n, "Timestamp": minute} for n in range(900)]
    sent = []
    cloudwatch.meta.events.register("before-send.cloudwatch.PutMetricData", lambda request, **_: sent.append(request))
    cloudwatch.put_metric_data(Namespace="large", MetricData=data)
    assert sent[0].headers["Content-Encoding"] == b"gzip" and len(sent[0].body) < 10_000
    pages = cloudwatch.get_paginator("list_metrics").paginate(Namespace="large")
    assert [len(page["Metrics"]) for page in pages] == [500, 400]
    assert total(cloudwatch, "large", "metric-0899", minute) == [(minute, 899, 1, "None")]


def test_errors_have_the_names_that_boto3_knows(cloudwatch):
    with pytest.raises(ClientError) as caught:
        cloudwatch.put_metric_data(Namespace="AWS/Kinesis", MetricData=[{"MetricName": "m", "Value": 1}])
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValue", caught.value
    with pytest.raises(cloudwatch.exceptions.InvalidParameterCombinationException):
        cloudwatch.put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": 1, "Values": [1]}])
    with pytest.raises(ClientError) as caught:
        cloudwatch.describe_alarms()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def form(server, service, **parameters):
    """A request as clients made it before 2024, and those of STS still do."""
    request = AWSRequest("POST", server.endpoint + "/", data=urlencode(parameters), headers={"Content-Type": FORM})
    SigV4Auth(Credentials(*server.key), service, REGION).add_auth(request)
    prepared = request.prepare()
    sent = urllib.request.Request(prepared.url, prepared.body.encode(), dict(prepared.headers.items()), method="POST")
    try:
        with urllib.request.urlopen(sent) as answer:
            return answer.status, ElementTree.fromstring(answer.read())
    except urllib.request.HTTPError as error:
        return error.code, ElementTree.fromstring(error.read())


def test_forms_are_taken_and_answered_in_xml(server, cloudwatch, minute):
    status, answer = form(
        server, "monitoring", Action="PutMetricData", Version="2010-08-01", Namespace="form",
        **{"MetricData.member.1.MetricName": "m", "MetricData.member.1.Unit": "Count", "MetricData.member.1.Value": "2.5",
           "MetricData.member.1.Timestamp": minute.strftime("%Y-%m-%dT%H:%M:%S.000Z")},
    )  # fmt: skip
    assert status == 200 and answer.tag == CLOUDWATCH + "PutMetricDataResponse"
    assert total(cloudwatch, "form", "m", minute) == [(minute, 2.5, 1, "Count")]
    status, answer = form(server, "monitoring", Action="ListMetrics", Version="2010-08-01", Namespace="form")
    assert [name.text for name in answer.iter(CLOUDWATCH + "MetricName")] == ["m"]
    status, answer = form(server, "monitoring", Action="PutMetricData", Version="2010-08-01", Namespace="form")
    assert (status, answer.find(f"{CLOUDWATCH}Error/{CLOUDWATCH}Code").text) == (400, "MissingParameter")


def test_a_caller_is_told_who_it_is(server):
    for region in [REGION, "eu-west-1"]:
        identity = server.boto3("sts", region=region).get_caller_identity()
        assert (identity["Account"], identity["Arn"]) == (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")
    with pytest.raises(ClientError) as caught:
        server.boto3("sts", key=("AKIANOBODY0000000000", "secret")).get_caller_identity()
    assert caught.value.response["Error"]["Code"] == "InvalidClientTokenId"


def test_the_cli_does_the_same(server, cloudwatch, minute):
    def aws(*words):
        command = [str(Path(sys.executable).with_name("aws")), *words, "--output", "text"]
        done = subprocess.run(command, capture_output=True, text=True, env=server.cli().environment, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    at = minute.strftime("%Y-%m-%dT%H:%M:%SZ")
    aws("cloudwatch", "put-metric-data", "--namespace", "cli", "--metric-name", "m", "--value", "7", "--timestamp", at)
    assert total(cloudwatch, "cli", "m", minute) == [(minute, 7, 1, "None")]
    assert "cli" in aws("cloudwatch", "list-metrics", "--namespace", "cli")
    assert aws("sts", "get-caller-identity", "--query", "Arn") == [f"arn:aws:iam::{ACCOUNT}:root"]
