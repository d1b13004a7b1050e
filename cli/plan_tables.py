"""Plans as tables, for a terminal and for a page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stages.planning.estimating import Plan
    from stages.planning.speed import Seconds

POWERS = ("", "k", "M", "G", "T", "P", "E", "Z")
HOUR = 3600


@dataclass(frozen=True)
class Rows:
    """A table: the first cell of each row is a name, the others are figures."""

    head: Sequence[str]
    body: Sequence[Sequence[str]]

    def markdown(self) -> Iterator[str]:
        """Yield the lines of a Markdown table."""
        yield f"| {' | '.join(self.head)} |"
        yield f"|---|{'---:|' * (len(self.head) - 1)}"
        for row in self.body:
            yield f"| {' | '.join(row)} |"

    def rich(self) -> Any:
        """Return the table as rich prints it."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for place, name in enumerate(self.head):
            table.add_column(name, justify="right" if place else "left", overflow="fold")
        for row in self.body:
            table.add_row(*row)
        return table


def one(plan: "Plan") -> Rows:
    """Return one plan, stage by stage."""
    body = [
        (
            stage.name,
            scaled(stage.items),
            scaled(stage.tokens),
            scaled(stage.flops),
            str(stage.devices),
            time(stage.seconds),
            gigabytes(stage.memory) if stage.memory else "-",
        )
        for stage in plan.stages
    ]
    whole = (
        *("all", scaled(plan.scenario.premises)),
        *(scaled(sum(getattr(s, what) for s in plan.stages)) for what in ("tokens", "flops")),
        *(str(plan.scenario.devices), time(plan.seconds), gigabytes(plan.memory)),
    )
    room = ("disk", "", "", "", "", "", gigabytes(plan.disk))
    cost = () if plan.cost is None else (("cost", "", "", "", "", money(plan.cost), ""),)
    head = ("stage", "items", "tokens", "FLOP", "devices", "time", "memory each")
    return Rows(head, [*body, whole, room, *cost])


def grid(plans: "Sequence[Plan]") -> Rows:
    """Return several plans, one a line."""
    names = [stage.name for stage in plans[0].stages]
    head = ["premises", "devices", *names, "all", "memory each", "disk", "longest"]
    priced = plans[0].cost is not None
    body = [
        [
            scaled(plan.scenario.premises),
            str(plan.scenario.devices),
            *(hours(stage.seconds.expected) for stage in plan.stages),
            time(plan.seconds),
            gigabytes(plan.memory),
            gigabytes(plan.disk),
            plan.bottleneck,
            *([money(plan.cost)] if plan.cost else []),
        ]
        for plan in plans
    ]
    return Rows([*head, *(["cost"] if priced else [])], body)


def scaled(number: float) -> str:
    """Say a large number by its power of a thousand.

    >>> scaled(0), scaled(950), scaled(1_000_000), scaled(4.16e18)
    ('0', '950', '1 M', '4.16 E')
    """
    power = 0
    while round(number, 2 - power % 1) >= 1000 and power < len(POWERS) - 1:
        number /= 1000
        power += 1
    return f"{number:.3g} {POWERS[power]}".strip() if power else f"{number:.0f}"


def hours(seconds: float) -> str:
    """Say a time in the largest unit that makes it one or more.

    >>> hours(42), hours(90), hours(5400), hours(400_000)
    ('42 s', '1.5 min', '1.5 h', '111 h')
    """
    for unit, size in (("h", HOUR), ("min", 60)):
        if seconds >= size:
            return (
                f"{seconds / size:.3g} {unit}"
                if seconds / size < 1000
                else (f"{seconds / size:,.0f} {unit}")
            )
    return f"{seconds:.2g} s"


def time(seconds: "Seconds") -> str:
    """Say a range of times: what is expected, and from what to what it may be."""
    low, expected, high = map(hours, seconds)
    return f"{expected} ({low} to {high})"


def money(cost: "Seconds") -> str:
    """Say a range of amounts."""
    low, expected, high = (f"{amount:,.0f}" if amount >= 10 else f"{amount:.2f}" for amount in cost)
    return f"{expected} ({low} to {high})"


def gigabytes(size: float) -> str:
    """Say a number of bytes in GB (10^9)."""
    size /= 1e9
    return f"{size:,.0f} GB" if size >= 10 else f"{size:.1f} GB"
