"""CodeBuild and CodePipeline, as far as somebody needs them who follows builds: runs are played, and build nothing.

A test or a demo writes down how the runs of a project or a pipeline go (`Build`, `Execution`): how long each phase or
action takes, where it fails and with which message, and what it does at its end, such as pushing an image. A front
answers the services' wire protocol about them.

| operation               | what it imitates                                               | source                    |
|-------------------------|----------------------------------------------------------------|---------------------------|
| CodeBuild: projects     | the sandbox's are MiniStack's, whichever way they came to be;  | API reference of each     |
|                         | alone, Create, BatchGet (by name or ARN) and Delete, which     |                           |
|                         | takes any name and leaves the builds there                     |                           |
| StartBuild              | ResourceNotFoundException; a token is good for 300 s, with     | its API page; getmoto/    |
|                         | other parameters it is an InvalidInputException (u), with the  | moto; recorded answers    |
|                         | same ones the answer is the build as it is now (u); tokens are | for initiator and logs    |
|                         | the account's (u); the initiator is `role/session`; a name,    |                           |
|                         | not an ARN (u)                                                 |                           |
| BatchGetBuilds          | in the order asked for; buildsNotFound; at most 100 ids, by id | its API page; CLI         |
|                         | alone (u); phases begun so far, without status and end while   | reference, "batch-get-    |
|                         | under way, COMPLETED always; contexts from PROVISIONING on;    | builds", "start-build";   |
|                         | IN_PROGRESS until COMPLETED begins (u); resolvedSourceVersion  | "Build phase transitions" |
|                         | after DOWNLOAD_SOURCE (u); a deepLink to group and stream      |                           |
|                         | `null` before PROVISIONING; after a failure in BUILD come      |                           |
|                         | POST_BUILD and UPLOAD_ARTIFACTS, after any other one           |                           |
|                         | FINALIZING (u but for UPLOAD_ARTIFACTS)                        |                           |
| StopBuild               | the phase under way ends STOPPED, and the build at once (u); a | its API page; getmoto/    |
|                         | build that has ended stays as it is (u)                        | moto for the errors       |
| ListBuildsForProject,   | by number, newest first; 100 a page; sortOrder with more than  | its API page              |
| ListBuilds              | 100 builds is an InvalidInputException; a project that was     |                           |
|                         | deleted is a ResourceNotFoundException (u)                     |                           |
| CodePipeline: Create-   | a pipeline starts by itself when it is created; Update cancels | User Guide, "Create a     |
| Pipeline, Update, Get,  | what is under way; Delete takes any name, and executions and   | pipeline"; API_Pipeline-  |
| Delete                  | history go with it (u)                                         | Execution                 |
| StartPipelineExecution  | PipelineNotFoundException; tokens as StartBuild's (u), but     | its API page; recorded    |
|                         | ValidationException (u)                                        | answers for trigger       |
| executions              | stages lock; SUPERSEDED: a newer one overtakes one that waits  | User Guide, "How pipeline |
|                         | before a stage, at once (u), before the first too (u); QUEUED, | executions work"          |
|                         | PARALLEL; a failed action ends the execution when those beside |                           |
|                         | it have ended (u)                                              |                           |
| StopPipelineExecution   | Stopping until running actions have ended, then Stopped; with  | User Guide, "Stop a       |
|                         | abandon at once (AWS: after a very short time), actions        | pipeline execution"; its  |
|                         | Abandoned; DuplicatedStopRequestException; not in progress or  | API page                  |
|                         | unknown (u): PipelineExecutionNotStoppableException            |                           |
| GetPipelineExecution,   | newest first; pages; succeededInStage, pipelineExecutionId,    | API page of each; User    |
| ListPipelineExecutions, | latestInPipelineExecution (as the former); errorDetails of     | Guide, "View executions"  |
| ListActionExecutions,   | failed actions; statusSummary only if a script has one (u)     |                           |
| GetPipelineState        |                                                                |                           |

(u): unverified on AWS. So are the words of messages, but for those that the sources show. Not imitated: batch builds;
reports; limits on concurrent builds; permissions and throttling, but for what a rule of the proxy does; transitions,
approvals, retries, rollbacks, conditions and variables of pipelines. An action of a pipeline runs nothing but what its
script says: the build that its externalExecutionId names is not among CodeBuild's.

Accounts and regions: as with `sandbox.ecr`. Scripts are by name alone, for every account and region.
"""

from .front import CALLER, Builds
from .scripts import Action, Build, Execution

__all__ = ["CALLER", "Action", "Build", "Builds", "Execution"]
