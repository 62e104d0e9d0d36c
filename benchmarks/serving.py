"""How long a served recommendation takes, beside an empty query: `make bench-serving`.

It asks the graph of this installation, which must have an active model, for random users and random tracks, one
request after the other over one connection, after a warm-up that is not counted. The kinds take turns, so that all meet
the same machine: the empty query says how much of each time is the connection's and the machine's.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from neo4j import Driver

from spotify_graph import queries, serving
from spotify_graph.errors import UserError
from spotify_graph.graph_model import TRACK, USER
from spotify_graph.neo4j_io.vocabulary import NodeType
from spotify_graph.resources.neo4j import connect
from spotify_graph.settings import Settings


def main() -> None:
    """Times the requests and prints the percentiles in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1_000, help="of each kind")
    parser.add_argument("--warm-up", type=int, default=3_000, help="requests of each kind that are not counted")
    parser.add_argument("-k", type=int, default=10, help="tracks in an answer")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    settings = Settings.load()
    chance = random.Random(asked.seed)  # noqa: S311 - no secret
    try:
        with connect(settings, _say) as driver:
            database = settings.neo4j_database
            users, tracks = (_keys(driver, database, node) for node in (USER, TRACK))
            kinds: dict[str, Callable[[], object]] = {
                "empty": lambda: _empty(driver, database),
                "recommend": lambda: serving.recommend(driver, database, _pick(chance, users), k=asked.k),
                "similar": lambda: serving.similar(driver, database, _pick(chance, tracks), k=asked.k),
            }
            found: dict[str, object] = {"users": len(users), "tracks": len(tracks), "k": asked.k}
            # The server's compiler is done with these queries after some 3,000 of them.
            _time(kinds, asked.warm_up)
            for kind, taken in _time(kinds, asked.requests).items():
                found[f"{kind}_ms"] = _percentiles(taken)
    except UserError as error:
        sys.exit(f"bench-serving: {error}")
    json.dump(found, sys.stdout, indent=2)
    sys.stdout.write("\n")


def _keys(driver: Driver, database: str, node: NodeType) -> list[str]:
    query = f"MATCH (n:{node.label}) RETURN n.{node.key.name} AS key ORDER BY key"
    return [record["key"] for record in driver.execute_query(query, database_=database).records]


def _pick(chance: random.Random, keys: Sequence[str]) -> str:
    return chance.choice(keys) if keys else "nobody"


def _empty(driver: Driver, database: str) -> None:
    with queries.session(driver, database) as session:
        session.execute_read(lambda transaction: transaction.run("RETURN 1").consume())


def _time(kinds: Mapping[str, Callable[[], object]], times: int) -> dict[str, list[float]]:
    """Milliseconds of each request, by kind."""
    taken: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(times):
        for kind, request in kinds.items():
            started = time.perf_counter()
            request()
            taken[kind].append((time.perf_counter() - started) * 1000)
    return taken


def _percentiles(taken: list[float]) -> dict[str, float]:
    ordered = sorted(taken)
    return {
        f"p{share}": round(ordered[min(len(ordered) * share // 100, len(ordered) - 1)], 2) for share in (50, 95, 99)
    }


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
