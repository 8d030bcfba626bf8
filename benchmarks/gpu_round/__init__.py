"""One prepared round on a GPU that is lent for minutes: checks, bank, every starter, benchmarks."""
