"""Ranking: the candidates that answer a query, found among many."""
