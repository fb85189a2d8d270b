"""Plugins that MLflow loads by itself: the project backend `hpo`, and the tags of a trial's runs."""
