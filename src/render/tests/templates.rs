//! Templates that users write.

use super::named;
use crate::domain::EventKind;
use crate::render::fields::{Proxy, samples};
use crate::render::format::{Context, Format};
use crate::render::template::{Template, TemplateError};

fn json(template: &str, name: &str) -> String {
    Template::compile(template).unwrap().json(&named(name)).unwrap()
}

fn text(template: &str, name: &str) -> String {
    Template::compile(template).unwrap().text(&named(name)).unwrap()
}

fn mistake(template: &str) -> TemplateError {
    Template::compile_json(template).unwrap_err()
}

#[test]
fn a_value_is_valid_json_with_and_without_quotes_around_it() {
    let hostile = "a\"b\\c\n\u{7}\u{1}\u{2}</script>{{ event }}";
    for template in [
        r#"{"x": "{{ cert_name }}"}"#,
        r#"{"x": {{ cert_name }}}"#,
        r#"{"y": "\\", "z": "\"", "x": "{{ cert_name }}"}"#,
        r#"{"y": "{{ event }}{{ event }}", "x": {{ cert_name }}}"#,
        r#"{% set x %}{{ cert_name }}{% endset %}{"x": "{{ x }}"}"#,
        r#"{% set x %}{{ cert_name }}{% endset %}{"x": {{ x }}}"#,
        r#"{% set x = cert_name ~ "" %}{"x": {{ x }}}"#,
        r#"{"x": {{ cert_name|tojson }}}"#,
    ] {
        let body = json(template, hostile);
        let value: serde_json::Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
        assert_eq!(value["x"], hostile, "{template}");
    }
}

#[test]
fn numbers_lists_and_nothing_become_json_too() {
    let template = r#"{"a": {{ none }}, "b": "{{ 7 }}d", "c": {{ 7 }}, "d": "{{ true }}", "e": "<{{ expired_at }}>", "f": {{ sans }}, "g": "{{ sans }}", "h": {{ {"a": 1.5} }}}"#;
    let expected = r#"{"a": null, "b": "7d", "c": 7, "d": "true", "e": "<>", "f": ["x","x"], "g": "[\"x\",\"x\"]", "h": {"a":1.5}}"#;
    assert_eq!(json(template, "x"), expected);
    assert_eq!(text("<{{ expired_at }}>", "x"), "<>");
}

#[test]
fn plain_text_takes_values_as_they_are() {
    assert_eq!(text("{{ cert_name }}!", "a\"b\\c"), "a\"b\\c!");
}

#[test]
fn what_is_kept_is_a_value_like_any_other() {
    let template =
        r#"{% set kind %}{{ event }}{% endset %}{% if kind == "CertificateExpiringSoon" %}{{ kind|upper }}{% endif %}"#;
    assert_eq!(text(template, ""), "CERTIFICATEEXPIRINGSOON");
    assert_eq!(json(template, ""), "\"CERTIFICATEEXPIRINGSOON\"");
}

#[test]
fn a_mistake_is_found_when_the_template_is_compiled_and_has_a_place() {
    let error = mistake("{\n  \"x\": \"{{ cert_nam }}\"\n}");
    assert_eq!((error.line, error.column), (2, 12), "{error}");
    assert_eq!(error.message, "unknown field cert_nam; did you mean cert_name?");
    for template in ["{{ .Meta.CertID }}", "{% if event %}", "{{ event", "{{ event|nosuch(1) }}"] {
        assert_eq!(mistake(template).line, 1, "{template}");
    }
}

#[test]
fn a_mistake_is_found_on_ways_that_no_event_takes() {
    for (template, message) in [
        ("{% if false %}{{ cert_nam }}{% endif %}", "unknown field cert_nam; did you mean cert_name?"),
        (
            "{% if false %}{{ data.comon_name }}{% endif %}",
            "unknown field of data comon_name; did you mean common_name?",
        ),
        ("{% if false %}{{ event|uper }}{% endif %}", "unknown filter uper; did you mean upper?"),
        ("{% if false %}{{ event is not nine }}{% endif %}", "unknown test nine; did you mean none?"),
        ("{% if false %}{{ event.upper() }}{% endif %}", "there is no method upper; filters follow a |"),
        ("{% if false %}{{ event[::-1] }}{% endif %}", "a slice has no step here"),
        ("{% if false %}{{ range(3) }}{% endif %}", "there is no function range; filters follow a |"),
    ] {
        assert_eq!(mistake(template).message, message);
    }
}

