"""Where machine code is kept, and what it is compiled for."""

from pathlib import Path

import numba
import pytest

from edgewright.core import compiled


def test_code_of_another_folder_is_kept_beside_core_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    with compiled._cache_of(test_code_of_another_folder_is_kept_beside_core_s):
        assert Path(numba.config.CACHE_DIR).parent == tmp_path
    assert str(tmp_path) == numba.config.CACHE_DIR


def test_without_a_place_of_ours_nothing_is_kept_in_the_working_directory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    with compiled._cache_of(test_without_a_place_of_ours_nothing_is_kept_in_the_working_directory):
        assert numba.config.CACHE_DIR == ""


@pytest.mark.parametrize(
    ("missing", "expected"), [("", "x86-64-v3"), ("avx2", "generic"), ("fma", "generic")]
)
def test_old_processors_get_generic_code(
    missing: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        compiled, "get_host_cpu_features", lambda: {name: name != missing for name in compiled._NEEDS}
    )
    assert compiled._processor() == expected
