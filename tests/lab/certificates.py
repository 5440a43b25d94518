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
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

THREE_DAYS = timedelta(days=3)
# What a certificate has behind it unless a test says otherwise: one that lives for a few days only is told later.
PAST = timedelta(days=365)
AUTHORITY = x509.BasicConstraints(ca=True, path_length=None)
# sha256WithRSAEncryption and sha1WithRSAEncryption in DER.
RSA_SHA256, RSA_SHA1 = (bytes.fromhex(f"06092a864886f70d0101{last}") for last in ("0b", "05"))

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Identity:
    """A certificate together with its private key."""

    certificate: x509.Certificate
    key: PrivateKey
    # What it presents together with its own certificate.
    above: tuple["Identity", ...] = ()

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

    def claiming_sha1(self) -> "Identity":
        """The same by an authority with an RSA key, except that it says to be signed by way of SHA-1, which nobody here
        does any more. So no verifier takes it."""
        der = self.certificate.public_bytes(Encoding.DER)
        assert der.count(RSA_SHA256) == 2
        return Identity(x509.load_der_x509_certificate(der.replace(RSA_SHA256, RSA_SHA1)), self.key)

    def write(self, directory: Path, name: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{name}.pem").write_text(chain(self, *self.above))
        (directory / f"{name}.key").write_text(self.key_pem)

    def load_into(self, context: ssl.SSLContext) -> None:
        # The ssl module reads files only.
        with tempfile.TemporaryDirectory() as directory:
            self.write(Path(directory), "identity")
            context.load_cert_chain(Path(directory, "identity.pem"), Path(directory, "identity.key"))


class Authority(Identity):
    """A certificate authority: an identity that issues others."""

    @classmethod
    def named(
        cls,
        common_name: str | x509.Name,
        ends: datetime | timedelta = THREE_DAYS,
        key: PrivateKey | None = None,
        serial: int | None = None,
        starts: datetime | None = None,
    ) -> "Authority":
        """A root."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = _subject(common_name)
        return cls(_sign(_builder(subject, subject, key, ends, serial, starts), key, (AUTHORITY, True)), key)

    def issue(
        self,
        common_name: str | x509.Name | None,
        ends: datetime | timedelta = THREE_DAYS,
        sans: Sequence[str | x509.GeneralName] = (),
        key: PrivateKey | None = None,
        serial: int | None = None,
        starts: datetime | None = None,
        extensions: Sequence[x509.ExtensionType] = (),
    ) -> Identity:
        """Issue a certificate; names that no authority should ever sign are welcome."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_subject(common_name), self._subject, key, ends, serial, starts)
        names = [(x509.SubjectAlternativeName([_general_name(san) for san in sans]), False)] if sans else []
        others = [(extension, False) for extension in extensions]
        return Identity(_sign(builder, self.key, *names, *others), key)

    def intermediate(
        self,
        common_name: str | x509.Name,
        ends: datetime | timedelta = THREE_DAYS,
        key: ec.EllipticCurvePrivateKey | None = None,
        serial: int | None = None,
        starts: datetime | None = None,
    ) -> "Authority":
        """An authority below this one."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_subject(common_name), self._subject, key, ends, serial, starts)
        return Authority(_sign(builder, self.key, (AUTHORITY, True)), key)

    @property
    def _subject(self) -> x509.Name:
        with _any_length():
            return self.certificate.subject

    def bundle(self, count: int) -> str:
        """So many certificates in one PEM."""
        return chain(*(self.issue(f"bundle-{number}") for number in range(count)))


def chain(*identities: Identity) -> str:
    """Certificates in one PEM, as they are given: leaf first, its issuer next."""
    return "".join(identity.pem for identity in identities)


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
    key: PrivateKey,
    ends: datetime | timedelta,
    serial: int | None = None,
    starts: datetime | None = None,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC).replace(microsecond=0)
    last = now + ends if isinstance(ends, timedelta) else ends
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(starts or min(now, last) - PAST)
        .not_valid_after(last)
    )


def _sign(
    builder: x509.CertificateBuilder, key: PrivateKey, *extensions: tuple[x509.ExtensionType, bool]
) -> x509.Certificate:
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    # Who gives key, serial and dates gets the same bytes each time.
    is_deterministic = True if isinstance(key, ec.EllipticCurvePrivateKey) else None
    return builder.sign(key, hashes.SHA256(), ecdsa_deterministic=is_deterministic)


def _general_name(san: str | x509.GeneralName) -> x509.GeneralName:
    if isinstance(san, x509.GeneralName):
        return san
    try:
        return x509.IPAddress(ipaddress.ip_address(san))
    except ValueError:
        return x509.DNSName(san)
