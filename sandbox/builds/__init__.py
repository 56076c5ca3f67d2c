"""CodeBuild's builds and CodePipeline, as far as the waiter and the examples need them: runs that build nothing.

A test or a demo writes down how the runs of a project or a pipeline go (`Build`, `Execution`): how long each phase or
action takes, where it fails and with which message, and what it does at its end, such as pushing an image. A front
answers the services' wire protocol about them. Neither moto nor MiniStack has runs that take time or fail: a build of
theirs is over at once, or runs in Docker. Projects are MiniStack's.

The operations are those of their API pages, "Build phase transitions", and CodePipeline's User Guide, "Create a
pipeline" (which starts it) and "View executions". Unverified on AWS: the words of messages, how long the token of a
pipeline's start is good, and ListBuildsForProject of a project that is gone. Runs do not affect each other: a test says
which is stopped, or superseded by another. Any other operation of CodePipeline is an UnknownOperationException.

Accounts and regions: as with `sandbox.ecr`. Scripts are by name alone, for every account and region.
"""

from .front import Builds, Place
from .runs import Action, Build, Execution, Run

__all__ = ["Action", "Build", "Builds", "Execution", "Place", "Run"]
