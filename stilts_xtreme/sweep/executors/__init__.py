"""Where the stages of a sweep are made: worker processes, Ray, SLURM."""
