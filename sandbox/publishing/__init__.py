"""`make publish`: `sam package` and `sam publish`, after the rules that they do not check.

A dry run needs no account: it builds the folder that is published, checks the rules and prints the folder's content.

Nothing has been published yet, so the Serverless Application Repository's own checks are untested: whether it knows
every property in the template, and which capabilities it demands.
"""
