"""What a worker and its forkserver say to each other."""

import struct

# What the forkserver is asked: a letter and a process id; small enough to arrive in one piece.
REQUEST = struct.Struct("!cq")
