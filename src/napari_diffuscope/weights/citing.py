"""What to cite for a model, as BibTeX. Free of torch."""

from __future__ import annotations

import re
from collections.abc import Sequence

from napari_diffuscope.weights.entries import references


def bibtex_of(citations: Sequence[str]) -> str:
    """BibTeX of the citations on a card: whole entries for the published systems, a note for others."""
    entries = [_entry_of(citation) for citation in citations]
    return "\n\n".join(dict.fromkeys(entries))


def _entry_of(citation: str) -> str:
    for reference in references():
        if any(mark.lower() in citation.lower() for mark in reference.marks):
            return reference.bibtex.strip()
    key = "".join(re.findall(r"[a-z0-9]+", citation.lower())[:3]) or "model"
    return f"@misc{{{key},\n  note = {{{citation.translate(str.maketrans('{}', '()'))}}},\n}}"