#[test]
fn names_that_a_template_gives_are_known() {
    for template in [
        r#"{% set a, b = [1, 2] %}{"x": {{ a + b }}}"#,
        r#"{"x": "{% for san in sans if san is not none %}{{ loop.index }} {{ san|truncate(length=5) }}{% endfor %}"}"#,
        r#"{% set data = {"own": 1} %}{"x": {{ data.own }}}"#,
        r#"{% with a = event %}{"x": "{{ a }}"}{% endwith %}"#,
        r#"{"x": "{% filter upper %}{{ event }}{% endfilter %}"}"#,
        r#"{"x": "{{ event[:5] if event is defined and not resolved else none }}"}"#,
        r#"{"x": "{{ event[{'a': 0, 'b': 1}['a']:] }}"}"#,
    ] {
        Template::compile_json(template).unwrap_or_else(|error| panic!("{template}: {error}"));
    }
}

#[test]
fn what_is_not_json_about_every_event_is_refused() {
    for template in [
        r#"{"x": {{ event }} "y": 1}"#,
        r#"{"x": 1{% if cert_role != "ca" %}}{% endif %}"#,
        r#"{"x": {% if api_id %}1{% endif %}}"#,
        r#"{"x": {% if issuer %}1{% endif %}}"#,
        r#"{"x": 1{% if days_remaining and days_remaining < 7 %}}{% endif %}}"#,
        r#"{"x": 1{% if rule == "7d" %}}{% endif %}}"#,
        r#"{"x": "a{% if event == "CertificateResolved" %}"{% endif %}"}"#,
        "",
    ] {
        let error = mistake(template);
        assert!(error.message.contains("is not JSON"), "{template}: {error}");
    }
}

#[test]
fn a_template_cannot_eat_the_monitor() {
    let doubled: String = (0..40).fold("{% set x = cert_name %}".to_owned(), |text, _| text + "{% set x = x ~ x %}");
    let captured = "{% for a in sans %}{% for b in sans %}{% for c in sans %}".to_owned() + &"x".repeat(9_000);
    let ends = "{% endfor %}{% endfor %}{% endfor %}";
    let letters = "{% for a in cert_name %}{% for b in cert_name %}{{ a }}{% endfor %}{% endfor %}";
    for template in [
        "{{ 'x' * 100000000 }}".to_owned(),
        "{{ 2 ** 99999 }}".to_owned(),
        "{% for i in range(1000000) %}x{% endfor %}".to_owned(),
        format!("{{% set y %}}{captured}{ends}{{% endset %}}"),
        format!("{captured}{ends}"),
        letters.to_owned(),
        "{% for x in [sans] recursive %}{{ loop([x, x]) }}{% endfor %}".to_owned(),
        format!("{{{{ {}1{} }}}}", "(".repeat(5_000), ")".repeat(5_000)),
        format!("{}{}", "{% if event %}".repeat(500), "{% endif %}".repeat(500)),
        "x".repeat(20_000),
        doubled,
        "{{ cert_name|replace('', cert_name * 1) }}".to_owned(),
        "{{ cert_name|replace('', cert_name|replace('', cert_name)) }}".to_owned(),
        format!("{{% set x = '\\\\'{} %}}", "|markdown".repeat(18)),
        format!("{{% set x = ['\\\\'{}] %}}", "|tojson|upper".repeat(15)),
    ] {
        let begin: String = template.chars().take(60).collect();
        assert!(Template::compile(&template).is_err(), "{begin}");
    }
}

