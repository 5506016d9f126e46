"""Monthly winds over the Pacific: fetched from an archive that fails now and then, and averaged."""
