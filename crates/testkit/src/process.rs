//! One child process: started, signalled, awaited, and never left behind.
//!
//! Dropping kills and reaps, which covers returning and panicking. A test killed from outside runs no `drop`;
//! for that case the child is started through `setpriv --pdeathsig KILL` where that program exists (Linux,
//! util-linux), so that the kernel kills it with us. The kernel counts the *thread* that forked as the
//! parent, and runtime threads come and go, so one thread that never ends starts all children.
//! Elsewhere a killed test leaves its servers running.
//!
//! Output goes to a file in the server's directory rather than a pipe: nobody has to keep reading it, and a
//! stopped reader can never block the server.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};

use crate::account::Account;
use crate::programs;
use crate::scratch::Scratch;
use crate::wait::eventually_some;

/// How long a killed or terminated process may take to go.
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// How a process ended, and everything it wrote.
#[derive(Debug, Clone)]
pub struct Exit {
    /// Exit code or signal.
    pub status: ExitStatus,
    /// Standard output and standard error, in the order written.
    pub log: String,
}

/// What a program that ran to its end left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// Exit code or signal.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// What to start, and where its output goes.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) account: Option<Account>,
    pub(crate) directory: PathBuf,
    pub(crate) log: PathBuf,
}

impl Launch {
    /// Starts the process; `arguments` are appended to the launch's own.
    pub(crate) fn start(&self) -> Process {
        let log = File::options().create(true).append(true).open(&self.log).expect("the log's directory exists");
        let mut command = dying_with_us(&self.program);
        command.args(&self.arguments).current_dir(&self.directory).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a file descriptor is left")).stderr(log);
        if let Some(account) = &self.account {
            account.apply(&mut command);
        }
        let child = spawn(command).unwrap_or_else(|error| panic!("cannot start {}: {error}", self.program.display()));
        Process { pid: child.id(), child: Mutex::new(child), log: self.log.clone() }
    }
}

/// Runs `command` to its end, feeding it `input`.
///
/// # Panics
/// When it cannot be started, or has not ended `within` the time given; it is killed then.
pub(crate) async fn run(mut command: Command, input: &str, within: Duration) -> Output {
    let scratch = Scratch::new("run");
    let [stdin, stdout, stderr] = ["stdin", "stdout", "stderr"].map(|name| scratch.path().join(name));
    fs::write(&stdin, input).expect("the temporary directory is writable");
    let create = |path: &Path| File::create(path).expect("the temporary directory is writable");
    command.stdin(File::open(&stdin).expect("written just now")).stdout(create(&stdout)).stderr(create(&stderr));
    let name = format!("{command:?}");
    let child = spawn(command).unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
    let process = Process { pid: child.id(), child: Mutex::new(child), log: stderr.clone() };
    let status = eventually_some(&format!("{name} to end"), within, || async { process.ended() }).await;
    let text = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    Output { status, stdout: text(&stdout), stderr: text(&stderr) }
}

/// A command that the kernel kills when this process ends, as far as the machine can do that.
pub(crate) fn dying_with_us(program: &Path) -> Command {
    match programs::look_up("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// Starts `command` from the thread that outlives every runtime.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static STARTER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, reply) in inbox {
                // Nobody left to hear of it: the child is dropped, and with it nothing but a handle.
                let _ = reply.send(command.spawn());
            }
        });
        orders
    });
    let (reply, answer) = mpsc::channel();
    starter.send((command, reply)).expect("the starting thread never ends");
    answer.recv().expect("the starting thread answers every order")
}

/// A running (or ended) child.
#[derive(Debug)]
pub(crate) struct Process {
    pid: u32,
    child: Mutex<Child>,
    log: PathBuf,
}

