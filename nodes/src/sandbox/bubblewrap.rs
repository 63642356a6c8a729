//! The sandbox proper, made by bubblewrap: namespaces of its own, a read-only system, and one folder that can be changed.
//!
//! The first process inside is a small shell that only waits. When it ends, for whatever reason, the kernel ends everything
//! else in its pid namespace before anybody is told; when bubblewrap or this server dies, the kernel ends it.

use std::{ffi::OsString, fs, io, os::unix::fs::PermissionsExt, path::Path, process::Stdio};

use flowforge_core::node::NodeError;
use tokio::process::Command;

use super::{
    Forwarder, HOME, Network, PATH, PROXY_PORT, PROXY_SOCKET, Program, TREE, Task, git_environment, proxy_environment,
    running::{Bounds, Running},
    seccomp,
};

/// Who a command is outside when the server is root: nobody's number, far from those that systems hand out.
pub(super) const OUTER_USER: u32 = 64_001;
/// Who a command is inside.
const INNER_USER: u32 = 1_000;
/// How much fits into each of the private folders that lie in memory, in bytes.
const MEMORY_FOLDER: u64 = 2 << 30;
/// Where the forwarder is inside.
const FORWARDER: &str = "/run/flowforge/forward";

/// What of `/etc` build tools need; nothing in it is secret.
const ETC: [&str; 18] = [
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "gai.conf",
    "host.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "magic",
    "maven",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "perl",
    "python3",
    "services",
    "ssl",
];
/// What of it the network needs.
const ETC_NETWORK: [&str; 3] = ["hosts", "protocols", "resolv.conf"];

#[expect(unsafe_code, reason = "the user's number has no safe wrapper")]
pub(super) fn is_root() -> bool {
    // SAFETY: the call cannot fail and touches no memory.
    unsafe { libc::geteuid() == 0 }
}

/// Who a command is outside.
#[expect(unsafe_code, reason = "the user's number has no safe wrapper")]
pub(super) fn outer_user() -> u32 {
    // SAFETY: the call cannot fail and touches no memory.
    if is_root() { OUTER_USER } else { unsafe { libc::geteuid() } }
}

/// The user as the command sees itself.
fn inner_user() -> u32 {
    if is_root() { OUTER_USER } else { INNER_USER }
}

/// Tries a sandbox out.
pub(super) async fn probe(program: &str) -> Result<(), NodeError> {
    let unavailable = |why: String| {
        NodeError::fatal(
            "SANDBOX_UNAVAILABLE",
            format!(
                "commands cannot be run in a sandbox here: {why}; install bubblewrap (`apt-get install bubblewrap`) and allow user \
                 namespaces, or let the operator allow plain processes with FLOWFORGE_ALLOW_PLAIN_PROCESSES"
            ),
        )
    };
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.args(namespaces(Network::None)).args(system(Network::None));
    seccomp::set(&mut command).map_err(|fault| unavailable(fault.to_string()))?;
    command.args(["--remount-ro", "/", "--"]).args(first_process("", "", &Program::Shell("true")));
    let mut running = Running::sandboxed(command, Vec::new(), Bounds::default())
        .await
        .map_err(|fault| unavailable(format!("`{program}`: {fault}")))?;
    match running.wait().await {
        Ok(0) => Ok(()),
        Ok(code) => Err(unavailable(format!("its command ended with exit code {code}"))),
        Err(fault) => Err(unavailable(fault.to_string())),
    }
}

pub(super) fn command(program: &str, task: &Task<'_>, forwarder: Option<&Forwarder>) -> io::Result<Command> {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH).env("HOME", HOME).env("TMPDIR", "/tmp").env("USER", "flowforge").env("LANG", "C.UTF-8");
    command.envs(git_environment());
    let renaming = carry(&mut command, &task.env);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.args(namespaces(task.network)).args(system(task.network)).args(people(task.folder)?);
    command.args(folders(task)).arg("--chdir").arg(Path::new(TREE).join(task.workdir));
    let forward = match (task.network, forwarder) {
        (Network::Proxy(socket), Some(forwarder)) => proxy(&mut command, socket, forwarder),
        (Network::Proxy(_), None) => return Err(io::Error::other("the server does not know its forwarder")),
        (Network::None | Network::Host, _) => String::new(),
    };
    seccomp::set(&mut command)?;
    command.args(["--remount-ro", "/", "--"]).args(first_process(&renaming, &forward, &task.program));
    Ok(command)
}

/// A root server makes the mounts with its own rights, whatever folders lie above the work tree, and gives them up inside; anybody
/// else needs a user namespace.
fn namespaces(network: Network<'_>) -> Vec<OsString> {
    let mut args =
        words("--unshare-pid --unshare-ipc --unshare-uts --unshare-cgroup-try --as-pid-1 --die-with-parent --new-session");
    args.extend(words("--hostname sandbox --cap-drop ALL"));
    if network != Network::Host {
        args.extend(words("--unshare-net"));
    }
    let identity = if is_root() {
        "--cap-add CAP_SETUID --cap-add CAP_SETGID --cap-add CAP_SETPCAP".to_owned()
    } else {
        format!("--unshare-user --uid {INNER_USER} --gid {INNER_USER}")
    };
    args.extend(words(&identity));
    args
}

