"""Where outputs live (result storage) and how they are delivered."""
