//! The filters and tests of templates: those of Jinja that bodies need, and those that make a stranger's text harmless.
//!
//! None makes a text of unbounded length. Letters are those of ASCII.

use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, Value};

use super::neutral;
use super::pen::{Json, LARGEST, json, plain, too_large};
use super::record::is_nothing;

/// A filter: its name, the names of its arguments, and what it makes of a value and them.
type Filter = (&'static str, &'static [&'static str], fn(&Value, &Arguments) -> Result<Value, Error>);
type Test = (&'static str, fn(&Value) -> bool);

/// Every filter. Those of Jinja take the arguments that they take there; `limit` cuts to so many characters, of which the
/// last one is `…`.
pub(super) const FILTERS: [Filter; 19] = [
    ("d", &["default_value", "boolean"], |value, given| Ok(default(value, given))),
    ("default", &["default_value", "boolean"], |value, given| Ok(default(value, given))),
    ("first", &[], |value, _| Ok(value.try_iter()?.next().into())),
    ("int", &["default"], |value, given| Ok(int(value, given))),
    ("join", &["d"], join),
    ("last", &[], |value, _| Ok(value.try_iter()?.last().into())),
    ("length", &[], |value, _| Ok(value.len().unwrap_or_default().into())),
    ("limit", &["length"], |value, given| Ok(cut(&plain(value), given.number(0, 0)?, "…").into())),
    ("list", &[], |value, _| Ok(value.try_iter()?.collect::<Vec<_>>().into())),
    ("lower", &[], |value, _| Ok(plain(value).to_ascii_lowercase().into())),
    ("markdown", &[], |value, _| bounded(neutral::markdown(&plain(value)))),
    ("plain", &[], |value, _| bounded(neutral::plain(&plain(value)))),
    ("replace", &["old", "new"], replace),
    ("slack", &[], |value, _| bounded(neutral::slack(&plain(value)))),
    ("title", &[], |value, _| Ok(title(&plain(value)).into())),
    ("tojson", &[], to_json),
    ("trim", &[], |value, _| Ok(plain(value).trim().into())),
    ("truncate", &["length", "killwords", "end", "leeway"], truncate),
    ("upper", &[], |value, _| Ok(plain(value).to_ascii_uppercase().into())),
];

/// Filters that can make more of a text than there was.
pub(super) const GROWING: [&str; 6] = ["join", "markdown", "plain", "replace", "slack", "tojson"];

/// Every test. What is nothing counts as undefined too: of the fields that there are none is.
pub(super) const TESTS: [Test; 3] =
    [("defined", |value| !is_nothing(value)), ("none", is_nothing), ("undefined", is_nothing)];

/// An environment with these and nothing else.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    for (name, names, filter) in FILTERS {
        environment.add_filter(name, move |value: &Value, given: Rest<ValueOrKwargs>| {
            filter(value, &Arguments::bind(names, &given)?)
        });
    }
    for (name, test) in TESTS {
        environment.add_test(name, test);
    }
    environment
}

/// What a filter was given, by the places of its arguments.
pub(super) struct Arguments(Vec<Option<Value>>);

impl Arguments {
    fn bind(names: &[&str], given: &[ValueOrKwargs]) -> Result<Self, Error> {
        let mut bound = vec![None; names.len()];
        let mut places = bound.iter_mut();
        let many = || Error::from(ErrorKind::TooManyArguments);
        for value in given.iter().filter(|value| !value.is_kwargs()) {
            *places.next().ok_or_else(many)? = Some((**value).clone());
        }
        for named in given.iter().filter(|value| value.is_kwargs()) {
            for name in named.try_iter()? {
                let place = names.iter().position(|known| name.as_str() == Some(known));
                *place.and_then(|place| bound.get_mut(place)).ok_or_else(many)? = Some(named.get_item(&name)?);
            }
        }
        Ok(Self(bound))
    }

    fn get(&self, place: usize) -> Option<&Value> {
        self.0.get(place)?.as_ref()
    }

    fn text(&self, place: usize, default: &str) -> String {
        self.get(place).map_or_else(|| default.to_owned(), plain)
    }

    fn number(&self, place: usize, default: usize) -> Result<usize, Error> {
        let wrong = || Error::new(ErrorKind::InvalidOperation, "an argument is not a number");
        self.get(place).map_or(Ok(default), |value| value.as_usize().ok_or_else(wrong))
    }

    fn flag(&self, place: usize) -> bool {
        self.get(place).is_some_and(Value::is_true)
    }
}

fn bounded(text: String) -> Result<Value, Error> {
    if text.len() > LARGEST { Err(too_large()) } else { Ok(text.into()) }
}

fn default(value: &Value, given: &Arguments) -> Value {
    let is_missing = is_nothing(value) || given.flag(1) && !value.is_true();
    if is_missing { given.get(0).cloned().unwrap_or_default() } else { value.clone() }
}

fn int(value: &Value, given: &Arguments) -> Value {
    let number = value.as_i64().or_else(|| plain(value).trim().parse().ok());
    number.map_or_else(|| given.get(0).cloned().unwrap_or_else(|| 0.into()), Value::from)
}

fn join(value: &Value, given: &Arguments) -> Result<Value, Error> {
    let separator = given.text(0, "");
    let mut joined = String::new();
    for (place, item) in value.try_iter()?.enumerate() {
        if place > 0 {
            joined.push_str(&separator);
        }
        joined.push_str(&plain(&item));
        if joined.len() > LARGEST {
            break;
        }
    }
    bounded(joined)
}

fn replace(value: &Value, given: &Arguments) -> Result<Value, Error> {
    let (text, old, new) = (plain(value), given.text(0, ""), given.text(1, ""));
    if text.matches(&old).count().saturating_mul(new.len()) > LARGEST {
        return Err(too_large());
    }
    bounded(text.replace(&old, &new))
}

fn to_json(value: &Value, _: &Arguments) -> Result<Value, Error> {
    let json = json(value);
    if json.len() > LARGEST { Err(too_large()) } else { Ok(Value::from_object(Json(json))) }
}

fn title(text: &str) -> String {
    let mut in_word = false;
    let letter = |c: char| {
        let letter = if in_word { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() };
        in_word = !" \t\n-({[<".contains(c);
        letter
    };
    text.chars().map(letter).collect()
}

fn truncate(value: &Value, given: &Arguments) -> Result<Value, Error> {
    let (text, length, end) = (plain(value), given.number(0, 255)?, given.text(2, "..."));
    let leeway = given.number(3, 5)?;
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(text.into());
    }
    let mut kept = cut(&text, length, &end);
    // Words are kept whole: what is cut begins at the last space.
    let words = kept.strip_suffix(&end).and_then(|kept| kept.rfind(' ')).filter(|_| !given.flag(1));
    if let Some(words) = words {
        kept.truncate(words);
        kept.push_str(&end);
    }
    Ok(kept.into())
}

fn cut(text: &str, length: usize, end: &str) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let room = length.saturating_sub(end.chars().count());
    text.chars().take(room).chain(end.chars()).collect()
}
