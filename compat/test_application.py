"""That the check of what an application has seen finds what it is for."""

from types import SimpleNamespace

import pytest

from application import Contents, check
from jvm import Event

STREAM, PARENT, CHILD = "s", "shardId-000000000000", "shardId-000000000001"
LINEAGE = SimpleNamespace(list_shards=lambda **_: {"Shards": [{"ShardId": PARENT}, {"ShardId": CHILD, "ParentShardId": PARENT}]})


def held():
    contents = Contents()
    contents.shards[PARENT] = {(1, 0): "a", (2, 0): "b", (2, 1): "c"}
    contents.shards[CHILD] = {(9, 0): "d"}
    contents.passed_over[PARENT] = {(3, 0): "e", (3, 1): "f"}
    return contents


def worker(name, *told, was_killed=False):
    """A worker and what it told: a kind, or a position and a text; each with its time and its shard."""
    events = []
    for at_ns, shard, what in told:
        kind, rest = (what, ()) if isinstance(what, str) else ("record", (str(what[0]), str(what[1]), "key", what[2]))
        events.append(Event(name, at_ns, kind, STREAM, shard, rest))
    return SimpleNamespace(name=name, events=events, was_killed=was_killed)


A, B, C, D = (1, 0, "a"), (2, 0, "b"), (2, 1, "c"), (9, 0, "d")
WHOLE_CHILD = [(20, CHILD, "begin"), (21, CHILD, D), (22, CHILD, "end")]


def test_each_once_in_order_is_right():
    told = [(1, PARENT, "begin"), (2, PARENT, A), (3, PARENT, B), (4, PARENT, C), (5, PARENT, "end"), *WHOLE_CHILD]
    assert check(LINEAGE, STREAM, held(), [worker("w", *told)]) == 0


def test_what_the_library_may_pass_over_may_come():
    over = [(5, PARENT, (3, 0, "e")), (6, PARENT, (3, 1, "f"))]
    told = [(1, PARENT, "begin"), (2, PARENT, A), (3, PARENT, B), (4, PARENT, C), *over, (7, PARENT, "end"), *WHOLE_CHILD]
    assert check(LINEAGE, STREAM, held(), [worker("w", *told)]) == 0


def test_a_death_may_repeat():
    first = worker("first", (1, PARENT, "begin"), (2, PARENT, A), (3, PARENT, B), was_killed=True)
    rest = [(10, PARENT, "begin"), (11, PARENT, B), (12, PARENT, C), (13, PARENT, "end")]
    assert check(LINEAGE, STREAM, held(), [first, worker("second", *rest, *WHOLE_CHILD)]) == 1


@pytest.mark.parametrize(
    "first,second,says",
    [
        ([(1, PARENT, "begin"), (2, PARENT, A), (3, PARENT, C), (4, PARENT, "end")], [], "were skipped"),
        ([(1, PARENT, "begin"), (2, PARENT, B), (3, PARENT, A), (4, PARENT, C), (5, PARENT, "end")], [], "out of order"),
        ([(1, PARENT, "begin"), (2, PARENT, A), (3, PARENT, (2, 0, "x")), (4, PARENT, "end")], [], "does not hold"),
        (
            [(1, PARENT, "begin"), (2, PARENT, A), (3, PARENT, C), (4, PARENT, "lost")],
            [(10, PARENT, "begin"), (11, PARENT, B), (12, PARENT, "end")],
            "after a later one had",
        ),
        (
            [(1, PARENT, "begin"), (2, PARENT, A), (3, PARENT, B), (4, PARENT, "handed over")],
            [(10, PARENT, "begin"), (11, PARENT, B), (12, PARENT, C), (13, PARENT, "end")],
            "had handed it over",
        ),
        ([(1, PARENT, "begin"), (2, PARENT, A), (3, PARENT, B), (4, PARENT, C), (30, PARENT, "end")], [], "before the end of"),
    ],
)
def test_what_is_wrong_is_found(first, second, says):
    with pytest.raises(AssertionError, match=says):
        check(LINEAGE, STREAM, held(), [worker("first", *first), worker("second", *second, *WHOLE_CHILD)])
