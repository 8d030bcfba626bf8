"""One method on many files: what is done with which, how far it is, and a table of what came of each."""