#[test]
fn filters_do_what_they_do_in_jinja() {
    for (template, expected) in [
        ("{{ 'aB-c d'|upper }}{{ 'aB'|lower }}{{ 'ab-cd ef'|title }}", "AB-C DabAb-Cd Ef"),
        ("{{ none|default('x') }}{{ ''|default('x') }}{{ ''|default('x', true) }}{{ ''|d('y', boolean=true) }}", "xxy"),
        ("{{ ' a '|trim }}{{ 'abab'|replace('a', 'c') }}", "acbcb"),
        ("{{ [1, 'b', none]|join('-') }}{{ [1, 2]|join }}", "1-b-12"),
        ("{{ 'abc'|length }}{{ [1]|length }}{{ none|length }}{{ 'abc'|first }}{{ [1, 2]|last }}", "310a2"),
        ("{{ '7'|int + 1 }}{{ 'x'|int }}{{ 'x'|int(5) }}", "805"),
        ("{{ 'foo bar baz qux'|truncate(9) }}", "foo..."),
        ("{{ 'foo bar baz qux'|truncate(9, true) }}", "foo ba..."),
        ("{{ 'foo bar baz qux'|truncate(11) }}", "foo bar baz qux"),
        ("{{ 'foo bar baz qux'|truncate(11, false, '...', 0) }}", "foo bar..."),
        ("{{ 'foobar'|limit(6) }}{{ 'foobar'|limit(3) }}", "foobarfo…"),
        ("{{ {'a': [1, none, 'x']}|tojson }}", r#"{"a":[1,null,"x"]}"#),
        ("{{ api_id is none }} {{ expired_at is none }} {{ expired_at is defined }}", "false true false"),
    ] {
        assert_eq!(text(template, "x"), expected, "{template}");
    }
    for wrong in ["{{ event|upper(1) }}", "{{ event|limit(x=1) }}", "{{ event|limit('x') }}"] {
        assert!(Template::compile(wrong).is_err(), "{wrong}");
    }
}

fn told_by(proxy: &Proxy, template: &str) -> String {
    let format = Format::template(template, true).unwrap_or_else(|error| panic!("{template}: {error}"));
    let event = named("x");
    format.item(&event, Context { proxy: Some(proxy), ..Context::of(&event) }).unwrap()
}

#[test]
fn a_template_can_say_which_proxy_tells() {
    let both = r#"{"x": {{ proxy }}, "y": "{{ proxy.node }}|{{ proxy.cluster }}", "z": {{ proxy.node }}}"#;
    let condition = r#"{"x": 1{% if proxy %}, "y": 2{% endif %}}"#;
    for (proxy, expected, is_known) in [
        (
            Proxy::new(b"edge-1", b"edge"),
            r#"{"x": {"node":"edge-1","cluster":"edge"}, "y": "edge-1|edge", "z": "edge-1"}"#,
            true,
        ),
        (Proxy::new(b"edge-1", b""), r#"{"x": {"node":"edge-1"}, "y": "edge-1|", "z": "edge-1"}"#, true),
        (Proxy::new("\u{202e}\"\n".as_bytes(), b""), r#"{"x": {"node":"\""}, "y": "\"|", "z": "\""}"#, true),
        (Proxy::default(), r#"{"x": null, "y": "|", "z": null}"#, false),
    ] {
        assert_eq!(told_by(&proxy, both), expected);
        assert_eq!(told_by(&proxy, condition), if is_known { r#"{"x": 1, "y": 2}"# } else { r#"{"x": 1}"# });
    }
    assert_eq!(Proxy::new(&[b'x'; 5_000], &[0xff; 5_000]).node.chars().count(), 256);
    assert_eq!(text("<{{ proxy }}{{ proxy.node }}>", "x"), "<>", "nobody in particular");
    assert_eq!(text("{{ held }}{% if held %}x{% endif %}", "x"), "", "other groups are nothing as well");
}

#[test]
fn a_mistake_about_the_proxy_is_found_before_it_tells() {
    assert_eq!(mistake("{{ proxy.nod }}").message, "unknown field of proxy nod; did you mean node?");
    for template in [r#"{"x": 1{% if proxy %}"y"{% endif %}}"#, r#"{"x": 1{% if not proxy %}"y"{% endif %}}"#] {
        assert!(mistake(template).message.contains("is not JSON"), "{template}");
    }
}

#[test]
fn samples_are_of_every_kind() {
    let kinds: Vec<_> = samples().iter().map(|event| event.kind).collect();
    assert_eq!(kinds, EventKind::ALL);
}
