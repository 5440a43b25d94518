//! The file that is released.

use crate::host::{exports, imports, wasm};

/// 1.15 MB: V8 takes about sixty times as much memory beside it.
const LARGEST: usize = 1_170_000;

/// What the plugin's own code calls.
const CALLED: [&str; 22] = [
    "env.proxy_define_metric",
    "env.proxy_dequeue_shared_queue",
    "env.proxy_enqueue_shared_queue",
    "env.proxy_get_buffer_bytes",
    "env.proxy_get_current_time_nanoseconds",
    "env.proxy_get_header_map_value",
    "env.proxy_get_log_level",
    "env.proxy_get_property",
    "env.proxy_get_shared_data",
    "env.proxy_http_call",
    "env.proxy_increment_metric",
    "env.proxy_log",
    "env.proxy_record_metric",
    "env.proxy_register_shared_queue",
    "env.proxy_remove_header_map_value",
    "env.proxy_resolve_shared_queue",
    "env.proxy_set_effective_context",
    "env.proxy_set_shared_data",
    "env.proxy_set_tick_period_milliseconds",
    "wasi_snapshot_preview1.environ_get",
    "wasi_snapshot_preview1.environ_sizes_get",
    "wasi_snapshot_preview1.random_get",
];

/// What only the SDK's traits and the standard library's panics name.
const DRAGGED_IN: [&str; 16] = [
    "env.proxy_add_header_map_value",
    "env.proxy_close_stream",
    "env.proxy_continue_stream",
    "env.proxy_done",
    "env.proxy_get_header_map_pairs",
    "env.proxy_get_status",
    "env.proxy_grpc_cancel",
    "env.proxy_grpc_close",
    "env.proxy_grpc_send",
    "env.proxy_replace_header_map_value",
    "env.proxy_send_local_response",
    "env.proxy_set_buffer_bytes",
    "env.proxy_set_header_map_pairs",
    "env.proxy_set_property",
    "wasi_snapshot_preview1.fd_write",
    "wasi_snapshot_preview1.proc_exit",
];

#[test]
fn the_artifact_is_small_enough() {
    let size = wasm().len();
    println!("artifact: {size} bytes of {LARGEST}");
    assert!(size <= LARGEST, "{size} bytes");
}

#[test]
fn it_imports_what_every_envoy_offers_and_nothing_new() {
    let mut imported: Vec<String> = imports(&wasm()).iter().map(|(module, name)| format!("{module}.{name}")).collect();
    imported.sort();
    let mut pinned: Vec<&str> = CALLED.into_iter().chain(DRAGGED_IN).collect();
    pinned.sort_unstable();
    assert_eq!(imported, pinned);
    for name in imported {
        assert!(name.starts_with("env.proxy_") || name.starts_with("wasi_snapshot_preview1."), "{name}");
    }
}

#[test]
fn it_cannot_be_told_to_trap() {
    let wasm = wasm();
    for words in ["x-cert-expiry-trap", "told to trap", "cert-expiry-monitor/trap"] {
        assert!(!wasm.windows(words.len()).any(|window| window == words.as_bytes()), "{words}");
    }
}

#[test]
fn it_exports_only_the_callbacks_that_do_something_so_that_envoy_skips_the_others() {
    let exported = exports(&wasm());
    assert_eq!(
        exported,
        [
            "_initialize",
            "proxy_abi_version_0_2_1",
            "proxy_on_configure",
            "proxy_on_context_create",
            "proxy_on_delete",
            "proxy_on_http_call_response",
            "proxy_on_log",
            "proxy_on_memory_allocate",
            "proxy_on_request_headers",
            "proxy_on_response_headers",
            "proxy_on_tick",
            "proxy_on_vm_start",
        ]
    );
    let path = format!("{}/.cargo/link-wasm", env!("CARGO_MANIFEST_DIR"));
    let script = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut kept: Vec<&str> =
        script.split("keep='").nth(1).unwrap().split('\'').next().unwrap().split_whitespace().collect();
    kept.sort_unstable();
    assert_eq!(exported, kept, "what {path} keeps");
}
