"""What the answers of paired runs say about a gain: intervals, tests, equivalence, power. Free of torch."""
