//! The released module: where it is, what it imports and exports, and its compiled form.

use std::path::PathBuf;
use std::sync::OnceLock;

use wasmi::{CompilationMode, Config, Engine, ExternType, Module};

use super::meter::metered;

/// Calls may nest this deep before the interpreter calls it a stack overflow.
/// V8 counts bytes rather than calls, and so does the interpreter's value stack (1 MB for both).
const RECURSION_LIMIT: usize = 10_000;

/// The artifact: `CERT_EXPIRY_MONITOR_WASM`, or where `make wasm` puts it.
pub fn module_path() -> PathBuf {
    std::env::var_os("CERT_EXPIRY_MONITOR_WASM")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("dist/cert_expiry_monitor.wasm"), PathBuf::from)
}

/// The bytes of the artifact.
pub fn wasm() -> Vec<u8> {
    let path = module_path();
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}: run `make wasm` first", path.display()))
}

/// The compiled artifact, shared by all tests of the process.
pub fn module() -> Module {
    static MODULE: OnceLock<Module> = OnceLock::new();
    MODULE.get_or_init(|| compile(&wasm())).clone()
}

/// The same, made to count the instructions that it executes.
pub fn metered_module() -> Module {
    static MODULE: OnceLock<Module> = OnceLock::new();
    MODULE.get_or_init(|| compile(&metered(&wasm()))).clone()
}

/// Compiles a module, given as bytes or as text.
pub fn compile(wasm: &[u8]) -> Module {
    Module::new(engine(), wasm).unwrap_or_else(|error| panic!("not a valid module: {error}"))
}

/// Everything that the module wants from its host, as (module, name), in its own order.
pub fn imports(wasm: &[u8]) -> Vec<(String, String)> {
    compile(wasm).imports().map(|import| (import.module().to_owned(), import.name().to_owned())).collect()
}

/// The functions that the module offers, sorted by name.
pub fn exports(wasm: &[u8]) -> Vec<String> {
    let mut names: Vec<String> = compile(wasm)
        .exports()
        .filter(|export| matches!(export.ty(), ExternType::Func(_)))
        .map(|export| export.name().to_owned())
        .collect();
    names.sort();
    names
}

/// One engine for all modules. It meters fuel, and it translates eagerly: lazy translation is
/// charged to whoever calls a function first, so the same call would not always cost the same.
pub fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let mut config = Config::default();
        config.consume_fuel(true).compilation_mode(CompilationMode::Eager).set_max_recursion_depth(RECURSION_LIMIT);
        Engine::new(&config)
    })
}
