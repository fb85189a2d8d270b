"""A study from its settings to its end: plan, driver, displays."""
