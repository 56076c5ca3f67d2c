"""Where an invocation is, and how much time it, a check and a call have."""

import pytest

from ecr_image_waiter.core.deadline import Bounds, Deadline, Invocation
from ecr_image_waiter.core.model import Place, place_of
from tests.support.clock import NOW, FakeClock
from tests.support.fakes import FakeContext


@pytest.mark.parametrize(
    ("arn", "place"),
    [
        ("arn:aws:lambda:eu-west-1:1:function:w:alias", Place("aws", "eu-west-1", "1")),
        ("arn:aws-cn:lambda:cn-north-1:1:function:w", Place("aws-cn", "cn-north-1", "1")),
        ("waiter", Place("aws", "", "")),
    ],
)
def test_the_place_is_read_from_the_functions_arn(arn: str, place: Place) -> None:
    assert place_of(arn) == place


@pytest.mark.parametrize(("left", "timeout"), [(0.4, 1), (59.98, 60), (900.0, 900)])
def test_an_invocation_knows_its_timeout_in_whole_seconds_and_names_its_log_where_there_is_one(
    left: float, timeout: int
) -> None:
    clock = FakeClock()
    invocation = Invocation(FakeContext(clock, left, stream=""), clock)

    assert (invocation.timeout, invocation.log_stream_note) == (timeout, "")


@pytest.mark.parametrize(
    ("limit", "ends", "seconds"),
    [
        pytest.param(3600.0, 40.0, 20.0, id="half"),
        pytest.param(3600.0, 900.0, 60.0, id="a minute"),
        pytest.param(5.0, 40.0, 5.0, id="up to the limit"),
        pytest.param(0.2, 40.0, 1.0, id="a second"),
        pytest.param(0.0, 40.0, 20.0, id="the check at the limit"),
        pytest.param(-5.0, 40.0, 20.0, id="a check behind it"),
    ],
)
def test_a_check_ends_when_half_of_the_time_is_left_and_before_the_limit(
    limit: float, ends: float, seconds: float
) -> None:
    bounds = Bounds(NOW - 60.0, NOW + limit, NOW + limit, NOW + 3600.0)

    assert Deadline(NOW + ends, FakeClock()).for_check(bounds).at == NOW + seconds


@pytest.mark.parametrize(("left", "seconds"), [(100.0, 9.0), (10.0, 5.0), (0.0, 0.0), (-3.0, 0.0)])
def test_the_next_of_many_calls_may_take_half_of_what_is_left_and_never_more_than_any_call(
    left: float, seconds: float
) -> None:
    assert Deadline(NOW + left, FakeClock()).per_call() == seconds
