"""verify.py and verify.mjs in examples/receivers take the same signatures, and refuse the same."""

import hmac
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from types import ModuleType

import pytest

from e2e.examples import OTHER_SECRET, RECEIVERS, SECRET, signature

needs_node = pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
COMMANDS = {"python": [sys.executable, RECEIVERS / "verify.py"], "node": ["node", RECEIVERS / "verify.mjs"]}
BODY = '{"event": "CertificateExpired", "cert_name": "Zoë"}'.encode()
GOOD, BAD, WRONG_USE = 0, 1, 2


def now(age: float = 0, units_per_second: int = 1) -> int:
    return int((time.time() - age) * units_per_second)


def standard(*secrets: str, identity: str = "id-1", timestamp: object = None) -> list[str]:
    timestamp = now() if timestamp is None else timestamp
    signatures = [signature(secret, identity, timestamp, BODY) for secret in secrets or (SECRET,)]
    return ["standard-webhooks", identity, str(timestamp), " ".join(signatures)]


def hexadecimal(secret: str, timestamp: object = None) -> str:
    prefix = b"" if timestamp is None else f"{timestamp}.".encode()
    return hmac.digest(secret.encode(), prefix + BODY, "sha256").hex()


def timestamped(*secrets: str, timestamp: object = None) -> list[str]:
    timestamp = now() if timestamp is None else timestamp
    return [
        "timestamped",
        ",".join([f"t={timestamp}", *(f"v1={hexadecimal(secret, timestamp)}" for secret in secrets)]),
    ]


def changed(arguments: list[str], old: str, new: str) -> list[str]:
    assert old in arguments[-1]
    return [*arguments[:-1], arguments[-1].replace(old, new)]


CASES = {
    "standard: good": (GOOD, "{SECRET}", lambda: standard()),
    "standard: by the second secret": (GOOD, "{OTHER} {SECRET}", lambda: standard()),
    "standard: two signatures": (GOOD, "{SECRET}", lambda: standard(OTHER_SECRET, SECRET)),
    "standard: another scheme beside it": (GOOD, "{SECRET}", lambda: changed(standard(), "v1,", "v1a,abc v1,")),
    "standard: old, and allowed": (GOOD, "{SECRET}", lambda: [*standard(timestamp=now(400)), "--tolerance", "500"]),
    "standard: another secret": (BAD, "{OTHER}", lambda: standard()),
    "standard: another id": (BAD, "{SECRET}", lambda: ["standard-webhooks", "id-2", *standard()[2:]]),
    "standard: another time": (BAD, "{SECRET}", lambda: [*standard()[:2], str(now(5)), *standard()[3:]]),
    "standard: a cut signature": (BAD, "{SECRET}", lambda: changed(standard(), "=", "")),
    "standard: no version": (BAD, "{SECRET}", lambda: changed(standard(), "v1,", "")),
    "standard: another version": (BAD, "{SECRET}", lambda: changed(standard(), "v1,", "v1a,")),
    "standard: no signature": (BAD, "{SECRET}", lambda: [*standard()[:3], ""]),
    "standard: old": (BAD, "{SECRET}", lambda: standard(timestamp=now(400))),
    "standard: from the future": (BAD, "{SECRET}", lambda: standard(timestamp=now(-400))),
    "standard: not a number": (BAD, "{SECRET}", lambda: standard(timestamp="soon")),
    "standard: digits of another script": (BAD, "{SECRET}", lambda: standard(timestamp="\u0661\u0667")),
    "standard: a number without end": (BAD, "{SECRET}", lambda: standard(timestamp="9" * 5000)),
    "standard: no tolerance": (BAD, "{SECRET}", lambda: [*standard(timestamp=now(5)), "--tolerance", "0"]),
    "timestamped: good": (GOOD, "one", lambda: timestamped("one")),
    "timestamped: with spaces": (GOOD, "one", lambda: changed(timestamped("one"), ",", ", ")),
    "timestamped: two signatures": (GOOD, "two", lambda: timestamped("one", "two")),
    "timestamped: by the second secret": (GOOD, "two one", lambda: timestamped("one")),
    "timestamped: milliseconds": (
        *(GOOD, "one"),
        lambda: [*timestamped("one", timestamp=now(units_per_second=1000)), "--unit", "ms"],
    ),
    "timestamped: another unit": (BAD, "one", lambda: timestamped("one", timestamp=now(units_per_second=1000))),
    "timestamped: another secret": (BAD, "two", lambda: timestamped("one")),
    "timestamped: another time": (BAD, "one", lambda: changed(timestamped("one", timestamp=7), "t=7", "t=8")),
    "timestamped: two times": (BAD, "one", lambda: changed(timestamped("one"), "t=", f"t={now()},t=")),
    "timestamped: no time": (BAD, "one", lambda: changed(timestamped("one"), "t=", "x=")),
    "timestamped: no signature": (BAD, "one", lambda: timestamped()),
    "timestamped: another version": (BAD, "one", lambda: changed(timestamped("one"), "v1=", "v0=")),
    "timestamped: old": (BAD, "one", lambda: timestamped("one", timestamp=now(400))),
    "timestamped: from the future": (BAD, "one", lambda: timestamped("one", timestamp=now(-400))),
    "timestamped: nothing": (BAD, "one", lambda: ["timestamped", ""]),
    "sha256: good": (GOOD, "one", lambda: ["sha256", f"sha256={hexadecimal('one')}"]),
    "sha256: by the second secret": (GOOD, "two one", lambda: ["sha256", f"sha256={hexadecimal('one')}"]),
    "sha256: another secret": (BAD, "two", lambda: ["sha256", f"sha256={hexadecimal('one')}"]),
    "sha256: no name": (BAD, "one", lambda: ["sha256", hexadecimal("one")]),
    "sha256: another name": (BAD, "one", lambda: ["sha256", f"sha1={hexadecimal('one')}"]),
    "sha256: other capitals": (BAD, "one", lambda: ["sha256", f"sha256={hexadecimal('one').upper()}"]),
    "sha256: nothing": (BAD, "one", lambda: ["sha256", ""]),
    "no secret": (WRONG_USE, "", lambda: ["sha256", f"sha256={hexadecimal('')}"]),
    "an empty secret": (WRONG_USE, "whsec_", lambda: standard("whsec_")),
    "too few headers": (WRONG_USE, "{SECRET}", lambda: standard()[:3]),
    "another scheme": (WRONG_USE, "one", lambda: ["md5", "x"]),
    "another option": (WRONG_USE, "one", lambda: ["sha256", "--tolerant", "x"]),
}


