"""The composition root's parts: what `server.py` chooses, builds and wires, imported when it is needed.

Owns the choice of implementations. Reads no environment: settings come from `server.py`, the only importer.
"""
