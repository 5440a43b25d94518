"""A client that shows a certificate whose key it does not have."""

import socket
import ssl
from contextlib import suppress

from lab.certificates import Identity

CERTIFICATE_VERIFY = 15
# A record begins with its kind, its version and its length; a handshake message with its kind.
HEADER = 5


def show_without_key(port: int, identity: Identity) -> None:
    """Shake hands over TLS 1.2, whose messages can still be read on their way, and spoil the proof of possession."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    identity.load_into(context)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing)
    with socket.create_connection(("127.0.0.1", port)) as plain:
        spoilt = False
        while not spoilt:
            with suppress(ssl.SSLWantReadError):
                tls.do_handshake()
            flight = [_spoil(record) for record in _records(outgoing.read())]
            spoilt = any(is_spoilt for _, is_spoilt in flight)
            plain.sendall(b"".join(record for record, _ in flight))
            incoming.write(plain.recv(1 << 16))  # in the end it says that it does not believe us


def _records(data: bytes) -> list[bytes]:
    records = []
    while data:
        length = HEADER + int.from_bytes(data[3:HEADER])
        records.append(data[:length])
        data = data[length:]
    return records


def _spoil(record: bytes) -> tuple[bytes, bool]:
    if record[HEADER] != CERTIFICATE_VERIFY:
        return record, False
    return record[:-1] + bytes([record[-1] ^ 1]), True
