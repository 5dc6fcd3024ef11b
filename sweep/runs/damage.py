"""Whether what a trial's record vouches for is still there: its candidate in the pool, and its weights.

A record that is whole says little about other files: a power cut, a full disk or a copy may have spoilt those alone.
So it holds the size and the SHA-256 of the arrays that it stands for. Whoever looks at a run compares sizes; whoever
drives it reads everything, and sets the records of damaged trials aside, so that these trials alone are done again.
Records of earlier versions have no such list: the files that are there are looked at, by the checksums in archives.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import BaseModel

from gapsack.selection.errors import DamagedFileError
from gapsack.selection.files import remove
from gapsack.selection.pool.files import LABELS_FILE
from gapsack.selection.typed import read_typed
from gapsack.sweep.grid.points import trial_points
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.folder import RunFolder, TrialFolder
from gapsack.sweep.runs.record import FileDigest, TrialResult
from gapsack.sweep.runs.salvage import salvaged
from gapsack.sweep.storage.mirrored import bytes_elsewhere


class _Candidate(BaseModel):
    """What every candidate's JSON has; the rest is free-form, and people add to it."""

    name: str
    size_bytes: dict[str, int]


_THREADS = 8
_AGAIN = "the next sweep run does this trial again"
_PUBLISHED_AGAIN = "the next sweep run publishes this trial again"


def digests(run: Path, files: Iterable[Path]) -> dict[str, FileDigest]:
    """Sizes and SHA-256 of files below a run's folder, by their paths from there."""
    return {path.relative_to(run).as_posix(): digest_of_file(path) for path in files}


def checked_result(trial: TrialFolder, *, contents: bool = False) -> tuple[TrialResult | None, str | None]:
    """A trial's record, if it counts; and why one that is there does not.

    Args:
        trial: the trial's folder.
        contents: read all that the record vouches for, rather than look at sizes.

    Raises:
        InputError: the record is one of another version of gapsack.
    """
    try:
        record = trial.result()
    except DamagedFileError as error:
        return None, str(error)
    if record is None:
        return None, None
    wanted = trial.candidate if record.files or trial.candidate.exists() else None
    damage = _damage(trial, wanted, _vouched(trial, record), _AGAIN, contents=contents)
    return (None, damage) if damage is not None else (record, None)


def stopped_damage(trial: TrialFolder, *, contents: bool = False) -> str | None:
    """What is wrong with what a trial published that was stopped early; None where nothing is, or nobody vouches.

    Args:
        trial: the trial's folder.
        contents: read all that it published, rather than look at sizes.

    Raises:
        DamagedFileError: stopped.json is damaged.
    """
    stopped = trial.stopped_early()
    if stopped is None or not stopped.files:
        return None
    vouched = [(trial.run / place, kept) for place, kept in stopped.files.items()]
    return _damage(trial, trial.candidate, vouched, _PUBLISHED_AGAIN, contents=contents)


def labels_damage(run: RunFolder, *, contents: bool = False) -> str | None:
    """What is wrong with the pool's labels, which all its trials share; None where nothing is, or nothing published."""
    labels = run.pool / LABELS_FILE
    if bytes_elsewhere(labels) is not None and not labels.exists():
        return None
    if labels.exists():
        found = _archive_damage(labels, contents=contents)
    else:
        published = any(trial.candidate.exists() for trial in run.started_trials())
        found = "no such file" if published else None
    if found is None:
        return None
    return f"expected the pool's labels in {labels}, got {found}: the next sweep run writes them"


def set_aside_damaged(run: RunFolder, grid: Grid) -> list[str]:
    """Make the trials of a grid whose records or files are damaged count as not done, for good; a sentence on each.

    One that was stopped early, and whose candidate is damaged, goes on to where it was stopped, and is published there.

    The caller holds the run. Where the pool's labels are damaged they are deleted; any trial that is published writes
    them, and if there is no other one to do so, the first that is done publishes again.

    Raises:
        InputError: a record is one of another version of gapsack.
    """
    wanted = {point.name for point in trial_points(grid)}
    started = [each for each in run.started_trials() if grid.search.sampler is not None or each.name in wanted]
    trials = [trial for trial in started if trial.record.exists()]
    stopped = [trial for trial in started if trial.stopped.exists() and not trial.record.exists()]
    with ThreadPoolExecutor(_THREADS) as threads:
        checked = list(threads.map(lambda trial: checked_result(trial, contents=True), trials))
        published = list(threads.map(_damage_of_stopped, stopped))
    damages = {trial.name: (trial, damage) for trial, (_, damage) in zip(trials, checked, strict=True) if damage}
    sentences = [f"{name} is done again: {damage}" for name, (_, damage) in damages.items()]
    further = {}
    for trial, damage in zip(stopped, published, strict=True):
        if damage is not None:
            further[trial.name] = trial
            sentences.append(f"{trial.name} is published again: {damage}")
    labels = labels_damage(run, contents=True)
    if labels is not None:
        remove(run.pool / LABELS_FILE)
        if not (damages or further):
            damages.update({trial.name: (trial, labels) for trial in trials[:1]})
            further.update({trial.name: trial for trial in stopped[:1] if not trials})
        publisher = next(iter((*damages, *further)), None)
        sentences.append(labels if publisher is None else f"{labels}; {publisher} publishes them")
    for trial, _damage_found in damages.values():
        _set_aside(trial)
    for trial in further.values():
        trial.go_on()
    return sentences


