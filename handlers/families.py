"""How a plain number becomes a family of Prometheus. Called by `handlers.metrics` and `worker_metrics`."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from domain.distribution import Distribution


def gauge(name: str, text: str, value: float) -> Metric:
    """One value that goes up and down."""
    return GaugeMetricFamily(name, text, value=value)


def counter(name: str, text: str, value: float | Mapping[str, int], label: str = "") -> Metric:
    """One value that only grows, or one for each value of `label`."""
    if not isinstance(value, Mapping):
        return CounterMetricFamily(name, text, value=value)
    family = CounterMetricFamily(name, text, labels=[label])
    for key, count in value.items():
        family.add_metric([key], count)
    return family


def histogram(name: str, text: str, of: Mapping[str, Distribution], label: str = "") -> Metric:
    """One distribution under the key "", or one for each value of `label`."""
    family = HistogramMetricFamily(name, text, labels=[label] if label else [])
    for key, distribution in of.items():
        buckets = [
            ("+Inf" if bound == inf else str(float(bound)), count)
            for bound, count in distribution.cumulative()
        ]
        family.add_metric([key] if label else [], buckets, distribution.total)
    return family
