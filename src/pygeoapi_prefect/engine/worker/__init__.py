"""The slots of one host: which runs are taken, and the processes they run in."""
