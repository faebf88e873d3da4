"""What answers a query, among many candidates."""
