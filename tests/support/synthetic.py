"""The small synthetic world that the tests of its rows share."""

from __future__ import annotations

from stilts_xtreme.data.synthetic import LANGUAGES, World
from stilts_xtreme.data.synthetic.tasks import DATASETS
from stilts_xtreme.tasks import row_formats

SMALL = World(languages=len(LANGUAGES), train=60, validation=40, test=40, sentences=600)


MULTILINGUAL = [name for name, spec in DATASETS.items() if spec.multilingual and spec.format != "candidates"]
OF_FORMAT = {form: [name for name, spec in DATASETS.items() if spec.format == form] for form in row_formats()}
