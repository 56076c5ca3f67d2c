"""A whole small AWS on one machine, from kept parts, for the demo, the tests and whoever wants to try the waiter."""
