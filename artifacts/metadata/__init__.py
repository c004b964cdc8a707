"""What is embedded in files: their contract and their texts."""
