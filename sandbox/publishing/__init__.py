"""`make publish`: what goes to the Serverless Application Repository (SAR), checked, rehearsed, and on demand sent.

A dry run needs no account. It makes the folder that is published (`folder`), holds it to the rules (`rules`), and then
has the SAM CLI itself package and publish it: into moto's S3, and to a SAR of our own that only keeps the request
(`rehearsal`). What is printed (`report`) is that request. A real one does the same first, and then the same commands
again, to AWS.

What is unverified on AWS:

- SAR's own answers: nothing of this project has been published. The played SAR accepts all that botocore's model of
  CreateApplication lets pass.
- Whether SAR's check of the template knows every property of SAM's that ours uses; it publishes types of resources and
  no properties.
- How SAR reads capabilities: from the template as a whole, as its guide says, and not from what the parameters leave of
  it.
"""
