"""Who calls: signatures in headers and in the address, and each way they fail."""

import datetime
import json
import urllib.error
import urllib.request
from unittest import mock

import botocore.auth
import botocore.compat
import pytest

from reading import put, read_stream
from test_streams import refused

CLIENT = "boto3"
AREA = "signatures"


def test_a_wrong_secret_is_refused(server):
    message = refused("InvalidSignatureException", server.boto3(key=(server.key[0], "x" * 40)).list_streams)
    assert message.startswith("The request signature we calculated does not match the signature you provided.")


def test_an_unknown_key_is_refused(server):
    message = refused("UnrecognizedClientException", server.boto3(key=("AKIAUNKNOWNUNKNOWN00", "x" * 40)).list_streams)
    assert message == "The security token included in the request is invalid."


@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_clock_that_is_off_is_refused(server, minutes):
    wrong = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    moved = lambda *arguments, **names: wrong.replace(tzinfo=None) if names.get("remove_tzinfo", True) else wrong
    with mock.patch.object(botocore.auth, "get_current_datetime", moved):
        refused("InvalidSignatureException", server.boto3().list_streams)


def send(url, headers, body=b"{}"):
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_an_address_can_carry_the_signature(kinesis):
    url = kinesis.generate_presigned_url("list_streams", HttpMethod="POST")
    headers = {"X-Amz-Target": "Kinesis_20131202.ListStreams", "Content-Type": "application/x-amz-json-1.1"}
    status, answer = send(url, headers)
    assert status == 200 and "StreamNames" in answer, answer
    status, answer = send(url.replace("X-Amz-Signature=", "X-Amz-Signature=0"), headers)
    assert (status, answer["__type"]) == (400, "InvalidSignatureException")


def test_no_signature_at_all(server):
    headers = {"X-Amz-Target": "Kinesis_20131202.ListStreams", "Content-Type": "application/x-amz-json-1.1"}
    status, answer = send(server.endpoint, headers)
    assert (status, answer["__type"]) == (400, "MissingAuthenticationTokenException")


def test_odd_characters_are_signed_and_stored(kinesis, stream):
    name = stream(1)
    keys = ["a b", "ä+b", "%41", "/?&=#", "\u0000", "\U0010ffff", "'\"\\", "line\nfeed", " lead and trail ", "e\u0301"]
    put(kinesis, name, [(key, key.encode()) for key in keys])
    assert [(record["PartitionKey"], record["Data"].decode()) for record in read_stream(kinesis, name)] == [(key, key) for key in keys]


def test_a_development_server_asks_for_nothing(own_server):
    server = own_server("--dev", "--stream", "dev:1")
    anybody = server.boto3(key=("test", "test"), token="any token")
    assert anybody.list_streams()["StreamNames"] == ["dev"]
    headers = {"X-Amz-Target": "Kinesis_20131202.ListStreams", "Content-Type": "application/x-amz-json-1.1"}
    assert send(server.endpoint, headers)[0] == 200
