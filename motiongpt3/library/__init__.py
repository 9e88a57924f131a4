"""A library of motions: work over many clips that survives kills, and finding clips by words."""