def _damage_of_stopped(trial: TrialFolder) -> str | None:
    try:
        return stopped_damage(trial, contents=True)
    except DamagedFileError:  # the status of the trial tells it, with what to do
        return None


def _set_aside(trial: TrialFolder) -> None:
    """Keep a trial's record, or what can be told in its place, as the earlier one."""
    try:
        trial.result()
    except DamagedFileError:
        anew = salvaged(trial)
        if anew is not None:
            trial.set_aside_as(anew)
            return
    trial.set_aside()


def is_whole(path: Path, run: Path, record: TrialResult) -> bool:
    """Whether a file is what a record vouches for, read to its end; of an earlier version, whether it is an archive."""
    kept = record.files.get(path.relative_to(run).as_posix())
    if not path.is_file():
        return False
    found = _archive_damage(path, contents=True) if kept is None else _difference(path, kept, contents=True)
    return found is None


def _damage(
    trial: TrialFolder,
    candidate: Path | None,
    vouched: Iterable[tuple[Path, FileDigest | None]],
    again: str,
    *,
    contents: bool,
) -> str | None:
    """The first thing that is wrong with what is vouched for, as a sentence that ends with what mends it."""
    if candidate is not None:
        try:
            read_typed(candidate, _Candidate, what="a candidate of the pool", advice=again)
        except DamagedFileError as error:
            return str(error)
    for path, kept in vouched:
        if not path.exists() and (elsewhere := bytes_elsewhere(path)) is not None:
            same = kept is None or elsewhere == kept.size_bytes
            found = None if kept is None or same else f"{elsewhere} bytes in place of {kept.size_bytes}"
        elif not path.exists():
            # Weights are large, and may have been deleted to make room: nothing is trained for that.
            found = None if path.parent == trial.path else "no such file"
        elif kept is None:
            found = _archive_damage(path, contents=contents)
        else:
            found = _difference(path, kept, contents=contents)
        if found is not None:
            return f"expected {path} as it was written when the trial was published, got {found}: {again}"
    return None


def _vouched(trial: TrialFolder, record: TrialResult) -> Iterable[tuple[Path, FileDigest | None]]:
    """Files that a record stands for, each with what is known of it."""
    if record.files:
        yield from ((trial.run / place, kept) for place, kept in record.files.items())
        return
    if trial.candidate.exists():
        yield trial.candidate.with_name(f"{trial.name}.npz"), None
        own = (trial.candidate.with_name(f"{trial.name}.{precision}.npz") for precision in record.gap_by_precision)
        yield from ((path, None) for path in own if path.exists())
    if trial.weights.exists():
        yield trial.weights, None


def _difference(path: Path, kept: FileDigest, *, contents: bool) -> str | None:
    """What a file has in place of what is known of it."""
    if not path.is_file():
        return "a folder"
    size_bytes = path.stat().st_size
    if size_bytes != kept.size_bytes:
        return f"{size_bytes} bytes in place of {kept.size_bytes}"
    if not contents:
        return _archive_damage(path, contents=False)  # what a power cut leaves often has the size, and zeros
    try:
        return None if digest_of_file(path) == kept else "other contents of the same size"
    except OSError as error:
        return f"one that cannot be read ({error.strerror})"


def _archive_damage(path: Path, *, contents: bool) -> str | None:
    """What is wrong with an .npz archive, by the checksums that it has inside."""
    if not path.is_file():
        return "a folder" if path.exists() else "no such file"
    try:
        if not zipfile.is_zipfile(path):
            return f"{path.stat().st_size} bytes that are no archive"
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip() if contents else None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        return f"an archive that cannot be read ({error})"
    return None if broken is None else f"an archive whose {broken} is damaged"


def digest_of_file(path: Path) -> FileDigest:
    """Size and SHA-256 of a file; OSError when it cannot be read."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return FileDigest(size_bytes=file.tell(), sha256=sha256)
