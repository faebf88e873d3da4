"""Takes a picture of the page of a report: from its top to the end of the matrix, light, in few colours.

    python docs/picture.py REPORT/report.html notebooks/report.png
    python docs/picture.py REPORT/report.html notebooks/report.png --width 1100 --without-controls

It needs Chromium (apt-get install chromium) and the packages of requirements-dev.lock.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
COLOURS = 128
MARGIN = 4
HEIGHT = 6000
"""Pixels; more than a matrix is high."""


def picture(page: Path, width: int, controls: bool) -> bytes:
    """A picture of a page as PNG.

    Args:
        page: The file.
        width: In pixels; what is wider is cut off.
        controls: Whether rows of controls, such as placebos, are shown.

    Raises:
        SystemExit: There is no browser.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f"None of {', '.join(BROWSERS)} is installed; apt-get install chromium brings one.")
    with sync_playwright() as playwright:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        started = playwright.chromium.launch(executable_path=browser, args=options)
        shown = started.new_page(viewport={"width": width, "height": HEIGHT}, color_scheme="light")
        shown.goto(page.resolve().as_uri())
        if not controls:
            hidden = shown.evaluate("JSON.parse(document.getElementById('data').textContent).controls")
            shown.locator("#rows summary").click()
            for name in hidden:
                shown.get_by_role("checkbox", name=name, exact=True).uncheck()
            shown.locator("#rows summary").click()
        shown.mouse.move(0, 0)
        box = shown.locator("#legend").bounding_box()
        assert box is not None
        height = box["y"] + box["height"] + MARGIN
        taken = shown.screenshot(clip={"x": 0, "y": 0, "width": width, "height": height})
        started.close()
    few = Image.open(io.BytesIO(taken)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    file = io.BytesIO()
    few.save(file, "PNG", optimize=True)
    return file.getvalue()


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the picture."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("page", type=Path, help="report.html of a report")
    parser.add_argument("file", type=Path, help="the picture, PNG")
    parser.add_argument("--width", type=int, default=1100, help="in pixels (default: 1100)")
    parser.add_argument("--without-controls", action="store_true", help="leave out rows such as placebo(mnli)")
    options = parser.parse_args(arguments)
    options.file.write_bytes(picture(options.page, options.width, not options.without_controls))
    print(f"{options.file}: {options.file.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
