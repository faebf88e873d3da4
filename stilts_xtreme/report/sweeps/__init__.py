"""What the records of sweeps tell: how a sweep stands, and which of its cells are not there."""
