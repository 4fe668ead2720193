"""Primitives on one container: start, signal, exec, clean up. No policy: see pod.py for that."""

from __future__ import annotations

import binascii
import os

from vmpod_agent import cgroups, create, envfile, layout, prepare, syscalls
from vmpod_agent.create import Bind, Taken
from vmpod_agent.launch import Command, LaunchError, Rights
from vmpod_agent.loop import READ
from vmpod_agent.operations import Mount
from vmpod_agent.output import Capture, Tail
from vmpod_agent.process import null, pipe, spawn
from vmpod_agent.syscalls import MS_NODEV
from vmpod_agent.users import User, UserError, look_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vmpod.wire.boot import BootContainer, BootVolume
    from vmpod_agent.devices import Disk
    from vmpod_agent.journal import RunLog
    from vmpod_agent.launch import Starting
    from vmpod_agent.loop import Loop
    from vmpod_agent.output import Listener
    from vmpod_agent.reaper import ExitStatus, Reaper
    from vmpod_agent.secrets import Secrets
    from vmpod_agent.spare import Spare

_MAX_MESSAGE = 4096  # bytes, as the kubelet's
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Services:
    """What every container needs of the agent."""

    def __init__(
        self, loop: Loop, reaper: Reaper, log: Callable[[BootContainer, int], RunLog], secrets: Secrets
    ) -> None:
        """log: where a run of a container writes its output to."""
        self.loop = loop
        self.reaper = reaper
        self.log = log
        self.secrets = secrets
        self.address = "127.0.0.1"
        """The pod's own."""
        self.processes: Callable[[], None] | None = None
        """Sets the process namespace for containers' children, where each has not its own."""
        self.spare: Spare | None = None
        self.deleting = 0
        """Runs whose files are being deleted."""


class StartError(Exception):
    """A container could not be started; code is the exit code to show for it."""

    def __init__(self, message: str, code: int = 128) -> None:
        super().__init__(message)
        self.code = code


