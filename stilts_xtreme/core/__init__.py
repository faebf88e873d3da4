"""What every room uses and no word of the domain is in: errors, checks, typed specs, files, progress, composition."""
