//! Whether an event may go out, where the proxies of a fleet tell it once between them.

use std::time::Duration;

use crate::domain::UnixTime;

/// A try has to begin within this time of its claim.
pub const GRACE: Duration = Duration::from_secs(50);
/// What goes with others waits no longer for theirs.
const PATIENCE: Duration = Duration::from_secs(25);

/// See the module's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is this proxy's own: nobody is asked.
    Needless,
    /// The store is to be asked.
    Open {
        /// The first time that it could not be asked.
        since: Option<UnixTime>,
        /// The first time that it said that another proxy is at it.
        held: Option<UnixTime>,
    },
    /// The store was asked.
    Asked {
        /// The same as before.
        since: Option<UnixTime>,
        /// The same as before.
        held: Option<UnixTime>,
        /// When it is to be sent if it may be.
        due: UnixTime,
    },
    /// Another proxy is at it: the store is asked again when it is due.
    Elsewhere {
        /// The first time that it said so.
        since: UnixTime,
    },
    /// It may be told.
    Held {
        /// A try has to begin before this.
        until: UnixTime,
    },
}

impl Claim {
    /// The store was not asked yet.
    pub const OPEN: Self = Self::Open { since: None, held: None };

    /// Whether a try may begin.
    pub fn allows(self, now: UnixTime) -> bool {
        match self {
            Self::Needless => true,
            // What lies further ahead is of a clock that was set back.
            Self::Held { until } => now < until && until <= now.after(GRACE),
            Self::Open { .. } | Self::Asked { .. } | Self::Elsewhere { .. } => false,
        }
    }

    /// Whether there is time left in which others may be claimed to go with it.
    pub fn may_wait(self, now: UnixTime) -> bool {
        !matches!(self, Self::Held { until } if until < now.after(PATIENCE))
    }

    /// Whether it may go before its time with others, or be claimed for that.
    pub const fn may_join(self) -> bool {
        matches!(self, Self::Needless | Self::Held { .. } | Self::Open { since: None, .. })
    }

    /// How it stands before another try.
    #[must_use]
    pub fn anew(self) -> Self {
        if self.is_shared() { Self::OPEN } else { self }
    }

    /// Whether others may tell it.
    pub fn is_shared(self) -> bool {
        self != Self::Needless
    }
}
