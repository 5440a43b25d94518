//! The host functions of the proxy-wasm ABI 0.2.1.

#![allow(clippy::unnecessary_wraps, reason = "host functions have one type, whether they can trap or not")]

use std::time::Duration;

use wasmi::Error;

use super::call::Call;
use super::callout::{Callout, Dispatch};
use super::context::{Tick, map};
use super::import::Param::{Bytes, Long, Number, ReturnBytes, ReturnLong, ReturnNumber};
use super::import::{Import, Param, Status};
use super::log::Level;
use super::metric::MetricKind;
use super::pairs;
use super::shared_data::CasMismatch;
use super::shared_queue::UnknownQueue;
use super::vm_state::VmState;
use super::world::World;

const fn row(name: &'static str, params: &'static [Param], handler: super::import::Handler) -> Import {
    Import { name, params, handler, returns: true }
}

/// What the module may import from `env`.
#[rustfmt::skip]
pub const TABLE: &[Import] = &[
    row("proxy_log",                          &[Number, Bytes],                             log),
    row("proxy_get_log_level",                &[ReturnNumber],                              get_log_level),
    row("proxy_get_current_time_nanoseconds", &[ReturnLong],                                get_current_time),
    row("proxy_set_tick_period_milliseconds", &[Number],                                    set_tick_period),
    row("proxy_set_effective_context",        &[Number],                                    set_effective_context),
    row("proxy_done",                         &[],                                          done),

    row("proxy_get_buffer_bytes",             &[Number, Number, Number, ReturnBytes],       get_buffer_bytes),
    row("proxy_get_header_map_pairs",         &[Number, ReturnBytes],                       get_header_map_pairs),
    row("proxy_get_header_map_value",         &[Number, Bytes, ReturnBytes],                get_header_map_value),
    row("proxy_get_property",                 &[Bytes, ReturnBytes],                        get_property),

    row("proxy_get_shared_data",              &[Bytes, ReturnBytes, ReturnNumber],          get_shared_data),
    row("proxy_set_shared_data",              &[Bytes, Bytes, Number],                      set_shared_data),
    row("proxy_register_shared_queue",        &[Bytes, ReturnNumber],                       register_shared_queue),
    row("proxy_resolve_shared_queue",         &[Bytes, Bytes, ReturnNumber],                resolve_shared_queue),
    row("proxy_enqueue_shared_queue",         &[Number, Bytes],                             enqueue_shared_queue),
    row("proxy_dequeue_shared_queue",         &[Number, ReturnBytes],                       dequeue_shared_queue),

    row("proxy_define_metric",                &[Number, Bytes, ReturnNumber],               define_metric),
    row("proxy_increment_metric",             &[Number, Long],                              increment_metric),
    row("proxy_record_metric",                &[Number, Long],                              record_metric),
    row("proxy_get_metric",                   &[Number, ReturnLong],                        get_metric),

    row("proxy_http_call",                    &[Bytes, Bytes, Bytes, Bytes, Number, ReturnNumber], http_call),

    row("proxy_remove_header_map_value",      &[Number, Bytes],                             remove_header_map_value),

    // The plugin changes no traffic but for headers that it takes away, and speaks no gRPC.
    row("proxy_set_buffer_bytes",             &[Number, Number, Number, Bytes],             not_implemented),
    row("proxy_set_header_map_pairs",         &[Number, Bytes],                             not_implemented),
    row("proxy_add_header_map_value",         &[Number, Bytes, Bytes],                      not_implemented),
    row("proxy_replace_header_map_value",     &[Number, Bytes, Bytes],                      not_implemented),
    row("proxy_set_property",                 &[Bytes, Bytes],                              not_implemented),
    row("proxy_continue_stream",              &[Number],                                    not_implemented),
    row("proxy_close_stream",                 &[Number],                                    not_implemented),
    row("proxy_send_local_response",          &[Number, Bytes, Bytes, Bytes, Number],       not_implemented),
    row("proxy_grpc_call",   &[Bytes, Bytes, Bytes, Bytes, Bytes, Number, ReturnNumber],    not_implemented),
    row("proxy_grpc_stream",                  &[Bytes, Bytes, Bytes, Bytes, ReturnNumber],  not_implemented),
    row("proxy_grpc_send",                    &[Number, Bytes, Number],                     not_implemented),
    row("proxy_grpc_cancel",                  &[Number],                                    not_implemented),
    row("proxy_grpc_close",                   &[Number],                                    not_implemented),
    row("proxy_get_status",                   &[ReturnNumber, ReturnBytes],                 not_implemented),
    row("proxy_call_foreign_function",        &[Bytes, Bytes, ReturnBytes],                 not_implemented),
];

type Outcome = Result<Status, Error>;

