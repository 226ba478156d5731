"""The rules of Balatro on arrays of fixed shape: what a hand scores, and what rounds and discards do to jokers."""
