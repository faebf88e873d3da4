"""The page of a report: one HTML file that holds its data, and asks nothing of any other machine."""
