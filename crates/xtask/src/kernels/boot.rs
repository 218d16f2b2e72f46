//! A guest from its start to its end, which comes in any case.

use super::debian::Kernel;
use super::tools::Tools;
use super::{PathAnd, write};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// QEMU's own processor, without the compare-and-exchange of 16 bytes that its
/// emulation gets wrong with two processors: kernels crash in SLUB.
const CPU: &str = "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt,-cx16";

/// How long a guest may be silent.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// Until its first program.
    pub(super) boot: Duration,
    /// In a program, when the guest itself should have ended it.
    pub(super) after_limit: Duration,
}

impl Patience {
    /// Ten times what is usual until the first program.
    pub(super) const USUAL: Patience =
        Patience { boot: Duration::from_secs(90), after_limit: Duration::from_secs(30) };
}

/// How often a guest is started that ends through no fault of the programs.
const STARTS: u32 = 3;

/// What a kernel says when one emulated processor runs into code that another
/// is patching (`text_poke_bp`): QEMU translates the breakpoint late.
const RACE: &str = "int3: 0000 [#";

/// What a guest is made of.
pub(super) struct Guest<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) archive: Vec<u8>,
    pub(super) layout: &'a str,
    /// Names of the programs: each has a port of its own.
    pub(super) programs: &'a [&'a str],
    /// What a program may take, as the guest knows it.
    pub(super) limit: Duration,
    pub(super) patience: Patience,
    /// Directories that the guest needs, also where they are mounts.
    pub(super) directories: &'a [PathBuf],
    /// Where the files of this guest are kept.
    pub(super) work: &'a Path,
}

/// A guest that ended.
pub(super) struct Run {
    /// From the start to the first program; `None` if it did not come to that.
    pub(super) booted: Option<Duration>,
    pub(super) ended: Vec<Ended>,
    /// Why the guest did not come to its end.
    pub(super) failure: Option<String>,
    pub(super) starts: u32,
}

/// A program that ended.
pub(super) struct Ended {
    pub(super) name: String,
    pub(super) code: i32,
    pub(super) took: Duration,
}