impl Process {
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        self.child.lock().try_wait().expect("our own child can be waited for")
    }

    /// Standard output and error so far.
    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether it has been stopped and not resumed, as far as the machine tells (Linux).
    pub(crate) fn is_stopped(&self) -> bool {
        threads(self.pid).iter().any(|state| matches!(state, 'T' | 't'))
    }

    /// SIGSTOP: the kernel keeps accepting connections for it, and nothing answers. On return every thread has stopped.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
        await_stopped(self.pid);
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Sends `signal`; to a process that has ended, nothing.
    pub(crate) fn signal(&self, signal: Signal) {
        // Under the lock, so that nobody reaps the child and frees its number in between.
        let mut child = self.child.lock();
        let running = child.try_wait().expect("our own child can be waited for").is_none();
        if running {
            send(self.pid, signal);
        }
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) async fn kill(&self) -> Exit {
        self.signal(Signal::KILL);
        self.gone().await
    }

    /// SIGTERM, and waits until it is gone.
    pub(crate) async fn terminate(&self) -> Exit {
        self.signal(Signal::TERM);
        self.gone().await
    }

    /// Waits for the end that something else brought about.
    pub(crate) async fn gone(&self) -> Exit {
        let what = format!("process {} to end; its log:\n{}", self.pid, self.log());
        let status = eventually_some(&what, GONE_WITHIN, || async { self.ended() }).await;
        Exit { status, log: self.log() }
    }

    /// Lowers the number of file descriptors it may have open.
    #[cfg(target_os = "linux")]
    pub(crate) fn limit_files(&self, most: u64) {
        use rustix::process::{Resource, Rlimit, prlimit};
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        prlimit(Some(pid_of(self.pid)), Resource::Nofile, limit).expect("our own child's limits may be lowered");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let child = self.child.get_mut();
        // Both fail only for a child already gone, which is what we want.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Sends `signal` to `pid`, which may be gone.
pub(crate) fn send(pid: u32, signal: Signal) {
    let _ = kill_process(pid_of(pid), signal);
}

fn pid_of(pid: u32) -> Pid {
    i32::try_from(pid).ok().and_then(Pid::from_raw).expect("the kernel gave us this process number")
}

/// The direct children of `pid`, as far as the machine tells (Linux).
pub(crate) fn children(pid: u32) -> Vec<u32> {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect()
}

/// Spins until no thread of `pid` runs any more: a signal is sent long before a busy thread has got it.
pub(crate) fn await_stopped(pid: u32) {
    while threads(pid).iter().any(|state| !matches!(state, 'T' | 't' | 'Z' | 'X')) {
        std::thread::yield_now();
    }
}

/// The state letter of each thread, as the kernel tells it; none if the process is gone.
fn threads(pid: u32) -> Vec<char> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let stat = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("stat")).ok();
    // The name in brackets may hold anything, so the letter is looked for behind the last bracket.
    let state = |stat: String| stat.rsplit_once(") ")?.1.chars().next();
    tasks.flatten().filter_map(stat).filter_map(state).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn launch(scratch: &Scratch, script: &str) -> Process {
        let launch = Launch {
            program: "/bin/sh".into(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            account: None,
            directory: scratch.path().to_owned(),
            log: scratch.path().join("log"),
        };
        launch.start()
    }

    #[tokio::test]
    async fn terminate_returns_the_status_and_the_log() {
        let scratch = Scratch::new("process");
        let process = launch(&scratch, "trap 'echo bye; exit 3' TERM; echo hello; while :; do sleep 0.01; done");
        eventually_some("the greeting", GONE_WITHIN, || async { process.log().contains("hello").then_some(()) }).await;
        let exit = process.terminate().await;
        assert_eq!(exit.status.code(), Some(3));
        assert_eq!(exit.log, "hello\nbye\n");
    }

    #[tokio::test]
    async fn dropping_kills_even_a_stopped_process() {
        let scratch = Scratch::new("process");
        let process = launch(&scratch, "exec sleep 600");
        let pid = process.pid();
        process.pause();
        drop(process);
        assert!(!Path::new(&format!("/proc/{pid}/stat")).exists());
    }

    /// The kernel tells this setting only to the process itself, so the child is a program that prints its own.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_is_told_to_die_with_us() {
        let mut command = dying_with_us(&programs::find("setpriv", "util-linux"));
        command.arg("--dump").stdout(Stdio::piped());
        let told = spawn(command).unwrap().wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&told.stdout);
        assert!(told.lines().any(|line| line.starts_with("Parent death signal:") && line.contains("KILL")), "{told}");
    }
}
