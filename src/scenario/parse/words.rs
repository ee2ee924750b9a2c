//! The words of a line, with their columns.

use perf_core::CpuId;

use super::{ParseError, ParseReason};

/// A line's words and how far it has been read.
#[derive(Debug)]
pub(super) struct Words<'text> {
    line: usize,
    /// Columns from 1, and words.
    words: Vec<(usize, &'text str)>,
    next: usize,
    /// Column behind the last word.
    end: usize,
}

impl<'text> Words<'text> {
    pub(super) fn new(line: usize, text: &'text str) -> Self {
        let code = text.split_once('#').map_or(text, |(code, _)| code);
        let mut words = Vec::new();
        let mut rest = code;
        let mut column = 1;
        while let Some(start) = rest.find(|c: char| !c.is_whitespace()) {
            column += rest[..start].chars().count();
            let word = &rest[start..];
            let word = &word[..word.find(char::is_whitespace).unwrap_or(word.len())];
            words.push((column, word));
            column += word.chars().count();
            rest = &rest[start + word.len()..];
        }
        Self { line, words, next: 0, end: column }
    }

    /// The next word, which stays.
    pub(super) fn peek(&self) -> Option<&'text str> {
        self.words.get(self.next).map(|(_, word)| *word)
    }

    /// The next word; `what` is missing where there is none.
    pub(super) fn next(&mut self, what: &'static str) -> Result<&'text str, ParseError> {
        let word = self.peek().ok_or_else(|| self.error_here(ParseReason::Missing(what)))?;
        self.next += 1;
        Ok(word)
    }

    /// Takes the next word if it is this one.
    pub(super) fn take(&mut self, wanted: &str) -> bool {
        let found = self.peek() == Some(wanted);
        self.next += usize::from(found);
        found
    }

    /// Takes the next word, which must be this one.
    pub(super) fn expect(&mut self, wanted: &'static str) -> Result<(), ParseError> {
        if self.next(wanted)? == wanted { Ok(()) } else { Err(self.unknown(wanted)) }
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Result<(), ParseError> {
        match self.peek() {
            Some(word) => Err(self.error_here(ParseReason::TooMuch(word.to_owned()))),
            None => Ok(()),
        }
    }

    /// Whether the next word is part of the operation: not the end, not `=`.
    pub(super) fn has_more(&self) -> bool {
        self.peek().is_some_and(|word| word != "=")
    }

    /// A number, decimal or hexadecimal after 0x.
    pub(super) fn number(&mut self, what: &'static str) -> Result<u64, ParseError> {
        number_of(self.next(what)?).ok_or_else(|| self.unknown("number"))
    }

    /// A CPU's number.
    pub(super) fn cpu(&mut self) -> Result<CpuId, ParseError> {
        let number = self.number("a CPU's number")?;
        u32::try_from(number).map(CpuId).map_err(|_| self.unknown("CPU's number"))
    }

    /// A name.
    pub(super) fn name<T: for<'a> From<&'a str>>(
        &mut self,
        what: &'static str,
    ) -> Result<T, ParseError> {
        let word = self.next(what)?;
        if is_name(word) { Ok(T::from(word)) } else { Err(self.unknown(what)) }
    }

    /// An error at the next word, or behind the last one.
    pub(super) fn error_here(&self, reason: ParseReason) -> ParseError {
        let column = self.words.get(self.next).map_or(self.end, |(column, _)| *column);
        ParseError { line: self.line, column, reason }
    }

    /// The word that was taken last is not what it should be.
    pub(super) fn unknown(&self, wanted: &'static str) -> ParseError {
        let wanted = wanted.strip_prefix("a ").unwrap_or(wanted);
        let wanted = wanted.strip_prefix("an ").unwrap_or(wanted);
        let last = self.next.saturating_sub(1);
        let (column, word) = self.words.get(last).copied().unwrap_or((self.end, ""));
        let reason = ParseReason::Unknown { word: word.to_owned(), wanted };
        ParseError { line: self.line, column, reason }
    }

    /// The word that was taken last was given before.
    pub(super) fn twice(&self) -> ParseError {
        let last = self.next.saturating_sub(1);
        let (column, word) = self.words.get(last).copied().unwrap_or((self.end, ""));
        ParseError { line: self.line, column, reason: ParseReason::Twice(word.to_owned()) }
    }
}

/// A number, decimal or hexadecimal after 0x.
pub(super) fn number_of(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) if digits.starts_with(|c: char| c.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16).ok()
        }
        Some(_) => None,
        None if text.starts_with(|c: char| c.is_ascii_digit()) => text.parse().ok(),
        None => None,
    }
}

/// Letters, digits and underscores, not a digit first.
pub(super) fn is_name(word: &str) -> bool {
    let mut chars = word.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    first && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}
