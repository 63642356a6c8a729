//! Repositories and servers that mean harm; the numbers are those of `tests/SECURITY.md`.

use std::{os::unix::fs::PermissionsExt, path::Path};

use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpListener};

use crate::testing::{Bench, allowing, cloned, git_in, remote::Remote, tree_of};

/// A place that nobody should call: accepting fails as long as nobody has.
fn silent() -> std::net::TcpListener {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

fn bench() -> Bench {
    Bench::with("git.clone", &allowing("127.0.0.0/8"))
}

/// Pushes one more commit to `main`, whose files shell has made, past all checks of the one who pushes.
async fn holding(script: &str) -> Remote {
    let remote = Remote::start().await;
    remote.shell(&format!("cd seed; {script}; git commit -q -m Evil; git push -q origin HEAD:main")).await;
    remote
}

/// G3: every step that takes a branch or a commit refuses what is none.
#[tokio::test]
async fn names_that_are_no_branches_are_refused_everywhere() {
    let remote = Remote::start().await;
    let bench = cloned("git.branch", &remote).await;
    let long = "x".repeat(300);
    for name in ["a..b", "@{", "a b", "a\nb", "a\rb", "refs/heads/../../x", "-x", &long] {
        for (kind, params) in [
            ("git.clone", json!({"url": remote.url(), "branch": name})),
            ("git.branch", json!({"name": name})),
            ("git.push", json!({"branch": name})),
            ("git.rebase", json!({"onto": name})),
        ] {
            bench.next(kind, "x").fails(params, "GIT_REF_INVALID", "").await;
        }
    }
}

/// G4: submodules are not initialised, whatever they are called and wherever they lead.
#[tokio::test]
async fn submodules_are_left_alone() {
    for (name, path, url) in [
        ("sub", "mod\\r", "ext::touch ran"),
        ("../..", "mod", "./x"),
        ("x", "mod", "-u./payload"),
        ("x", "mod", "https://127.0.0.1:1/x.git"),
    ] {
        let script = format!(
            "printf '[submodule \"{name}\"]\\n\\tpath = \"{path}\"\\n\\turl = {url}\\n' >.gitmodules; git add .gitmodules
             git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),mod"
        );
        let (remote, bench) = (holding(&script).await, bench());
        // What git itself knows to be evil does not come in; the rest comes in and stays what it is.
        match bench.run(json!({"url": remote.url()})).await {
            Err(fault) => assert!(fault.code == "GIT_CLONE_FAILED" && fault.message.contains("gitmodules"), "{fault}"),
            Ok(_) => {
                let tree = tree_of(&bench);
                assert!(!tree.join(".git/modules").exists() && !tree.join("mod/.git").exists(), "{url}");
                assert_eq!(std::fs::read_dir(tree.join("mod")).map_or(0, Iterator::count), 0);
            }
        }
    }
}

/// G5: nothing in a repository becomes a part of `.git`, by links, by case or by name.
#[tokio::test]
async fn no_file_of_a_repository_becomes_a_hook() {
    let link = "ln -s .git a; git add a; h=$(printf '#!/bin/sh\\ntouch ran\\n' | git hash-object -w --stdin)
        git update-index --add --cacheinfo 100755,$h,A/hooks/post-checkout";
    let (remote, here) = (holding(link).await, bench());
    here.output(json!({"url": remote.url()})).await;
    let tree = tree_of(&here);
    assert!(tree.join("A/hooks/post-checkout").is_file() && !tree.join(".git/hooks").exists());
    for name in [".GIT", ".git", "git~1"] {
        let script = format!(
            "h=$(echo x | git hash-object -w --stdin); t=$(printf '100755 blob %s\\tpost-checkout\\n' $h | git mktree)
             t=$(printf '040000 tree %s\\thooks\\n' $t | git mktree); t=$(printf '040000 tree %s\\t{name}\\n' $t | git mktree)
             git reset -q --soft $(git commit-tree -p HEAD -m Dot $t)"
        );
        let remote = Remote::start().await;
        remote.shell(&format!("cd seed; {script}; git push -q origin HEAD:main")).await;
        let fault = bench().fails(json!({"url": remote.url()}), "GIT_CLONE_FAILED", "").await;
        assert!(!fault.retryable, "{fault}");
    }
}