fn not_implemented(call: &mut Call<'_, '_>) -> Outcome {
    let trap = call.trap("is not implemented");
    let vm = call.state().name.clone();
    call.world().write(&vm, Level::Critical, trap.to_string());
    Err(trap)
}

fn log(call: &mut Call<'_, '_>) -> Outcome {
    let Some(level) = Level::from_number(call.number(0)) else { return Ok(Status::BAD_ARGUMENT) };
    let text = String::from_utf8_lossy(&call.bytes(1)?).into_owned();
    call.world().write(&call.state().name, level, text);
    Ok(Status::OK)
}

fn get_log_level(call: &mut Call<'_, '_>) -> Outcome {
    let level = call.world().log_level;
    call.return_number(0, level as u32)?;
    Ok(Status::OK)
}

fn get_current_time(call: &mut Call<'_, '_>) -> Outcome {
    let now = call.world().nanoseconds();
    call.return_long(0, now)?;
    Ok(Status::OK)
}

fn set_tick_period(call: &mut Call<'_, '_>) -> Outcome {
    let period = Duration::from_millis(call.number(0).into());
    let due = call.world().now + period;
    call.state_mut().acting_mut().tick = (!period.is_zero()).then_some(Tick { period, due });
    Ok(Status::OK)
}

fn set_effective_context(call: &mut Call<'_, '_>) -> Outcome {
    let context = call.number(0);
    if !call.state().contexts.contains_key(&context) {
        return Ok(Status::BAD_ARGUMENT);
    }
    call.state_mut().effective = Some(context);
    Ok(Status::OK)
}

fn done(call: &mut Call<'_, '_>) -> Outcome {
    let context = call.state_mut().acting_mut();
    if !context.lingers {
        return Ok(Status::NOT_FOUND);
    }
    context.done = true;
    Ok(Status::OK)
}

fn get_buffer_bytes(call: &mut Call<'_, '_>) -> Outcome {
    let (kind, start, length) = (call.number(0), call.number(1), call.number(2));
    if kind > super::context::buffer::LAST || start.checked_add(length).is_none() {
        return Ok(Status::BAD_ARGUMENT);
    }
    let Some(buffer) = call.state().buffer(kind) else { return Ok(Status::NOT_FOUND) };
    let start = buffer.len().min(start as usize);
    let end = buffer.len().min(start + length as usize);
    // Of an empty buffer Envoy returns "ok" and writes nothing at all.
    if start < end {
        call.return_bytes(3, &buffer[start..end])?;
    }
    Ok(Status::OK)
}

fn get_header_map_pairs(call: &mut Call<'_, '_>) -> Outcome {
    let kind = call.number(0);
    if kind > map::LAST {
        return Ok(Status::BAD_ARGUMENT);
    }
    let encoded = pairs::encode(call.state().map(kind).unwrap_or_default());
    call.return_bytes(1, &encoded)?;
    Ok(Status::OK)
}

fn get_header_map_value(call: &mut Call<'_, '_>) -> Outcome {
    let name = call.text(1)?.to_lowercase();
    let Some(map) = call.state().map(call.number(0)) else { return Ok(Status::BAD_ARGUMENT) };
    let value = map.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone());
    let Some(value) = value else { return Ok(Status::NOT_FOUND) };
    call.return_bytes(2, value.as_bytes())?;
    Ok(Status::OK)
}

fn remove_header_map_value(call: &mut Call<'_, '_>) -> Outcome {
    let (map, name) = (call.number(0), call.text(1)?.to_lowercase());
    let context = call.state_mut().acting_mut();
    let Some(map) = context.maps.get_mut(&map).filter(|_| !context.is_logged) else { return Ok(Status::BAD_ARGUMENT) };
    // Whether it was there or not is the same to Envoy.
    map.retain(|(other, _)| *other != name);
    Ok(Status::OK)
}

fn get_property(call: &mut Call<'_, '_>) -> Outcome {
    let path = call.bytes(0)?;
    let Some(value) = call.state().property(&path) else { return Ok(Status::NOT_FOUND) };
    call.return_bytes(1, &value)?;
    Ok(Status::OK)
}

fn get_shared_data(call: &mut Call<'_, '_>) -> Outcome {
    let key = call.text(0)?;
    let found = {
        let world = call.world();
        world.shared_data.get(&call.state().vm_id, &key).map(|(value, cas)| (value.to_vec(), cas))
    };
    let Some((value, cas)) = found else { return Ok(Status::NOT_FOUND) };
    call.return_bytes(1, &value)?;
    call.return_number(2, cas)?;
    Ok(Status::OK)
}

