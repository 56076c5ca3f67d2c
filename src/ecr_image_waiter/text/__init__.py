"""What people read: Reasons, and the words they are made of."""
