"""Rules that keep or reject triplets, and expectations on the result."""