impl Guest<'_> {
    /// Starts the guest, again if it does not get far, and waits for its end.
    pub(super) fn run(&self, tools: &Tools) -> Result<Run, String> {
        let mut starts = 1;
        loop {
            let mut run = self.start(tools, starts)?;
            let refused = run.failure.as_ref().is_some_and(|text| text.starts_with("cannot "));
            let again = run.booted.is_none() || run.failure.is_some() && self.raced();
            if !again || refused || starts == STARTS {
                if run.failure.is_some() && !refused {
                    self.show_console();
                }
                run.starts = starts;
                return Ok(run);
            }
            starts += 1;
            let reason = if self.raced() { "QEMU lost a race" } else { "no program was started" };
            println!("The guest ended early ({reason}): start {starts} of {STARTS}.");
        }
    }

    fn start(&self, tools: &Tools, number: u32) -> Result<Run, String> {
        let mut watch = Watch::new(self, number)?;
        write(&self.work.join("initramfs"), &self.archive)?;
        let mut files = self.serve_files(tools)?;
        let socket = self.work.join("files.sock");
        while !socket.exists() {
            if let Some(status) = files.ended() {
                return Err(format!("virtiofsd ended with {status}: {}", self.log("virtiofsd")));
            }
            sleep(Duration::from_millis(5));
        }
        watch.begin = Instant::now();
        watch.last = watch.begin;
        let mut machine = self.machine(tools)?;
        let failure = loop {
            // In this order, so that nothing is missed that came at the end.
            let ended = machine.ended();
            watch.look()?;
            if watch.finished {
                break None;
            }
            if watch.refusal.is_some() {
                break watch.refusal.take();
            }
            if let Some(status) = ended {
                let complaint = self.log("qemu");
                break Some(format!("the guest crashed (QEMU ended with {status}) {complaint}"));
            }
            if let Some(reason) = watch.overdue() {
                break Some(reason);
            }
            sleep(Duration::from_millis(50));
        };
        drop(machine);
        watch.look()?;
        Ok(Run { booted: watch.booted, ended: watch.ended, failure, starts: number })
    }

    /// Serves the root directory of this machine, which the guest cannot write.
    fn serve_files(&self, tools: &Tools) -> Result<Process, String> {
        let source = self.work.join("root");
        fs::create_dir_all(&source).at(&source)?;
        let socket = self.work.join("files.sock");
        let _ = fs::remove_file(&socket);
        // A bind that does not take submounts along hides /proc and the like;
        // what the programs need is put back.
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
        let apart: Vec<&PathBuf> = self
            .directories
            .iter()
            .filter(|directory| device(directory) != device(Path::new("/")))
            .collect();
        let script = r#"
            set -e
            server=$1 source=$2 socket=$3
            shift 3
            mount --bind / "$source"
            mount -o remount,bind,ro "$source"
            for directory; do mount --bind -o ro "$directory" "$source$directory"; done
            exec "$server" --socket-path="$socket" -o source="$source" -o cache=always \
                -o sandbox=chroot"#;
        let mut command = mortal("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]);
        command.arg(&tools.virtiofsd).arg(&source).arg(&socket).args(apart);
        self.spawn(&mut command, "virtiofsd")
    }

    fn machine(&self, tools: &Tools) -> Result<Process, String> {
        let work = self.work.display();
        let mut command = mortal(&tools.qemu.to_string_lossy());
        command
            .args(["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", CPU, "-smp", "2"])
            .args(["-nodefaults", "-no-reboot", "-display", "none", "-monitor", "none"])
            // Shared with the file server, as its protocol wants it.
            .args(["-m", "2048", "-numa", "node,memdev=memory"])
            .args(["-object", "memory-backend-memfd,id=memory,size=2048M,share=on"])
            .arg("-kernel")
            .arg(&self.kernel.image)
            .arg("-initrd")
            .arg(self.work.join("initramfs"))
            .arg("-append")
            .arg(format!(
                "console=ttyS0 quiet panic=-1 oops=panic psi=1 random.trust_cpu=on \
                 LAYOUT={} SWAP=256",
                self.layout
            ))
            .args(["-serial", &format!("file:{work}/console")])
            .args(["-chardev", &format!("socket,id=files,path={work}/files.sock")])
            .args(["-device", "vhost-user-fs-pci,chardev=files,tag=host"])
            .args(["-device", "virtio-serial-pci"]);
        for name in self.programs.iter().chain(&["status"]) {
            command
                .args(["-chardev", &format!("file,id={name},path={work}/{name}.out")])
                .args(["-device", &format!("virtserialport,chardev={name},name={name}")]);
        }
        self.spawn(&mut command, "qemu")
    }

    fn spawn(&self, command: &mut Command, name: &str) -> Result<Process, String> {
        let path = self.work.join(format!("{name}.log"));
        let log = File::create(&path).at(&path)?;
        let error = log.try_clone().at(&path)?;
        let child = command.stdin(Stdio::null()).stdout(log).stderr(error).spawn();
        child.map(Process).map_err(|error| format!("cannot run {name}: {error}"))
    }

    fn log(&self, name: &str) -> String {
        let text = fs::read_to_string(self.work.join(format!("{name}.log"))).unwrap_or_default();
        text.trim().to_owned()
    }

    fn console(&self) -> String {
        let console = fs::read(self.work.join("console")).unwrap_or_default();
        String::from_utf8_lossy(&console).into_owned()
    }

    fn raced(&self) -> bool {
        self.console().contains(RACE)
    }

    fn show_console(&self) {
        let console = self.console();
        // Not what a trace of the kernel lists as a guess.
        let lines: Vec<&str> = console.lines().filter(|line| !line.contains("]  ? ")).collect();
        println!("The end of the guest's console:");
        for line in lines.iter().skip(lines.len().saturating_sub(30)) {
            println!("| {line}");
        }
    }
}

/// A command that is killed when this program ends, however it ends.
fn mortal(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]);
    command
}

