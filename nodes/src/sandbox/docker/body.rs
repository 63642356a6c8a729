//! What a container is made of: hardened as far as the API goes, and the same inside as any other sandbox.

use std::{collections::HashMap, ffi::OsString, fs, io, path::Path};

use bollard::models::{ContainerCreateBody, HostConfig, ResourcesUlimits};

use crate::sandbox::{
    DockerConfig, Forwarder, HOME, Network, PROXY_PORT, PROXY_SOCKET, Program, TREE, Task, git_environment, proxy_environment,
};

/// Where the program's input and the forwarder are inside.
const INPUT: &str = "/run/flowforge/stdin";
const FORWARDER: &str = "/run/flowforge/forward";
/// Libraries for the forwarder: an image may have others than this machine, or none.
const LIBRARIES: &str = "/run/flowforge/lib";
const MEMORY_FOLDER: u64 = 2 << 30;
const LARGEST_FILE: u64 = 8 << 30;

/// The first process: it waits for a word, starts the program, and ends everything when the program ends or the connection does.
const FIRST: &str = "exec 3<&0; read -r go <&3 || exit 125; /bin/sh -c \"$0\" sh \"$@\" <\"$FLOWFORGE_INPUT\" 3<&- & p=$!; \
    (cat <&3 >/dev/null; kill -9 -1) >/dev/null 2>&1 & wait $p; exit $?";

pub(super) fn container(
    config: &DockerConfig,
    task: &Task<'_>,
    user: u32,
    input: &Path,
    forwarder: Option<&Forwarder>,
) -> io::Result<ContainerCreateBody> {
    let mut binds = folders(task);
    binds.push(bind(input, INPUT, "ro"));
    let mut env: Vec<_> =
        [("HOME", HOME), ("TMPDIR", "/tmp"), ("USER", "flowforge"), ("LANG", "C.UTF-8"), ("FLOWFORGE_INPUT", INPUT)]
            .into_iter()
            .chain(git_environment())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
    let mut forward = String::new();
    if let Network::Proxy(socket) = task.network {
        let forwarder = forwarder.ok_or_else(|| io::Error::other("the server does not know its forwarder"))?;
        binds.push(bind(socket, PROXY_SOCKET, "rw"));
        env.extend(proxy_environment().map(|(name, value)| format!("{name}={value}")));
        forward = forwarding(forwarder, &mut binds)?;
    }
    env.extend(task.env.iter().map(|(name, value)| format!("{name}={value}")));
    Ok(ContainerCreateBody {
        image: Some(config.image.clone()),
        entrypoint: Some(vec!["/bin/sh".to_owned()]),
        cmd: Some(command(&task.program, &forward)?),
        env: Some(env),
        user: Some(format!("{user}:{user}")),
        hostname: Some("sandbox".to_owned()),
        working_dir: Some(Path::new(TREE).join(task.workdir).display().to_string()),
        open_stdin: Some(true),
        stdin_once: Some(true),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        host_config: Some(host(config, task, binds)),
        ..ContainerCreateBody::default()
    })
}

fn command(program: &Program<'_>, forward: &str) -> io::Result<Vec<String>> {
    let (begin, argv) = match program {
        Program::Shell(script) => (format!("exec {forward} /bin/sh -e -c \"$1\""), vec![OsString::from(script)]),
        Program::Exec { argv, .. } => (format!("exec {forward} \"$@\""), argv.clone()),
    };
    let text = |argument: OsString| argument.into_string().map_err(|_| io::Error::other("an argument is not UTF-8"));
    ["-c", FIRST, &begin].map(|word| Ok(word.to_owned())).into_iter().chain(argv.into_iter().map(text)).collect()
}

fn host(config: &DockerConfig, task: &Task<'_>, binds: Vec<String>) -> HostConfig {
    let limits = &task.limits;
    let size = MEMORY_FOLDER.min(limits.memory);
    let memory_folder = format!("rw,exec,nosuid,nodev,mode=1777,size={size}");
    let mut tmpfs = HashMap::from([("/tmp".to_owned(), memory_folder.clone())]);
    if task.home.is_none() {
        tmpfs.insert(HOME.to_owned(), memory_folder);
    }
    HostConfig {
        binds: Some(binds),
        tmpfs: Some(tmpfs),
        shm_size: Some(signed(size)),
        network_mode: Some(if task.network == Network::Host { "bridge" } else { "none" }.to_owned()),
        readonly_rootfs: Some(true),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        privileged: Some(false),
        init: Some(false),
        memory: Some(signed(limits.memory)),
        memory_swap: Some(signed(limits.memory)),
        nano_cpus: Some((limits.cpus * 1e9) as i64),
        pids_limit: Some(limits.processes.into()),
        ulimits: Some(vec![
            ulimit("core", 0),
            ulimit("nofile", 4_096),
            ulimit("nproc", 4_096),
            ulimit("fsize", signed(limits.disk.min(LARGEST_FILE))),
        ]),
        runtime: config.runtime.clone(),
        ..HostConfig::default()
    }
}

fn ulimit(name: &str, most: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(most), hard: Some(most) }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn folders(task: &Task<'_>) -> Vec<String> {
    let mut binds = vec![bind(task.tree, TREE, "rw")];
    let repository = task.tree.join(".git");
    if repository.exists() {
        binds.push(bind(&repository, Path::new(TREE).join(".git"), "ro"));
    }
    binds.extend(task.home.map(|home| bind(home, HOME, "rw")));
    binds.extend(task.read_only.iter().map(|(here, inside)| bind(here, inside, "ro")));
    binds
}

fn bind(here: &Path, inside: impl AsRef<Path>, how: &str) -> String {
    format!("{}:{}:{how}", here.display(), inside.as_ref().display())
}

/// Brings in the forwarder with the libraries that this process itself runs with, and says how it is started.
fn forwarding(forwarder: &Forwarder, binds: &mut Vec<String>) -> io::Result<String> {
    binds.push(bind(&forwarder.program, FORWARDER, "ro"));
    let mut loader = None;
    for library in libraries(&fs::read_to_string("/proc/self/maps")?) {
        let name = library.rsplit('/').next().unwrap_or_default();
        let inside = format!("{LIBRARIES}/{name}");
        binds.push(bind(Path::new(library), &inside, "ro"));
        if name.starts_with("ld-") {
            loader = Some(inside);
        }
    }
    let args: String = forwarder.args.iter().map(|arg| format!(" {arg}")).collect();
    let load = loader.map(|loader| format!("{loader} --library-path {LIBRARIES} ")).unwrap_or_default();
    Ok(format!("{load}{FORWARDER}{args} {PROXY_SOCKET} {PROXY_PORT}"))
}

/// The shared libraries in a process's list of mappings, each once.
fn libraries(maps: &str) -> Vec<&str> {
    let paths = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    let mut found: Vec<_> = paths.filter(|path| path.starts_with('/') && path.contains(".so")).collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_once_each() {
        let maps = "7f-8f r--p 0 fe:00 1 /usr/lib/libc.so.6\n8f-9f r-xp 0 fe:00 1 /usr/lib/libc.so.6\n\
            1-2 r--p 0 fe:00 2 /usr/lib/ld-linux-x86-64.so.2\n3-4 rw-p 0 00:00 0 [heap]\n5-6 r--p 0 0 3 /usr/bin/x\n7-8 rw-p 0 0 0\n";
        assert_eq!(libraries(maps), ["/usr/lib/ld-linux-x86-64.so.2", "/usr/lib/libc.so.6"]);
    }
}
