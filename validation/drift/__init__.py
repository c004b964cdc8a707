"""Where an artifact and the reference part ways, module by module."""
