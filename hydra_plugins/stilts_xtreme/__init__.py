"""Hydra imports all of this at each start: nothing heavy is imported before a multirun begins."""
