"""The simulated shop and its story: `tactus demo`."""
