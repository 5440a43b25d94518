//! What a template says, word by word, before it is rendered for the first time.
//!
//! Rendering samples finds the mistakes on the way that a sample takes. This finds a name that does not exist wherever it
//! stands, and with its place; and what could grow without bounds is refused before it does.

use minijinja::machinery::{Span, Token, tokenize};

use super::fields::{FIELDS, Field, GROUPS};
use super::filters::{FILTERS, GROWING, TESTS};
use super::pen::LARGEST;
use super::template::TemplateError;

/// The most that one expression may be asked to make, in bytes.
const LARGEST_EXPRESSION: usize = 1 << 20;

/// The size that a field is taken to have at most.
const LARGEST_FIELD: usize = 5_120;

/// The text that a loop may hold whose output is kept in a variable.
const LARGEST_LOOP: usize = 1_024;

const OPERATORS: [&str; 13] =
    ["and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None"];

/// Reads a template that the engine has compiled, so its syntax is right. `more` are names that it may use beside the
/// fields. Returns the fields that it names, so that no others are read from an event.
pub(super) fn read(source: &str, more: &[&'static str]) -> Result<Vec<Field>, TemplateError> {
    let mut reader = Reader { source, more, used: Vec::new(), own: vec![("loop", 0)], blocks: Vec::new(), looped: 0 };
    let mut tag: Vec<(Token<'_>, Span)> = Vec::new();
    for token in tokenize(source, false, minijinja::syntax::SyntaxConfig::default()).flatten() {
        match token.0 {
            Token::TemplateData(text) => reader.pass(text, token.1)?,
            Token::VariableStart | Token::BlockStart => tag.clear(),
            Token::VariableEnd => reader.expression(&tag).map(drop)?,
            Token::BlockEnd => reader.block(&tag)?,
            _ => tag.push(token),
        }
    }
    Ok(reader.used)
}

/// What has been read so far.
struct Reader<'a> {
    source: &'a str,
    more: &'a [&'static str],
    used: Vec<Field>,
    /// Names that the template has given, and the most that each may hold.
    own: Vec<(&'a str, usize)>,
    /// The blocks that are open.
    blocks: Vec<&'a str>,
    /// The template's own text within loops whose output is kept.
    looped: usize,
}

impl<'a> Reader<'a> {
    /// The template's own text.
    fn pass(&mut self, text: &str, span: Span) -> Result<(), TemplateError> {
        let kept = self.blocks.iter().position(|block| matches!(*block, "set" | "filter"));
        if kept.is_some_and(|kept| self.blocks.iter().skip(kept).any(|block| *block == "for")) {
            self.looped = self.looped.saturating_add(text.len());
            if self.looped > LARGEST_LOOP {
                return Err(self.mistake(span, "this is too long for a loop whose output is kept".to_owned()));
            }
        }
        Ok(())
    }

    /// A `{% … %}`, without its ends.
    fn block(&mut self, tag: &[(Token<'a>, Span)]) -> Result<(), TemplateError> {
        let Some(((Token::Ident(word), span), rest)) = tag.split_first() else { return Ok(()) };
        let assigned = |token: &(Token<'_>, Span)| matches!(token.0, Token::Assign);
        let introduces = |token: &(Token<'_>, Span)| matches!(token.0, Token::Ident("in"));
        match *word {
            "set" if rest.iter().any(assigned) => {
                let (names, text) = rest.split_at(rest.iter().position(assigned).unwrap_or_default());
                let size = self.expression(text)?;
                self.give(names, size);
            }
            "set" => {
                self.give(rest, LARGEST);
                self.blocks.push("set");
            }
            "for" => {
                if rest.iter().any(|token| matches!(token.0, Token::Ident("recursive"))) {
                    return Err(self.mistake(*span, "a loop cannot be recursive".to_owned()));
                }
                let (names, list) = rest.split_at(rest.iter().position(introduces).unwrap_or_default());
                self.give(names, 0);
                let size = self.expression(list)?;
                self.give(names, size);
                self.blocks.push("for");
            }
            "with" => {
                let size = self.expression(rest)?;
                let names = rest.windows(2).filter(|pair| pair.last().is_some_and(assigned));
                for pair in names {
                    self.give(pair, size);
                }
            }
            "filter" => {
                if let Some((Token::Ident(word), span)) = rest.first() {
                    self.filter(word, *span)?;
                }
                self.blocks.push("filter");
            }
            _ if word.starts_with("end") => {
                let begin = word.strip_prefix("end").unwrap_or_default();
                if self.blocks.last() == Some(&begin) {
                    self.blocks.pop();
                }
            }
            _ => self.expression(rest).map(drop)?,
        }
        Ok(())
    }

    fn give(&mut self, names: &[(Token<'a>, Span)], size: usize) {
        for (token, _) in names {
            if let Token::Ident(name) = token {
                self.own.push((name, size));
            }
        }
    }

    /// Checks the words of an expression; returns the most bytes that it can make.
    fn expression(&mut self, tokens: &[(Token<'a>, Span)]) -> Result<usize, TemplateError> {
        let mut size: usize = 0;
        for (index, (token, span)) in tokens.iter().enumerate() {
            let added = match token {
                Token::Str(text) => text.len(),
                Token::String(text) => text.len(),
                Token::Ident(word) => self.word(word, *span, tokens, index)?,
                Token::Mul | Token::Pow => return Err(self.mistake(*span, "templates do not multiply".to_owned())),
                Token::Colon if has_step(tokens.get(..index).unwrap_or_default()) => {
                    // The engine panics where there is nothing to step through.
                    return Err(self.mistake(*span, "a slice has no step here".to_owned()));
                }
                _ => 0,
            };
            size = size.saturating_add(added);
            if size > LARGEST_EXPRESSION {
                return Err(self.mistake(*span, "what is put together here can be too long".to_owned()));
            }
        }
        Ok(size)
    }

    /// Checks the word at `index`; returns the most bytes that it stands for.
    fn word(
        &mut self,
        word: &str,
        span: Span,
        tokens: &[(Token<'a>, Span)],
        index: usize,
    ) -> Result<usize, TemplateError> {
        let before = |count| index.checked_sub(count).and_then(|index| tokens.get(index)).map(|(token, _)| token);
        let after = tokens.get(index.saturating_add(1)).map(|(token, _)| token);
        let is_called = matches!(after, Some(Token::ParenOpen));
        match (before(1), before(2)) {
            (Some(Token::Pipe), _) => {
                self.filter(word, span)?;
                Ok(if GROWING.contains(&word) { LARGEST } else { 0 })
            }
            (Some(Token::Ident("is")), _) if word != "not" => self.test(word, span),
            (Some(Token::Ident("not")), Some(Token::Ident("is"))) => self.test(word, span),
            (Some(Token::Dot), _) if is_called => {
                Err(self.mistake(span, format!("there is no method {word}; filters follow a |")))
            }
            (Some(Token::Dot), of) => self.attribute(of, word, span),
            _ if OPERATORS.contains(&word) => Ok(0),
            _ if is_called => Err(self.mistake(span, format!("there is no function {word}; filters follow a |"))),
            // The name of an argument, or of what a block gives a value.
            _ if matches!(after, Some(Token::Assign)) => Ok(0),
            _ => self.name(word, span),
        }
    }

    fn filter(&self, word: &str, span: Span) -> Result<(), TemplateError> {
        self.one_of("filter", word, span, &FILTERS.map(|(name, ..)| name))
    }

    fn test(&self, word: &str, span: Span) -> Result<usize, TemplateError> {
        self.one_of("test", word, span, &TESTS.map(|(name, _)| name)).map(|()| 0)
    }

    fn attribute(&self, of: Option<&Token<'_>>, word: &str, span: Span) -> Result<usize, TemplateError> {
        let Some(Token::Ident(group)) = of else { return Ok(LARGEST_FIELD) };
        let is_own = self.own.iter().any(|(name, _)| name == group);
        if let Some((_, fields)) = GROUPS.iter().find(|(name, _)| name == group && !is_own) {
            let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
            self.one_of(&format!("field of {group}"), word, span, &names)?;
        }
        Ok(LARGEST_FIELD)
    }

    fn name(&mut self, word: &str, span: Span) -> Result<usize, TemplateError> {
        if let Some(size) = self.own.iter().filter(|(name, _)| *name == word).map(|(_, size)| *size).max() {
            return Ok(size);
        }
        if self.more.contains(&word) {
            return Ok(LARGEST_FIELD);
        }
        self.one_of("field", word, span, &FIELDS.map(|(name, _)| name))?;
        let is_new = !self.used.iter().any(|(name, _)| *name == word);
        self.used.extend(FIELDS.iter().filter(|(name, _)| is_new && *name == word));
        Ok(if word == "certificates" { LARGEST } else { LARGEST_FIELD })
    }

    fn one_of(&self, what: &str, word: &str, span: Span, known: &[&str]) -> Result<(), TemplateError> {
        if known.contains(&word) {
            return Ok(());
        }
        Err(self.mistake(span, format!("unknown {what} {word}; {}", hint(word, known))))
    }

    fn mistake(&self, span: Span, message: String) -> TemplateError {
        TemplateError::at(self.source, span.start_offset as usize, message)
    }
}

/// Whether a colon after these words is the second one in its brackets.
fn has_step(before: &[(Token<'_>, Span)]) -> bool {
    let mut depth: usize = 0;
    let mut colons: usize = 0;
    for (token, _) in before.iter().rev() {
        match token {
            Token::BracketClose | Token::BraceClose | Token::ParenClose => depth = depth.saturating_add(1),
            Token::BracketOpen if depth == 0 => return colons > 0,
            Token::BraceOpen | Token::ParenOpen if depth == 0 => return false,
            Token::BracketOpen | Token::BraceOpen | Token::ParenOpen => depth = depth.saturating_sub(1),
            Token::Colon if depth == 0 => colons = colons.saturating_add(1),
            _ => {}
        }
    }
    false
}

/// The known word that somebody may have meant by `word`, if one is near.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    const NEAR: f64 = 0.6;
    let similarity = |known: &&str| strsim::normalized_damerau_levenshtein(word, known);
    let nearest = known.iter().copied().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    nearest.filter(|nearest| similarity(nearest) >= NEAR)
}

/// What to say about a word that is not known.
pub(super) fn hint(word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(nearest) => format!("did you mean {nearest}?"),
        None => format!("there are {}", known.join(", ")),
    }
}
