"""The services of docker/compose.yaml as processes of this machine, as nearly as it goes without containers.

A service has the command and the environment that compose.yaml and the Dockerfile give it, and nothing else of this
process's; no capabilities, and a file system that is read only but for its volumes, by a mount namespace of its own. It
has the image's user where that user may run this Python environment. Only names differ: hosts, ports, and where the
image's folders are.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
_COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = _COMPOSE["services"]
"""What compose.yaml says of each service."""
_VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")
_USER = 1000
"""The image's user."""
_IS_ROOT = os.geteuid() == 0
_WITHOUT_RIGHTS = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
_AS_USER = [f"--reuid={_USER}", "--regid=0", "--clear-groups"]
_CONTAINED = """
set -eu
for folder in $WRITABLE; do mount --bind "$folder" "$folder"; done
for folder in $READABLE; do mount --bind "$folder" "$folder"; mount -o remount,bind,ro "$folder"; done
for folder in $HIDDEN; do mount -t tmpfs tmpfs "$folder"; done
mount -o remount,bind,ro /
unset WRITABLE READABLE HIDDEN
exec "$@"
"""


@cache
def _runs_as_user() -> bool:
    """Whether the image's user may run this environment's Python: it may be of a folder of root's own."""
    told = "import sys; print(sys.base_prefix)"
    asked = [*_WITHOUT_RIGHTS, *_AS_USER, sys.executable, "-c", told]
    done = subprocess.run(asked, capture_output=True, text=True, cwd="/", check=False) if _IS_ROOT else None
    return done is not None and done.stdout.strip() == sys.base_prefix


def image_environment() -> dict[str, str]:
    """What the Dockerfile sets for every container."""
    [env] = re.findall(
        r"^ENV ((?:.*\\\n)*.*)", (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
    )
    return dict(re.findall(r"(\w+)=(\S+)", env))


def _value(variable: re.Match[str]) -> str:
    return os.environ.get(variable[1]) or variable[2]


@dataclass(frozen=True)
class Host:
    """The machine that all containers of a test run on.

    Attributes:
        names: what stands for the names in compose.yaml and in the image: hosts, ports and folders.
        more: variables that every service has here, and no container.
        logs: where they log to.
    """

    names: Mapping[str, str]
    more: Mapping[str, str]
    logs: Path

    def _named(self, text: str) -> str:
        # The longest name first, and none within what stands for another.
        names = sorted(self.names, key=len, reverse=True)
        return re.sub("|".join(map(re.escape, names)), lambda found: self.names[found[0]], text)

    def environment(self, service: str) -> dict[str, str]:
        """The variables of a service's containers."""
        given = {
            # Without a value, it is that of whoever starts the containers.
            name: os.environ.get(name, "") if value is None else _VARIABLE.sub(_value, value)
            for name, value in SERVICES[service].get("environment", {}).items()
        }
        image = image_environment()
        image["PATH"] = image["PATH"].replace("$PATH", os.environ["PATH"])
        named = {name: self._named(value) for name, value in (image | given).items() if value}
        return {**named, **self.more}

    def command(self, service: str) -> list[str]:
        """The command of a service's containers, with the image's entry point."""
        words = [self._named(word) for word in SERVICES[service]["command"]]
        return [str(ROOT / "docker" / "with-secrets"), *words]

    def health(self, service: str) -> list[str]:
        """The command that says by its exit code whether a service is healthy."""
        [_, *words] = SERVICES[service]["healthcheck"]["test"]
        return [self._named(word).replace("with-secrets", str(ROOT / "docker" / "with-secrets")) for word in words]

    @contextmanager
    def started(
        self,
        service: str,
        *,
        writable: Sequence[Path] = (),
        readable: Sequence[Path] = (),
        hidden: Sequence[Path] = (),
        name: str | None = None,
        command: Sequence[str] | None = None,
        **variables: str,
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """Runs a container of a service; it ends with the block.

        Args:
            service: the service.
            writable: its volumes.
            readable: its volumes that it can't write to.
            hidden: what a container does not see, and a process of this machine would.
            name: what its log is called, where that is not the service's name.
            command: another command than the service's.
            variables: what differs in its environment.
        """
        its_own = Path("/tmp")  # noqa: S108 a container's
        if ours := [place for place in (ROOT, Path(sys.prefix)) if place.is_relative_to(its_own)]:
            writable, readable = [its_own, *writable], [*readable, *ours]
        else:
            hidden = [*hidden, its_own]
        with (self.logs / f"{name or service}.log").open("ab") as log:
            process = subprocess.Popen(
                contained(command or self.command(service)),
                env={
                    **self.environment(service),
                    **variables,
                    "WRITABLE": " ".join(map(str, writable)),
                    "READABLE": " ".join(map(str, readable)),
                    "HIDDEN": " ".join(map(str, hidden)),
                },
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            # As the end of a container ends all of its processes.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def is_healthy(self, service: str) -> bool:
        """Whether a service says that it is."""
        asked = subprocess.run(
            self.health(service), env=self.environment(service), cwd=ROOT, capture_output=True, check=False
        )
        return asked.returncode == 0


def contained(command: Sequence[str]) -> list[str]:
    """A command that is run as a container's would be."""
    namespace = ["unshare", "--mount", *([] if _IS_ROOT else ["--map-root-user"])]
    user = [*_WITHOUT_RIGHTS, *(_AS_USER if _runs_as_user() else [])]
    return [*namespace, "sh", "-c", _CONTAINED, "sh", *(user if _IS_ROOT else []), *command]


def own(folder: Path) -> Path:
    """Makes a folder that belongs to the containers' user."""
    folder.mkdir(mode=0o700)
    if _runs_as_user():
        shutil.chown(folder, _USER)
    return folder
