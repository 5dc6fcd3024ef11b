from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gapsack.selection import compiled

ROOT = Path(__file__).resolve().parents[2]
HITS = "sum(caller.stats.cache_hits.values()), sum(caller.stats.cache_misses.values())"


@pytest.fixture
def package(tmp_path):
    """A package of three modules: a constant, a function that is compiled with it, and one that calls that."""
    folder = tmp_path / "kernels"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "constants.py").write_text("FACTOR = 2\n")
    (folder / "callee.py").write_text(
        "from gapsack.selection.compiled import jit\nfrom kernels.constants import FACTOR\n\n"
        "@jit()\ndef callee(x):\n    return FACTOR * x\n"
    )
    (folder / "caller.py").write_text(
        "from gapsack.selection.compiled import jit\nfrom kernels.callee import (\n    callee,\n)\n\n"
        "@jit()\ndef caller(x):\n    return callee(x) + 1\n"
    )
    return folder


@pytest.fixture
def run(package, tmp_path):
    """Runs a statement in a process of its own, whose machine code lies in `cache`; what it prints."""

    def run(statement: str, cache: str | Path = tmp_path / "cache", **variables: str) -> str:
        environment = {
            **os.environ,
            "PYTHONPATH": f"{package.parent}{os.pathsep}{ROOT}",
            "NUMBA_CACHE_DIR": str(cache),
            "PYTHONDONTWRITEBYTECODE": "1",  # or a source that changes within a second is not read again
            **variables,
        }
        code = f"from kernels.caller import caller; {statement}"
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()

    return run


def test_machine_code_is_kept(run):
    assert run(f"print(caller(5), {HITS})") == "11 0 1"
    assert run(f"print(caller(5), {HITS})") == "11 1 0"


def test_a_change_in_another_file_compiles_its_callers_again(run, package):
    assert run("print(caller(5))") == "11"
    (package / "callee.py").write_text((package / "callee.py").read_text().replace("FACTOR * x", "FACTOR * x * 10"))
    assert run(f"print(caller(5), {HITS})") == "101 0 1"
    (package / "constants.py").write_text("FACTOR = 3\n")
    assert run(f"print(caller(5), {HITS})") == "151 0 1"


def test_a_change_that_is_taken_back_finds_the_machine_code_again(run, package):
    before = (package / "constants.py").read_text()
    run("caller(5)")
    (package / "constants.py").write_text("FACTOR = 3\n")
    run("caller(5)")
    (package / "constants.py").write_text(before)
    assert run(f"print(caller(5), {HITS})") == "11 1 0"


def test_other_processors_and_versions_have_folders_of_their_own(run):
    run("caller(5)")
    features = run("from gapsack.selection import compiled; print(compiled._machine())").split()[-1]
    fewer = features.replace("+sse4.1", "-sse4.1")
    assert run(f"print(caller(5), {HITS})", NUMBA_CPU_FEATURES=fewer, NUMBA_CPU_NAME="generic") == "11 0 1"


def test_old_folders_are_swept(run, package, tmp_path):
    for factor in range(2, 4 + compiled.KEPT):
        (package / "constants.py").write_text(f"FACTOR = {factor}\n")
        run("caller(5)")
    names = [path.name for path in (tmp_path / "cache").iterdir()]
    for module in ("kernels.caller", "kernels.callee"):
        assert sum(name.startswith(f"{module}-") for name in names) == compiled.KEPT
    assert run(f"print({HITS}, caller(5), {HITS})").endswith(" 1 0"), "the newest was swept"


