"""All that runs and watches jobs, by the process that runs it."""
