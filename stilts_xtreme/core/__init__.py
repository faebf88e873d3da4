"""The parts that every room uses: errors, checks, specs, files, progress, composition. They know no task and no model."""
