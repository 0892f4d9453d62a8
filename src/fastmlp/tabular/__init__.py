"""Tables as people have them: read, recognised, encoded."""