fn set_shared_data(call: &mut Call<'_, '_>) -> Outcome {
    let (key, value, cas) = (call.text(0)?, call.bytes(1)?, call.number(2));
    let mut world = call.world();
    let World { shared_data, guard, .. } = &mut *world;
    let VmState { number, vm_id, .. } = call.state();
    match shared_data.set(vm_id, &key, value.clone(), cas) {
        Ok(()) => {
            guard.wrote(*number, vm_id, &key, &value);
            Ok(Status::OK)
        }
        Err(CasMismatch) => Ok(Status::CAS_MISMATCH),
    }
}

fn register_shared_queue(call: &mut Call<'_, '_>) -> Outcome {
    let name = call.text(0)?;
    let owner = (call.state().number, call.state().acting_root());
    let token = call.world().shared_queues.register(&call.state().vm_id, &name, owner);
    call.return_number(1, token)?;
    Ok(Status::OK)
}

fn resolve_shared_queue(call: &mut Call<'_, '_>) -> Outcome {
    let (vm_id, name) = (call.text(0)?, call.text(1)?);
    let vm_id = if vm_id.is_empty() { call.state().vm_id.clone() } else { vm_id };
    let token = call.world().shared_queues.resolve(&vm_id, &name);
    let Some(token) = token else { return Ok(Status::NOT_FOUND) };
    call.return_number(2, token)?;
    Ok(Status::OK)
}

fn enqueue_shared_queue(call: &mut Call<'_, '_>) -> Outcome {
    let (token, item) = (call.number(0), call.bytes(1)?);
    match call.world().shared_queues.enqueue(token, item) {
        Ok(()) => Ok(Status::OK),
        Err(UnknownQueue) => Ok(Status::NOT_FOUND),
    }
}

fn dequeue_shared_queue(call: &mut Call<'_, '_>) -> Outcome {
    let item = call.world().shared_queues.dequeue(call.number(0));
    match item {
        Err(UnknownQueue) => Ok(Status::NOT_FOUND),
        Ok(None) => Ok(Status::EMPTY),
        Ok(Some(item)) => {
            call.return_bytes(1, &item)?;
            Ok(Status::OK)
        }
    }
}

fn define_metric(call: &mut Call<'_, '_>) -> Outcome {
    let Some(kind) = MetricKind::from_number(call.number(0)) else { return Ok(Status::BAD_ARGUMENT) };
    let name = call.text(1)?;
    let world = call.state().world.clone();
    let id = world.borrow_mut().metrics.define(&mut call.state_mut().metric_ids, kind, name);
    call.return_number(2, id)?;
    Ok(Status::OK)
}

fn increment_metric(call: &mut Call<'_, '_>) -> Outcome {
    let (id, offset) = (call.number(0), call.long(1));
    Ok(call.world().metrics.increment(&call.state().metric_ids, id, offset))
}

fn record_metric(call: &mut Call<'_, '_>) -> Outcome {
    let (id, value) = (call.number(0), call.long(1).cast_unsigned());
    Ok(call.world().metrics.record(&call.state().metric_ids, id, value))
}

fn get_metric(call: &mut Call<'_, '_>) -> Outcome {
    let value = call.world().metrics.get(&call.state().metric_ids, call.number(0));
    match value {
        Err(status) => Ok(status),
        Ok(value) => {
            call.return_long(1, value)?;
            Ok(Status::OK)
        }
    }
}

fn http_call(call: &mut Call<'_, '_>) -> Outcome {
    let cluster = call.text(0)?;
    let headers = pairs::decode(&call.bytes(1)?).ok_or_else(|| call.trap("is given broken headers"))?;
    let body = call.bytes(2)?;
    let trailers = pairs::decode(&call.bytes(3)?).ok_or_else(|| call.trap("is given broken trailers"))?;
    let Ok(milliseconds) = u64::try_from(call.number(4).cast_signed()) else {
        return Ok(Status::BAD_ARGUMENT);
    };
    let dispatch = call.world().callouts.dispatch(&cluster);
    let complete =
        [":method", ":path", ":authority"].iter().all(|wanted| headers.iter().any(|(name, _)| name == wanted));
    if dispatch == Dispatch::BadArgument || !complete {
        return Ok(Status::BAD_ARGUMENT);
    }
    let token = call.state_mut().next_callout_token();
    if dispatch == Dispatch::InternalFailure {
        return Ok(Status::INTERNAL_FAILURE);
    }
    let callout = Callout {
        vm: call.state().name.clone(),
        vm_number: call.state().number,
        root: call.state().acting_root(),
        token,
        cluster,
        headers,
        body,
        trailers,
        timeout: Duration::from_millis(milliseconds),
        sent_at: call.world().now,
        answered: false,
    };
    call.world().callouts.sent.push(callout);
    call.return_number(5, token)?;
    Ok(Status::OK)
}
