"""Task formats: their modules, metrics, prediction files and floors."""
