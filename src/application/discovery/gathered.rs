//! What the answers of a round said, before it is joined.

use std::cmp::Ordering;
use std::rc::Rc;

use super::loaded::{Inventory, index};
use super::pool::Pool;
use super::request::Resource;
use super::spend;
use crate::decode::admin::Kind;
use crate::decode::admin::dump::Side;
use crate::domain::text::harmless;
use crate::domain::{Certificate, Role, Usage};

/// What forgetting one thing of each kind costs, in instructions.
const CLEARING: u32 = 12_000;

#[derive(Default)]
pub(super) struct Gathered {
    pub(super) pool: Pool,
    pub(super) loaded: Inventory,
    pub(super) holdings: Vec<Holding>,
    /// Holdings that are secrets, by what they are for and name.
    secrets: Vec<u32>,
    /// Holdings that are files, by what they are for and path.
    files: Vec<u32>,
    pub(super) uses: Vec<Use>,
    pub(super) elements: Vec<Element>,
    /// The names of secrets that are used, in order.
    pub(super) wanted: Vec<String>,
    pub(super) unreadable: u32,
}

/// Certificates that are kept together, or a file in which they are.
pub(super) struct Holding {
    pub(super) kind: Kind,
    pub(super) content: Content,
    /// The secret's name, if it is one.
    pub(super) secret: Option<String>,
    /// It came by SDS, and may be used without being named anywhere.
    pub(super) is_dynamic: bool,
    /// Something uses it.
    pub(super) is_used: bool,
    /// It is among what is loaded.
    pub(super) is_served: bool,
    /// What is served in its place, by its number among what is loaded.
    pub(super) served_instead: Option<usize>,
}

pub(super) enum Content {
    File(String),
    Certificates(Vec<Rc<Certificate>>),
}

/// A TLS context that uses certificates.
pub(super) struct Use {
    pub(super) kind: Kind,
    side: Option<Side>,
    pub(super) of: Of,
    element: u32,
}

pub(super) enum Of {
    Secret(String),
    Holding(u32),
}

/// A listener or a cluster.
pub(super) struct Element {
    resource: Resource,
    name: String,
}

impl Holding {
    pub(super) const fn new(kind: Kind, content: Content) -> Self {
        let (is_dynamic, is_used, is_served) = (false, false, false);
        Self { kind, content, secret: None, is_dynamic, is_used, is_served, served_instead: None }
    }

    /// Where it is kept.
    pub(super) fn places(&self) -> Vec<String> {
        let mut places = Vec::new();
        places.extend(self.secret.as_deref().map(|name| place("secret/", name)));
        if let Content::File(path) = &self.content {
            places.push(place("file/", path));
        }
        places
    }
}

impl Gathered {
    /// Forgets everything by and by: giving back the memory of ten thousand things takes its time. Whether all is gone.
    pub(super) fn clear(&mut self, room: &mut u32) -> bool {
        while *room > 0 {
            spend(room, CLEARING);
            let gone = [
                self.uses.pop().is_some(),
                self.elements.pop().is_some(),
                self.holdings.pop().is_some(),
                self.wanted.pop().is_some(),
                self.loaded.pop(),
                self.pool.pop(),
            ];
            if gone == [false; 6] {
                return true;
            }
        }
        false
    }

    /// Adds certificates that stand in the dump itself.
    pub(super) fn add_inline(&mut self, kind: Kind, certificates: Vec<Rc<Certificate>>) -> Option<u32> {
        self.add(Holding::new(kind, Content::Certificates(certificates)))
    }

    /// A file, the same one for all who name it.
    pub(super) fn file(&mut self, kind: Kind, path: String) -> Option<u32> {
        let order = |holding: &Holding| match &holding.content {
            Content::File(known) => holding.kind.cmp(&kind).then_with(|| known.as_str().cmp(&path)),
            Content::Certificates(_) => Ordering::Less,
        };
        match search(&self.holdings, &self.files, order) {
            Ok(at) => self.files.get(at).copied(),
            Err(at) => {
                let number = self.add(Holding::new(kind, Content::File(path)))?;
                self.files.insert(at, number);
                Some(number)
            }
        }
    }

    /// Adds a secret. Of two with the same name the first one stays.
    pub(super) fn add_secret(&mut self, name: String, is_dynamic: bool, holding: Holding) {
        if let Err(at) = search(&self.holdings, &self.secrets, |known| by_name(known, holding.kind, &name))
            && let Some(number) = self.add(Holding { secret: Some(name), is_dynamic, ..holding })
        {
            self.secrets.insert(at, number);
        }
    }

    fn add(&mut self, holding: Holding) -> Option<u32> {
        let number = u32::try_from(self.holdings.len()).ok()?;
        self.holdings.push(holding);
        Some(number)
    }

    /// Notes that the element that comes next uses certificates.
    pub(super) fn note_use(&mut self, kind: Kind, side: Option<Side>, of: Of) {
        if let Of::Secret(name) = &of
            && let Err(at) = self.wanted.binary_search(name)
        {
            self.wanted.insert(at, name.clone());
        }
        let Ok(element) = u32::try_from(self.elements.len()) else { return };
        self.uses.push(Use { kind, side, of, element });
    }

    pub(super) fn add_element(&mut self, resource: Resource, name: &str) {
        self.elements.push(Element { resource, name: harmless(name) });
    }

    /// Notes what is served in the place of a holding.
    pub(super) fn explain_by(&mut self, number: usize, holding: usize) {
        self.loaded.set_explained(number);
        if let Some(holding) = self.holdings.get_mut(holding) {
            holding.served_instead = Some(number);
        }
    }

    /// What a use is one of: the number of a holding.
    pub(super) fn holding_of(&self, user: &Use) -> Option<u32> {
        match &user.of {
            Of::Holding(number) => Some(*number),
            Of::Secret(name) => {
                let at = search(&self.holdings, &self.secrets, |known| by_name(known, user.kind, name)).ok()?;
                self.secrets.get(at).copied()
            }
        }
    }

    /// What a use is for, and where it stands.
    pub(super) fn usage_of(&self, user: &Use) -> Option<(Usage, String)> {
        let Element { resource, name } = self.elements.get(index(user.element))?;
        let is_listener = matches!(resource, Resource::StaticListeners | Resource::DynamicListeners);
        let usage = match (user.kind, user.side) {
            (Kind::Bundle, _) => Usage::new(Role::Ca, None),
            (Kind::Chain, Some(Side::Downstream)) => Usage::new(Role::Server, None),
            (Kind::Chain, None) if is_listener => Usage::new(Role::Server, None),
            (Kind::Chain, _) if is_listener => Usage::new(Role::Upstream, None),
            (Kind::Chain, _) => Usage::new(Role::Upstream, Some(name.clone())),
        };
        Some((usage, place(if is_listener { "listener/" } else { "cluster/" }, name)))
    }
}

fn search(holdings: &[Holding], numbers: &[u32], order: impl Fn(&Holding) -> Ordering) -> Result<usize, usize> {
    numbers.binary_search_by(|number| holdings.get(index(*number)).map_or(Ordering::Less, &order))
}

fn by_name(holding: &Holding, kind: Kind, name: &str) -> Ordering {
    holding.kind.cmp(&kind).then_with(|| holding.secret.as_deref().unwrap_or_default().cmp(name))
}

pub(super) fn place(kind: &str, name: &str) -> String {
    let mut place = kind.to_owned();
    place.push_str(&harmless(name));
    place
}
