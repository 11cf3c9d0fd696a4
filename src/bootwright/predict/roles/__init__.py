"""What the nodes of a devicetree are for, and the goals of a board that has no file, made of that."""
