"""From the results of many cells to the tables and pictures that compare them. Free of torch."""
