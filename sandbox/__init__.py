"""A whole small AWS on one machine, from kept parts, for the demo, for the tests and for trying the waiter."""
