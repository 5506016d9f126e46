"""What runs inside a job's own process, and the forkserver that makes such processes."""
