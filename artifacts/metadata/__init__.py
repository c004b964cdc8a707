"""What is embedded in files about them: texts, how a photo goes in, and what comes out."""
