"""Which state a run gets, and what is removed with it."""
