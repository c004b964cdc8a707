"""Training networks of the U²-Net family on pairs of photos and masks, or on generated scenes."""
