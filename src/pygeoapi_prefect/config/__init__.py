"""Every setting, once, typed: of the manager, of a process, and where they are read from."""
