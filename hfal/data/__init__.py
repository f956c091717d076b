"""The pool, the identity of its examples, and where data comes from."""
