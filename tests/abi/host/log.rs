//! What the modules say.

use std::fmt;

/// How loud it is. The numbers are those of the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Trace = 0,
    Debug = 1,
    Info = 2,
    Warn = 3,
    Error = 4,
    Critical = 5,
}

impl Level {
    pub fn from_number(number: u32) -> Option<Self> {
        [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Critical]
            .into_iter()
            .find(|level| *level as u32 == number)
    }
}

/// One line of the log. A line may hold newlines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The name of the VM that wrote it.
    pub vm: String,
    pub level: Level,
    pub text: String,
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:?}] {}: {}", self.level, self.vm, self.text)
    }
}
