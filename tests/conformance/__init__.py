"""OGC API - Processes - Part 1: Core, version 1.0 (OGC 18-062r2), requirement by requirement."""
