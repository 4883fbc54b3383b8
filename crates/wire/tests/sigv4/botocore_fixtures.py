"""Requests signed by botocore, for the verifier to accept: botocore_fixtures.py > botocore.json

Needs botocore and nothing else. The time is fixed, so that the output is the same on every run.
"""

import datetime
import json
import sys

import botocore
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

NOW = datetime.datetime(2026, 11, 23, 20, 0, 0, tzinfo=datetime.timezone.utc)


class Clock(datetime.datetime):
    @classmethod
    def utcnow(cls):
        return NOW.replace(tzinfo=None)

    @classmethod
    def now(cls, tz=None):
        return NOW if tz else NOW.replace(tzinfo=None)


# Older versions ask the module, newer ones a helper.
botocore.auth.datetime = type("datetime", (), {"datetime": Clock, "timezone": datetime.timezone})
if hasattr(botocore.auth, "get_current_datetime"):
    botocore.auth.get_current_datetime = lambda remove_tzinfo=True: NOW.replace(tzinfo=None) if remove_tzinfo else NOW

PLAIN = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SESSION = Credentials("ASIAEXAMPLE", "secret/with+odd=characters", "token//with+odd==characters")

KINESIS = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Kinesis_20131202.PutRecord"}
BODY = '{"StreamName":"a","Data":"aGVsbG8=","PartitionKey":"k"}'

# name, credentials, form, method, url, headers, body, service
CASES = [
    ("put", PLAIN, "header", "POST", "http://localhost:4567/", KINESIS, BODY, "kinesis"),
    ("session", SESSION, "header", "POST", "https://kinesis.eu-west-1.amazonaws.com/", KINESIS, BODY, "kinesis"),
    ("default port", PLAIN, "header", "POST", "https://kinesis.eu-west-1.amazonaws.com:443/", KINESIS, BODY, "kinesis"),
    ("empty body", PLAIN, "header", "POST", "http://localhost:4567/", KINESIS, "", "kinesis"),
    ("no path", PLAIN, "header", "POST", "http://localhost:4567", KINESIS, BODY, "kinesis"),
    ("blanks", PLAIN, "header", "POST", "http://localhost/", {**KINESIS, "X-Amz-Meta": "  a   b  c "}, BODY, "kinesis"),
    ("odd path", PLAIN, "header", "GET", "http://localhost/a//b/../c%20d/~x-y_z.w/%E1%88%B4/@:+", {}, "", "kinesis"),
    ("query", PLAIN, "header", "GET", "http://localhost/?b=2&a=1&a=0&c=%20%2B&d=&E=~", {}, "", "monitoring"),
    ("form", PLAIN, "header", "POST", "http://localhost/", {"Content-Type": "application/x-www-form-urlencoded"},
     "Action=GetCallerIdentity&Version=2011-06-15", "sts"),
    ("gzip", PLAIN, "header", "POST", "http://localhost/", {**KINESIS, "Content-Encoding": "gzip"}, "\x1f not", "monitoring"),
    ("query mode", PLAIN, "header", "POST", "http://localhost/", {**KINESIS, "x-amzn-query-mode": "true"}, "{}", "sqs"),
    ("presigned", PLAIN, "query", "GET",
     "https://sts.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15", {}, "", "sts"),
    ("presigned session", SESSION, "query", "GET",
     "https://sts.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15", {"x-k8s-aws-id": "a  cluster"}, "", "sts"),
    ("presigned odd", PLAIN, "query", "GET", "http://localhost:4567/a%20b/?x=%2F%20&y=&z=%E2%82%AC", {}, "", "kinesis"),
]

fixtures = []
for name, credentials, form, method, url, headers, body, service in CASES:
    request = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
    signer = {"header": botocore.auth.SigV4Auth, "query": botocore.auth.SigV4QueryAuth}[form]
    signer(credentials, service, "eu-west-1").add_auth(request)
    sent = dict(request.headers.items())
    rest = request.url.split("://", 1)[1]
    host, _, target = rest.partition("/")
    scheme = request.url.split("://", 1)[0]
    default = {"http": ":80", "https": ":443"}[scheme]
    sent.setdefault("Host", host.removesuffix(default))
    path, _, query = ("/" + target).partition("?")
    fixtures.append({
        "name": name,
        "method": method,
        "path": path,
        "query": query,
        "headers": sent,
        "body": body,
        "key_id": credentials.access_key,
        "secret": credentials.secret_key,
        "token": credentials.token,
        "service": service,
    })
json.dump({"botocore": botocore.__version__, "now": int(NOW.timestamp() * 1000), "requests": fixtures}, sys.stdout, indent=1)
print()
