"""The crash suite complains of a wait that ended in another way than it must, and of a run that hit nothing."""

import json
from urllib.parse import urlsplit

from sandbox.player import CloudFormation, Put
from tests.crash.cases import SOON, Blow, Case, Kind, Place, Run, violations, violations_of_all
from tests.support.clock import FakeClock

LIMIT = 20
CASE = Case(0, Kind.ONCE, Place.DEPLOYED, LIMIT)


def ended(after: float, status: str, reason: str) -> list[str]:
    """Returns the violations of a wait whose first answer comes so many seconds after its Create."""
    clock = FakeClock()
    player = CloudFormation(lambda _: None, clock)
    create = player.create({"ServiceTimeout": str(CASE.service_timeout)})
    for operation, how in ((create, status), (None, "SUCCESS")):
        event = (operation or create.follow_up or create).event
        clock.sleep(after if operation else 0)
        body = {key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}
        body |= {"Status": how, "Reason": reason, "PhysicalResourceId": "the-id", "Data": {}}
        url = urlsplit(event["ResponseURL"])
        player.receive(Put("PUT", f"{url.path}?{url.query}", {}, json.dumps(body).encode(), clock.now()))
    return violations(Run(CASE, create))


def test_a_wait_that_ends_too_late_without_an_image_or_for_another_reason_is_complained_of_and_no_other() -> None:
    assert ended(LIMIT, "FAILED", "Gave up on app:v1") == []
    assert "too late" in ended(LIMIT + SOON + 1, "FAILED", "Gave up on app:v1")[0]
    assert "without an image" in ended(5, "SUCCESS", "")[0]
    assert "another Reason" in ended(LIMIT, "FAILED", "The waiter failed unexpectedly (KeyError)")[0]
    assert violations_of_all([Run(CASE, blows=[Blow("SIGKILL", 1.0, hit=False, noticed=1.0)])]) != []
