"""AWS's services, one module each: calls that end in time, and answers as values."""
