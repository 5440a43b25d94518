//! JSON of any size → tokens, one after another, and at any byte it can be put down until there is room again.
//!
//! The parsers that were tried can be put down between tokens and not within a text, and a CA bundle is one text: so this
//! one is our own (docs/decisions/0010-own-json-lexer.md). Texts with escapes are read by `serde_json`.

use std::borrow::Cow;

use super::{Broken, LARGEST_TEXT, spend};

/// What a byte, an escape in a text, and a token cost, in instructions.
const BYTE: u32 = 32;
const ESCAPE: u32 = 700;
const TOKEN: u32 = 1_600;

/// Objects and lists within each other. Envoy's own configuration ends at a hundred messages.
const DEEPEST: usize = 256;

/// Longer ones are no numbers of Envoy's.
const LONGEST_LITERAL: usize = 64;

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// An object begins, or a list.
    Begin { is_list: bool },
    /// The innermost object or list ends.
    End,
    /// The key of the value that comes next.
    Key(Text<'a>),
    /// A text.
    Text(Text<'a>),
    /// A number, a truth value or null.
    Other,
    /// The document is over.
    Whole,
    /// There is no room left.
    Later,
}

/// A text as it stands in the document, with its quotes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text<'a> {
    quoted: &'a [u8],
    is_escaped: bool,
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Value,
    /// The first value of a list, or its end.
    FirstValue,
    Key,
    /// The first key of an object, or its end.
    FirstKey,
    Colon,
    /// A comma, or the end of the object or list.
    Comma,
    Nothing,
}

pub(super) struct Lexer {
    at: usize,
    expected: Expected,
    /// Whether each open object or list is a list.
    open: Vec<bool>,
    /// How far the text that begins here was looked through, and whether it has escapes.
    looked_through: usize,
    is_escaped: bool,
}

impl<'a> Text<'a> {
    /// What it says; nothing, if it is longer than [`LARGEST_TEXT`].
    pub(super) fn read(&self, room: &mut u32) -> Result<Cow<'a, str>, Broken> {
        if self.quoted.len().saturating_sub(2) > LARGEST_TEXT {
            return Ok(Cow::Borrowed(""));
        }
        spend(room, self.quoted.len(), BYTE);
        if self.is_escaped {
            spend(room, self.quoted.len(), BYTE);
            return serde_json::from_slice(self.quoted).map(Cow::Owned).map_err(|_| Broken::NotJson);
        }
        let inner = self.quoted.get(1..self.quoted.len().saturating_sub(1)).unwrap_or_default();
        std::str::from_utf8(inner).map(Cow::Borrowed).map_err(|_| Broken::NotJson)
    }
}

impl Lexer {
    pub(super) const fn new() -> Self {
        Self { at: 0, expected: Expected::Value, open: Vec::new(), looked_through: 0, is_escaped: false }
    }

