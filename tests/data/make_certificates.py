"""Makes the certificates of this folder anew: `PYTHONPATH=tests python tests/data/make_certificates.py [name…]`.

All of them, or only those that are named. They are data for tests that are told the time, so it does not matter that
they have ended. Keys are thrown away.
"""

import hashlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ExtensionOID, NameOID

from lab.certificates import Authority, _builder

ENDS = datetime(2026, 1, 17, 13, 51, 52, tzinfo=UTC)
HERE = Path(__file__).parent

# RFC 9773, 4.1.
KEY_ID_OF_AUTHORITY = bytes.fromhex("69885b6b87464041e1b37b847ba0ae2cde01c8d4")
SERIAL = 0x87654321

CURVES = {"secp224r1": "EC-P224", "secp256r1": "EC-P256", "secp384r1": "EC-P384", "secp521r1": "EC-P521"}

SEQUENCE = b"\x30"
SHA256_WITH_RSA = bytes.fromhex("06092a864886f70d01010b")
SHA1_WITH_RSA = bytes.fromhex("06092a864886f70d010105")
MD5_WITH_RSA = bytes.fromhex("06092a864886f70d010104")
VERSION_3 = bytes.fromhex("a003020102")


def with_string_type(authority: Authority, text: str, kind: _ASN1Type) -> x509.Certificate:
    """A certificate whose common name is written in an old string type."""
    key = ec.generate_private_key(ec.SECP256R1())
    attribute = x509.NameAttribute(NameOID.COMMON_NAME, text, _type=kind, _validate=False)
    builder = _builder(x509.Name([attribute]), authority.certificate.subject, key, ENDS)
    return builder.sign(authority.key, hashes.SHA256())


def plain(
    authority: Authority, name: str, key: CertificatePublicKeyTypes, serial: int | None = None
) -> x509.CertificateBuilder:
    """A certificate for any kind of key, not signed yet."""
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(authority.certificate.subject)
        .public_key(key)
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(ENDS.replace(year=2025))
        .not_valid_after(ENDS)
    )


def as_if_with(algorithm: bytes, certificate: x509.Certificate) -> x509.Certificate:
    """The same, as if it were signed in a way in which nobody signs any more; no test verifies it."""
    der = certificate.public_bytes(Encoding.DER)
    return x509.load_der_x509_certificate(der.replace(SHA256_WITH_RSA, algorithm))


def of_version_1(certificate: x509.Certificate) -> x509.Certificate:
    """A certificate without extensions in the form of X.509's first version, which has none; its signature is wrong."""
    signed = certificate.tbs_certificate_bytes
    behind = certificate.public_bytes(Encoding.DER).partition(signed)[2]
    first = element(SEQUENCE, signed.partition(VERSION_3)[2])
    return x509.load_der_x509_certificate(element(SEQUENCE, first + behind))


def element(tag: bytes, contents: bytes) -> bytes:
    """An element of DER."""
    length = len(contents)
    if length < 0x80:
        return tag + bytes([length]) + contents
    size = (length.bit_length() + 7) // 8
    return tag + bytes([0x80 + size]) + length.to_bytes(size) + contents


def by_name(authority: Authority) -> dict[str, x509.Certificate]:
    """What differs in its name and its end."""
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
        "no-end": authority.issue("no end", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        "many-names": authority.issue(
            None,
            ENDS,
            [x509.RegisteredID(NameOID.COMMON_NAME), *(f"{number}.example.com" for number in range(24))],
        ),
    }
    certificates = {name: identity.certificate for name, identity in made.items()}
    return certificates | {"bmp-string": with_string_type(authority, "Žluťoučký", _ASN1Type.BMPString)}


def by_key(authority: Authority) -> dict[str, x509.Certificate]:
    """What differs in its key and in how it is signed."""
    small = rsa.generate_private_key(65537, 1024)
    usual = rsa.generate_private_key(65537, 2048)
    curve = ec.generate_private_key(ec.SECP256R1())
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    key_ids = plain(authority, "key-ids", curve.public_key(), SERIAL)
    key_ids = key_ids.add_extension(x509.SubjectKeyIdentifier(bytes(range(20))), critical=False)
    key_ids = key_ids.add_extension(x509.AuthorityKeyIdentifier(KEY_ID_OF_AUTHORITY, None, None), critical=False)
    signed_by_curve = {
        "ec-p384": ec.generate_private_key(ec.SECP384R1()),
        "ec-p521": ec.generate_private_key(ec.SECP521R1()),
        "ec-k256": ec.generate_private_key(ec.SECP256K1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
        "ed448": ed448.Ed448PrivateKey.generate(),
    }
    made = {
        name: plain(authority, name, key.public_key()).sign(authority.key, hashes.SHA256())
        for name, key in signed_by_curve.items()
    }

    def by_rsa(name: str) -> x509.Certificate:
        return plain(authority, name, small.public_key()).sign(small, hashes.SHA256())

    made["rsa-1024"] = by_rsa("rsa-1024")
    made["sha-1"] = as_if_with(SHA1_WITH_RSA, by_rsa("sha-1"))
    made["md5"] = as_if_with(MD5_WITH_RSA, by_rsa("md5"))
    made["rsa-pss"] = plain(authority, "rsa-pss", usual.public_key()).sign(small, hashes.SHA256(), rsa_padding=pss)
    made["version-1"] = of_version_1(made["ec-p384"])
    made["key-ids"] = key_ids.sign(authority.key, hashes.SHA256())
    return made


def key_of(certificate: x509.Certificate) -> str:
    """What an event calls its key."""
    key = certificate.public_key()
    match key:
        case rsa.RSAPublicKey():
            return f"RSA-{key.key_size}"
        case ec.EllipticCurvePublicKey():
            return CURVES.get(key.curve.name, "EC")
        case _:
            return "Ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else "Ed448"


def facts_of(certificate: x509.Certificate) -> dict[str, str | int]:
    """What OpenSSL's library says of it."""
    extensions = {extension.oid: extension.value for extension in certificate.extensions}
    sans = extensions.get(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ())
    own = extensions.get(ExtensionOID.SUBJECT_KEY_IDENTIFIER)
    authority = extensions.get(ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
    return {
        "sha256": hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest(),
        "serial": f"{certificate.serial_number:X}",
        "ends": int(certificate.not_valid_after_utc.timestamp()),
        "key": key_of(certificate),
        "hash": certificate.signature_hash_algorithm.name,
        "sans": len(list(sans)),
        "subject_key_id": own.digest.hex() if own else "",
        "authority_key_id": authority.key_identifier.hex() if authority else "",
    }


def main() -> None:
    authority = Authority.named("Test CA", ENDS)
    made = by_name(authority) | by_key(authority)
    for name in sys.argv[1:] or made:
        (HERE / f"{name}.pem").write_text(made[name].public_bytes(Encoding.PEM).decode())
    facts = {name: facts_of(x509.load_pem_x509_certificate((HERE / f"{name}.pem").read_bytes())) for name in made}
    (HERE / "certificates.json").write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
