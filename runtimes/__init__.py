"""One runner per format behind one interface: RGB in [0, 1] in, a mask in [0, 1] out."""
