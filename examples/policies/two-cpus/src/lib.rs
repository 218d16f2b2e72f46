//! At least two CPUs, rounded up.
//!
//! A container with a quota of half a CPU sees one, and some programs then do
//! without threads altogether: garbage collectors choose a serial one, pools
//! deadlock with a single worker. Here a fraction of a CPU is shown as a whole
//! one, and there are two at least, where the cpuset has two. All files agree
//! (`cpuinfo`, `stat`, `/sys/devices/system/cpu`), because only knobs of the
//! default policy are turned: `FIXED` ones, which no `--set` changes.

#![cfg_attr(target_family = "wasm", no_std)]

use vproc_sdk::Policy;

struct TwoCpus;

impl Policy for TwoCpus {
    const NAME: &str = "two-cpus";
    const FIXED: &[(&str, &str)] = &[("cpu-minimum", "2"), ("cpu-rounding", "ceil")];
}

vproc_sdk::export!(TwoCpus);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::TwoCpus;
    use vproc_sdk::capture::Machine;

    #[test]
    fn a_container_of_less_than_a_cpu_sees_two() {
        let path = "../../../fixtures/v1-nested.json";
        let machine = Machine::read(path).unwrap();
        let online = machine.text::<TwoCpus>("/sys/devices/system/cpu/online");
        assert_eq!(online.as_deref(), Ok("0-1\n"));
        let strict = machine.with_setting("cpu-minimum", "1");
        assert!(strict.text::<TwoCpus>("/proc/stat").is_err_and(|why| why.contains("fixes it")));
    }
}
