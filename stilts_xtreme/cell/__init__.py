"""Which stages a cell has, and how they become its result."""
