"""What one worker does for the whole service: the leader's work."""
