//! What manifests and lints cannot say about the sources: headers, doors, lengths.

mod source;

use source::{Source, sources};

/// Words that only some places may use, and why.
struct Door {
    /// Any of these in a line of code is a use.
    words: &'static [&'static str],
    /// Where the rule looks.
    looks_at: &'static [&'static str],
    /// Where the words may stand.
    except: &'static [&'static str],
    /// What would break.
    because: &'static str,
}

const DOORS: &[Door] = &[
    Door {
        words: &["apalis"],
        looks_at: &["engine", "api", "nodes"],
        except: &["engine/src/queue"],
        because: "the queue carries hints; everything else must work without it",
    },
    Door {
        words: &["SystemTime::now", "Instant::now", "Utc::now", "Local::now"],
        looks_at: &["engine", "api", "nodes", "migrations"],
        except: &["engine/src/clock.rs"],
        because: "time has one door, so that tests can hold it",
    },
    Door {
        words: &["tokio", "sea_orm", "sqlx", "rusqlite", "std::fs", "std::net", "std::env", "std::thread", "rand::"],
        looks_at: &["engine/core/src"],
        except: &[],
        because: "the core is pure: same input, same events",
    },
    Door {
        words: &["boa_engine"],
        looks_at: &["engine", "api", "nodes"],
        except: &["nodes/src/javascript"],
        because: "a script can take its whole process down, so it runs in a child",
    },
    Door {
        words: &["reqwest::Client", "reqwest::get", "TcpStream::connect", "TcpSocket", "UdpSocket", "UnixStream::connect"],
        looks_at: &["engine", "api", "nodes"],
        // The forwarder runs inside a sandbox and knows only the socket that was brought in.
        except: &["nodes/src/egress", "nodes/src/testing", "nodes/src/sandbox/forward.rs"],
        because: "what leaves the server goes through the egress policy: Egress::call, or Egress::connect for other protocols",
    },
    Door {
        words: &[
            "tokio_postgres",
            "rusqlite",
            "sqlx",
            "sea_orm",
            "datafusion",
            "gluesql",
            "duckdb",
            "polars",
            "sqlparser",
            "libsql",
            "limbo",
        ],
        looks_at: &["nodes/src"],
        except: &["nodes/src/postgres_query"],
        because: "one kind of node runs SQL, on a database that its author names; none runs it over the values of a run",
    },
    Door {
        words: &["axum::", "utoipa"],
        looks_at: &["engine", "nodes"],
        except: &["nodes/src/testing"],
        because: "HTTP ends in api",
    },
    Door {
        words: &["sea_orm"],
        looks_at: &["api/src/routes", "nodes"],
        except: &[],
        because: "rows become core types in the store and nowhere else",
    },
    Door {
        words: &["INSERT INTO runs", "UPDATE runs", "INSERT INTO step_runs", "UPDATE step_runs", "DELETE FROM runs"],
        looks_at: &["engine", "api", "nodes"],
        except: &[
            "engine/src/committer",
            "engine/src/store/leases.rs",
            "engine/src/store/limits.rs",
            "engine/src/store/retention.rs",
        ],
        because: "only the committer writes runs and step_runs, under the run's epoch; leases changes the epoch itself, limits \
            lets runs in, and retention removes what has ended",
    },
    Door {
        words: &["todo!", "unimplemented!", "dbg!", "#[allow(", "TODO", "FIXME"],
        looks_at: &["engine", "api", "nodes", "migrations"],
        except: &[],
        because: "unfinished work belongs in the issue tracker, and an exception needs its reason: #[expect(.., reason)]",
    },
    Door {
        words: &["println!", "eprintln!"],
        looks_at: &["engine/src", "nodes/src", "migrations", "api/src/routes", "api/src/auth"],
        except: &["nodes/src/javascript", "nodes/src/sandbox/forward.rs"],
        because: "a server speaks through tracing; only commands print",
    },
];

const RUST: &[&str] = &["engine", "nodes", "api", "migrations", "tests"];
const RUST_FILE_LINES: usize = 450;
const RUST_FUNCTION_LINES: usize = 70;
const TS_FILE_LINES: usize = 400;

/// Longer on purpose: path or path::function, and the reason.
const LONGER: &[(&str, &str)] = &[];

#[test]
fn what_has_a_door_goes_through_it() {
    let mut found = Vec::new();
    for door in DOORS {
        for source in sources(door.looks_at, ".rs") {
            let is_test = ["/tests/", "/tests.rs", "/store/differential"].iter().any(|place| source.path.contains(place));
            if !is_test && !door.except.iter().any(|place| source.path.starts_with(place)) {
                found.extend(uses(door, &source));
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

fn uses(door: &Door, source: &Source) -> Vec<String> {
    let marks = |line: &str| door.words.iter().any(|word| line.to_lowercase().contains(&word.to_lowercase()));
    let hits = source.code().filter(|(_, line)| marks(line));
    hits.map(|(number, line)| format!("{}:{number}: `{}`: {}", source.path, line.trim(), door.because)).collect()
}

#[test]
fn every_file_says_what_it_is() {
    let silent = |source: &Source| !source.text.starts_with("//!");
    let silent: Vec<_> = sources(RUST, ".rs").into_iter().filter(silent).map(|source| source.path).collect();
    assert!(silent.is_empty(), "these files do not begin with `//!`: {silent:#?}");
}

#[test]
fn no_file_is_named_mod() {
    let named = sources(RUST, "mod.rs").into_iter().map(|source| source.path);
    let named: Vec<_> = named.filter(|path| path.ends_with("/mod.rs")).collect();
    assert!(named.is_empty(), "name them after their module: {named:#?}");
}

#[test]
fn files_and_functions_are_short() {
    let mut long = Vec::new();
    for source in sources(RUST, ".rs") {
        look(&mut long, source.path.clone(), source.length(), RUST_FILE_LINES);
        for (name, lines) in source.functions() {
            look(&mut long, format!("{}::{name}", source.path), lines, RUST_FUNCTION_LINES);
        }
    }
    for source in sources(&["frontend/src"], ".ts").into_iter().chain(sources(&["frontend/src"], ".tsx")) {
        look(&mut long, source.path, source.text.lines().count(), TS_FILE_LINES);
    }
    assert!(long.is_empty(), "split them, or say in LONGER why not: {long:#?}");
}

fn look(long: &mut Vec<String>, what: String, lines: usize, limit: usize) {
    if lines > limit && !LONGER.iter().any(|(known, _)| *known == what) {
        long.push(format!("{what}: {lines} lines, the limit is {limit}"));
    }
}

#[test]
fn exceptions_are_still_needed() {
    for (what, reason) in LONGER {
        let path = what.split("::").next().expect("a path");
        assert!(flowforge_tests::root().join(path).exists(), "{what} is gone ({reason})");
    }
}

#[test]
fn functions_are_found_by_their_shape() {
    let text = "//! x\npub(crate) async fn a(\n    b: u8,\n) -> u8 {\n    b\n}\nfn c() {}\n";
    let source = Source { path: String::new(), text: text.to_owned() };
    assert_eq!(source.functions(), [("a".to_owned(), 5), ("c".to_owned(), 1)]);
}
