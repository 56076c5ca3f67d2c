"""The stacks, a module each."""
