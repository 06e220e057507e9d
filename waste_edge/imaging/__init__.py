"""Pictures as arrays: frames, image files, preprocessing for the network, corruptions. Numpy and OpenCV."""
