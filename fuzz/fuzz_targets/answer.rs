#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cert_expiry_monitor_fuzz::answer::run(data));
