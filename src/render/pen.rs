//! What a value looks like where a template puts it.
//!
//! The template engine writes its own text straight to the [`Page`] and hands values to [`put`]. The page follows the text
//! and knows whether it stands within a JSON string, so both `"{{ cert_name }}"` and `{{ cert_name }}` give a string, and
//! no value can end one. What is captured by `{% set %}` does not reach the page until it is put there, as one value.

use std::cell::Cell;
use std::sync::Arc;
use std::{fmt, io};

use minijinja::value::{Object, ObjectRepr, ValueKind};
use minijinja::{Error, ErrorKind, Output, State, Value};

use super::listing::Certificates;
use super::record::is_nothing;

/// The most that one event may say, in bytes.
pub(super) const LARGEST: usize = 64 * 1_024;

/// Where a page ends, and so what a value has to look like there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a plain text.
    Text,
    /// In JSON, outside of strings.
    Json,
    /// In a JSON string.
    String,
    /// In a JSON string, after a backslash that counts.
    Escape,
}

/// What [`put`] and the [`Page`] know of each other. The engine keeps them apart, and nothing renders within rendering.
#[derive(Clone, Copy)]
struct Pen {
    place: Place,
    /// Whether what comes is a value and not the template's own text.
    is_value: bool,
    /// Whether the page was reached since this was cleared.
    is_on_page: bool,
    /// How many bytes of values may still be written, to the page or elsewhere.
    room: usize,
}

thread_local! {
    static PEN: Cell<Pen> =
        const { Cell::new(Pen { place: Place::Text, is_value: false, is_on_page: false, room: 0 }) };
}

fn update(change: impl FnOnce(&mut Pen)) {
    let mut pen = PEN.get();
    change(&mut pen);
    PEN.set(pen);
}

/// The body so far.
pub(super) struct Page {
    text: Vec<u8>,
    largest: usize,
}

impl Page {
    /// An empty page for a body that is JSON, or plain text, and has at most this many bytes. It bounds what is captured
    /// as well.
    pub(super) fn new(is_json: bool, largest: usize) -> Self {
        let place = if is_json { Place::Json } else { Place::Text };
        PEN.set(Pen { place, is_value: false, is_on_page: false, room: largest });
        Self { text: Vec::with_capacity(1_024), largest }
    }

    pub(super) fn into_text(self) -> String {
        // Only text was written.
        String::from_utf8(self.text).unwrap_or_default()
    }
}

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.text.len().saturating_add(bytes.len()) > self.largest {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        update(|pen| {
            pen.is_on_page = true;
            if !pen.is_value {
                pen.place = pen.place.after(bytes);
            }
        });
        self.text.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Place {
    fn after(self, bytes: &[u8]) -> Self {
        bytes.iter().fold(self, |place, byte| match (place, byte) {
            (Self::Json, b'"') | (Self::Escape, _) => Self::String,
            (Self::String, b'"') => Self::Json,
            (Self::String, b'\\') => Self::Escape,
            _ => place,
        })
    }
}

/// Writes a value where it belongs.
pub(super) fn put(out: &mut Output, _: &mut State, value: &Value) -> Result<(), Error> {
    update(|pen| pen.is_on_page = false);
    // An empty text gets through to the page only where nothing is captured.
    out.write_str("")?;
    let pen = PEN.get();
    let text = match pen.place {
        Place::Json if pen.is_on_page => json(value),
        Place::String | Place::Escape if pen.is_on_page => within_quotes(&plain(value)),
        _ => plain(value),
    };
    let Some(room) = pen.room.checked_sub(text.len()) else { return Err(too_large()) };
    update(|pen| (pen.is_value, pen.room) = (true, room));
    let written = out.write_str(&text);
    update(|pen| pen.is_value = false);
    Ok(written?)
}

/// That a text is larger than anything that is sent.
pub(super) fn too_large() -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("this makes more than {LARGEST} bytes"))
}

/// JSON that is put as it is.
#[derive(Debug)]
pub(super) struct Json(pub(super) String);

impl Object for Json {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `value` as a text: nothing is empty, a list is JSON.
pub(super) fn plain(value: &Value) -> String {
    match value.kind() {
        ValueKind::String => value.as_str().unwrap_or_default().to_owned(),
        _ if is_nothing(value) => String::new(),
        _ => json(value),
    }
}

/// `value` as JSON.
pub(super) fn json(value: &Value) -> String {
    let list = || value.try_iter().into_iter().flatten();
    match value.kind() {
        _ if is_nothing(value) => "null".to_owned(),
        ValueKind::Bool => value.is_true().to_string(),
        ValueKind::Number if value.to_string().ends_with(['N', 'f']) => "null".to_owned(),
        ValueKind::Number => value.to_string(),
        ValueKind::String => quoted(value.as_str().unwrap_or_default()),
        ValueKind::Seq if let Some(listed) = value.downcast_object_ref::<Certificates>() => listed.json(),
        ValueKind::Seq | ValueKind::Iterable => {
            format!("[{}]", list().map(|item| json(&item)).collect::<Vec<_>>().join(","))
        }
        ValueKind::Map => {
            let entry = |key: Value| {
                let item = value.get_item(&key).unwrap_or_default();
                format!("{}:{}", quoted(&plain(&key)), json(&item))
            };
            format!("{{{}}}", list().map(entry).collect::<Vec<_>>().join(","))
        }
        _ => match value.downcast_object_ref::<Json>() {
            Some(Json(json)) => json.clone(),
            None => quoted(&value.to_string()),
        },
    }
}

/// `text` as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    // A text is always written.
    serde_json::to_string(text).unwrap_or_default()
}

fn within_quotes(text: &str) -> String {
    let mut json = quoted(text);
    json.pop();
    if !json.is_empty() {
        json.remove(0);
    }
    json
}
