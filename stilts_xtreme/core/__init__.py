"""The parts that every room uses: errors, checks, specs, files, progress, composition. They name no task or model."""
