"""The texts that people read: Reasons, and their phrases."""