/// G8: nobody names the folder of a clone.
#[tokio::test]
async fn a_clone_goes_nowhere_else() {
    let remote = Remote::start().await;
    for field in ["path", "folder", "directory", "into"] {
        let fault = bench().run(json!({"url": remote.url(), (field): "../../etc"})).await.unwrap_err();
        assert!(!fault.retryable, "{fault}");
    }
    let bench = bench();
    bench.output(json!({"url": remote.url()})).await;
    for workdir in ["..", "/etc", "sub/../..", "a\0b"] {
        bench.next("command", "x").fails(json!({"run": "true", "workdir": workdir}), "INVALID_PARAMETER", "workdir").await;
    }
}

/// G9: filters are not run, and what large files are kept elsewhere is not fetched.
#[tokio::test]
async fn filters_and_large_files_lead_nowhere() {
    let evil = silent();
    let url = format!("http://{}/lfs", evil.local_addr().unwrap());
    let pointer = "version https://git-lfs.github.com/spec/v1\\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\\nsize 5\\n";
    let script = format!(
        "printf '*.bin filter=lfs diff=lfs merge=lfs -text\\n* filter=evil\\n' >.gitattributes; printf '{pointer}' >x.bin
         git config --file .lfsconfig lfs.url {url}; git config --file .gitconfig filter.evil.smudge 'touch ran'; git add ."
    );
    let (remote, bench) = (holding(&script).await, bench());
    bench.output(json!({"url": remote.url()})).await;
    let tree = tree_of(&bench);
    assert_eq!(std::fs::read_to_string(tree.join("x.bin")).unwrap(), pointer.replace("\\n", "\n"));
    assert!(!tree.join("ran").exists());
    assert!(evil.accept().is_err(), "somebody asked for the large file");
}

/// G11: a redirect is not followed, so the credential stays with its host.
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = silent();
    let target = format!("http://{}/repo.git", elsewhere.local_addr().unwrap());
    let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/repo.git", front.local_addr().unwrap());
    let server = tokio::spawn(async move {
        while let Ok((mut caller, _)) = front.accept().await {
            let answer = format!(
                "HTTP/1.1 302 Found\r\nLocation: {target}/info/refs?service=git-upload-pack\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            caller.write_all(answer.as_bytes()).await.ok();
        }
    });
    let fault = bench().run(json!({"url": url, "credential": Remote::CREDENTIAL})).await.unwrap_err();
    assert_eq!(fault.code, "GIT_CLONE_FAILED", "{fault}");
    assert!(elsewhere.accept().is_err(), "it was followed");
    server.abort();
}

/// G7, G15: a rebase with conflicts asks for no editor and no key, and runs nothing that the repository or its files name.
#[tokio::test]
async fn a_rebase_runs_nothing_and_asks_nobody() {
    let remote = Remote::start().await;
    let sides = "cd seed; git checkout -q -b work; echo w >a.txt; git commit -qam Work; git push -q origin work
        git checkout -q main; echo m >a.txt; printf '* merge=evil filter=evil\\n' >.gitattributes; git add .; git commit -qm Main; git push -q origin main";
    remote.shell(sides).await;
    let clone = bench();
    clone.output(json!({"url": remote.url(), "branch": "work"})).await;
    let (tree, rebase) = (tree_of(&clone), clone.next("git.rebase", "rebase"));
    let mark = arm(&tree);
    let fault = rebase.fails(json!({"onto": "main", "resolve": ["auto"]}), "REBASE_CONFLICTS", "a.txt").await;
    assert_eq!(fault.details["conflicts"][0]["kind"], "content");
    rebase.next("git.rebase", "other").output(json!({"onto": "main", "preview": true})).await;
    let base = git_in(&tree, "rev-parse HEAD^");
    rebase.next("git.rebase", "clean").output(json!({"onto": base})).await;
    assert!(!mark.exists());
}

/// Sets everything that git would start, as if a plain process had got at the repository's own configuration. Names what would
/// then be there.
fn arm(tree: &Path) -> std::path::PathBuf {
    let mark = tree.parent().unwrap().join("ran");
    std::fs::create_dir_all(tree.join(".git/hooks")).unwrap();
    for name in ["pre-rebase", "post-rewrite", "commit-msg", "reference-transaction", "post-index-change", "post-checkout"] {
        let path = tree.join(".git/hooks").join(name);
        std::fs::write(&path, format!("#!/bin/sh\ntouch {}\n", mark.display())).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let program = tree.join(".git/hooks/commit-msg");
    for setting in ["core.editor", "sequence.editor", "gpg.program", "core.fsmonitor", "credential.helper"] {
        git_in(tree, &format!("config {setting} {}", program.display()));
    }
    git_in(tree, "config commit.gpgSign true");
    git_in(tree, "config rebase.autoStash true");
    mark
}
