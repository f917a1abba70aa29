"""Which metrics and labels an expression of PromQL asks for: enough of its grammar for our own files.

A metric is a name that is neither a function, nor a word of the language, nor a label in a list.
"""

from __future__ import annotations

import re

_WORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "inf", "nan"}
_LISTS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_TOKEN = re.compile(r"([A-Za-z_:][\w:]*)\s*(\(|\{[^}]*\})?")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")


def selectors(expression: str) -> list[tuple[str, set[str]]]:
    """(metric, labels its selector names) of each selector."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    bare = _LISTS.sub(" ", re.sub(r"\[[^]]*\]", " ", bare))
    return [
        (name, set(_LABEL.findall(after or "")))
        for name, after in _TOKEN.findall(bare)
        if after != "(" and name.lower() not in _WORDS
    ]


def grouped_by(expression: str) -> set[str]:
    """The labels in its `by`, `on` and similar lists."""
    return {label.strip() for found in _LISTS.findall(expression) for label in found.split(",")} - {""}
