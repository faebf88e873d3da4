"""The encoder and what it computes with: tensors, but no task."""
