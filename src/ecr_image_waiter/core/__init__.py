"""What decides. Pure: nothing here knows AWS, the time, chance or Powertools."""
