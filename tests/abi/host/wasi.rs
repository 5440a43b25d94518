//! The part of WASI preview 1 that Envoy offers: enough for a standard library to start, to print and
//! to ask for time, chance and its environment. There are no files.

use wasmi::Error;

use super::call::Call;
use super::import::Param::{Bytes, Long, Number, ReturnLong, ReturnNumber};
use super::import::{Import, Param, Status};
use super::log::Level;

/// Error numbers of WASI.
mod errno {
    use super::Status;

    pub const SUCCESS: Status = Status(0);
    pub const BADF: Status = Status(8);
    pub const NOENT: Status = Status(44);
    pub const NOSYS: Status = Status(52);
    pub const NOTSUP: Status = Status(58);
}

const fn row(name: &'static str, params: &'static [Param], handler: super::import::Handler) -> Import {
    Import { name, params, handler, returns: true }
}

/// What the module may import from `wasi_snapshot_preview1`.
#[rustfmt::skip]
pub const TABLE: &[Import] = &[
    row("environ_sizes_get",   &[ReturnNumber, ReturnNumber],                 environ_sizes_get),
    row("environ_get",         &[Number, Number],                             environ_get),
    row("args_sizes_get",      &[ReturnNumber, ReturnNumber],                 args_sizes_get),
    row("args_get",            &[Number, Number],                             |_| Ok(errno::SUCCESS)),
    row("clock_time_get",      &[Number, Long, ReturnLong],                   clock_time_get),
    row("random_get",          &[Number, Number],                             random_get),
    row("fd_write",            &[Number, Number, Number, ReturnNumber],       fd_write),
    row("fd_read",             &[Number, Number, Number, ReturnNumber],       |_| Ok(errno::NOSYS)),
    row("fd_seek",             &[Number, Long, Number, ReturnLong],           |_| Ok(errno::NOSYS)),
    row("fd_close",            &[Number],                                     |_| Ok(errno::NOSYS)),
    row("fd_fdstat_get",       &[Number, Number],                             fd_fdstat_get),
    row("fd_prestat_get",      &[Number, Number],                             |_| Ok(errno::BADF)),
    row("fd_prestat_dir_name", &[Number, Number, Number],                     |_| Ok(errno::NOSYS)),
    row("path_open", &[Number, Number, Bytes, Number, Long, Long, Number, ReturnNumber], |_| Ok(errno::NOENT)),
    Import { name: "proc_exit", params: &[Number], handler: proc_exit, returns: false },
];

type Outcome = Result<Status, Error>;

fn environment(call: &Call<'_, '_>) -> Vec<Vec<u8>> {
    let variables = call.state().environment.iter();
    variables.map(|(name, value)| format!("{name}={value}\0").into_bytes()).collect()
}

fn environ_sizes_get(call: &mut Call<'_, '_>) -> Outcome {
    let environment = environment(call);
    call.return_number(0, size(environment.len()))?;
    call.return_number(1, size(environment.iter().map(Vec::len).sum()))?;
    Ok(errno::SUCCESS)
}

fn environ_get(call: &mut Call<'_, '_>) -> Outcome {
    let (mut pointer_at, mut text_at) = (call.number(0), call.number(1));
    for variable in environment(call) {
        call.write(pointer_at, &text_at.to_le_bytes())?;
        call.write(text_at, &variable)?;
        pointer_at += 4;
        text_at += size(variable.len());
    }
    Ok(errno::SUCCESS)
}

fn args_sizes_get(call: &mut Call<'_, '_>) -> Outcome {
    call.return_number(0, 0)?;
    call.return_number(1, 0)?;
    Ok(errno::SUCCESS)
}

fn clock_time_get(call: &mut Call<'_, '_>) -> Outcome {
    let (realtime, monotonic) = (0, 1);
    if ![realtime, monotonic].contains(&call.number(0)) {
        return Ok(errno::NOTSUP);
    }
    let now = call.world().nanoseconds();
    call.return_long(2, now)?;
    Ok(errno::SUCCESS)
}

fn random_get(call: &mut Call<'_, '_>) -> Outcome {
    let (place, length) = (call.number(0), call.number(1));
    let random: Vec<u8> = (0..length).map(|_| call.state_mut().next_random_byte()).collect();
    call.write(place, &random)?;
    Ok(errno::SUCCESS)
}

fn fd_write(call: &mut Call<'_, '_>) -> Outcome {
    let level = match call.number(0) {
        1 => Level::Info,
        2 => Level::Error,
        _ => return Ok(errno::BADF),
    };
    let (list, count) = (call.number(1), call.number(2));
    let mut text = Vec::new();
    for entry in 0..count {
        let slice = call.read(list + 8 * entry, 8)?;
        let number = |at: usize| u32::from_le_bytes(slice[at..at + 4].try_into().expect("four bytes"));
        text.extend(call.read(number(0), number(4))?);
    }
    let line = String::from_utf8_lossy(&text);
    let line = line.strip_suffix('\n').unwrap_or(&line).to_owned();
    call.world().write(&call.state().name, level, line);
    call.return_number(3, size(text.len()))?;
    Ok(errno::SUCCESS)
}

fn fd_fdstat_get(call: &mut Call<'_, '_>) -> Outcome {
    if ![1, 2].contains(&call.number(0)) {
        return Ok(errno::BADF);
    }
    let mut stat = [0; 24];
    stat[8] = 64; // the right to write
    call.write(call.number(1), &stat)?;
    Ok(errno::SUCCESS)
}

fn proc_exit(call: &mut Call<'_, '_>) -> Outcome {
    Err(call.trap(&format!("is called with {}", call.number(0))))
}

fn size(size: usize) -> u32 {
    u32::try_from(size).expect("linear memory has 32 bits")
}
