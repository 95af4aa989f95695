"""What is asked: the constraint tree, its meaning, and the ways to write it. Pure; no I/O."""
