"""Whether the CRM itself sent an app webhook: a signature over the raw body, checked with the vendor's public key.

It proves who sent it, not for whom: the sub-account is looked up in our own table.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

HEADER, OLD_HEADER = "x-ghl-signature", "x-wh-signature"
# The vendor publishes one key for all apps, and one for the scheme that ended on 2026-09-01.
PUBLIC_KEY = "MCowBQYDK2VwAyEAi2HR1srL4o18O8BRa7gVJY7G7bupbN3H9AwJrHCDiOg="
OLD_PUBLIC_KEY = (
    "MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAokvo/r9tVgcfZ5DysOSCFrm602qYV0MaAiNnX9O8KxMbiyRKWeL9JpCpVpt4"
    "XHIcBOK4u3cLSqJGOLaPuXw6dO0t6Q/ZVdAV5Phz+ZtzPL16iCGeK9po6D6JHBpbi989mmzMryUnQJezlYJ3DVfBcsedpinheNnyYeFX"
    "olrJvcsjDtfAeRx5ByHQmTnSdFUzuAnC9/GepgLT9SM4nCpvuxmZMxrJt5Rw+VUaQ9B8JSvbMPpez4peKaJPZHBbU3OdeCVx5klVXXZQ"
    "GNHOs8gF3kvoV5rTnXV0IknLBXlcKKAQLZcY/Q9rG6Ifi9c+5vqlvHPCUJFT5XUGG5RKgOKUJ062fRtN+rLYZUV+BjafxQauvC8wSWeY"
    "ja63VSUruvmNj8xkx2zE/Juc+yjLjTXpIocmaiFeAO6fUtNjDeFVkhf5LNb59vECyrHD2SQIrhgXpO4Q3dVNA5rw576PwTzNh/AMfHKI"
    "jE4xQA1SZuYJmNnmVZLIZBlQAF9Ntd03rfadZ+yDiOXCCs9FkHibELhCHULgCsnuDJHcrGNd5/Ddm5hxGQ0ASitgHeMZ0kcIOwKDOzOU"
    "53lDza6/Y09T7sYJPQe7z0cvj7aE4B+Ax1ZoZGPzpJlZtGXCsu9aTEGEnKzmsFqwcSsnw3JB31IGKAykT1hhTiaCeIY/OwwwNUY2yvcC"
    "AwEAAQ=="
)
_ED25519_BYTES, _RSA_BYTES = 64, 512


def is_genuine(
    raw: bytes, headers: Mapping[str, str], *, keys: Sequence[str] = (), allow_rsa: bool = False
) -> bool:
    """Whether one of the two headers holds the vendor's signature of the bytes as they came.

    ``keys`` are Ed25519 public keys (base64 of their SPKI form) in place of the vendor's. The scheme is told by
    the signature's length: Ed25519 has been seen in the older header too. RSA counts only where allowed.
    """
    for name in (HEADER, OLD_HEADER):
        signature = _signature(headers.get(name, ""))
        if len(signature) == _ED25519_BYTES:
            return any(_is_ed25519(raw, signature, key) for key in keys or (PUBLIC_KEY,))
        if len(signature) == _RSA_BYTES and allow_rsa:
            return _is_rsa(raw, signature)
    return False


def is_public_key(key: str) -> bool:
    """Whether a text is an Ed25519 public key as ``keys`` takes it."""
    try:
        return isinstance(load_der_public_key(base64.b64decode(key, validate=True)), Ed25519PublicKey)
    except (ValueError, binascii.Error):
        return False


def _signature(header: str) -> bytes:
    """The signature in a header; nothing where there is none, which the CRM writes as ``N/A``."""
    try:
        return base64.b64decode(header.strip(), validate=True)
    except (ValueError, binascii.Error):
        return b""


def _is_ed25519(raw: bytes, signature: bytes, key: str) -> bool:
    found = load_der_public_key(base64.b64decode(key))
    if not isinstance(found, Ed25519PublicKey):
        return False
    try:
        found.verify(signature, raw)
    except InvalidSignature:
        return False
    return True


def _is_rsa(raw: bytes, signature: bytes) -> bool:
    found = load_der_public_key(base64.b64decode(OLD_PUBLIC_KEY))
    assert isinstance(found, RSAPublicKey)
    try:
        found.verify(signature, raw, PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True
