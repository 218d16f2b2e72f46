//! A container of which a process was killed for lack of memory.

use crate::shown::settled;
use crate::stage::{Group, Tree, mib};

/// Neither memory nor swap for more than this.
fn confine(group: &Group, bytes: u64) {
    group.limit(Some(bytes));
    if group.accounts_swap() {
        group.limit_swap(bytes, Some(0));
    }
}

/// What one process holds, while another grows until there is no room for it. That
/// is the larger one then, and so the one that is killed.
const HELD: u64 = 32;
const LIMIT: u64 = 96;

#[test]
fn a_kill_is_counted_and_its_memory_free_again() {
    let test = "oom::a_kill_is_counted_and_its_memory_free_again";
    let Some(tree) = Tree::new(test) else { return };
    let group = tree.group("leaf");
    confine(&group, mib(LIMIT));
    let mut driver = group.driver();
    driver.must(&format!("anonymous {HELD}"));
    for kills in 1..=2 {
        driver.must(&format!("outgrow {LIMIT}"));
        settled(driver.pid(), |shown, differences| {
            differences.exact("oom_kill", shown.count("oom_kill"), kills);
            differences.exact("MemTotal", shown.amount("MemTotal"), LIMIT << 10);
            let mut compare = |label: &str, mib: u64| {
                let is = shown.amount(label) as i64;
                differences.compare(label, is, (mib << 10) as i64, HELD << 10);
            };
            compare("AnonPages", HELD);
            compare("MemFree", LIMIT - HELD);
        });
    }
}
