//! What the lines of a file may be, by the functions of the kernel that print
//! them. The core's own tests use it, too.

#![allow(unreachable_pub)]

use super::figures;
use super::pattern::fits;

/// Whether a text is what the kernel prints at a path; why not.
pub type Grammar = fn(&str) -> Result<(), String>;

/// The grammar of a path, if it is known.
pub fn grammar(path: &str) -> Option<Grammar> {
    Some(match path {
        "/proc/meminfo" => meminfo,
        "/proc/stat" => stat,
        "/proc/cpuinfo" => cpuinfo,
        "/proc/uptime" => |text| only(text, "% %"),
        "/proc/loadavg" => |text| only(text, "% % % #/# #"),
        "/proc/vmstat" => |text| each(text, &["~ #"]),
        "/proc/swaps" => swaps,
        "/proc/diskstats" => diskstats,
        "/proc/partitions" => partitions,
        "/proc/interrupts" | "/proc/softirqs" => interrupts,
        "/proc/zoneinfo" => zoneinfo,
        "/proc/buddyinfo" => buddyinfo,
        "/proc/schedstat" => schedstat,
        "/proc/slabinfo" => slabinfo,
        "/proc/cgroups" => |text| header(text, "#subsys_name", "~^#^#^#"),
        "/proc/version" | "/proc/cmdline" => |text| only(text, "*"),
        "/proc/pressure/cpu" => |text| pressure(text, &[&["some"], &["some", "full"]]),
        "/proc/pressure/memory" | "/proc/pressure/io" => {
            |text| pressure(text, &[&["some", "full"]])
        }
        "/proc/pressure/irq" => |text| pressure(text, &[&["full"]]),
        "/proc/sys/kernel/ostype"
        | "/proc/sys/kernel/osrelease"
        | "/proc/sys/kernel/version"
        | "/proc/sys/kernel/hostname"
        | "/proc/sys/kernel/domainname" => |text| only(text, "*"),
        "/proc/sys/kernel/random/boot_id" | "/proc/sys/kernel/random/uuid" => uuid,
        _ => return of_sysfs(path),
    })
}

/// `Documentation/ABI/stable/sysfs-devices-system-cpu` and `-node`.
fn of_sysfs(path: &str) -> Option<Grammar> {
    let below = path.strip_prefix("/sys/devices/system/")?;
    let name = below.rsplit('/').next().unwrap_or_default();
    Some(match name {
        "online" if below.matches('/').count() == 2 => |text| only(text, "#"),
        // There may be none.
        "offline" | "isolated" | "nohz_full" | "cpulist" | "has_cpu" => |text| list(text, true),
        "online" | "possible" | "present" | "has_memory" | "has_normal_memory" => {
            |text| list(text, false)
        }
        _ if name.ends_with("_list") => |text| list(text, false),
        "thread_siblings" | "core_cpus" | "core_siblings" | "package_cpus" | "die_cpus"
        | "cpumap" => mask,
        "core_id" | "die_id" | "physical_package_id" => {
            |text| only(text, "#").or_else(|_| only(text, "-#"))
        }
        "active" | "kernel_max" => |text| only(text, "#"),
        "distance" => |text| numbers(text, 1..),
        "meminfo" if below.starts_with("node/") => {
            |text| each(text, &["Node # ~:_# kB", "Node # ~:_#"])
        }
        "numastat" | "vmstat" if below.starts_with("node/") => |text| each(text, &["~ #"]),
        _ => return None,
    })
}

fn bad(line: &str, why: &str) -> Result<(), String> {
    let short: String = line.chars().take(60).collect();
    Err(format!("`{short}` {why}"))
}

fn only(text: &str, pattern: &str) -> Result<(), String> {
    match fits(pattern, text.trim_end_matches('\n')) && text.lines().count() == 1 {
        true => Ok(()),
        false => bad(text.lines().next().unwrap_or_default(), "is not its one line"),
    }
}

fn each(text: &str, patterns: &[&str]) -> Result<(), String> {
    let is_known = |line: &&str| patterns.iter().any(|pattern| fits(pattern, line));
    match text.lines().find(|line| !is_known(line)) {
        None if text.is_empty() => Err("it has no line".to_owned()),
        None => Ok(()),
        Some(line) => bad(line, "is no line of it"),
    }
}

fn header(text: &str, first: &str, row: &str) -> Result<(), String> {
    let (header, rows) = text.split_once('\n').unwrap_or((text, ""));
    if !header.starts_with(first) {
        return bad(header, "is not its header");
    }
    if rows.is_empty() { Ok(()) } else { each(rows, &[row]) }
}

/// One line of as many numbers.
fn numbers(line: &str, count: impl std::ops::RangeBounds<usize>) -> Result<(), String> {
    let words = || line.split_ascii_whitespace();
    match words().all(|word| fits("#", word)) && count.contains(&words().count()) {
        true => Ok(()),
        false => bad(line.trim_end(), "does not have the numbers that it should"),
    }
}

