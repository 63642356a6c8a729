//! Programs that want more than they may have.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tokio::{
    io::AsyncReadExt,
    time::{sleep, timeout},
};

use super::bench::{Bench, exec};
use crate::sandbox::{SandboxLimits, cgroup::Hierarchy};

/// How long everything inside may live on.
const GONE: Duration = Duration::from_secs(5);

/// Whether control groups can be made here; without them, what only they can do is not tested.
fn has_groups() -> bool {
    let found = Hierarchy::find().is_some();
    if !found {
        eprintln!("SKIPPED: no control groups can be made here");
    }
    found
}

/// The control groups of tasks with this name.
fn groups(name: &str) -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from("/sys/fs/cgroup")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()) {
            if entry.file_name().to_string_lossy().ends_with(&format!(".{name}")) {
                found.push(entry.path());
            } else {
                folders.push(entry.path());
            }
        }
    }
    found
}

/// A control group can only be removed once nobody is in it: then nothing of the task is left.
async fn nothing_is_left_of(name: &str) {
    let gone = async {
        while !groups(name).is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(GONE, gone).await.unwrap_or_else(|_| panic!("{name}: {:?}", groups(name)));
}

#[tokio::test]
async fn calls_that_lead_out_are_refused() {
    let script = r"
import ctypes, os
c = ctypes.CDLL(None, use_errno=True)
calls = {'mount': 165, 'umount2': 166, 'pivot_root': 155, 'unshare': 272, 'setns': 308, 'bpf': 321, 'io_uring_setup': 425,
    'userfaultfd': 323, 'keyctl': 250, 'add_key': 248, 'ptrace': 101, 'perf_event_open': 298, 'init_module': 175,
    'finit_module': 313, 'kexec_load': 246, 'open_by_handle_at': 304, 'process_vm_readv': 310, 'fsopen': 430, 'open_tree': 428}
for name, number in calls.items():
    for way in (0, 0x40000000):
        argument = 0x10000000 if name == 'unshare' else 0
        result = c.syscall(number | way, argument, 0, 0, 0, 0)
        if result != -1 or ctypes.get_errno() != 1: print(name, way, result, ctypes.get_errno())
for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
    result = c.syscall(56, flag | 17, 0, 0, 0, 0)
    if result == 0: os._exit(0)
    if result != -1 or ctypes.get_errno() != 1: print('clone', hex(flag), result, ctypes.get_errno())
result = c.syscall(435, 0, 0)
if ctypes.get_errno() != 38: print('clone3', result, ctypes.get_errno())
result = c.syscall(135, 0x0400000)
if result != -1: print('personality', result)
for family in (40, 38, 17):
    result = c.socket(family, 1, 0)
    if result != -1 or ctypes.get_errno() != 1: print('socket', family, result, ctypes.get_errno())
for path in ('/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/sys/fs/cgroup/release_agent', '/proc/1/mem'):
    try: open(path, 'w').write('x'); print(path)
    except OSError: pass
print('end')
";
    if cfg!(target_arch = "x86_64") {
        let bench = Bench::new();
        let played = bench.play(&bench.task(exec(&["python3", "-c", script], ""))).await;
        assert_eq!((&*played.stdout, &*played.stderr), ("end\n", ""));
    }
}

#[tokio::test]
async fn what_builds_need_still_works() {
    let bench = Bench::new();
    let script = "cd /tmp; git init -q a; cd a; echo 'int main(void){return 0;}' >m.c; printf 'm: m.c\\n\\tcc -o m m.c\\n' >Makefile; \
        make -s; ./m; git -c user.name=a -c user.email=a@b add .; git -c user.name=a -c user.email=a@b commit -qm x; \
        python3 -c 'import multiprocessing as m; print(sum(m.Pool(2).map(abs, [-1, -2])))'; \
        if command -v node >/dev/null; then node -e 'new Worker' 2>/dev/null || node -e 'console.log(40 + 2)'; else echo 42; fi";
    assert_eq!(bench.says(script).await, "3\n42");
}

#[tokio::test]
async fn memory_ends_for_all_processes_together() {
    if !has_groups() {
        return;
    }
    let bench = Bench::new();
    // Four processes of which each alone would fit.
    let script = "for n in 1 2 3 4; do python3 -c 'import time; x = bytearray(60 << 20); time.sleep(60)' & done; wait -n; exit 9";
    let mut task = bench.task(exec(&["bash", "-c", script], ""));
    task.limits = SandboxLimits { memory: 128 << 20, ..task.limits };
    task.name = "memory";
    let played = bench.play(&task).await;
    assert_eq!(played.breach.as_deref(), Some("SANDBOX_OUT_OF_MEMORY"), "{played:?}");
    // Files in memory count.
    let mut task = bench.shell("head -c 400000000 /dev/zero >/dev/shm/x");
    task.limits = SandboxLimits { memory: 128 << 20, ..task.limits };
    let played = bench.play(&task).await;
    assert_ne!(played.code, 0, "{played:?}");
    nothing_is_left_of("memory").await;
}

#[tokio::test]
async fn a_fork_bomb_goes_off_inside() {
    if !has_groups() {
        return;
    }
    let bench = Bench::new();
    let bomb = r"
import os, time
n = 0
while True:
    try:
        if os.fork() == 0: time.sleep(60)
        n += 1
    except OSError: break
print(n, flush=True)
time.sleep(60)
";
    let mut task = bench.task(exec(&["python3", "-c", bomb], ""));
    task.limits = SandboxLimits { processes: 40, ..task.limits };
    task.name = "bomb";
    let mut running = bench.start(&task).await;
    let mut first = [0; 8];
    let length = running.stdout.as_mut().unwrap().read(&mut first).await.unwrap();
    let count: u32 = String::from_utf8_lossy(&first[..length]).trim().parse().unwrap();
    assert!((10..40).contains(&count), "{count}");
    assert_eq!(bench.says("echo beside").await, "beside");
    drop(running);
    nothing_is_left_of("bomb").await;
}

#[tokio::test]
async fn a_full_disk_is_the_steps_own_fault() {
    let bench = Bench::new();
    let home = bench.beside("home");
    for place in ["", "~/"] {
        let script = format!("for n in 1 2 3 4 5 6 7 8; do head -c 2000000 /dev/zero >{place}x$n; done; echo full; sleep 600");
        let mut task = bench.shell(&script);
        task.limits = SandboxLimits { disk: 8 << 20, ..task.limits };
        task.home = Some(&home);
        let played = bench.play(&task).await;
        assert_eq!(played.breach.as_deref(), Some("SANDBOX_DISK_FULL"), "{played:?}");
        assert_eq!(played.code, 137);
        bench.says("rm -f x*").await;
    }
    // No single file can be larger in the first place.
    let mut task = bench.shell("head -c 20000000 /dev/zero >y; sleep 600");
    task.limits = SandboxLimits { disk: 8 << 20, ..task.limits };
    assert_ne!(bench.play(&task).await.code, 0);
    assert!(bench.folder.path().join("tree/y").metadata().unwrap().len() <= 8 << 20);
}

#[tokio::test]
async fn daemons_do_not_outlive_their_step() {
    if !has_groups() {
        return;
    }
    let bench = Bench::new();
    let daemon = "(setsid sh -c 'trap \"\" TERM HUP INT; (sleep 600 &) ; sleep 600' >/dev/null 2>&1 &); echo begun";
    let mut task = bench.shell(daemon);
    task.name = "daemon-ends";
    assert_eq!(bench.play(&task).await.stdout, "begun\n");
    nothing_is_left_of("daemon-ends").await;
    let endless = format!("{daemon}; sleep 600");
    let mut task = bench.shell(&endless);
    task.name = "daemon-dropped";
    let mut running = bench.start(&task).await;
    running.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).await.unwrap();
    drop(running);
    nothing_is_left_of("daemon-dropped").await;
    // Not even of a process without a sandbox.
    task.name = "daemon-plain";
    let mut running = bench.sandbox.start(&task, true).await.unwrap();
    running.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).await.unwrap();
    drop(running);
    nothing_is_left_of("daemon-plain").await;
}

