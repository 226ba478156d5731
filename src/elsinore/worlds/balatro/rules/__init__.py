"""The rules of Balatro on arrays of fixed shape."""
