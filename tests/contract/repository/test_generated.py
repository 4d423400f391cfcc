from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_what_is_generated_from_the_code_is_fresh() -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "scripts" / "generated.py", "--check"], check=False, capture_output=True, text=True
    )

    assert checked.returncode == 0, checked.stderr
