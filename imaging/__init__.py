"""Photo to tensor and map to mask."""
