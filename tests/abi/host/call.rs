//! One host call in progress: reads its arguments and writes its results.

use std::cell::RefMut;

use wasmi::{Caller, Error, Memory, Val};

use super::fault::Data;
use super::import::{Import, Param};
use super::vm_state::VmState;
use super::world::World;

/// A call of a host function. Arguments go by the number of the parameter in the function's row.
pub struct Call<'a, 'b> {
    caller: &'a mut Caller<'b, VmState>,
    import: &'static Import,
    args: &'a [Val],
}

impl<'a, 'b> Call<'a, 'b> {
    pub fn new(caller: &'a mut Caller<'b, VmState>, import: &'static Import, args: &'a [Val]) -> Self {
        Self { caller, import, args }
    }

    /// The row of the function that is called.
    pub fn import(&self) -> &'static Import {
        self.import
    }

    /// The VM that calls.
    pub fn state(&self) -> &VmState {
        self.caller.data()
    }

    /// The VM that calls.
    pub fn state_mut(&mut self) -> &mut VmState {
        self.caller.data_mut()
    }

    /// The process. Give the borrow back before results are written: that calls into the module.
    pub fn world(&self) -> RefMut<'_, World> {
        self.state().world.borrow_mut()
    }

    /// A trap that names this function.
    pub fn trap(&self, message: &str) -> Error {
        Error::new(format!("fake host: {} {message}", self.import.name))
    }

    /// The argument of a [`Param::Number`].
    pub fn number(&self, param: usize) -> u32 {
        self.expect(param, Param::Number);
        self.word(self.import.position(param))
    }

    /// The argument of a [`Param::Long`].
    pub fn long(&self, param: usize) -> i64 {
        self.expect(param, Param::Long);
        match self.args[self.import.position(param)] {
            Val::I64(value) => value,
            ref other => panic!("{}: not an i64: {other:?}", self.import.name),
        }
    }

    /// The argument of a [`Param::Bytes`].
    pub fn bytes(&self, param: usize) -> Result<Vec<u8>, Error> {
        self.expect(param, Param::Bytes);
        let position = self.import.position(param);
        self.read(self.word(position), self.word(position + 1))
    }

    /// The argument of a [`Param::Bytes`] that must be text.
    pub fn text(&self, param: usize) -> Result<String, Error> {
        String::from_utf8(self.bytes(param)?).map_err(|_| self.trap("is given text that is not UTF-8"))
    }

    /// All data that the module hands over.
    pub fn data(&self) -> Vec<Vec<u8>> {
        let params = self.import.params.iter().enumerate().filter(|(_, param)| **param == Param::Bytes);
        params.filter_map(|(param, _)| self.bytes(param).ok()).collect()
    }

    /// Hands data over through a [`Param::ReturnBytes`]. Nothing is a null pointer, as in Envoy;
    /// for anything else the module is asked for memory.
    pub fn return_bytes(&mut self, param: usize, data: &[u8]) -> Result<(), Error> {
        self.expect(param, Param::ReturnBytes);
        let pointer = if data.is_empty() { 0 } else { self.allocate(data.len())? };
        self.write(pointer, data)?;
        self.return_slice(param, pointer, data.len())
    }

    /// Returns a number through a [`Param::ReturnNumber`].
    pub fn return_number(&mut self, param: usize, value: u32) -> Result<(), Error> {
        self.expect(param, Param::ReturnNumber);
        self.write(self.word(self.import.position(param)), &value.to_le_bytes())
    }

    /// Returns a number through a [`Param::ReturnLong`].
    pub fn return_long(&mut self, param: usize, value: u64) -> Result<(), Error> {
        self.expect(param, Param::ReturnLong);
        self.write(self.word(self.import.position(param)), &value.to_le_bytes())
    }

    /// Replaces what the function has returned.
    pub fn replace_results(&mut self, data: &Data) -> Result<(), Error> {
        for (param, kind) in self.import.params.iter().enumerate() {
            match (kind, data) {
                (Param::ReturnBytes, Data::Null) => self.return_bytes(param, &[])?,
                (Param::ReturnBytes, Data::Bytes(bytes)) => self.return_bytes(param, bytes)?,
                (Param::ReturnBytes, Data::Empty) => {
                    let pointer = self.allocate(1)?;
                    self.return_slice(param, pointer, 0)?;
                }
                (Param::ReturnNumber, Data::Null) => self.return_number(param, 0)?,
                (Param::ReturnLong, Data::Null) => self.return_long(param, 0)?,
                (Param::ReturnNumber, Data::Number(number)) => {
                    let number = u32::try_from(*number).expect("a number of 32 bits");
                    self.return_number(param, number)?;
                }
                (Param::ReturnLong, Data::Number(number)) => self.return_long(param, *number)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads linear memory at a plain pointer.
    pub fn read(&self, pointer: u32, length: u32) -> Result<Vec<u8>, Error> {
        let memory = self.memory()?;
        let (start, length) = (pointer as usize, length as usize);
        memory
            .data(&*self.caller)
            .get(start..start + length)
            .map(<[u8]>::to_vec)
            .ok_or_else(|| self.trap("is given data outside of linear memory"))
    }

    /// Writes linear memory at a plain pointer.
    pub fn write(&mut self, pointer: u32, data: &[u8]) -> Result<(), Error> {
        let memory = self.memory()?;
        let start = pointer as usize;
        match memory.data_mut(&mut *self.caller).get_mut(start..start + data.len()) {
            Some(place) => place.copy_from_slice(data),
            None => return Err(self.trap("is given a place outside of linear memory")),
        }
        Ok(())
    }

    fn return_slice(&mut self, param: usize, pointer: u32, length: usize) -> Result<(), Error> {
        let position = self.import.position(param);
        let length = u32::try_from(length).expect("linear memory has 32 bits");
        self.write(self.word(position), &pointer.to_le_bytes())?;
        self.write(self.word(position + 1), &length.to_le_bytes())
    }

    fn allocate(&mut self, length: usize) -> Result<u32, Error> {
        let allocator = ["proxy_on_memory_allocate", "malloc"]
            .iter()
            .find_map(|name| self.caller.get_export(name)?.into_func())
            .ok_or_else(|| self.trap("finds no proxy_on_memory_allocate in the module"))?;
        let length = i32::try_from(length).expect("data is smaller than 2 GB");
        let mut pointer = [Val::I32(0)];
        allocator.call(&mut *self.caller, &[Val::I32(length)], &mut pointer)?;
        match pointer {
            [Val::I32(0)] => Err(self.trap("gets no memory from the module")),
            [Val::I32(pointer)] => Ok(pointer.cast_unsigned()),
            [other] => panic!("the module's allocator returns {other:?}"),
        }
    }

    fn memory(&self) -> Result<Memory, Error> {
        self.caller
            .get_export("memory")
            .and_then(wasmi::Extern::into_memory)
            .ok_or_else(|| self.trap("finds no memory in the module"))
    }

    fn word(&self, position: usize) -> u32 {
        match self.args[position] {
            Val::I32(value) => value.cast_unsigned(),
            ref other => panic!("{}: not an i32: {other:?}", self.import.name),
        }
    }

    fn expect(&self, param: usize, kind: Param) {
        assert_eq!(self.import.params[param], kind, "{}: parameter {param}", self.import.name);
    }
}
