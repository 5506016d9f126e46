"""The standard's own words: requests, jobs, preferences, problems. No input or output."""
