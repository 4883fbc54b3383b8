"""Generated calls of the DynamoDB API, and their answers in a form that can be compared."""

import json
import random

from botocore.exceptions import BotoCoreError, ClientError


class Calls:
    """Generated calls: mostly sensible, some not. With `transactions` those too, and the item that failed a condition."""

    def __init__(self, seed, transactions):
        self.random = random.Random(seed)
        self.transactions = transactions

    def number(self):
        r = self.random
        return r.choice(["0", "1", "2", "-1", "3.50", "1e2", "0.1", "1E-3", str(r.randint(-20, 20))])

    def value(self, depth=0):
        r = self.random
        kinds = ["S"] * 4 + ["N"] * 5 + ["B", "BOOL", "NULL", "SS", "NS", "BS"] + ([] if depth > 1 else ["L", "M"])
        kind = r.choice(kinds)
        if kind == "S":
            return {"S": r.choice(["a", "b", "ab", "abc", "worker-1", "x" * r.randint(1, 30)])}
        if kind == "N":
            return {"N": self.number()}
        if kind == "B":
            return {"B": r.choice([b"\x00", b"\x00\x01", b"a"])}
        if kind == "BOOL":
            return {"BOOL": r.random() < 0.5}
        if kind == "NULL":
            return {"NULL": True}
        if kind == "SS":
            return {"SS": r.sample(["a", "b", "c", "d"], r.randint(1, 3))}
        if kind == "NS":
            return {"NS": r.sample(["1", "2", "3.5", "-4"], r.randint(1, 3))}
        if kind == "BS":
            return {"BS": r.sample([b"a", b"b", b"c"], r.randint(1, 2))}
        if kind == "L":
            return {"L": [self.value(depth + 1) for _ in range(r.randint(0, 3))]}
        return {"M": {name: self.value(depth + 1) for name in r.sample(["p", "q", "r1"], r.randint(0, 2))}}

    def key(self):
        r = self.random
        if r.random() < 0.03:
            return r.choice([{"h": {"S": "1"}}, {"h": {"N": "1"}, "r": {"N": "1"}}, {"h": {"S": ""}, "r": {"N": "1"}},
                             {"h": {"S": "1"}, "r": {"N": "x"}}, {"h": {"S": "1"}, "r": {"N": "1"}, "z": {"S": "1"}}])  # fmt: skip
        return {"h": {"S": str(r.randint(0, 3))}, "r": {"N": str(r.randint(-2, 2))}}

    def attributes(self):
        r = self.random
        made = {name: self.value() for name in r.sample(["a1", "b1", "c1", "d1"], r.randint(0, 3))}
        if r.random() < 0.5:
            made["own"] = {"S": r.choice(["w1", "w2", "w3"])}
        if r.random() < 0.02:
            made["own"] = {"N": "1"}
        return made

    def path(self):
        return self.random.choice(["a1", "b1", "c1", "d1", "a1", "b1", "own", "a1.p", "b1.q", "a1[0]", "b1[1]", "c1.p.q", "#a", "#b.p"])

    def scope(self, text, values):
        names = {name: real for name, real in {"#a": "a1", "#b": "b1", "#h": "h"}.items() if name in text}
        if self.random.random() < 0.01:
            names["#z"] = "z"
        found = {}
        if names:
            found["ExpressionAttributeNames"] = names
        if values:
            found["ExpressionAttributeValues"] = values
        return found

    def condition(self, values, depth=0):
        r = self.random

        def operand():
            if r.random() < 0.5:
                name = f":v{len(values)}"
                values[name] = self.value(1)
                return name
            return f"size({self.path()})" if r.random() < 0.15 else self.path()

        def literal(value):
            name = f":v{len(values)}"
            values[name] = value
            return name

        kind = r.randint(0, 13 if depth < 2 else 8)
        if kind <= 2:
            comparator = r.choice(["=", "<>", "<", "<=", ">", ">="])
            # dynalite ends when it orders what is not there.
            return f"{self.path()} {comparator} {operand() if comparator in ('=', '<>') else literal(self.value(1))}"
        if kind == 3:
            low, high = sorted([r.randint(-5, 5), r.randint(-5, 5)])
            return f"{self.path()} BETWEEN {literal({'N': str(low)})} AND {literal({'N': str(high)})}"
        if kind == 4:
            return f"{self.path()} IN ({', '.join(literal(self.value(1)) for _ in range(r.randint(1, 3)))})"
        if kind == 5:
            return f"{r.choice(['attribute_exists', 'attribute_not_exists'])}({self.path()})"
        if kind == 6:
            return f"attribute_type({self.path()}, {literal({'S': r.choice(['S', 'N', 'M', 'L', 'SS', 'BOOL', 'x'])})})"
        if kind == 7:
            return f"begins_with({self.path()}, {literal(r.choice([{'S': 'a'}, {'B': b'a'}, {'N': '1'}]))})"
        if kind == 8:
            return f"contains({self.path()}, {literal(r.choice([{'S': 'a'}, {'N': '1'}, {'B': b'a'}]))})"
        if kind == 9:
            return f"NOT {self.condition(values, depth + 1)}"
        if kind == 10:
            return f"({self.condition(values, depth + 1)})"
        return f"{self.condition(values, depth + 1)} {r.choice(['AND', 'OR', 'and', 'or'])} {self.condition(values, depth + 1)}"

    def spoilt(self, text):
        """Sometimes an expression that is none."""
        r = self.random
        if r.random() > 0.03:
            return text
        at = r.randint(0, len(text))
        return text[:at] + r.choice([" ", ")", "(", "=", "AND ", ",", ":nix", "#nix", "name"]) + text[at:]

    def expected(self):
        r = self.random
        made = {}
        for name in r.sample(["a1", "b1", "own", "h"], r.randint(1, 2)):
            kind = r.randint(0, 5)
            if kind == 0:
                made[name] = {"Exists": False}
            elif kind <= 2:
                made[name] = {"Value": self.value(1)}
            elif kind == 3:
                made[name] = r.choice([{"ComparisonOperator": "NULL"}, {"ComparisonOperator": "NOT_NULL"}])
            else:
                operator = r.choice(["EQ", "NE", "LT", "LE", "GT", "GE", "CONTAINS", "NOT_CONTAINS", "BEGINS_WITH", "IN", "BETWEEN"])
                scalar = r.choice(["N", "S"])
                count = {"IN": r.randint(1, 3), "BETWEEN": 2}.get(operator, 1)
                listed = sorted(r.randint(-3, 9) for _ in range(count)) if scalar == "N" else sorted(r.choices("abc", k=count))
                made[name] = {"ComparisonOperator": operator, "AttributeValueList": [{scalar: str(it)} for it in listed]}
        return made

    def conditional(self, call):
        r = self.random
        kind = r.random()
        if kind < 0.35:
            values = {}
            text = self.spoilt(self.condition(values))
            call |= {"ConditionExpression": text} | self.scope(text, values)
        elif kind < 0.6:
            call["Expected"] = self.expected()
        return self.tells_failed(call)

    def tells_failed(self, call):
        """Sometimes the item is asked for that does not meet the condition."""
        if self.transactions and "Expected" not in call and self.random.random() < 0.4:
            call["ReturnValuesOnConditionCheckFailure"] = self.random.choice(["ALL_OLD", "ALL_OLD", "NONE"])
        return call

    def update(self):
        r = self.random
        call = {"TableName": "pairs", "Key": self.key()}
        if r.random() < 0.5:
            updates = {}
            for name in r.sample(["a1", "b1", "c1", "own"], r.randint(1, 3)):
                action = r.choice(["PUT", "PUT", "ADD", "DELETE", None])
                value = {"S": r.choice(["w1", "w2"])} if name == "own" and r.random() < 0.9 else self.value()
                updates[name] = {"Value": value}
                if action:
                    updates[name]["Action"] = action
                if action == "DELETE" and r.random() < 0.7:
                    del updates[name]["Value"]
            call["AttributeUpdates"] = updates
            if r.random() < 0.5:
                call["Expected"] = self.expected()
        else:
            values = {}

            def literal(value):
                name = f":u{len(values)}"
                values[name] = value
                return name

            def source():
                kind = r.randint(0, 6)
                if kind <= 2:
                    return literal(self.value())
                if kind == 3:
                    return f"{self.path()} {r.choice('+-')} {literal({'N': self.number()})}"
                if kind == 4:
                    return f"if_not_exists({self.path()}, {literal(self.value())})"
                if kind == 5:
                    return f"list_append({self.path()}, {literal({'L': [self.value(1)]})})"
                return self.path()

            sections = []
            paths = r.sample(["a1", "b1", "c1", "d1", "a1.p", "b1.q", "a1[0]", "b1[3]"], 4)
            if r.random() < 0.7:
                count = r.randint(1, 2)
                sections.append("SET " + ", ".join(f"{paths.pop()} = {source()}" for _ in range(count)))
            if r.random() < 0.3:
                sections.append(f"REMOVE {paths.pop()}")
            if paths and r.random() < 0.3:
                sections.append(f"ADD {paths.pop()} {literal(r.choice([{'N': self.number()}, {'SS': ['a', 'z']}, {'S': 'x'}]))}")
            if paths and r.random() < 0.2:
                sections.append(f"DELETE {paths.pop()} {literal(r.choice([{'SS': ['a', 'b']}, {'NS': ['1']}]))}")
            text = self.spoilt(" ".join(sections) or "REMOVE d1")
            call["UpdateExpression"] = text
            if r.random() < 0.4:
                condition = self.spoilt(self.condition(values))
                call["ConditionExpression"] = condition
                text += condition
            call |= self.scope(text, values)
        call["ReturnValues"] = r.choice(["NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"])
        return "update_item", self.tells_failed(call)

    def query(self):
        r = self.random
        call = {"TableName": "pairs"}
        hash_name, hash_value = "h", {"S": str(r.randint(0, 3))}
        if r.random() < 0.4:
            call["IndexName"] = "by-own"
            hash_name, hash_value = "own", {"S": r.choice(["w1", "w2"])}
        low, high = sorted([r.randint(-3, 3), r.randint(-3, 3)])
        if r.random() < 0.5:
            values = {":h": hash_value}
            text = f"{hash_name} = :h"
            kind = r.randint(0, 6)
            if kind == 1:
                values |= {":a": {"N": str(low)}, ":b": {"N": str(high)}}
                text += " AND r BETWEEN :a AND :b"
            elif kind >= 2:
                values |= {":a": {"N": str(low)}}
                text += f" AND r {['=', '<', '<=', '>', '>='][kind - 2]} :a"
            if r.random() < 0.3:
                call["FilterExpression"] = self.condition(values, 1)
            text = self.spoilt(text)
            call |= {"KeyConditionExpression": text} | self.scope(text + call.get("FilterExpression", ""), values)
        else:
            keys = {hash_name: {"ComparisonOperator": "EQ", "AttributeValueList": [hash_value]}}
            if r.random() < 0.6:
                operator = r.choice(["EQ", "LT", "LE", "GT", "GE", "BETWEEN", "NE", "BEGINS_WITH"])
                listed = [low, high] if operator == "BETWEEN" else [low]
                keys["r"] = {"ComparisonOperator": operator, "AttributeValueList": [{"N": str(it)} for it in listed]}
            call["KeyConditions"] = keys
            if r.random() < 0.3:
                call["QueryFilter"] = {"a1": {"ComparisonOperator": "NOT_NULL"}}
        if r.random() < 0.3:
            call["ScanIndexForward"] = False
        if r.random() < 0.3:
            call["Limit"] = r.randint(1, 3)
        if r.random() < 0.2:
            call["Select"] = "COUNT"
        return "query", call

    def scan(self):
        r = self.random
        call = {"TableName": "pairs"}
        if r.random() < 0.5:
            values = {}
            text = self.spoilt(self.condition(values))
            call |= {"FilterExpression": text} | self.scope(text, values)
        elif r.random() < 0.5:
            call["ScanFilter"] = {name: it for name, it in self.expected().items() if "ComparisonOperator" in it}
        elif r.random() < 0.3:
            call["ProjectionExpression"] = self.spoilt(", ".join(r.sample(["h", "a1", "b1.q", "a1[0]", "own"], 2)))
        if r.random() < 0.3:
            call["IndexName"] = "by-own"
        return "scan", call

    def write_of_transaction(self):
        r = self.random
        call = {"TableName": "pairs"}
        kind = r.choice(["Put", "Put", "Update", "Delete", "ConditionCheck"])
        values = {}
        text = ""
        if kind == "Put":
            call["Item"] = self.key() | self.attributes()
        else:
            call["Key"] = self.key()
        if kind == "Update":
            values[":u"] = self.value()
            text = call["UpdateExpression"] = self.spoilt(f"SET {r.choice(['a1', 'b1', 'c1', 'a1.p', 'b1[0]'])} = :u")
        if kind == "ConditionCheck" or r.random() < 0.4:
            call["ConditionExpression"] = self.spoilt(self.condition(values, 1))
            text += call["ConditionExpression"]
        return {kind: self.tells_failed(call | self.scope(text, values))}

    def transaction(self):
        r = self.random
        if r.random() < 0.2:
            gets = [{"Get": {"TableName": "pairs", "Key": self.key()}} for _ in range(r.randint(1, 3))]
            if r.random() < 0.3:
                gets[0]["Get"]["ProjectionExpression"] = self.spoilt("a1, b1.q, own")
            return "transact_get_items", {"TransactItems": gets}
        call = {"TransactItems": [self.write_of_transaction() for _ in range(r.randint(1, 3))]}
        # boto3 makes a token for each call of its own accord; this one comes again, mostly with another call.
        call["ClientRequestToken"] = "again" if r.random() < 0.05 else f"token-{r.getrandbits(64)}"
        return "transact_write_items", call

    def next(self):
        r = self.random
        if self.transactions and r.random() < 0.3:
            return self.transaction()
        kind = r.random()
        if kind < 0.25:
            call = {"TableName": "pairs", "Item": self.key() | self.attributes(), "ReturnValues": r.choice(["NONE", "ALL_OLD"])}
            return "put_item", self.conditional(call)
        if kind < 0.55:
            return self.update()
        if kind < 0.62:
            return "delete_item", self.conditional({"TableName": "pairs", "Key": self.key(), "ReturnValues": "ALL_OLD"})
        if kind < 0.7:
            call = {"TableName": "pairs", "Key": self.key(), "ConsistentRead": True}
            if r.random() < 0.3:
                call["ProjectionExpression"] = self.spoilt("a1, b1.q, c1[0]")
            elif r.random() < 0.3:
                call["AttributesToGet"] = ["a1", "own"]
            return "get_item", call
        if kind < 0.85:
            return self.query()
        if kind < 0.95:
            return self.scan()
        if kind < 0.98:
            requests = [{"PutRequest": {"Item": self.key() | self.attributes()}} for _ in range(r.randint(1, 3))]
            return "batch_write_item", {"RequestItems": {"pairs": requests}}
        return "batch_get_item", {"RequestItems": {"pairs": {"Keys": [self.key() for _ in range(r.randint(1, 3))]}}}


