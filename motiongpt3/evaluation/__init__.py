"""How good motions and captions are: rules on joints, physics, distances between sets, words."""
