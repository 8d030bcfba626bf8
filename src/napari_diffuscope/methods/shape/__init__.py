"""3D cell shapes from one plane: an outline and the grey values in it become an object (DISPR, and our own network)."""
