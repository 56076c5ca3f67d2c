"""CloudFormation's side: events, properties, responses."""