def plain(value):
    """A value in a form in which the order of sets does not matter."""
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)) in ("SS", "NS", "BS"):
            return {kind: sorted(map(repr, elements)) for kind, elements in value.items()}
        return {name: plain(it) for name, it in value.items() if name != "ResponseMetadata"}
    if isinstance(value, list):
        return [plain(it) for it in value]
    return value.hex() if isinstance(value, bytes) else value


def answer(client, operation, call):
    try:
        said = plain(getattr(client, operation)(**call))
        # In no order that means anything: of a scan, of a batch, and in an index among items of one key.
        unordered = [said["Items"]] if "Items" in said and (operation == "scan" or "IndexName" in call) else []
        if operation == "batch_get_item":
            unordered += said["Responses"].values()
        for items in unordered:
            items.sort(key=lambda item: json.dumps(item, sort_keys=True))
        return ("ok", said)
    except ClientError as error:
        said = error.response
        # Beside code and words: the item that failed, and why each part of a transaction did.
        reasons = [(it.get("Code"), plain(it.get("Item"))) for it in said.get("CancellationReasons", [])]
        return (said["Error"]["Code"], said["Error"].get("Message", ""), plain(said.get("Item")), reasons)
    except BotoCoreError as error:
        raise AssertionError(f"{operation} {plain(call)} ended a server: {error}") from error


def keys_of(call):
    """The keys of the items that a call writes."""
    requests = [it["PutRequest"] for it in call.get("RequestItems", {}).get("pairs", []) if "PutRequest" in it]
    requests += [write for it in call.get("TransactItems", []) for write in it.values()]
    for request in requests or [call]:
        yield request.get("Key") or {name: request.get("Item", {}).get(name) for name in ("h", "r")}


def same_again(clients, call):
    """After a difference all have the same items again."""
    for key in keys_of(call):
        if None in key.values():
            continue
        for client in clients:
            try:
                client.delete_item(TableName="pairs", Key=key)
            except ClientError:
                pass  # It is no key: nothing was written with it.
