"""Plugins › Diffuscope › Compare: layers beside, over and against each other, and the numbers of it."""