def test_where_nothing_can_be_written_each_process_compiles(package):
    code = (
        "import gapsack.selection.compiled as compiled\n"
        "compiled._is_writable = lambda folder: False\n"
        "from kernels.caller import caller\n"
        f"print(caller(5), caller._cache.cache_path, {HITS})\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{package.parent}{os.pathsep}{ROOT}"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "11 None 0 1\n"


def test_a_folder_that_is_lost_meanwhile_does_no_harm(run, tmp_path):
    """A file takes its place: nobody can write there, whoever runs the tests."""
    lost = "import pathlib, shutil; place = pathlib.Path(caller._cache.cache_path).parent"
    assert run(f"{lost}; shutil.rmtree(place); place.touch(); print(caller(5), {HITS})") == "11 0 1"
    assert run(f"print(caller(5), {HITS})") == "11 0 1"


def test_places_come_in_turn_where_a_file_stands_in_the_way(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    module = "gapsack.selection.rows.pooled"
    beside = Path(compiled.__file__).parent / "__pycache__" / "compiled"
    monkeypatch.setattr(compiled.config, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    assert compiled.cache_folder(module).parent == beside
    monkeypatch.setattr(compiled.config, "CACHE_DIR", str(tmp_path / "given"))
    assert compiled.cache_folder(module).parent == tmp_path / "given"
    monkeypatch.setattr(compiled.config, "CACHE_DIR", str(tmp_path / "file"))
    assert compiled.cache_folder(module).parent == beside
    writable = compiled._is_writable
    monkeypatch.setattr(compiled, "_is_writable", lambda folder: beside not in folder.parents and writable(folder))
    assert compiled.cache_folder(module).parent == tmp_path / "user" / "gapsack" / "compiled"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert compiled.cache_folder(module) is None


def test_without_a_home_nothing_fails(monkeypatch):
    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(compiled.config, "CACHE_DIR", "")
    monkeypatch.setattr(Path, "home", none)
    monkeypatch.setattr(compiled, "_is_writable", lambda folder: False)
    assert compiled.cache_folder("gapsack.selection.rows.pooled") is None


def test_damaged_machine_code_is_compiled_again(run, tmp_path):
    run("caller(5)")
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert {path.suffix for path in kept} == {".nbi", ".nbc"}
    for suffix in (".nbi", ".nbc"):
        for path in kept:
            if path.suffix == suffix:
                path.write_bytes(path.read_bytes()[:7])
        assert run(f"print(caller(5), {HITS})") == "11 0 1"
        assert run(f"print(caller(5), {HITS})") == "11 1 0"


def test_two_processes_that_compile_at_once_do_no_harm(run, package, tmp_path):
    """Both add a type to an empty index, in the order that leaves the first one's code under the second one's type."""
    (package / "race.py").write_text(
        "import sys, time\nfrom pathlib import Path\nfrom numba.core.caching import IndexDataCacheFile as Files\n"
        "from kernels.caller import caller\n"
        "here, turns = Path(sys.argv[1]), iter(sys.argv[3:])\n"
        "def in_turn(call):\n"
        "    def waiting(self, *arguments):\n"
        "        if 'caller' not in self._index_name: return call(self, *arguments)\n"
        "        turn = int(next(turns))\n"
        "        while not (here / f'turn-{turn}').exists(): time.sleep(0.001)\n"
        "        call(self, *arguments)\n"
        "        (here / f'turn-{turn + 1}').touch()\n"
        "    return waiting\n"
        "Files._save_index, Files._save_data = in_turn(Files._save_index), in_turn(Files._save_data)\n"
        "read = Files._load_index\n"
        "def both_read(self):\n"
        "    found = read(self)\n"
        "    if 'caller' in self._index_name and sys._getframe(1).f_code.co_name == 'save':\n"
        "        (here / f'read-{sys.argv[2]}').touch()\n"
        "        while len(list(here.glob('read-*'))) < 2: time.sleep(0.001)\n"
        "    return found\n"
        "Files._load_index = both_read\n"
        "print(caller(float(sys.argv[2]) if '.' in sys.argv[2] else int(sys.argv[2])))\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": f"{package.parent}{os.pathsep}{ROOT}",
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
    }
    (tmp_path / "turn-0").touch()
    racers = [
        subprocess.Popen(
            [sys.executable, "-m", "kernels.race", str(tmp_path), *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for arguments in (("5", "0", "3"), ("0.25", "1", "2"))
    ]
    assert [racer.communicate()[0].strip() for racer in racers] == ["11", "1.5"]
    assert run(f"print(caller(0.25), {HITS}, caller(5))") == "1.5 0 1 11"
    assert run(f"print(caller(0.25), caller(5), {HITS})").startswith("1.5 11 ")


def test_functions_of_functions_are_not_kept():
    factor = len(sys.argv)

    @compiled.jit()
    def scaled(x: int) -> int:
        return factor * x

    assert scaled._cache.cache_path is None
    assert scaled(3) == 3 * factor


def test_the_sources_of_a_module_are_all_that_it_stands_on():
    found = compiled.sources("gapsack.selection.report.bootstrap_kernel")
    assert sorted(found) == [
        "gapsack.selection.compiled",
        "gapsack.selection.report.bootstrap_kernel",
        "gapsack.selection.rows.pooled",
    ]
    assert all(path.is_file() for path in found.values())
    assert compiled.sources("no_such_module") == {}


def test_every_compiled_function_is_compiled_by_jit():
    """numba's own decorators keep machine code beside each file, where it goes stale."""
    rooms = ("selection", "models", "dashboards", "sweep", "benchmarks")
    wrong = [
        path.relative_to(ROOT)
        for room in rooms
        for path in (ROOT / room).rglob("*.py")
        if path.name != "compiled.py" and re.search(r"\bnjit\b|cache=True", path.read_text())
    ]
    assert not wrong


def test_what_is_private_of_numba_is_still_there(run):
    """If this breaks, numba has another way to keep machine code: see `_Cache` and `jit` of selection/compiled.py."""
    from numba.core.caching import FunctionCache
    from numba.core.dispatcher import Dispatcher

    assert {"load_overload", "save_overload", "flush", "disable", "cache_path"} <= set(dir(FunctionCache))
    assert "_cache" in Dispatcher.enable_caching.__code__.co_names
    assert "CACHE_DIR" in dir(compiled.config)
