"""Help from the operating system: process trees, locks, the parent's end. Knows nothing of ours."""
