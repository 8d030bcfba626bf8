"""What each published system adds to the engine."""
