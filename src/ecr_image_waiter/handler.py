"""Lambda's entry point, and the wiring of the process: nothing is decided here."""

import gc
import math
import os
from functools import cache
from random import SystemRandom

if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # INIT makes hardly any garbage, and collecting it takes a twentieth of INIT.
    gc.disable()

from .aws.builds import CodeBuild, CodePipeline
from .aws.clients import Aws, PresignedUrls, SystemClock
from .aws.cloudformation import Stacks
from .aws.ecr import Registry
from .aws.self_invoke import SelfInvoker
from .cfn.response import Sender, crhelper
from .core.deadline import Context
from .stack_questions import Tools
from .telemetry import SERVICE, Meter, make_logger, to_log
from .waiter import Waiter


@cache
def _waiter() -> Waiter:
    """Returns the service of this process, made once, because a response must come fast if the image exists."""
    aws = Aws()
    aws.client("ecr", math.inf)  # made now, because all but a Delete need it
    any_host = bool(os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_SAM_LOCAL"))
    urls = PresignedUrls(any_scheme=any_host)
    _warmed_up = crhelper(), urls.pool  # and these, because each request is answered
    clock = SystemClock()
    return Waiter(
        tools=Tools(
            registry=Registry(aws.ecr_client, aws.repository_uri, clock, urls.get),
            stacks=Stacks(lambda seconds: aws.client("cloudformation", seconds)),
            build_services={
                CodeBuild.kind: CodeBuild(lambda seconds: aws.client("codebuild", seconds), aws.console_link),
                CodePipeline.kind: CodePipeline(
                    lambda seconds: aws.client("codepipeline", seconds), aws.console_link, clock.now
                ),
            },
            logger=make_logger(),
            clock=clock,
            random=SystemRandom(),  # has no state that environments started from one snapshot would share
        ),
        self_invoker=SelfInvoker(lambda seconds: aws.client("lambda", seconds)),
        sender=Sender(urls.put, clock),
        meter=Meter(to_log, os.environ.get("POWERTOOLS_SERVICE_NAME") or SERVICE),
        dns_suffix=aws.dns_suffix,
        any_host=any_host,
    )


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # Before the handler runs, Lambda gives a function a whole core; at 128 MB it has a fourteenth of one afterwards.
    _waiter()
    # All objects made so far live as long as the process.
    gc.freeze()
    gc.enable()


def lambda_handler(event: object, context: Context) -> dict[str, str] | None:
    """Lambda's entry point. See `Waiter.handle`."""
    return _waiter().handle(event, context)