#[tokio::test]
async fn endless_output_stops_with_its_reader() {
    let bench = Bench::new();
    let mut task = bench.shell("yes");
    task.name = "endless";
    let mut running = bench.start(&task).await;
    let mut chunk = vec![0; 1 << 20];
    for _ in 0..8 {
        running.stdout.as_mut().unwrap().read_exact(&mut chunk).await.unwrap();
    }
    drop(running);
    nothing_is_left_of("endless").await;
}

#[tokio::test]
async fn two_sandboxes_do_not_see_each_other() {
    let (one, other) = (Bench::new(), Bench::new());
    let script = "import os, socket, time\nfor path in ('/tmp/x', '/dev/shm/x', os.environ['HOME'] + '/x'): open(path, 'w').write('x')\n\
        s = socket.socket(socket.AF_UNIX); s.bind('\\0abstract'); s.listen()\nt = socket.create_server(('127.0.0.1', 4000))\n\
        print('there', flush=True)\ntime.sleep(600)";
    let mut running = one.start(&one.task(exec(&["python3", "-c", script], ""))).await;
    running.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).await.unwrap();
    let look = "import os, socket, glob\nprint([p for p in ('/tmp/x', '/dev/shm/x', os.environ['HOME'] + '/x') if os.path.exists(p)])\n\
        s = socket.socket(socket.AF_UNIX)\nprint(s.connect_ex('\\0abstract'), socket.socket().connect_ex(('127.0.0.1', 4000)))\n\
        print(len([p for p in os.listdir('/proc') if p.isdigit()]) < 6)";
    let played = other.play(&other.task(exec(&["python3", "-c", look], ""))).await;
    assert_eq!(played.stdout, "[]\n111 111\nTrue\n", "{}", played.stderr);
}

#[tokio::test]
async fn the_group_of_a_dead_worker_is_ended_and_removed() {
    if !has_groups() {
        return;
    }
    let found = Hierarchy::find().unwrap();
    let folder = found.folders().iter().find(|folder| folder.to_string_lossy().contains("pids")).unwrap_or(&found.folders()[0]);
    let left = folder.join("flowforge.4194305.1.0.left-behind");
    fs::create_dir(&left).unwrap();
    let mut orphan = Command::new("sleep").arg("600").stdout(std::process::Stdio::piped()).spawn().unwrap();
    fs::write(left.join("cgroup.procs"), orphan.id().to_string()).unwrap();
    Hierarchy::find().unwrap();
    // Its pipe closes with it.
    let mut out = orphan.stdout.take().unwrap();
    let read = tokio::task::spawn_blocking(move || out.read(&mut [0]).unwrap());
    assert_eq!(timeout(GONE, read).await.expect("it lives").unwrap(), 0);
    orphan.wait().unwrap();
    nothing_is_left_of("left-behind").await;
    assert!(!Path::new(&left).exists());
}
