"""xuncha: the command line, and the only place that builds a store and wires the rooms together."""


def main() -> None:
    """Run the command line."""
    raise SystemExit(0)
