"""A laboratory on one machine: a real Envoy with the plugin, and everybody it talks to.

`Scene` puts the parts together; the demo and the end-to-end tests both play in it.
"""

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