class Run:
    """One run of a container, from its fresh root filesystem to its end.

    started() is called once its process runs; ended(code, signal, oom) when it and its output have ended;
    failed(error) instead of both when it could not be started.
    """

    def __init__(
        self,
        spec: BootContainer,
        attempt: int,
        volumes: dict[str, BootVolume],
        services: Services,
        enter: Callable[[], None] | None = None,
    ) -> None:
        """enter: sets the process namespace for children; None for what the pod's containers have."""
        self.spec = spec
        self.attempt = attempt
        self.id = f"{spec['name']}-{attempt}"
        self.group = f"{layout.POD}/{self.id}"
        """The name of its cgroup."""
        self.pid = 0
        self.user: User | None = None
        self._volumes = volumes
        self._services = services
        self._enter = enter
        self._read: dict[str, str] | None = None
        self._bundle = f"{layout.CONTAINERS}/{self.id}"
        self._writable = f"{layout.SCRATCH}/containers/{self.id}"
        self._starting: Starting | None = None
        self._error: StartError | None = None
        self._status: ExitStatus | None = None
        self._captures: list[Capture] = []
        self._message = f"{self._writable}/message"
        """The file for its last words. On the scratch disk: it may grow large."""
        self._tail = Tail() if spec["last_words"]["log"] else None
        self.listeners: list[Listener] = [self._tail] if self._tail else []
        self.input: int | None = None
        """Where the container's standard input is written to; None if it has none, or no longer."""

    def start(
        self,
        started: Callable[[], None],
        ended: Callable[[int, int, bool], None],
        failed: Callable[[StartError], None],
    ) -> None:
        """Make the root filesystem and start the container."""
        self._started, self._ended, self._failed = started, ended, failed
        try:
            log = self._services.log(self.spec, self.attempt)
            self._mount_root()
            self._launch(log)
        except StartError as error:
            failed(error)
        except (OSError, UserError) as error:
            failed(StartError(str(error)))
        except ValueError as error:
            failed(StartError(f"the command cannot hold {error}"))
        except KeyError as error:
            failed(StartError(f"the host did not send the secret {error}"))

    def environment(self) -> list[str]:
        """NAME=value strings, the spec's own last."""
        home = self.user.home if self.user else "/"
        variables = {"PATH": _DEFAULT_PATH, "HOME": home}
        text = self._services.secrets.text
        variables |= {text(name): text(value) for name, value in self.spec["env"]}
        variables |= self._from_files()
        return [f"{name}={value}" for name, value in variables.items()]

    def _from_files(self) -> dict[str, str]:
        """The variables that stood in files when the run began."""
        if self._read is None:
            self._read = {}
            for entry in self.spec["env_files"]:
                source = prepare.source(self._volumes[entry["volume"]])
                value = envfile.look_up(source, entry["path"], entry["key"])
                if value is not None:
                    self._read[entry["name"]] = value
                elif not entry["optional"]:
                    raise StartError(f"the file {entry['path']} has no variable {entry['key']}")
        return self._read

    def command(
        self, argv: list[str], *, env: Iterable[str] = (), terminal: tuple[int, int] | None = None
    ) -> Command:
        """A command as this container runs it. env: NAME=value strings on top. Raises ValueError."""
        assert self.user is not None
        variables = [*self.environment(), *env]
        return Command(
            argv,
            env=variables,
            cwd=self.spec["cwd"],
            user=self.user,
            terminal=terminal,
            rights=self._rights(),
        )

    def _rights(self) -> Rights:
        security = self.spec["security"]
        return Rights(
            bounding=security["bounding"],
            no_new_privileges=security["no_new_privileges"],
            program=binascii.a2b_base64(security["filter"]),
            read_only=security["read_only"],
            privileged=security["privileged"],
            unmasked=security["unmasked"],
        )

    def last_words(self, code: int) -> str:
        """What the container leaves to be told about its end; '' for nothing."""
        said = _end_of(self._message)
        if not said and code and self._tail:
            said = self._tail.last()
        return said.decode(errors="replace")

    def signal(self, number: int) -> None:
        """Send a signal to the container's first process; without effect when it has ended."""
        if self.pid and self._status is None:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass  # it was reaped before it was adopted

    def resume(self) -> None:
        """Read on what the container writes: a listener has room again, or has gone."""
        for capture in self._captures:
            capture.resume()

    def take_input(self) -> int:
        """A descriptor of its own for somebody who writes the container's standard input."""
        assert self.input is not None
        return os.dup(self.input)

    def input_left(self) -> None:
        """Who wrote the standard input has gone: with stdinOnce that was its end."""
        if self.spec["stdin_once"]:
            self._close_input()

    def _close_input(self) -> None:
        if self.input is not None:
            os.close(self.input)
            self.input = None

    def remove(self) -> None:
        """Give back what the run held: its cgroup, mounts, the writable layer."""
        self._services.deleting += 1
        self._close_input()
        cgroups.remove(self.group)
        try:
            syscalls.unmount(f"{self._bundle}/rootfs")
        except OSError:
            pass  # it was never mounted
        # A container may leave millions of files: a child of ours deletes them while we serve the others.
        nowhere = null()
        pid = spawn(["/usr/bin/rm", "-rf", self._writable, self._bundle], stdin=nowhere, stdout=2, stderr=2)
        os.close(nowhere)
        self._services.reaper.adopt(pid, self._removed)

    def _removed(self, _status: ExitStatus) -> None:
        self._services.deleting -= 1

    def enter(self) -> None:
        """Have the files of an ended run, volumes too, as the calling process's own. Raises OSError."""
        create.look_into(Taken(f"{self._bundle}/rootfs", self._binds()))

    def _mount_root(self) -> None:
        lower = layout.image(self.spec["image"])
        upper, work = f"{self._writable}/upper", f"{self._writable}/work"
        os.makedirs(upper)
        os.mkdir(work)
        # An overlay shows its upper layer's root, so that has to look like the image's.
        wanted, found = os.stat(lower), os.stat(upper)
        if (wanted.st_uid, wanted.st_gid) != (found.st_uid, found.st_gid):
            os.chown(upper, wanted.st_uid, wanted.st_gid)
        if wanted.st_mode != found.st_mode:
            os.chmod(upper, wanted.st_mode & 0o7777)
        mask = os.umask(0)
        os.close(os.open(self._message, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666))
        os.umask(mask)
        options = f"lowerdir={lower}:{layout.SKELETON},upperdir={upper},workdir={work}"
        Mount("overlay", f"{self._bundle}/rootfs", "overlay", flags=MS_NODEV, options=options).execute()

    def _launch(self, log: RunLog) -> None:
        spec, text = self.spec, self._services.secrets.text
        root = f"{self._bundle}/rootfs"
        security = spec["security"]
        self.user = look_up(spec["user"], root, groups=security["groups"], strict=security["strict_groups"])
        argv = [text(word) for word in spec["argv"]]
        # Its first reader sets the size that it has; until then it is the one that terminals always had.
        terminal = (80, 24) if spec["tty"] else None
        command = self.command(argv, env=["TERM=xterm"] * spec["tty"], terminal=terminal)
        taken = Taken(root, self._binds())
        try:
            self._log = log
            streams = [] if terminal else self._open_streams()
            try:
                self._starting = self._by_spare(taken, command, streams) or self._by_child(
                    taken, command, streams
                )
            finally:
                for end in streams:
                    os.close(end)
        finally:
            taken.close()
        self._services.loop.watch(self._starting.fd, READ, lambda _events: self._reported())

    def _by_spare(self, taken: Taken, command: Command, streams: list[int]) -> Starting | None:
        """Start the process as the child that waits for that, if there is one."""
        spare, self._services.spare = self._services.spare, None
        if spare is None:
            return None
        security = self.spec["security"]
        unusual = security["privileged"] or security["unmasked"] or self.spec["devices"]
        if unusual or command.terminal or self._shared is not None:
            # It has made the usual surroundings.
            spare.dismiss()
            return None
        self._limit(spare.group)
        if (starting := spare.start(taken, command, streams, self._process_ended)) is not None:
            self.group = spare.group
        return starting

    def _by_child(self, taken: Taken, command: Command, streams: list[int]) -> Starting:
        """Start the process as a new child."""
        cgroups.create(self.group, privileged=self.spec["security"]["privileged"], disks=self._disks())
        self._limit(self.group)
        starting = create.start(self.group, taken, command, streams, self._shared or create.alone)
        self._services.reaper.adopt(starting.pid, self._process_ended)
        return starting

    @property
    def _shared(self) -> Callable[[], None] | None:
        """Sets the process namespace for children, if that is not one of the container's own."""
        return self._enter or self._services.processes

    def _limit(self, group: str) -> None:
        spec = self.spec
        cgroups.limit(group, memory=spec["memory"], cpu=spec["cpu"], cpu_request=spec["cpu_request"])
        if spec["huge_pages"] >= 0:
            cgroups.limit_huge_pages(group, spec["huge_pages"])

    def _binds(self) -> list[Bind]:
        binds = []
        for mount in self.spec["mounts"]:
            volume = self._volumes[mount["volume"]]
            kind = volume["kind"]
            binds.append(
                Bind(
                    prepare.source(volume),
                    mount["path"],
                    below=mount["sub_path"],
                    read_only=mount["read_only"] or kind in ("files", "image"),
                    recursive=mount["recursive"],
                    options=["noexec"] if kind == "image" else mount["options"],
                )
            )
        binds += [
            Bind(prepare.source(self._volumes[device["volume"]]), device["path"])
            for device in self.spec["devices"]
        ]
        return [*binds, Bind(self._message, self.spec["last_words"]["path"])]

    def _disks(self) -> list[Disk]:
        """The disks that it sees as devices. Raises OSError."""
        found = []
        for device in self.spec["devices"]:
            number = os.stat(prepare.source(self._volumes[device["volume"]])).st_rdev
            found.append((os.major(number), os.minor(number), device["read_only"]))
        return found

    def _open_streams(self) -> list[int]:
        """The container's ends of its standard input, output and error."""
        assert self.user is not None
        if self.spec["stdin"]:
            stdin, self.input = pipe()
            ends = [stdin]
        else:
            ends = [null()]
        for stream in ("stdout", "stderr"):
            read_end, write_end = pipe()
            self._capture(read_end, stream)
            ends.append(write_end)
            # Its user may open /dev/stdout, which leads there.
            os.fchown(write_end, self.user.uid, -1)
        return ends

    def _capture(self, fd: int, stream: str) -> None:
        """Keep what comes from there."""
        self._captures.append(
            Capture(
                self._services.loop,
                fd,
                self._log,
                stream=stream,
                ended=self._settle,
                listeners=self.listeners,
            )
        )

    def _take_terminal(self, master: int) -> None:
        """Have the container's terminal, by which all that it reads and writes goes."""
        if self.spec["stdin"]:
            self.input = os.dup(master)
        self._capture(master, "stdout")

    def _reported(self) -> None:
        """Hear that the command is executed, or why not; before that, perhaps, of its terminal."""
        assert self._starting is not None
        try:
            master = self._starting.report()
        except BlockingIOError:
            return
        except LaunchError as error:
            self._error = StartError(str(error), error.status)
        else:
            if master is not None:
                self._take_terminal(master)
                return
        self._services.loop.forget(self._starting.fd)
        self._starting.close()
        if self._error is None:
            self.pid = self._starting.pid
            self._started()

    def _process_ended(self, status: ExitStatus) -> None:
        assert self._starting is not None
        while self._starting.fd >= 0:
            # The loop may hear of its end before it hears what it said.
            self._reported()
        self._close_input()
        if self._shared is not None:
            # Nothing else ends what it leaves behind, which may hold its output open.
            cgroups.kill(self.group)
        if self._error is not None:
            self._failed(self._error)
            return
        self._status = status
        for listener in [each for each in self.listeners if each.full]:
            # It must not hold up the pod: it gets what it has, and the exit code.
            self.listeners.remove(listener)
            listener.ended(status.code)
        self.resume()
        self._settle()

    def _settle(self) -> None:
        """Report the end once the process and both its outputs have ended: nothing of it is lost."""
        if self._status is not None and all(capture.ended for capture in self._captures):
            listeners, self.listeners[:] = list(self.listeners), []
            for listener in listeners:
                listener.ended(self._status.code)
            oom = self._status.signal == 9 and _oom_killed(self.group)
            self._ended(self._status.code, self._status.signal, oom)


def _end_of(path: str) -> bytes:
    """The last bytes of a file, as many as a message may have; nothing if it is not there."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.pread(fd, _MAX_MESSAGE, max(0, os.fstat(fd).st_size - _MAX_MESSAGE))
    finally:
        os.close(fd)


def _oom_killed(container: str) -> bool:
    """Whether the kernel killed a process of the container for want of memory."""
    try:
        with open(f"{layout.cgroup(container)}/memory.events") as file:
            counts = dict(line.split() for line in file)
    except OSError:
        return False
    return int(counts.get("oom_kill", "0")) > 0