/// Brings the socket and the forwarder in, and says how the forwarder is started. Variables tell programs where it is.
fn proxy(command: &mut Command, socket: &Path, forwarder: &Forwarder) -> String {
    command.args(bind("--bind", socket, PROXY_SOCKET)).args(bind("--ro-bind", &forwarder.program, FORWARDER));
    command.envs(proxy_environment());
    let args: String = forwarder.args.iter().map(|arg| format!(" {arg}")).collect();
    format!("{FORWARDER}{args} {PROXY_SOCKET} {PROXY_PORT}")
}

/// Hands the command's variables over under names that mean nothing, and says how they get their own.
///
/// Not by `--setenv`, since everybody may read a process's arguments. And not under their own names, since bubblewrap itself would
/// obey them outside the sandbox: `LD_PRELOAD` would be a way out of it.
fn carry(command: &mut Command, env: &[(String, String)]) -> String {
    let mut renaming = String::new();
    for (at, (name, value)) in env.iter().enumerate() {
        let carrier = format!("FLOWFORGE_CARRIED_{at}");
        renaming += &format!("export {name}=\"${carrier}\"; unset {carrier}; ");
        command.env(carrier, value);
    }
    renaming
}

/// The waiting shell: how it shakes hands (see `Running::sandboxed`), and how it starts the program, first without any rights, then
/// with the program's variables. What it is fed after the handshake is the program's to read.
fn first_process(renaming: &str, forward: &str, program: &Program<'_>) -> Vec<OsString> {
    let user = OUTER_USER;
    let give_up =
        format!("setpriv --reuid {user} --regid {user} --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs --");
    let give_up = if is_root() { give_up } else { String::new() };
    let (begin, feed, argv) = match program {
        Program::Shell(script) => ("exec /bin/sh -e -c \"$1\"", "</dev/null", vec![OsString::from(script)]),
        Program::Exec { argv, .. } => ("exec \"$@\"", "", argv.clone()),
    };
    let wait = format!("echo; read -r go || exit 125; {give_up} {forward} /bin/sh -c \"$0\" sh \"$@\" {feed}; exit $?");
    let begin = format!("{renaming}{begin}");
    [OsString::from("/bin/sh"), "-c".into(), wait.into(), begin.into()].into_iter().chain(argv).collect()
}

/// The machine's programs and libraries, read-only.
fn system(network: Network<'_>) -> Vec<OsString> {
    let mut args = words("--ro-bind /usr /usr");
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        let path = Path::new("/").join(name);
        match fs::read_link(&path) {
            Ok(target) => args.extend([OsString::from("--symlink"), target.into(), path.into()]),
            Err(_) if path.is_dir() => args.extend([OsString::from("--ro-bind"), path.clone().into(), path.into()]),
            Err(_) => {}
        }
    }
    args.extend(words("--dir /etc"));
    let java = fs::read_dir("/etc").into_iter().flatten().flatten().map(|entry| entry.file_name());
    let java = java.filter(|name| name.to_string_lossy().starts_with("java"));
    let network = if network == Network::Host { &ETC_NETWORK[..] } else { &[] };
    for name in ETC.iter().chain(network).map(OsString::from).chain(java) {
        let path = Path::new("/etc").join(name);
        args.extend([OsString::from("--ro-bind-try"), path.clone().into(), path.into()]);
    }
    args.extend(words("--proc /proc --dev /dev"));
    args
}

/// A list of users with the command's own in it: some tools want to know who they are.
fn people(folder: &Path) -> io::Result<Vec<OsString>> {
    let user = inner_user();
    let passwd = format!("root:x:0:0::/:/bin/false\nflowforge:x:{user}:{user}::{HOME}:/bin/sh\n");
    let mut args = Vec::new();
    for (name, text) in [("passwd", passwd), ("group", format!("root:x:0:\nflowforge:x:{user}:\n"))] {
        let path = folder.join(name);
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
        args.extend([OsString::from("--ro-bind"), path.into(), Path::new("/etc").join(name).into()]);
    }
    Ok(args)
}

/// What can be written: the work tree without its repository, the home, and folders in memory. And what else is there to read.
fn folders(task: &Task<'_>) -> Vec<OsString> {
    let size = MEMORY_FOLDER.min(task.limits.memory);
    let mut args: Vec<_> =
        ["/tmp", "/dev/shm"].iter().flat_map(|path| words(&format!("--perms 1777 --size {size} --tmpfs {path}"))).collect();
    match task.home {
        Some(home) => args.extend(bind("--bind", home, HOME)),
        None => args.extend(words(&format!("--perms 0777 --size {size} --tmpfs {HOME}"))),
    }
    args.extend(bind("--bind", task.tree, TREE));
    let repository = task.tree.join(".git");
    if repository.exists() {
        args.extend(bind("--ro-bind", &repository, Path::new(TREE).join(".git")));
    }
    for (here, inside) in &task.read_only {
        args.extend(bind("--ro-bind", here, inside));
    }
    args
}

/// The folders above the place are made first: those that bubblewrap makes by itself can be entered by nobody but root.
fn bind(how: &str, here: &Path, inside: impl AsRef<Path>) -> Vec<OsString> {
    let inside = inside.as_ref();
    let mut above: Vec<_> = inside.ancestors().skip(1).filter(|path| path.parent().is_some()).collect();
    above.reverse();
    let mut args: Vec<_> = above.into_iter().flat_map(|path| ["--dir".into(), path.into()]).collect();
    args.extend([how.into(), here.into(), inside.into()]);
    args
}

fn words(text: &str) -> Vec<OsString> {
    text.split_whitespace().map(OsString::from).collect()
}
