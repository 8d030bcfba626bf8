"""The dock Batch: one method on many files."""
