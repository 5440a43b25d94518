//! What can be made to go wrong in a host call, and when.

use super::linker;
use super::world::{SharedWorld, VmNumber};

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call does nothing and answers this status, known to the SDK or not.
    Status(u32),
    /// The call does nothing and traps.
    TrapBefore,
    /// The call does its work and then traps.
    TrapAfter,
    /// The call does its work, answers "ok", and returns something else than it should.
    Returns(Data),
}

/// What a call returns in place of the right thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// A null pointer and length zero; zero for a number.
    Null,
    /// A valid pointer and length zero; a number stays.
    Empty,
    /// These bytes; a number stays.
    Bytes(Vec<u8>),
    /// This number; data stays.
    Number(u64),
}

/// All faults that are programmed in a world.
#[derive(Default)]
pub struct Faults {
    programmed: Vec<Programmed>,
}

/// Which calls are struck, by the data that the module hands over.
#[derive(Default)]
struct About {
    /// What the first data begins with.
    beginning: Vec<u8>,
    /// What some of the data ends with.
    end: Vec<u8>,
}

impl About {
    fn is_about(&self, data: impl Fn() -> Vec<Vec<u8>>) -> bool {
        if self.beginning.is_empty() && self.end.is_empty() {
            return true;
        }
        let data = data();
        let begins = data.first().is_some_and(|first| first.starts_with(&self.beginning));
        begins && data.iter().any(|data| data.ends_with(&self.end))
    }
}

struct Programmed {
    vm: Option<VmNumber>,
    function: String,
    about: About,
    fault: Fault,
    first: u64,
    last: u64,
    seen: u64,
}

impl Faults {
    /// Counts the call and says what goes wrong with it. The fault programmed last wins.
    pub fn strike(&mut self, vm: VmNumber, function: &str, data: impl Fn() -> Vec<Vec<u8>>) -> Option<Fault> {
        let mut struck = None;
        for programmed in &mut self.programmed {
            if programmed.function == function
                && programmed.vm.is_none_or(|only| only == vm)
                && programmed.about.is_about(&data)
            {
                programmed.seen += 1;
                if (programmed.first..=programmed.last).contains(&programmed.seen) {
                    struck = Some(programmed.fault.clone());
                }
            }
        }
        struck
    }

    /// From now on everything works again.
    pub fn clear(&mut self) {
        self.programmed.clear();
    }
}

/// Programs one fault: first when, then what. Without a "when", every call is struck.
#[must_use = "say what goes wrong"]
pub struct FaultBuilder {
    world: SharedWorld,
    vm: Option<VmNumber>,
    function: String,
    about: About,
    first: u64,
    last: u64,
}

impl FaultBuilder {
    /// Begins a fault of `function`, in one VM or in all.
    pub fn new(world: SharedWorld, vm: Option<VmNumber>, function: &str) -> Self {
        assert!(linker::is_host_function(function), "there is no host function {function}");
        Self { world, vm, function: function.to_owned(), about: About::default(), first: 1, last: u64::MAX }
    }

    /// Only calls whose first data begins like this: the key of shared data, the cluster of a callout.
    pub fn about(mut self, beginning: &str) -> Self {
        beginning.as_bytes().clone_into(&mut self.about.beginning);
        self
    }

    /// Only calls with data that ends like this.
    pub fn ending(mut self, end: impl AsRef<[u8]>) -> Self {
        end.as_ref().clone_into(&mut self.about.end);
        self
    }

    /// Only the `n`-th call from now; the next call is 1.
    pub fn on_call(mut self, n: u64) -> Self {
        (self.first, self.last) = (n, n);
        self
    }

    /// The next `n` calls work; what comes after them is struck.
    pub fn after_calls(mut self, n: u64) -> Self {
        self.first = n + 1;
        self
    }

    /// No more than `n` calls.
    pub fn for_calls(mut self, n: u64) -> Self {
        self.last = self.first + n - 1;
        self
    }

    /// It does nothing and answers this status.
    pub fn status(self, status: u32) {
        self.program(Fault::Status(status));
    }

    /// It does nothing and traps.
    pub fn trap_before(self) {
        self.program(Fault::TrapBefore);
    }

    /// It does its work and traps.
    pub fn trap_after(self) {
        self.program(Fault::TrapAfter);
    }

    /// It says "ok" and returns a null pointer, length zero, or the number zero.
    pub fn null(self) {
        self.program(Fault::Returns(Data::Null));
    }

    /// It says "ok" and returns a valid pointer to nothing.
    pub fn empty(self) {
        self.program(Fault::Returns(Data::Empty));
    }

    /// It says "ok" and returns these bytes.
    pub fn bytes(self, bytes: impl AsRef<[u8]>) {
        self.program(Fault::Returns(Data::Bytes(bytes.as_ref().to_vec())));
    }

    /// It says "ok" and returns this number.
    pub fn number(self, number: u64) {
        self.program(Fault::Returns(Data::Number(number)));
    }

    fn program(self, fault: Fault) {
        let Self { world, vm, function, about, first, last } = self;
        let programmed = Programmed { vm, function, about, fault, first, last, seen: 0 };
        world.borrow_mut().faults.programmed.push(programmed);
    }
}
