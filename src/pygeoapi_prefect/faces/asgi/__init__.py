"""The face that speaks HTTP itself: what pygeoapi's own routes do not have."""
