"""From photographs to batches: views, augmentation, tensors."""
