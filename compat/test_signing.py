"""Who calls: signatures in headers and in the address, and each way they fail."""

import datetime
import hashlib
import json
import urllib.error
import urllib.request
from unittest import mock

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness import REGION
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


HEADERS = {"X-Amz-Target": "Kinesis_20131202.ListStreams", "Content-Type": "application/x-amz-json-1.1"}


def presigned(server, body):
    """An address signed by botocore's own signer. It signs the hash of the body that it is told, as the body comes later."""
    headers = HEADERS | {"X-Amz-Content-SHA256": hashlib.sha256(body).hexdigest()}
    request = AWSRequest("POST", server.endpoint + "/", headers=headers)
    botocore.auth.SigV4QueryAuth(Credentials(*server.key), "kinesis", REGION, expires=60).add_auth(request)
    return request.url, dict(request.headers)


def test_an_address_can_carry_the_signature(server):
    url, headers = presigned(server, b"{}")
    status, answer = send(url, headers)
    assert status == 200 and "StreamNames" in answer, answer
    for changed in [url.replace("X-Amz-Signature=", "X-Amz-Signature=0"), url.replace("X-Amz-Expires=60", "X-Amz-Expires=61")]:
        status, answer = send(changed, headers)
        assert (status, answer["__type"]) == (400, "InvalidSignatureException")
    assert send(url, headers, b'{"Limit": 5}')[1]["__type"] == "InvalidSignatureException"


def test_no_signature_at_all(server):
    status, answer = send(server.endpoint, HEADERS)
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
    assert send(server.endpoint, HEADERS)[0] == 200
