"""The plans that Neo4j makes for queries."""

from collections.abc import Iterator
from typing import Any


def operators(plan: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Every operator of a plan."""
    assert plan is not None
    yield plan
    for child in plan.get("children", []):
        yield from operators(child)


def operator_name(operator: dict[str, Any]) -> str:
    """What an operator is called, without the database's name."""
    return str(operator["operatorType"].split("@")[0])


def operator_names(plan: dict[str, Any] | None) -> list[str]:
    """What the operators of a plan are called."""
    return [operator_name(operator) for operator in operators(plan)]
