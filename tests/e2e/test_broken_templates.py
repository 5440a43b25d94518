"""A body that could never be sent is a mistake of the configuration, and the log says where it is."""

from e2e.formats import ORIGIN, Json
from lab.scene import Scene

TEXT = {"headers": {"Content-Type": "text/plain"}}

# what is wrong | the webhook's keys | where it is, and what the log says of it
CASES: dict[str, tuple[Json, list[str]]] = {
    "a field that there is not": (
        {"template": '{"name": "{{ cert_nam }}"}'},
        ["template", "unknown field cert_nam; did you mean cert_name?", "line=1 column=14"],
    ),
    "a field of NetBox SSL that there is not": (
        {"template": '{\n  "name":\n    "{{ data.common_nam }}"\n}'},
        ["template", "did you mean common_name?", "line=3 column=14"],
    ),
    "a field in a branch that seldom runs": (
        {"template": '{\n"a": "{% if event == "WebhookTest" and api_id == "never" %}{{ evnt }}{% endif %}"\n}'},
        ["template", "unknown field evnt; did you mean event?", "line=2 column=63"],
    ),
    "a filter that there is not": (
        {"template": '{"name": "{{ cert_name|uper }}"}'},
        ["template", "unknown filter uper; did you mean upper?", "line=1 column=24"],
    ),
    "an expression that does not end": (
        {"template": '{\n  "role": "{{ cert_role }}",\n  "name": "{{ cert_name }"\n}'},
        ["template", "line=3 column=25"],
    ),
    "a body that is no JSON": (
        {"template": '{"name": {{ cert_name }} "role": {{ cert_role }}}'},
        ["template", "the body about CertificateExpiringSoon is not JSON"],
    ),
    "a body that is no JSON about one kind of event alone": (
        {"template": '{"name": {{ cert_name }}{% if resolved %},{% endif %}}'},
        ["template", "the body about CertificateResolved is not JSON"],
    ),
    "a loop that is not closed": (
        {"template": "{% for a in message|list %}{% for b in message|list %}{% for c in message|list %}x"} | TEXT,
        ["template"],
    ),
    "more work than a body is worth": (
        {"template": "{% for a in message|list %}{% for b in message|list %}x{% endfor %}{% endfor %}" * 99} | TEXT,
        ["template", "steps"],
    ),
    "a field in a header": (
        {"headers": {"X-Name": "{{ cert_nam }}"}},
        ["headers.X-Name", "did you mean cert_name?", "line=1 column=4"],
    ),
    "two bodies": ({"template": "{}", "format": "slack"}, ["template", "format"]),
    "a format that there is not": ({"format": "slak"}, ["format", "slack"]),
    "an option that there is not": (
        {"format": "slack", "format_options": {"chanel": "#certificates"}},
        ["format_options.chanel", 'did you mean "channel"?'],
    ),
    "an option that is missing": ({"format": "pagerduty"}, ["format_options.routing_key", "required"]),
    "a label that no Alertmanager takes": (
        {"format": "alertmanager", "format_options": {"labels": {"my-team": "edge"}}},
        ["format_options", "my-team"],
    ),
    "a label that is taken": (
        {"format": "alertmanager", "format_options": {"labels": {"severity": "page"}}},
        ["format_options", "severity"],
    ),
}


def test_every_mistake_is_named_with_its_place(scene: Scene) -> None:
    scene.plugin["webhooks"] = [
        {"name": str(number), "cluster": "webhook_receiver", "url": f"{ORIGIN}/{number}", **keys}
        for number, (keys, _) in enumerate(CASES.values())
    ]
    lines = refused(scene)
    assert len(lines) == len(CASES)
    for number, (what, (_, (key, *parts))) in enumerate(CASES.items()):
        [line] = [line for line in lines if f"Invalid configuration: webhooks[{number}].{key}: " in line]
        for part in parts:
            assert part in line, what


def refused(scene: Scene) -> list[str]:
    """What Envoy says when it refuses the configuration."""
    status, said = scene.validate()
    assert status != 0, said
    return [line for line in said.splitlines() if "[error][wasm]" in line and "Invalid configuration: " in line]


def test_a_go_template_is_read_in_its_own_lines(scene: Scene) -> None:
    scene.plugin["templates"] = {"templates/mine.json": '{\n  "name":\n    "{{.Meta.CertNam}}"\n}'}
    [line] = refused(scene)
    assert "templates.templates/mine.json: " in line
    assert "CertNam" in line
    assert "CertName" in line
    assert "line=3 column=" in line


def test_envoy_does_not_start_with_a_broken_template(scene: Scene) -> None:
    scene.webhook["template"] = '{"name": "{{ cert_nam }}"}'
    envoy = scene.launch()
    assert envoy.wait_end() != 0
    assert envoy.log_lines(r"\[error\]\[wasm\].*unknown field cert_nam; did you mean cert_name\? line=1 column=14")
