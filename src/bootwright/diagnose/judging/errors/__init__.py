"""Error numbers and their names, and which errors pass by themselves."""
