"""Objectives: how a trial is trained, one file for each framework."""
