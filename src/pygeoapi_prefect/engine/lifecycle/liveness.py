"""For how long a worker may be silent, and what follows from it."""

HEARTBEAT_SECONDS = 5
# From the last heartbeat on: after the first a worker without contact lets go of the jobs that
# others may run again (its forkserver kills them after as long again), after the second others
# take it for gone. The gap is the promise that no job runs twice at once.
LETS_GO_SECONDS = 20.0
GONE_SECONDS = 60.0
