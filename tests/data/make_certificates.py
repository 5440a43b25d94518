"""Makes the certificates of this folder anew: `PYTHONPATH=tests python tests/data/make_certificates.py`.

They are data for tests that are told the time, so it does not matter that they have ended. Keys are thrown away.
"""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from lab.certificates import Authority, Identity, _builder

ENDS = datetime(2026, 1, 17, 13, 51, 52, tzinfo=UTC)
HERE = Path(__file__).parent


def with_string_type(authority: Authority, text: str, kind: _ASN1Type) -> Identity:
    """A certificate whose common name is written in an old string type."""
    key = ec.generate_private_key(ec.SECP256R1())
    attribute = x509.NameAttribute(NameOID.COMMON_NAME, text, _type=kind, _validate=False)
    builder = _builder(x509.Name([attribute]), authority.certificate.subject, key, ENDS)
    return Identity(builder.sign(authority.key, hashes.SHA256()), key)


def main() -> None:
    authority = Authority.named("Test CA", ENDS)
    made = {
        "ca": authority,
        "localhost": authority.issue("localhost", ENDS, ["localhost", "127.0.0.1"]),
        "client": authority.issue("Test Client", ENDS),
        "upstream": authority.issue("Upstream Service", ENDS),
        "quotes": authority.issue('a"b\\c\nd', ENDS),
        "long": authority.issue("x" * 10_000, ENDS),
        "right-to-left": authority.issue("abc\u202edef\u200f", ENDS),
        "san-only": authority.issue(None, ENDS, ["first.example.com", "second.example.com"]),
        "address-only": authority.issue(None, ENDS, ["2001:db8::1"]),
        "blank-name": authority.issue("\t\u200b", ENDS, ["blank.example.com"]),
        "nameless": authority.issue(None, ENDS),
        "bmp-string": with_string_type(authority, "Žluťoučký", _ASN1Type.BMPString),
        "no-end": authority.issue("no end", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    }
    facts = {}
    for name, identity in made.items():
        (HERE / f"{name}.pem").write_text(identity.pem)
        der = identity.certificate.public_bytes(Encoding.DER)
        facts[name] = {
            "sha256": hashlib.sha256(der).hexdigest(),
            "serial": f"{identity.certificate.serial_number:X}",
            "ends": int(identity.ends.timestamp()),
        }
    (HERE / "certificates.json").write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
