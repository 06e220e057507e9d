"""Cache of training views, a recipe's `[stock]`: made once by all cores, kept in one file, augmented in batches."""
