"""How good models are: test sets, classical methods at their best, measures, tables and figures."""
