"""The files and the code of docs/how-to/bring-your-own-city.md work as they stand there."""

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs/how-to/bring-your-own-city.md"


def test_the_page_s_workload_is_one_file_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PAGE.read_text()
    files = dict(re.findall(r"<!-- (\S+\.yaml) -->\n```yaml\n(.*?)```", text, re.DOTALL))
    assert set(files) == {"workload.yaml", "factory.yaml"}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    code = re.findall(r"<!-- run -->\n```python\n(.*?)```", text, re.DOTALL)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile("\n".join(code), str(PAGE), "exec"), {})
    assert re.fullmatch(r"\d+ instances, 0\.\d+ of the busiest hour's requests\n", said.getvalue())
