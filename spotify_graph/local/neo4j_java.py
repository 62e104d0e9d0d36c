"""The command lines of the JVMs that run Neo4j: the server, and what works on its files."""

import os
from collections.abc import Callable

from spotify_graph.local import aot, jars
from spotify_graph.local.java import java_home
from spotify_graph.settings import Settings

_JVM = (
    # The modules that the server reaches into, as in Neo4j's own configuration template.
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
    "-XX:+ExitOnOutOfMemoryError",
    "-Dfile.encoding=UTF-8",
)


def command(
    settings: Settings,
    main_class: str,
    *arguments: str,
    jvm: tuple[str, ...] = (),
    cache: str | None = None,
    say: Callable[[str], None] | None = None,
) -> list[str]:
    """Gives the command line of a main class on the server's class path, jar by jar in the lock's order.

    Args:
        settings: the installation's settings.
        main_class: the class.
        arguments: what it is given.
        jvm: further options of the JVM.
        cache: which of the caches of `aot` it starts with, if any.
        say: told of the progress of downloading missing jars.

    Raises:
        UserError: a jar cannot be fetched.
    """
    java = java_home(settings) / "bin" / "java"
    class_path = os.pathsep.join(map(str, jars.fetch(jars.NEO4J, say)))
    faster = aot.options(settings, cache, class_path, *_JVM) if cache else ()
    return [str(java), *_JVM, *jvm, *faster, "-cp", class_path, main_class, *arguments]
