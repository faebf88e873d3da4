"""Optimiser steps: the trainings and evaluations that stages are made of."""