/// `bitmap_print_to_pagebuf`: `0-3,8`.
fn list(text: &str, may_be_empty: bool) -> Result<(), String> {
    let mut beyond = 0;
    let is_range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.parse::<u64>(), last.parse::<u64>()) else {
            return false;
        };
        let is_next = first >= beyond && last >= first;
        beyond = last.saturating_add(1);
        is_next && fits("#", part.split('-').next().unwrap_or_default())
    };
    let own = text.trim_end_matches('\n');
    let is_one = text.lines().count() <= 1;
    match is_one && (own.is_empty() && may_be_empty || own.split(',').all(is_range)) {
        true => Ok(()),
        false => bad(own, "is no list of numbers"),
    }
}

/// The same in hexadecimal digits, 32 bits a word.
fn mask(text: &str) -> Result<(), String> {
    let own = text.trim_end_matches('\n');
    let is_word = |word: &str| {
        (1..=8).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    match own.split(',').all(is_word) {
        true => Ok(()),
        false => bad(own, "is no mask"),
    }
}

/// `%pU` of `lib/vsprintf.c`.
fn uuid(text: &str) -> Result<(), String> {
    let own = text.trim_end_matches('\n');
    let lengths: Vec<usize> = own.split('-').map(str::len).collect();
    let is_hex = own.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    match is_hex && lengths == [8, 4, 4, 4, 12] {
        true => Ok(()),
        false => bad(own, "is no UUID"),
    }
}

/// `show_val_kb` of `fs/proc/meminfo.c`: numbers end in one column, unless they are
/// too long for it.
fn meminfo(text: &str) -> Result<(), String> {
    each(text, &["~:_# kB", "~:_#"])?;
    let mut lines = text.lines();
    if !lines.next().is_some_and(|line| line.starts_with("MemTotal:"))
        || !lines.next().is_some_and(|line| line.starts_with("MemFree:"))
    {
        return Err("it does not begin with MemTotal and MemFree".to_owned());
    }
    let column = |line: &str| {
        let (label, amount) = line.split_once(':')?;
        let digits = amount.trim_start().trim_end_matches(" kB").len();
        let gap = amount.len() - amount.trim_start().len();
        Some((label.len() + 1 + gap + digits, gap, digits))
    };
    // Of 2.6, two columns further left.
    let Some((first, _, digits)) = text.lines().next().and_then(column) else { return Ok(()) };
    let expected = first - digits.saturating_sub(8);
    for line in text.lines() {
        let Some((end, gap, digits)) = column(line) else { continue };
        let width = if line.ends_with(" kB") { 8 } else { 5 };
        // A long label leaves too little room.
        let has_room = line.find(':').is_some_and(|end| end < 15);
        if end < expected || end > expected && gap > 1 && digits <= width && has_room {
            return bad(line, "does not end in the column of the others");
        }
    }
    Ok(())
}

/// `show_stat` of `fs/proc/stat.c`.
fn stat(text: &str) -> Result<(), String> {
    let mut lines = text.lines().peekable();
    let first = lines.next().unwrap_or_default();
    let Some(sum) = first.strip_prefix("cpu  ") else {
        return bad(first, "is not the line `cpu` with two spaces");
    };
    numbers(sum, 4..=10)?;
    let columns = sum.split(' ').count();
    while let Some(line) = lines.next_if(|line| line.starts_with("cpu")) {
        let (name, times) = line.split_once(' ').unwrap_or((line, ""));
        if !fits("cpu#", name) || times.split(' ').count() != columns {
            return bad(line, "is no line of a CPU with the columns of the first");
        }
        numbers(times, columns..=columns)?;
    }
    for name in ["intr", "ctxt", "btime", "processes", "procs_running", "procs_blocked"] {
        let line = lines.next().unwrap_or_default();
        let Some(("", counts)) = line.split_once(name) else {
            return bad(line, &format!("stands where `{name}` should"));
        };
        numbers(counts, if name == "intr" { 1..=usize::MAX } else { 1..=1 })?;
    }
    match lines.next() {
        Some(line) => match line.strip_prefix("softirq ") {
            Some(counts) => numbers(counts, 1..),
            None => bad(line, "is no line of it"),
        },
        None => Ok(()),
    }
}

/// `c_show` of `fs/proc/cpuinfo.c`, of each architecture another one.
fn cpuinfo(text: &str) -> Result<(), String> {
    each(text, &["", "~*: *", "~*:"])?;
    match figures::processors(text) {
        0 => Err("it has no processor".to_owned()),
        _ => Ok(()),
    }
}

/// `swap_show` of `mm/swapfile.c`: the name fills 40 columns, tabs follow.
fn swaps(text: &str) -> Result<(), String> {
    let (header, rows) = text.split_once('\n').unwrap_or((text, ""));
    if !fits("Filename^Type^Size^Used^Priority", header) {
        return bad(header, "is not its header");
    }
    for row in rows.lines() {
        let kind = row.get(40..).unwrap_or_default();
        if !["~_~^#^#^#", "~_~^#^#^-#"].iter().any(|pattern| fits(pattern, row)) {
            return bad(row, "is no row of it");
        }
        if row.find(' ').is_some_and(|end| end < 40) && kind.starts_with([' ', '\t']) {
            return bad(row, "does not have its type in column 40");
        }
    }
    Ok(())
}

/// `diskstats_show` of `block/genhd.c`; of 2.6, partitions have four numbers.
fn diskstats(text: &str) -> Result<(), String> {
    for row in text.lines() {
        let mut words = row.split_ascii_whitespace();
        let identity = [words.next(), words.next()];
        if !identity.into_iter().all(|word| word.is_some_and(|word| fits("#", word))) {
            return bad(row, "does not begin with two numbers");
        }
        let counts: Vec<&str> = words.skip(1).collect();
        let is_known = counts.len() == 4 || counts.len() >= 11;
        if !is_known || !counts.iter().all(|count| fits("#", count)) {
            return bad(row, "does not have the columns of a disk");
        }
        let end = row.trim_start().find(' ').unwrap_or_default();
        if row.len() - row.trim_start().len() + end < 4 {
            return bad(row, "does not end its first number in column 4");
        }
    }
    Ok(())
}

/// `show_partition` of `block/genhd.c`.
fn partitions(text: &str) -> Result<(), String> {
    let Some(rows) = text.strip_prefix("major minor  #blocks  name\n\n") else {
        return match text {
            "" => Ok(()),
            _ => bad(text.lines().next().unwrap_or_default(), "is not its header"),
        };
    };
    each(rows, &["_#_#_#_~", "#_#_#_~"])
}

/// `psi_show` of `kernel/sched/psi.c`.
fn pressure(text: &str, kinds: &[&[&str]]) -> Result<(), String> {
    let is_line = |(line, kind): (&str, &&str)| {
        fits(&format!("{kind} avg10=% avg60=% avg300=% total=#"), line)
    };
    let is_one = |kinds: &&[&str]| {
        text.lines().count() == kinds.len() && text.lines().zip(kinds.iter()).all(is_line)
    };
    match kinds.iter().any(is_one) {
        true => Ok(()),
        false => {
            bad(text.lines().next().unwrap_or_default(), "is no averages of `some` and `full`")
        }
    }
}

/// `show_interrupts` of `kernel/irq/proc.c`, `show_softirqs` of `fs/proc/softirqs.c`:
/// a column of eleven characters for each CPU.
fn interrupts(text: &str) -> Result<(), String> {
    let (header, rows) = text.split_once('\n').unwrap_or((text, ""));
    let cpus = header.split_ascii_whitespace().count();
    if cpus == 0 || !header.split_ascii_whitespace().all(|name| fits("CPU#", name)) {
        return bad(header, "is no header of CPUs");
    }
    for row in rows.lines() {
        let Some((_, mut rest)) = row.split_once(':') else { return bad(row, "has no label") };
        let mut counts = 0;
        while counts < cpus {
            let gap = rest.len() - rest.trim_start().len();
            let word = rest.split_ascii_whitespace().next().unwrap_or_default();
            let is_wide = gap + word.len() == 11 || word.len() > 10 && gap == 1;
            if !fits("#", word) || !is_wide {
                break;
            }
            counts += 1;
            rest = rest.get(gap + word.len()..).unwrap_or_default();
        }
        let is_single = counts == 1 && rest.is_empty();
        if counts != cpus && !is_single {
            return bad(row, "does not have a column for each CPU");
        }
    }
    Ok(())
}

/// `zoneinfo_show_print` of `mm/vmstat.c`.
fn zoneinfo(text: &str) -> Result<(), String> {
    let lines = [
        "Node #, zone_~",
        "  *_#",
        "  *:_#",
        "  _protection: (*)",
        "  per-node stats",
        "  pagesets",
    ];
    each(text, &lines)?;
    let has = |part| text.contains(part);
    match text.starts_with("Node ") && has("\n  pages free ") && has("        present ") {
        true => Ok(()),
        false => Err("it has no zone with pages free and present".to_owned()),
    }
}

/// `frag_show_print` of `mm/vmstat.c`.
fn buddyinfo(text: &str) -> Result<(), String> {
    let counts = |row: &str| row.split_ascii_whitespace().skip(4).count();
    let columns = text.lines().next().map(counts).unwrap_or_default();
    for row in text.lines() {
        let after = row.split_ascii_whitespace().skip(4).all(|word| fits("#", word));
        if !fits("Node #, zone_~ *", row) || !after || columns == 0 || counts(row) != columns {
            return bad(row, "is no zone with its pieces");
        }
    }
    Ok(())
}

/// `show_schedstat` of `kernel/sched/stats.c`.
fn schedstat(text: &str) -> Result<(), String> {
    if !fits("version #", text.lines().next().unwrap_or_default()) {
        return Err("it does not begin with its version".to_owned());
    }
    each(text, &["version #", "timestamp #", "cpu# # # # # # # # # #", "domain# *", "domain#"])
}

/// `print_slabinfo_header` and `cache_show` of `mm/slab_common.c`.
fn slabinfo(text: &str) -> Result<(), String> {
    let row = "~_#_#_#_#_#_:_tunables_#_#_#_:_slabdata_#_#_#*";
    let rows: String = text.split_inclusive('\n').filter(|row| !row.starts_with('#')).collect();
    each(&rows, &["slabinfo - version: *", row])
}
