"""JSON schemas of the properties of Custom::EcrImageWaiter, and a rule for cfn-lint that checks templates by them."""
