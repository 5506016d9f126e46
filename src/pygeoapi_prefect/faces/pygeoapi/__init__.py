"""The face that pygeoapi sees: the manager, and what has to be put right around it."""
