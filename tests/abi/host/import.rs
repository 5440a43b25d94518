//! How a host function is described: its parameters by what they mean, not by their machine types.

use wasmi::{Error, FuncType, ValType};

use super::call::Call;

/// One row of a table of host functions.
pub struct Import {
    /// Its name in the module's import section.
    pub name: &'static str,
    /// Its parameters, in order.
    pub params: &'static [Param],
    /// What it does.
    pub handler: Handler,
    /// Whether it returns a status: all do but `proc_exit`.
    pub returns: bool,
}

/// Performs a host call. An error is a trap.
pub type Handler = fn(&mut Call<'_, '_>) -> Result<Status, Error>;

/// What a parameter of a host function means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param {
    /// A number of 32 bits: an id, a length, a flag, a plain pointer.
    Number,
    /// A number of 64 bits.
    Long,
    /// Data that the module hands over: a pointer and a length.
    Bytes,
    /// Where the host shall put a pointer to data that it hands over, and the length of that data.
    ReturnBytes,
    /// Where the host shall put a number of 32 bits.
    ReturnNumber,
    /// Where the host shall put a number of 64 bits.
    ReturnLong,
}

impl Param {
    /// What it looks like to the module.
    pub const fn machine_types(self) -> &'static [ValType] {
        match self {
            Self::Number | Self::ReturnNumber | Self::ReturnLong => &[ValType::I32],
            Self::Long => &[ValType::I64],
            Self::Bytes | Self::ReturnBytes => &[ValType::I32, ValType::I32],
        }
    }
}

impl Import {
    /// The type that the module's import must have.
    pub fn signature(&self) -> FuncType {
        let params: Vec<ValType> = self.params.iter().flat_map(|param| param.machine_types()).copied().collect();
        let results: &[ValType] = if self.returns { &[ValType::I32] } else { &[] };
        FuncType::new(params, results.iter().copied())
    }

    /// Where the machine arguments of a parameter begin.
    pub fn position(&self, param: usize) -> usize {
        self.params[..param].iter().map(|param| param.machine_types().len()).sum()
    }
}

/// What a host function answers: a status of the proxy-wasm ABI, or an error number of WASI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u32);

impl Status {
    pub const OK: Self = Self(0);
    pub const NOT_FOUND: Self = Self(1);
    pub const BAD_ARGUMENT: Self = Self(2);
    pub const EMPTY: Self = Self(7);
    pub const CAS_MISMATCH: Self = Self(8);
    pub const INTERNAL_FAILURE: Self = Self(10);
}
