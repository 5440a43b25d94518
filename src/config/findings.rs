//! What was found wrong or doubtful in a document.

use std::cell::RefCell;
use std::fmt;

/// One problem of a document, in words for the person who wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    path: String,
    message: String,
}

impl Problem {
    /// A problem of the value at `path`.
    pub(super) fn at(path: &str, message: String) -> Self {
        Self { path: path.to_owned(), message }
    }

    /// A problem of the document as a whole.
    pub(super) fn of_document(message: String) -> Self {
        Self { path: String::new(), message }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

/// Collects problems and warnings while a document is read, so that one pass finds them all.
#[derive(Default)]
pub(super) struct Findings {
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<String>>,
}

impl Findings {
    /// Notes a problem. What is read once for each cluster of a webhook is one problem all the same.
    pub(super) fn problem(&self, problem: Problem) {
        note(&self.problems, problem);
    }

    pub(super) fn warning(&self, warning: String) {
        note(&self.warnings, warning);
    }

    pub(super) fn into_parts(self) -> (Vec<Problem>, Vec<String>) {
        (self.problems.into_inner(), self.warnings.into_inner())
    }
}

fn note<T: PartialEq>(known: &RefCell<Vec<T>>, new: T) {
    let mut known = known.borrow_mut();
    if !known.contains(&new) {
        known.push(new);
    }
}
