//! Ties the tables of host functions to a module: counting, programmed faults and traps are the same
//! for every function, so they live here once.

use wasmi::{Caller, Error, ExternType, Linker, Module, Val};

use super::call::Call;
use super::fault::Fault;
use super::import::{Import, Status};
use super::vm_state::VmState;
use super::{artifact, env, wasi};

/// The host functions by the name of their module.
pub const TABLES: [(&str, &[Import]); 2] = [("env", env::TABLE), ("wasi_snapshot_preview1", wasi::TABLE)];

/// What the module may call while it is being initialized: contexts do not exist yet.
const ALLOWED_AT_START: &str = "proxy_log";

/// A linker that knows every host function.
pub fn linker() -> Linker<VmState> {
    let mut linker = Linker::new(artifact::engine());
    for (module, table) in TABLES {
        for import in table {
            linker
                .func_new(module, import.name, import.signature(), |caller, args, results| {
                    run(caller, import, args, results)
                })
                .unwrap_or_else(|error| panic!("{module}.{}: {error}", import.name));
        }
    }
    linker
}

/// What the module imports and the host does not offer, or offers with another signature.
pub fn unknown_imports(module: &Module) -> Vec<String> {
    module
        .imports()
        .filter(|import| {
            let offered = TABLES
                .iter()
                .filter(|(module, _)| *module == import.module())
                .flat_map(|(_, table)| table.iter())
                .find(|offered| offered.name == import.name());
            match (offered, import.ty()) {
                (Some(offered), ExternType::Func(wanted)) => offered.signature() != *wanted,
                _ => true,
            }
        })
        .map(|import| format!("{}.{} {:?}", import.module(), import.name(), import.ty()))
        .collect()
}

/// Whether there is a host function of that name.
pub fn is_host_function(name: &str) -> bool {
    TABLES.iter().any(|(_, table)| table.iter().any(|import| import.name == name))
}

fn run(
    mut caller: Caller<'_, VmState>,
    import: &'static Import,
    args: &[Val],
    results: &mut [Val],
) -> Result<(), Error> {
    let mut call = Call::new(&mut caller, import, args);
    let status = perform(&mut call)?;
    if let Some(result) = results.first_mut() {
        *result = Val::I32(status.0.cast_signed());
    }
    Ok(())
}

fn perform(call: &mut Call<'_, '_>) -> Result<Status, Error> {
    let import = call.import();
    if call.state().starting && import.name.starts_with("proxy_") && import.name != ALLOWED_AT_START {
        return Err(call.trap("is called during initialization"));
    }
    let (world, number) = (call.state().world.clone(), call.state().number);
    let fault = {
        let mut world = world.borrow_mut();
        *world.calls.entry((number, import.name)).or_default() += 1;
        world.faults.strike(number, import.name, || call.data())
    };
    match fault {
        None => (import.handler)(call),
        Some(Fault::Status(status)) => Ok(Status(status)),
        Some(Fault::TrapBefore) => Err(call.trap("traps as programmed, before it did anything")),
        Some(Fault::TrapAfter) => {
            (import.handler)(call)?;
            Err(call.trap("traps as programmed, after it did its work"))
        }
        Some(Fault::Returns(data)) => {
            (import.handler)(call)?;
            call.replace_results(&data)?;
            Ok(Status::OK)
        }
    }
}