def run(program: str, arguments: list[str], body: bytes = BODY, secrets: str = "") -> int:
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "WEBHOOK_SECRETS": secrets}
    result = subprocess.run(
        [*COMMANDS[program], *arguments], input=body, env=environment, capture_output=True, timeout=30
    )
    assert (result.stdout == b"good\n") == (result.returncode == GOOD)
    assert bool(result.stderr) == (result.returncode != GOOD)
    assert b"Traceback" not in result.stderr
    assert not secrets or secrets.encode() not in result.stderr
    return result.returncode


@pytest.mark.parametrize("program", ["python", pytest.param("node", marks=needs_node)])
@pytest.mark.parametrize(("expected", "secrets", "make"), CASES.values(), ids=CASES.keys())
def test_both_judge_alike(program: str, expected: int, secrets: str, make: object) -> None:
    secrets = secrets.format(SECRET=SECRET, OTHER=OTHER_SECRET)
    assert run(program, make(), secrets=secrets) == expected


@pytest.mark.parametrize("program", ["python", pytest.param("node", marks=needs_node)])
def test_a_body_that_was_changed_is_refused(program: str) -> None:
    for arguments, secrets in (
        (standard(), SECRET),
        (timestamped("one"), "one"),
        (["sha256", f"sha256={hexadecimal('one')}"], "one"),
    ):
        assert run(program, arguments, BODY, secrets) == GOOD
        assert run(program, arguments, BODY + b"\n", secrets) == BAD


@pytest.mark.parametrize("program", ["python", pytest.param("node", marks=needs_node)])
def test_the_example_of_the_standard_is_good(program: str) -> None:
    """Secret, id, time, body and signature that libraries for Standard Webhooks are tested with."""
    arguments = ["msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="]
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    assert run(program, ["standard-webhooks", *arguments, "--tolerance", "1e12"], body, secret) == GOOD
    assert run(program, ["standard-webhooks", *arguments], body, secret) == BAD


@pytest.fixture(scope="module")
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_verify", RECEIVERS / "verify.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_as_a_module_for_python(module: ModuleType) -> None:
    _, identity, timestamp, signatures = standard()
    headers = {"webhook-id": identity, "webhook-timestamp": timestamp, "webhook-signature": signatures}
    assert module.standard_webhooks(headers, BODY, [SECRET]) == identity
    with pytest.raises(module.BadSignatureError):
        module.standard_webhooks({}, BODY, [SECRET])
    with pytest.raises(module.BadSignatureError):
        module.standard_webhooks(headers, BODY, [SECRET], tolerance=float("nan"))
    # GitHub's documented example, whose secret has spaces in it.
    known = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    module.sha256(known, b"Hello, World!", ["It's a Secret to Everybody"])
    module.timestamped(timestamped("one", timestamp=100)[1], BODY, ["one"], tolerance=5, now=104)
    with pytest.raises(module.BadSignatureError):
        module.timestamped(timestamped("one", timestamp=100)[1], BODY, ["one"], tolerance=5, now=106)


def test_one_secret_is_not_taken_for_a_list_of_letters(module: ModuleType) -> None:
    with pytest.raises(TypeError):
        module.sha256(f"sha256={hexadecimal('o')}", BODY, "one")


# What each call of the module for Node ends in.
NODE = """
const verify = await import(process.argv[1]);
const { headers, secret, old, short } = JSON.parse(process.argv[2]);
const body = (await import("node:fs")).readFileSync(0);
const calls = [
  () => verify.standardWebhooks(headers, body, [secret]),
  () => verify.standardWebhooks(headers, body.toString(), [secret]),
  () => verify.standardWebhooks({}, body, [secret]),
  () => verify.standardWebhooks(headers, body, [secret], { tolerance: NaN }),
  () => verify.timestamped(old, body, ["one"], { tolerance: 5, now: 104 }) ?? "good",
  () => verify.timestamped(old, body, ["one"], { tolerance: 5, now: 106 }),
  () => verify.sha256(short, body, "one"),
];
const results = calls.map((call) => {
  try {
    return call();
  } catch (problem) {
    return problem.constructor.name;
  }
});
console.log(JSON.stringify(results));
"""


@needs_node
def test_as_a_module_for_node() -> None:
    _, identity, timestamp, signatures = standard()
    arguments = {
        "headers": {"webhook-id": identity, "webhook-timestamp": timestamp, "webhook-signature": signatures},
        "secret": SECRET,
        "old": timestamped("one", timestamp=100)[1],
        "short": f"sha256={hexadecimal('o')}",
    }
    module = (RECEIVERS / "verify.mjs").as_uri()
    command = ["node", "--input-type=module", "-e", NODE, module, json.dumps(arguments)]
    result = subprocess.run(command, input=BODY, capture_output=True, check=True, timeout=30)
    bad = "BadSignatureError"
    assert json.loads(result.stdout) == [identity, identity, bad, bad, "good", bad, "TypeError"]
