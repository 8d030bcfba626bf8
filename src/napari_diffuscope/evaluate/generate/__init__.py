"""How good generators are: whether what they make is new, like real images, and of use."""
