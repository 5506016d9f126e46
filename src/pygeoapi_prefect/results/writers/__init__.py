"""Writers of objects of the field: one function per format, each by the object's own library."""
