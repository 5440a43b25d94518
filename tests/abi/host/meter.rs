//! Counts the instructions that a module executes.
//!
//! The interpreter's fuel is an estimate from above: whoever enters a function, a loop or an arm of an `if` pays for all
//! that stands in it, whether it is executed or not; a loop with many arms that are hardly ever taken seems fifty times
//! as dear as it is. Here each straight run of instructions is told to add its length to a global as it begins. What
//! starts, ends and names a block costs nothing, a copy of memory is one instruction however long it is.

use wasmparser::{Operator, Parser, Payload};

/// The export that holds the count.
pub const COUNT: &str = "instructions_executed";

const GLOBAL_SECTION: u8 = 6;
const EXPORT_SECTION: u8 = 7;
const CODE_SECTION: u8 = 10;

/// The same module, which counts.
pub fn metered(wasm: &[u8]) -> Vec<u8> {
    let mut metered = wasm[..8].to_vec();
    let (mut global, mut functions, mut left) = (0, Vec::new(), 0);
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.expect("a valid module");
        match &payload {
            Payload::GlobalSection(globals) => {
                global = globals.count();
                let entries = &wasm[globals.original_position()..globals.range().end];
                // An i64 that can be changed and is zero at first.
                let entries = [&leb((global + 1).into())[..], entries, &[0x7e, 1, 0x42, 0, 0x0b]].concat();
                section(&mut metered, GLOBAL_SECTION, &entries);
            }
            Payload::ExportSection(exports) => {
                let entries = &wasm[exports.original_position()..exports.range().end];
                let name = [&leb(COUNT.len() as u64)[..], COUNT.as_bytes(), &[3], &leb(global.into())].concat();
                let entries = [&leb((exports.count() + 1).into())[..], entries, &name].concat();
                section(&mut metered, EXPORT_SECTION, &entries);
            }
            Payload::CodeSectionStart { count, .. } => (functions, left) = (leb((*count).into()), *count),
            Payload::CodeSectionEntry(body) => {
                let operators = body.get_operators_reader().expect("operators").into_iter_with_offsets();
                let operators: Vec<_> = operators.map(|operator| operator.expect("an operator")).collect();
                let body = function(&wasm[..body.range().end], body.range().start, &operators, global);
                functions.extend([leb(body.len() as u64), body].concat());
                left -= 1;
                if left == 0 {
                    section(&mut metered, CODE_SECTION, &functions);
                }
            }
            other => {
                if let Some((id, range)) = other.as_section() {
                    section(&mut metered, id, &wasm[range]);
                }
            }
        }
    }
    metered
}

/// A function's body with counters.
fn function(wasm: &[u8], start: usize, operators: &[(Operator<'_>, usize)], global: u32) -> Vec<u8> {
    let first = operators[0].1;
    let mut body = wasm[start..first].to_vec();
    let mut at = 0;
    while at < operators.len() {
        let rest = &operators[at..];
        let length = rest.iter().position(|(operator, _)| ends_run(operator)).map_or(rest.len(), |last| last + 1);
        let run = &rest[..length];
        let cost = run.iter().filter(|(operator, _)| is_executed(operator)).count();
        if cost > 0 {
            let global = leb(global.into());
            body.extend([&[0x23][..], &global, &[0x42], &signed_leb(cost), &[0x7c, 0x24], &global].concat());
        }
        let end = operators.get(at + length).map_or(wasm.len(), |(_, offset)| *offset);
        body.extend(&wasm[run[0].1..end]);
        at += length;
    }
    body
}

/// Whether what follows need not be executed when this was, or can be without it.
fn ends_run(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Else
            | Operator::End
            | Operator::Br { .. }
            | Operator::BrIf { .. }
            | Operator::BrTable { .. }
            | Operator::Return
            | Operator::Unreachable
    )
}

fn is_executed(operator: &Operator<'_>) -> bool {
    !matches!(operator, Operator::Block { .. } | Operator::Loop { .. } | Operator::Else | Operator::End | Operator::Nop)
}

fn section(module: &mut Vec<u8>, id: u8, contents: &[u8]) {
    module.push(id);
    module.extend(leb(contents.len() as u64));
    module.extend(contents);
}

fn leb(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
    bytes
}

/// The same of a signed number that is not negative: the sixth bit of the last byte is its sign.
fn signed_leb(number: usize) -> Vec<u8> {
    let mut bytes = leb(number as u64);
    if let Some(last) = bytes.last_mut().filter(|last| **last & 0x40 != 0) {
        *last |= 0x80;
        bytes.push(0);
    }
    bytes
}

#[test]
fn what_is_executed_is_counted_and_nothing_else() {
    use wasmi::{Linker, Store};

    // (func (export "f") (param i32) (result i32)
    //   (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 0))
    let module = [
        &b"\0asm\x01\0\0\0\x01\x06\x01\x60\x01\x7f\x01\x7f\x03\x02\x01\0\x06\x06\x01\x7f\x01\x41\0\x0b\x07\x05\x01\x01f\0\0"[..],
        b"\x0a\x12\x01\x10\0\x03\x40\x20\0\x41\x01\x6b\x22\0\x0d\0\x0b\x20\0\x0b",
    ];
    let module = super::artifact::compile(&metered(&module.concat()));
    let mut store = Store::new(module.engine(), ());
    store.set_fuel(1_000_000).expect("fuel is metered");
    let instance = Linker::new(module.engine()).instantiate_and_start(&mut store, &module).expect("an instance");
    let function = instance.get_typed_func::<i32, i32>(&store, "f").expect("a function");
    let count = instance.get_global(&store, COUNT).expect("a count");
    let mut before = 0;
    for times in [1, 2, 1_000] {
        assert_eq!(function.call(&mut store, times).expect("a result"), 0);
        let executed = count.get(&store).i64().expect("a number");
        assert_eq!(executed - before, i64::from(5 * times + 1));
        before = executed;
    }
}
