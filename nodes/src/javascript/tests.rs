//! What scripts do to their worker, and what it does to the others: nothing.

use std::{sync::Arc, time::Duration};

use flowforge_core::node::Evaluate;
use futures::future::join_all;
use serde_json::{Value, json};

use super::*;
use crate::testing::worker;

fn javascript(seconds: f64, workers: usize) -> Arc<JavaScript> {
    let time = Duration::from_secs_f64(seconds);
    Arc::new(JavaScript::new(JavaScriptConfig { time, workers, ..JavaScriptConfig::new(worker(), &[]) }))
}

async fn fault(code: &str, seconds: f64) -> String {
    let js = javascript(seconds, 1);
    let fault = js.send(Mode::Body, code, &json!({})).await.unwrap_err();
    assert!(!fault.retryable, "{code}");
    let after = js.evaluate("1 + 1", &json!({})).await;
    assert_eq!(after, Ok(json!(2)), "the next evaluation after {code}");
    fault.code.into_owned()
}

#[tokio::test]
async fn what_never_ends_is_stopped() {
    for code in [
        "while (true) {}",
        "for (;;) await 0",
        "return [1].map(() => { while (true) {} })",
        "return /(a+)+$/.test('a'.repeat(40) + 'b')",
        "return new Array(2 ** 32 - 1).fill(0)",
        "return { get x() { while (true) {} } }",
    ] {
        assert_eq!(fault(code, 0.5).await, "SCRIPT_TIMEOUT", "{code}");
    }
    assert_eq!(fault("await new Promise(() => {})", 20.0).await, "SCRIPT_ERROR");
}

#[tokio::test]
async fn what_asks_for_too_much_memory_is_stopped() {
    for code in ["return 'a'.repeat(2 ** 28)", "let s = 'x'; while (true) s += s"] {
        assert_eq!(fault(code, 20.0).await, "OUT_OF_MEMORY", "{code}");
    }
    assert_eq!(fault("return 'a'.repeat(9 << 20)", 20.0).await, "OUTPUT_TOO_LARGE");
}

#[tokio::test]
async fn what_nests_too_deeply_is_stopped() {
    assert_eq!(fault("const f = () => f(); return f()", 20.0).await, "SCRIPT_ERROR");
    assert_eq!(fault("let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a", 20.0).await, "SCRIPT_CRASHED");
    assert_eq!(fault(&"(".repeat(100_000), 20.0).await, "SCRIPT_CRASHED");
    assert_eq!(fault("let a = 1; for (let i = 0; i < 200; i++) a = [a]; return a", 20.0).await, "SCRIPT_ERROR");
}

#[tokio::test]
async fn a_script_sees_nothing_of_the_machine() {
    let js = javascript(5.0, 1);
    let code = "[typeof process, typeof require, typeof fetch, typeof console, typeof setTimeout, typeof Deno, typeof os]";
    assert_eq!(js.evaluate(code, &json!({})).await, Ok(json!(vec!["undefined"; 7])));
}

#[tokio::test]
async fn a_worker_has_no_rights_no_network_and_no_environment() {
    let js = javascript(5.0, 1);
    js.evaluate("1", &json!({})).await.unwrap();
    let process = std::path::PathBuf::from(format!("/proc/{}", js.pool.idle_pids()[0]));
    let status = std::fs::read_to_string(process.join("status")).unwrap();
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).unwrap().split_whitespace().next().unwrap().to_owned()
    };
    assert_ne!(field("Uid:"), "0");
    assert_eq!(field("NoNewPrivs:"), "1");
    let limits = std::fs::read_to_string(process.join("limits")).unwrap();
    let limit = |name: &str| {
        limits.lines().find_map(|line| line.strip_prefix(name)).unwrap().split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(limit("Max address space"), (512_u64 << 20).to_string());
    assert_eq!((limit("Max core file size"), limit("Max file size")), ("0".to_owned(), "0".to_owned()));
    let lines = std::fs::read_to_string(process.join("net/route")).unwrap().lines().count();
    assert!(lines <= 1, "it has routes");
}

#[tokio::test]
async fn more_scripts_than_workers_wait_their_turn() {
    let js = javascript(5.0, 2);
    let all = (0..40).map(|n| {
        let js = js.clone();
        async move { js.evaluate("trigger.n * 2", &json!({"trigger": {"n": n}})).await.unwrap() }
    });
    assert_eq!(join_all(all).await, (0..40).map(|n| json!(n * 2)).collect::<Vec<Value>>());
}

#[tokio::test]
async fn a_worker_that_died_while_idle_is_replaced() {
    let js = javascript(5.0, 1);
    assert_eq!(js.evaluate("1", &json!({})).await, Ok(json!(1)));
    let pid = js.pool.idle_pids()[0].to_string();
    assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    assert_eq!(js.evaluate("2", &json!({})).await, Ok(json!(2)));
}

#[tokio::test]
async fn a_program_that_is_missing_or_is_none_of_ours_is_an_error() {
    for (program, code) in
        [("/nowhere/at/all", "SCRIPT_UNAVAILABLE"), ("/bin/true", "SCRIPT_CRASHED"), ("/bin/echo", "SCRIPT_CRASHED")]
    {
        let js = JavaScript::new(JavaScriptConfig::new(program, &[]));
        assert_eq!(js.evaluate("1", &json!({})).await.unwrap_err().code, code, "{program}");
    }
}

#[tokio::test]
async fn too_much_to_look_at_is_refused() {
    let names = json!({"trigger": "x".repeat(wire::LARGEST_REQUEST)});
    assert_eq!(javascript(5.0, 1).evaluate("1", &names).await.unwrap_err().code, "INPUT_TOO_LARGE");
}
