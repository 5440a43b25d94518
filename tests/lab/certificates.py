"""Certificates made on the spot, good for as long or as short as a test likes."""

import hashlib
import ipaddress
import ssl
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

THREE_DAYS = timedelta(days=3)


@dataclass(frozen=True)
class Identity:
    """A certificate together with its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def cert_id(self) -> str:
        """What an event calls this certificate."""
        return hashlib.sha256(self.certificate.public_bytes(Encoding.DER)).hexdigest()

    @property
    def ends(self) -> datetime:
        return self.certificate.not_valid_after_utc

    def write(self, directory: Path, name: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{name}.pem").write_text(self.pem)
        (directory / f"{name}.key").write_text(self.key_pem)

    def load_into(self, context: ssl.SSLContext) -> None:
        # The ssl module reads files only.
        with tempfile.TemporaryDirectory() as directory:
            self.write(Path(directory), "identity")
            context.load_cert_chain(Path(directory, "identity.pem"), Path(directory, "identity.key"))


class Authority(Identity):
    """A certificate authority: an identity that issues others."""

    @classmethod
    def named(cls, common_name: str | x509.Name, ends: datetime | timedelta = THREE_DAYS) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(common_name)
        builder = _builder(subject, subject, key, ends).add_extension(x509.BasicConstraints(True, None), True)
        return cls(builder.sign(key, hashes.SHA256()), key)

    def issue(
        self,
        common_name: str | x509.Name | None,
        ends: datetime | timedelta = THREE_DAYS,
        sans: Sequence[str | x509.GeneralName] = (),
        key: ec.EllipticCurvePrivateKey | None = None,
        serial: int | None = None,
    ) -> Identity:
        """Issue a certificate; names that no authority should ever sign are welcome."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        with _any_length():
            issuer = self.certificate.subject
        builder = _builder(_subject(common_name), issuer, key, ends, serial)
        if sans:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(san) for san in sans]), False)
        return Identity(builder.sign(self.key, hashes.SHA256()), key)

    def bundle(self, count: int) -> str:
        """So many certificates in one PEM."""
        return "".join(self.issue(f"bundle-{number}").pem for number in range(count))


def _subject(common_name: str | x509.Name | None) -> x509.Name:
    if common_name is None:
        return x509.Name([])
    if isinstance(common_name, x509.Name):
        return common_name
    with _any_length():
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name, _validate=False)])


@contextmanager
def _any_length() -> Iterator[None]:
    """A name that is too long is meant to be."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Attribute's length")
        yield


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    ends: datetime | timedelta,
    serial: int | None = None,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC).replace(microsecond=0)
    last = now + ends if isinstance(ends, timedelta) else ends
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(min(now, last) - timedelta(days=1))
        .not_valid_after(last)
    )


def _general_name(san: str | x509.GeneralName) -> x509.GeneralName:
    if isinstance(san, x509.GeneralName):
        return san
    try:
        return x509.IPAddress(ipaddress.ip_address(san))
    except ValueError:
        return x509.DNSName(san)
