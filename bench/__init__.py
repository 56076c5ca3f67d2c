"""How fast and how frugal the waiter is, measured beside what people use instead. `make bench`."""
