//! What a template says, word by word, before it is rendered for the first time.
//!
//! Rendering samples finds the mistakes on the way that a sample takes. This finds a name that does not exist wherever it
//! stands, and with its place; and what could grow without bounds is refused before it does.

use minijinja::machinery::{Span, Token, tokenize};

use super::fields::{FIELDS, Field, GROUPS};
use super::filters::{FILTERS, TESTS};
use super::pen::LARGEST;
use super::template::TemplateError;

/// The most that one expression may be asked to make, in bytes.
const LARGEST_EXPRESSION: usize = 1 << 20;

/// The size that a field is taken to have at most.
const LARGEST_FIELD: usize = 2_048;

/// The text that a loop may hold whose output is kept in a variable.
const LARGEST_LOOP: usize = 1_024;

const OPERATORS: [&str; 12] = ["and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False"];

/// Reads a template that the engine has compiled, so its syntax is right. `more` are names that it may use beside the
/// fields. Returns the fields that it names.
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
    fn pass(&mut self, text: &str, span: Span) -> Result<(), TemplateError> {
        let kept = self.blocks.iter().position(|block| matches!(*block, "set" | "filter" | "call"));
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
                self.filter(rest)?;
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
            let near = |offset: usize| index.checked_sub(offset).and_then(|index| tokens.get(index));
            let before = near(1).map(|(token, _)| token);
            let after = tokens.get(index.saturating_add(1)).map(|(token, _)| token);
            let added = match token {
                Token::Str(text) => text.len(),
                Token::String(text) => text.len(),
                Token::Mul | Token::Pow => {
                    return Err(self.mistake(*span, "templates do not multiply".to_owned()));
                }
                Token::Ident(word) => match (before, after) {
                    (Some(Token::Pipe), _) => {
                        self.one_of("filter", word, *span, &FILTERS.map(|(name, ..)| name))?;
                        if matches!(*word, "join" | "replace") { LARGEST } else { 0 }
                    }
                    (Some(Token::Ident("is")), _) if *word != "not" => self.test(word, *span)?,
                    (Some(Token::Ident("not")), _) if matches!(near(2), Some((Token::Ident("is"), _))) => {
                        self.test(word, *span)?
                    }
                    (Some(Token::Dot), _) => self.attribute(near(2), word, *span)?,
                    // The name of an argument, or of what a block gives a value.
                    (_, Some(Token::Assign)) => 0,
                    (_, Some(Token::ParenOpen)) if !OPERATORS.contains(word) => {
                        return Err(self.mistake(*span, format!("there is no function {word}; filters follow a |")));
                    }
                    _ => self.name(word, *span)?,
                },
                _ => 0,
            };
            size = size.saturating_add(added);
            if size > LARGEST_EXPRESSION {
                return Err(self.mistake(*span, "what is put together here can be too long".to_owned()));
            }
        }
        Ok(size)
    }

    fn filter(&self, tokens: &[(Token<'a>, Span)]) -> Result<(), TemplateError> {
        match tokens.first() {
            Some((Token::Ident(word), span)) => self.one_of("filter", word, *span, &FILTERS.map(|(name, ..)| name)),
            _ => Ok(()),
        }
    }

    fn test(&self, word: &str, span: Span) -> Result<usize, TemplateError> {
        self.one_of("test", word, span, &TESTS.map(|(name, _)| name)).map(|()| 0)
    }

    fn attribute(&self, of: Option<&(Token<'_>, Span)>, word: &str, span: Span) -> Result<usize, TemplateError> {
        let Some((Token::Ident(group), _)) = of else { return Ok(LARGEST_FIELD) };
        if let Some((_, fields)) = GROUPS.iter().find(|(name, _)| name == group) {
            let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
            self.one_of(&format!("field of {group}"), word, span, &names)?;
        }
        Ok(LARGEST_FIELD)
    }

    fn name(&mut self, word: &str, span: Span) -> Result<usize, TemplateError> {
        if OPERATORS.contains(&word) {
            return Ok(0);
        }
        if let Some(size) = self.own.iter().filter(|(name, _)| *name == word).map(|(_, size)| *size).max() {
            return Ok(size);
        }
        if self.more.contains(&word) {
            return Ok(LARGEST_FIELD);
        }
        self.one_of("field", word, span, &FIELDS.map(|(name, _)| name))?;
        let is_new = !self.used.iter().any(|(name, _)| *name == word);
        self.used.extend(FIELDS.iter().filter(|(name, _)| is_new && *name == word));
        Ok(LARGEST_FIELD)
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

/// What somebody may have meant by `word`.
pub(super) fn hint(word: &str, known: &[&str]) -> String {
    const NEAR: f64 = 0.6;
    let similarity = |name: &&str| strsim::normalized_damerau_levenshtein(word, name);
    let nearest = known.iter().copied().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    match nearest.filter(|nearest| similarity(nearest) >= NEAR) {
        Some(nearest) => format!("did you mean {nearest}?"),
        None => format!("there are {}", known.join(", ")),
    }
}
