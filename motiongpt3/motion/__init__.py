"""What a motion is: skeletons, rotations, features. No files, no networks."""