    /// The next token of `body`, which is the same in every call.
    pub(super) fn next<'a>(&mut self, body: &'a [u8], room: &mut u32) -> Result<Token<'a>, Broken> {
        while *room > 0 {
            spend(room, 1, TOKEN);
            if !self.skip_white_space(body, room) {
                *room = 0;
                break;
            }
            let Some(byte) = body.get(self.at).copied() else {
                let is_whole = self.expected == Expected::Nothing;
                return if is_whole { Ok(Token::Whole) } else { Err(Broken::NotJson) };
            };
            if byte == b'"' {
                return self.text(body, room);
            }
            self.at = self.at.saturating_add(1);
            if byte == b',' && self.expected == Expected::Comma {
                let is_list = self.open.last().copied().unwrap_or_default();
                self.expected = if is_list { Expected::Value } else { Expected::Key };
            } else if byte == b':' && self.expected == Expected::Colon {
                self.expected = Expected::Value;
            } else if byte == b'{' || byte == b'[' {
                return self.begin(byte == b'[');
            } else if byte == b'}' || byte == b']' {
                return self.end(byte == b']');
            } else {
                return self.literal(body);
            }
        }
        Ok(Token::Later)
    }

    /// Whether something else comes now.
    fn skip_white_space(&mut self, body: &[u8], room: &mut u32) -> bool {
        let is_white = |byte: &&u8| **byte == b' ' || **byte == b'\n' || **byte == b'\r' || **byte == b'\t';
        let window = window(body, self.at, *room);
        let length = window.iter().take_while(is_white).count();
        spend(room, length, BYTE);
        self.at = self.at.saturating_add(length);
        length < window.len() || self.at >= body.len()
    }

    fn value(&mut self) -> Result<(), Broken> {
        if !matches!(self.expected, Expected::Value | Expected::FirstValue) {
            return Err(Broken::NotJson);
        }
        self.expected = if self.open.is_empty() { Expected::Nothing } else { Expected::Comma };
        Ok(())
    }

    fn begin<'a>(&mut self, is_list: bool) -> Result<Token<'a>, Broken> {
        self.value()?;
        if self.open.len() >= DEEPEST {
            return Err(Broken::NotJson);
        }
        self.open.push(is_list);
        self.expected = if is_list { Expected::FirstValue } else { Expected::FirstKey };
        Ok(Token::Begin { is_list })
    }

    fn end<'a>(&mut self, is_list: bool) -> Result<Token<'a>, Broken> {
        let first = if is_list { Expected::FirstValue } else { Expected::FirstKey };
        if self.open.pop() != Some(is_list) || (self.expected != Expected::Comma && self.expected != first) {
            return Err(Broken::NotJson);
        }
        self.expected = if self.open.is_empty() { Expected::Nothing } else { Expected::Comma };
        Ok(Token::End)
    }

    /// `true`, `false`, `null` or a number, whose first byte was taken. No number matters here, so none is read.
    fn literal<'a>(&mut self, body: &[u8]) -> Result<Token<'a>, Broken> {
        self.value()?;
        let begin = self.at.saturating_sub(1);
        let rest = body.get(begin..).unwrap_or_default();
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'-' || **byte == b'+' || **byte == b'.';
        let length = rest.iter().take(LONGEST_LITERAL).take_while(is_part).count();
        let literal = rest.get(..length).unwrap_or_default();
        let is_number = literal.first().is_some_and(|first| first.is_ascii_digit() || *first == b'-');
        if !is_number && literal != b"true" && literal != b"false" && literal != b"null" {
            return Err(Broken::NotJson);
        }
        self.at = begin.saturating_add(length);
        Ok(Token::Other)
    }

    /// A text whose first quote comes next.
    fn text<'a>(&mut self, body: &'a [u8], room: &mut u32) -> Result<Token<'a>, Broken> {
        let begin = self.at;
        let mut at = self.looked_through.max(begin.saturating_add(1));
        loop {
            let window = window(body, at, *room);
            let stop = window.iter().position(|byte| *byte == b'"' || *byte == b'\\' || *byte < b' ');
            let length = stop.unwrap_or(window.len());
            spend(room, length, BYTE);
            at = at.saturating_add(length);
            match body.get(at) {
                Some(_) if stop.is_none() => {
                    self.looked_through = at;
                    *room = 0;
                    return Ok(Token::Later);
                }
                Some(b'"') => break,
                Some(b'\\') => {
                    self.is_escaped = true;
                    at = at.saturating_add(2);
                    spend(room, 1, ESCAPE);
                }
                // A control character, or the end.
                _ => return Err(Broken::NotJson),
            }
        }
        self.at = at.saturating_add(1);
        self.looked_through = 0;
        let is_escaped = std::mem::take(&mut self.is_escaped);
        let text = Text { quoted: body.get(begin..self.at).unwrap_or_default(), is_escaped };
        if matches!(self.expected, Expected::Key | Expected::FirstKey) {
            self.expected = Expected::Colon;
            return Ok(Token::Key(text));
        }
        self.value()?;
        Ok(Token::Text(text))
    }
}

/// What may be looked at of the rest of `body`.
fn window(body: &[u8], at: usize, room: u32) -> &[u8] {
    let rest = body.get(at..).unwrap_or_default();
    let most = usize::try_from(room / BYTE).unwrap_or(usize::MAX).saturating_add(1);
    rest.get(..most).unwrap_or(rest)
}
