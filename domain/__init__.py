"""The rules of a trip that a group plans together.

Owns entities, operations, events, permissions and the ports that storage implements.
Plain synchronous Python: no I/O, no event loop, no framework. Called by `realtime`,
`handlers` and `storage`; imports none of them.
"""
