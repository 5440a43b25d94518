//! JSON of any size → its texts and the ends of its objects and lists, one after another.

use std::borrow::Cow;

use super::Broken;
use super::key::Key;
use super::lexer::{Lexer, Text, Token};

/// What a TLS context is for, where its type says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Connections of clients to a listener.
    Downstream,
    /// Connections of a cluster.
    Upstream,
}

/// What comes next in an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// A text under a key that matters.
    Text(Key, Cow<'a, str>),
    /// An object or a list under this key is over.
    End(Key),
    /// The answer is over, and it was whole.
    Whole,
    /// There is no room left.
    Later,
}

/// An object or a list that has begun. What stands in a list stands under the list's key.
#[derive(Clone, Copy, Debug)]
struct Frame {
    key: Key,
    is_list: bool,
    side: Option<Side>,
}

pub(super) struct Reader {
    lexer: Lexer,
    frames: Vec<Frame>,
    /// The key of the value that comes next.
    key: Key,
}

impl Reader {
    pub(super) const fn new() -> Self {
        Self { lexer: Lexer::new(), frames: Vec::new(), key: Key::Other }
    }

    /// How many objects and lists the last part stands in.
    pub(super) const fn depth(&self) -> usize {
        self.frames.len()
    }

    /// The key of the object or list that the last part stands in, or of those around it.
    pub(super) fn around(&self, levels: usize) -> Key {
        self.frames.iter().rev().nth(levels).map_or(Key::Other, |frame| frame.key)
    }

    /// Whether the last part stands somewhere below one of these keys.
    pub(super) fn is_below(&self, keys: &[Key]) -> bool {
        self.frames.iter().any(|frame| keys.contains(&frame.key))
    }

    /// What the types of the objects around say, the innermost first.
    pub(super) fn side(&self) -> Option<Side> {
        self.frames.iter().rev().find_map(|frame| frame.side)
    }

    /// The next part of `body`, which is the same in every call.
    pub(super) fn next<'a>(&mut self, body: &'a [u8], room: &mut u32) -> Result<Part<'a>, Broken> {
        loop {
            let token = self.lexer.next(body, room)?;
            if self.frames.is_empty() && matches!(token, Token::Begin { is_list: true } | Token::Text(_) | Token::Other)
            {
                return Err(Broken::NotExpected);
            }
            match token {
                Token::Begin { is_list } => {
                    let key = self.own_key();
                    self.frames.push(Frame { key, is_list, side: None });
                }
                Token::End => {
                    let ended = self.frames.pop();
                    return Ok(Part::End(ended.map_or(Key::Other, |frame| frame.key)));
                }
                Token::Key(key) => self.key = Key::of(&key.read(room)?),
                Token::Text(text) => match self.own_key() {
                    Key::Other => {}
                    Key::Type => self.note_type(&text, room)?,
                    key => return Ok(Part::Text(key, text.read(room)?)),
                },
                Token::Other => {}
                Token::Whole => return Ok(Part::Whole),
                Token::Later => return Ok(Part::Later),
            }
        }
    }

    fn note_type(&mut self, text: &Text<'_>, room: &mut u32) -> Result<(), Broken> {
        let text = text.read(room)?;
        let side = if text.ends_with(".DownstreamTlsContext") {
            Side::Downstream
        } else if text.ends_with(".UpstreamTlsContext") {
            Side::Upstream
        } else {
            return Ok(());
        };
        if let Some(frame) = self.frames.last_mut() {
            frame.side = Some(side);
        }
        Ok(())
    }

    /// The key of a value that begins.
    fn own_key(&self) -> Key {
        self.frames.last().filter(|frame| frame.is_list).map_or(self.key, |list| list.key)
    }
}
