"""Who made a bundle, and from what: signatures, SLSA's provenance, CycloneDX's bill of materials.

``docs/sign.md`` has what is covered by them, and what that is worth.
"""

from __future__ import annotations

from .bom import bom_text
from .provenance import provenance_text
from .signature import sign, signed_bundle
from .trust import (
    CertificateSigner,
    Identity,
    KeylessSigner,
    KeySigner,
    PublicKey,
    Root,
    Signer,
    Trust,
    trust_in,
)

__all__ = [
    "CertificateSigner",
    "Identity",
    "KeySigner",
    "KeylessSigner",
    "PublicKey",
    "Root",
    "Signer",
    "Trust",
    "bom_text",
    "provenance_text",
    "sign",
    "signed_bundle",
    "trust_in",
]
