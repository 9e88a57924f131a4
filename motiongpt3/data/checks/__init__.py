"""The data doctor: what is wrong with clips and captions, clip by clip and between clips."""
