"""One YAML file an experiment."""