/// A child that does not stay behind.
struct Process(Child);

impl Process {
    fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().ok().flatten()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Follows what comes out of a guest.
struct Watch<'a> {
    guest: &'a Guest<'a>,
    status: Tail,
    outputs: Vec<Tail>,
    begin: Instant,
    /// When the guest last said something of its status.
    last: Instant,
    running: Option<String>,
    booted: Option<Duration>,
    ended: Vec<Ended>,
    refusal: Option<String>,
    finished: bool,
}

impl<'a> Watch<'a> {
    fn new(guest: &'a Guest<'a>, number: u32) -> Result<Self, String> {
        let tail = |name: &str| Tail::new(guest.work.join(format!("{name}.out")));
        let now = Instant::now();
        let outputs = guest.programs.iter().map(|name| tail(name)).collect::<Result<_, _>>()?;
        let console = guest.work.join("console");
        if number > 1 && console.exists() {
            // What a start that failed said is worth keeping.
            let kept = guest.work.join(format!("console.{}", number - 1));
            fs::rename(&console, &kept).at(&kept)?;
        }
        Ok(Watch {
            guest,
            status: tail("status")?,
            outputs,
            begin: now,
            last: now,
            running: None,
            booted: None,
            ended: Vec::new(),
            refusal: None,
            finished: false,
        })
    }

    /// Passes on what the programs printed, and takes in what the guest says.
    fn look(&mut self) -> Result<(), String> {
        for (output, name) in self.outputs.iter_mut().zip(self.guest.programs) {
            let is_new = output.position == 0;
            let text = output.more()?;
            if is_new && !text.is_empty() {
                println!("\n== {name} ==");
            }
            std::io::stdout().write_all(&text).map_err(|error| error.to_string())?;
        }
        let text = self.status.lines()?;
        for line in text.lines() {
            let now = Instant::now();
            let mut words = line.split(' ');
            match (words.next(), words.next(), words.next()) {
                (Some("started"), ..) => self.booted = Some(now - self.begin),
                (Some("begin"), Some(name), _) => self.running = Some(name.to_owned()),
                (Some("end"), Some(name), Some(code)) => {
                    let code = code.parse().unwrap_or(-1);
                    let took = now - self.last;
                    self.ended.push(Ended { name: name.to_owned(), code, took });
                    self.running = None;
                }
                (Some("finished"), ..) => self.finished = true,
                _ => self.refusal = Some(line.to_owned()),
            }
            self.last = now;
        }
        Ok(())
    }

    /// Says which limit of time is over.
    fn overdue(&self) -> Option<String> {
        // The guest itself ends a program; if it does not, it hangs.
        let limit = match self.booted {
            None => self.guest.patience.boot,
            Some(_) => self.guest.limit + self.guest.patience.after_limit,
        };
        let doing = self
            .running
            .as_deref()
            .map_or("while it booted".into(), |name| format!("in the test program {name}"));
        let hangs = format!("the guest hung {doing}, and was killed after {limit:?}");
        (self.last.elapsed() > limit).then_some(hangs)
    }
}

/// A file that grows.
struct Tail {
    path: PathBuf,
    file: File,
    position: u64,
    rest: String,
}

impl Tail {
    fn new(path: PathBuf) -> Result<Self, String> {
        // QEMU truncates the same file, and does not replace it.
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        Ok(Tail { file: file.at(&path)?, path, position: 0, rest: String::new() })
    }

    fn more(&mut self) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(self.position)).at(&self.path)?;
        self.position += self.file.read_to_end(&mut bytes).at(&self.path)? as u64;
        Ok(bytes)
    }

    /// What came in, up to the end of a line.
    fn lines(&mut self) -> Result<String, String> {
        let bytes = self.more()?;
        self.rest.push_str(&String::from_utf8_lossy(&bytes));
        let end = self.rest.rfind('\n').map_or(0, |end| end + 1);
        let rest = self.rest.split_off(end);
        Ok(std::mem::replace(&mut self.rest, rest))
    }
}

#[cfg(test)]
mod tests;
