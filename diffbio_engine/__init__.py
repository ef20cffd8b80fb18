"""Differentiable bioinformatics: operators, pipelines, training and runs, without a screen."""
