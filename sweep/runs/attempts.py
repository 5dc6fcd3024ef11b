"""Whose a trial is: each attempt at it leaves a numbered file in its folder, and the newest one has the trial.

    attempt-<number>.json    {"number", "id", "host", "pid", "ended"}

A node that was cut off goes on with its trial, while Ray gives it to another. An attempt therefore looks whether it is
still the newest before it writes or deletes anything that a trial keeps, and ends itself where it is not.

A number is taken by creating its file, which fails where another attempt has just done so, on shared file systems too.
Between a look and the write that follows another attempt may begin: what that can and cannot do is in docs/adr/0037.
"""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from gapsack.selection.files import make_folder
from gapsack.sweep.storage.mirrored import store_at

_FILE = re.compile(r"attempt-([1-9]\d*)\.json")


class TrialSupersededError(Exception):
    """A newer attempt has the trial: this one ends, and leaves all of its files alone."""


class AttemptToken(BaseModel):
    """attempt-<number>.json.

    Attributes:
        number: Of the attempt, from 1.
        id: Of this attempt alone, wherever a folder is copied or made anew.
        host: That it runs on.
        pid: Of its process there.
        ended: Why it ended before the trial did, where a newer one took its place.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    format: Literal["gapsack.attempt/1"] = "gapsack.attempt/1"
    number: int
    id: str
    host: str
    pid: int
    ended: str | None = None


class Attempt:
    """One attempt at a trial; `begin` makes it the newest.

    Attributes:
        token: What its file says.
    """

    def __init__(self, folder: Path, token: AttemptToken) -> None:
        self._folder = folder
        self.token = token

    @classmethod
    def begin(cls, folder: Path) -> Attempt:
        """Take the next number in a trial's folder, which is made where it is missing."""
        make_folder(folder)
        number = max(_numbers(folder), default=0)
        while True:
            number += 1
            token = AttemptToken(number=number, id=uuid.uuid4().hex, host=os.uname().nodename, pid=os.getpid())
            # False where another attempt has begun at this moment.
            if store_at(folder).create(_name(number), _text(token).encode()):
                return cls(folder, token)

    def is_newest(self) -> bool:
        """Whether the trial is still this attempt's: none has begun since, and its folder is still the same.

        Raises:
            OSError: the folder cannot be read, which says nothing of whose it is.
        """
        return self._has_its_file() and max(_numbers(self._folder), default=0) == self.token.number

    def check(self) -> None:
        """Called before anything is written or deleted.

        Raises:
            TrialSupersededError: the trial is another attempt's; a sentence that says whose.
            OSError: the folder cannot be read.
        """
        if not self.is_newest():
            raise TrialSupersededError(self.superseded())

    def superseded(self) -> str:
        """In a sentence, what took the place of an attempt that is no longer the newest."""
        trial, number = self._folder.name, self.token.number
        newest = max(_numbers(self._folder), default=0)
        if newest <= number:
            return (
                f"attempt {number} at {trial} ends: its folder {self._folder} was deleted or made anew since it began"
            )
        other = _read(self._folder, newest)  # None while it is being written
        where = "" if other is None else f", process {other.pid} on {other.host},"
        return f"attempt {number} at {trial} ends: attempt {newest}{where} has begun since, and has the trial"

    def end(self, reason: str) -> None:
        """Write into this attempt's own file why it ended, where that file is still its own."""
        if self._has_its_file():
            text = _text(self.token.model_copy(update={"ended": reason}))
            store_at(self._folder).write(_name(self.token.number), text.encode())

    def _has_its_file(self) -> bool:
        own = _read(self._folder, self.token.number)
        return own is not None and own.id == self.token.id


def _numbers(folder: Path) -> list[int]:
    """The numbers that are taken. The folder is listed anew each time: a look at one name may be remembered."""
    found = (_FILE.fullmatch(name) for name in store_at(folder).names())
    return [int(match[1]) for match in found if match]


def _name(number: int) -> str:
    return f"attempt-{number}.json"


def _read(folder: Path, number: int) -> AttemptToken | None:
    """An attempt's file; None where there is none, or not yet a whole one."""
    content = store_at(folder).read(_name(number))
    try:
        return None if content is None else AttemptToken.model_validate_json(content)
    except ValidationError:
        return None


def _text(token: AttemptToken) -> str:
    return token.model_dump_json(indent=2) + "\n"
