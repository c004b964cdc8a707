"""The license of a file of weights, by what lies beside it."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import InputError
from ..outside.files import LICENSE, opened

__all__ = ["license_beside"]

# Names of SPDX, by words of the text.
_KNOWN = {
    "Apache-2.0": r"Apache License,? +Version 2\.0",
    "AGPL-3.0-only": r"GNU AFFERO GENERAL PUBLIC LICENSE",
    "LGPL-3.0-only": r"GNU LESSER GENERAL PUBLIC LICENSE +Version 3",
    "GPL-3.0-only": r"GNU GENERAL PUBLIC LICENSE +Version 3",
    "GPL-2.0-only": r"GNU GENERAL PUBLIC LICENSE +Version 2",
    "MPL-2.0": r"Mozilla Public License,? +Version 2\.0",
    "CC-BY-NC-4.0": r"Attribution-NonCommercial 4\.0 International",
    "CC-BY-SA-4.0": r"Attribution-ShareAlike 4\.0 International",
    "CC-BY-4.0": r"Attribution 4\.0 International",
    "BSD-3-Clause": r"Redistribution and use in source and binary forms.*Neither the name",
    "BSD-2-Clause": r"Redistribution and use in source and binary forms",
    "MIT": r"Permission is hereby granted, free of charge, to any person obtaining a copy",
}
# What it is the license of, where it says so.
_NAME = re.compile(r"(?i:LICEN[CS]E|COPYING)(?:[.-](.*?))??(?:\.(?:txt|md|rst))?")
_MOST = 100_000


def license_beside(weights: Path) -> str:
    """What the license file in a folder of weights is; of several, the one named after the file.

    Args:
        weights: ``u2netp_sky.pth``, beside which may lie ``LICENSE.u2netp_sky`` or ``LICENSE``.

    Returns:
        SPDX's name where the text is of one known license, else the file's name; empty where there
        is none, or several of which none is named after the weights.
    """
    try:
        beside = sorted(path for path in weights.absolute().parent.iterdir() if path.is_file())
    except OSError:
        return ""
    named = {path: match[1] or "" for path in beside if (match := _NAME.fullmatch(path.name))}
    chosen = [path for path, name in named.items() if name == weights.stem]
    chosen = chosen or [path for path, name in named.items() if not name]
    if len(chosen) != 1:
        return ""
    try:
        with opened(chosen[0], LICENSE) as file:
            text = " ".join(file.read(_MOST).decode(errors="replace").split())
    except (InputError, OSError):
        return ""
    known = [name for name, words in _KNOWN.items() if re.search(words, text)]
    if known == ["BSD-3-Clause", "BSD-2-Clause"]:  # the one holds the other
        known.pop()
    return known[0] if len(known) == 1 else f"see {chosen[0].name}"
