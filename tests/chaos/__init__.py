"""The stress suite: a small cluster, random operations, random faults, and a check of every promise.

`schedule` decides from a seed what happens and when; `cluster` is what it happens to, `crowd` the people,
`story` the run, `checks` the judgement, `entry` the server process with its eyes for leaks and, on demand, a
defect built in. Called by `test_chaos` and `python -m tests.chaos` (`make chaos`).
"""
