# ruff: noqa: N802 - the methods have SQLite's names
"""SQLite file systems for tests: one that fails on demand, one that remembers what would survive a power loss.

Both wrap the operating system's and become the default while they are in use, so that the code under test opens its
files as always. Nothing of parsekit is replaced.
"""

import contextlib
import itertools
from pathlib import Path

import apsw

_numbers = itertools.count()
_SYSTEM = apsw.vfs_names()[0]


class _File(apsw.VFSFile):
    def __init__(self, vfs, name, flags):
        super().__init__(_SYSTEM, name, flags)
        self.vfs = vfs
        self.path = name.filename() if isinstance(name, apsw.URIFilename) else name

    def xWrite(self, data, offset):
        self.vfs.before("write", self.path)
        super().xWrite(data, offset)
        self.vfs.wrote(self.path, bytes(data), offset)

    def xTruncate(self, size):
        self.vfs.before("truncate", self.path)
        super().xTruncate(size)
        self.vfs.truncated(self.path, size)

    def xSync(self, flags):
        self.vfs.before("sync", self.path)
        super().xSync(flags)
        self.vfs.synced(self.path)


class _VFS(apsw.VFS):
    def __init__(self):
        self.name = f"test-{next(_numbers)}"
        super().__init__(self.name, _SYSTEM, makedefault=True)

    def xOpen(self, name, flags):
        return _File(self, name, flags)

    def xDelete(self, name, syncdir):
        super().xDelete(name, syncdir)
        self.deleted(name)

    def deleted(self, path):
        """A file is gone."""

    def before(self, call, path):
        """A call is about to reach the file."""

    def wrote(self, path, data, offset):
        """It did."""

    def truncated(self, path, size):
        """It did."""

    def synced(self, path):
        """It did."""


@contextlib.contextmanager
def in_use(vfs):
    """The block's SQLite files go through ``vfs``."""
    try:
        yield vfs
    finally:
        vfs.unregister()


class FailingVFS(_VFS):
    """Lets ``countdown`` more calls of the kinds in ``calls`` through; every one after that raises ``error``."""

    def __init__(self):
        super().__init__()
        self.calls = frozenset()
        self.countdown = 0
        self.error = None
        self.failed = 0
        self.suffix = ""

    def fail(self, error, calls, after, suffix=""):
        """Of files whose names end in ``suffix``."""
        self.error, self.calls, self.countdown, self.failed = error, frozenset(calls), after, 0
        self.suffix = suffix

    def recover(self):
        self.error = None

    def before(self, call, path):
        if self.error is None or call not in self.calls or not path.endswith(self.suffix):
            return
        if self.countdown > 0:
            self.countdown -= 1
            return
        self.failed += 1
        raise self.error("injected")


class PowerLossVFS(_VFS):
    """Keeps, per file, what was synced, and what was written since.

    ``surviving`` is what a disk may hold after the power went: all that was synced, and any part of the rest.
    """

    def __init__(self):
        super().__init__()
        self.durable = {}
        self.pending = {}

    def wrote(self, path, data, offset):
        self.pending.setdefault(path, []).append((offset, data))

    def truncated(self, path, size):
        self.pending.setdefault(path, []).append((size, None))

    def deleted(self, path):
        self.durable.pop(path, None)
        self.pending.pop(path, None)

    def synced(self, path):
        self.durable[path] = bytearray(self._with(path, self.pending.pop(path, ())))

    def _with(self, path, writes):
        content = bytearray(self.durable.get(path, b""))
        for offset, data in writes:
            if data is None:
                del content[offset:]
                continue
            if len(content) < offset:
                content.extend(bytes(offset - len(content)))
            content[offset : offset + len(data)] = data
        return content

    def surviving(self, folder, random):
        """Write to ``folder`` what is left of each file; its shared memory is not."""
        for path in {*self.durable, *self.pending}:
            writes = [write for write in self.pending.get(path, ()) if random.random() < 0.5]
            name = Path(path).name
            if path in self.durable or writes:
                (folder / name).write_bytes(self._with(path, writes))
