"""CodeBuild's builds and CodePipeline, as far as the waiter and the examples need them: runs that build nothing.

A test or a demo writes down how the runs of a project or a pipeline go (`Build`, `Execution`): how long each phase or
action takes, where it fails and with which message, and what it does at its end, such as pushing an image. A front
answers the services' wire protocol about them. Neither moto nor MiniStack has runs that take time or fail: a build of
theirs is over at once, or runs in Docker.

| operation                | what it imitates                                              | source                    |
|--------------------------|---------------------------------------------------------------|---------------------------|
| CodeBuild: projects      | MiniStack's, whichever way they came to be                    |                           |
| StartBuild               | ResourceNotFoundException; a token is good for 300 s          | its API page; getmoto/    |
|                          |                                                               | moto for the error        |
| BatchGetBuilds           | phases begun so far, without status and end while under way;  | its API page; "Build      |
|                          | contexts say why one failed; buildsNotFound                   | phase transitions"        |
| ListBuildsForProject     | the newest 100, newest first; of a project that is gone a     | its API page              |
|                          | ResourceNotFoundException (u)                                 |                           |
| CodePipeline: Create-,   | a pipeline starts by itself when it is created                | User Guide, "Create a     |
| Update-, Get-, Delete-   |                                                               | pipeline"                 |
| Pipeline                 |                                                               |                           |
| StartPipelineExecution   | PipelineNotFoundException; a token is good for 300 s (u)      | its API page; recorded    |
|                          |                                                               | answers for trigger       |
| ListPipelineExecutions,  | newest first; errorDetails of a failed action, after which    | API page of each; User    |
| ListActionExecutions     | nothing runs; Superseded; stopTrigger                         | Guide, "View executions"  |

(u): unverified on AWS. So are the words of messages. Runs do not affect each other: a test says which is stopped, or
superseded by another. A build is over after the phase that failed; a pipeline's actions run one after the other. Any
other operation of CodePipeline is an UnknownOperationException.

Accounts and regions: as with `sandbox.ecr`. Scripts are by name alone, for every account and region.
"""

from .front import Builds, Place
from .runs import Action, Build, Execution, Run

__all__ = ["Action", "Build", "Builds", "Execution", "Place", "Run"]
