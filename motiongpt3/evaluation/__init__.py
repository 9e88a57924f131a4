"""How good a motion or a caption is: rules on joints, physics, a keyword judge."""
