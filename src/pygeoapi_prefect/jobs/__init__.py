"""What a job is and what can be done with it: submit, wait, status, list, results, dismiss."""
