//! Graphs that take a canary through a node.

use std::collections::BTreeMap;

use flowforge_tests::{Forge, Remote, chain, free_port, root};
use serde_json::{Value, json};

use super::leaks::Canaries;

/// A graph of one node.
pub(super) fn alone(kind: &str, params: Value) -> Value {
    chain(&[("start", "trigger.manual", json!({})), ("a", kind, params)])
}

/// A command that has the odd canary as `$V` and the plain one as `$P`.
pub(super) fn command(script: &str, more: Value) -> Value {
    let env = json!({"V": "{{ secrets.ODD }}", "P": "{{ secrets.PLAIN }}", "L": "{{ secrets.LINES }}"});
    alone("command", json!({"run": script, "env": env, "+": more}))
}

/// Every way in which a step may end, with its canary said aloud.
pub(super) fn endings(forge: &Forge, remote: &Remote) -> Vec<(String, Value)> {
    let mut graphs = commands();
    let large = format!("for n in $(seq 20000); do echo \"$V {}\"; done", "x".repeat(40));
    graphs.push(("a large value", command(&large, json!({}))));
    graphs.extend(calls(forge));
    graphs.extend(git(remote));
    graphs.extend(waits());
    graphs.into_iter().map(|(what, graph)| (what.to_owned(), graph)).collect()
}

fn commands() -> Vec<(&'static str, Value)> {
    let once = json!({"retry": {"max_attempts": 1}});
    vec![
        ("command out", command("printf '%s\\n%s\\n%s' \"$V\" \"$P\" \"$L\"; printf '%s' \"$V\" >&2", json!({}))),
        ("command fails", command("echo \"$V\" >&2; echo \"$P\"; exit 3", once.clone())),
        ("command is late", command("echo \"$V$P\"; sleep 60", json!({"timeout_s": 1, "retry": {"max_attempts": 1}}))),
        ("cancelled command", command("echo \"$V$P\"; printf '%s' \"$L\"; sleep 600", json!({}))),
        ("command in pieces", command("printf '%s' \"$P\" | fold -w 19; echo; printf '%s' \"$L\" | fold -w 21", json!({}))),
        (
            "command in base64",
            command("printf '%s' \"$V\" | base64 -w 30; printf 'x:%s' \"$P\" | base64; printf 'ab%s' \"$L\" | base64", json!({})),
        ),
        (
            "command in hex",
            command(
                "printf '%s' \"$V\" | od -An -v -tx1 | tr -d ' \\n'; printf '%s' \"$P\" | od -An -v -tx1 | tr -d ' '",
                json!({}),
            ),
        ),
        (
            "command escapes",
            command(
                "printf '{\"a\":\"%s\"}' \"$V\" | sed 's/\\\\/\\\\\\\\/g'; printf '%s' \"$V\" | sed 's/\"/%22/; s/ /+/'",
                json!({}),
            ),
        ),
        (
            "command in the shell",
            alone(
                "command",
                json!({"run": "echo {{ secrets.PLAIN }} '{{ secrets.ODD }}'; set | grep FLOWFORGE_; exit 1", "+": once}),
            ),
        ),
        (
            "command leaves it in a file",
            chain(&[
                ("start", "trigger.manual", json!({})),
                ("write", "command", json!({"run": "printf '%s' \"$P\" >kept", "env": {"P": "{{ secrets.PLAIN }}"}})),
                ("read", "command", json!({"run": "cat kept; base64 <kept >&2"})),
            ]),
        ),
        ("command floods", command("i=0; while [ $i -lt 30000 ]; do echo \"$P$V\"; i=$((i+1)); done", json!({}))),
    ]
}

fn calls(forge: &Forge) -> Vec<(&'static str, Value)> {
    let url = |query: &str| forge.ledger.url(&format!("canary{query}"));
    let call = |params: Value| {
        let mut params = params;
        params["+"] = json!({"retry": {"max_attempts": 1}});
        alone("http.request", params)
    };
    let post = json!("POST");
    vec![
        (
            "call with a query",
            call(json!({"url": url("?token={{ secrets.ODD }}&x={{ secrets.PLAIN }}"), "query": {"q": "{{ secrets.ODD }}"}})),
        ),
        (
            "call with basic auth",
            call(
                json!({"url": url(""), "method": post, "auth": {"scheme": "basic", "user": "me", "password": "{{ secrets.ODD }}"}}),
            ),
        ),
        (
            "call with a token",
            call(json!({"url": url(""), "method": post, "auth": {"scheme": "bearer", "token": "{{ secrets.PLAIN }}"}})),
        ),
        (
            "call with a header",
            call(json!({"url": url(""), "headers": {"X-Key": "{{ secrets.ODD }}", "Authorization": "{{ secrets.PLAIN }}"}})),
        ),
        ("call with lines in a header", call(json!({"url": url(""), "headers": {"X-Key": "{{ secrets.LINES }}"}}))),
        (
            "call with a body",
            call(json!({"url": url(""), "method": post, "body": {"a": ["{{ secrets.ODD }}"], "b": "x{{ secrets.LINES }}"}})),
        ),
        (
            "call that is refused",
            call(json!({"url": url("?mode=500&t={{ secrets.PLAIN }}"), "method": post, "body": "{{ secrets.ODD }}"})),
        ),
        ("call that is put off", call(json!({"url": url("?mode=429&t={{ secrets.PLAIN }}")}))),
        ("call that breaks", call(json!({"url": url("?mode=reset&t={{ secrets.PLAIN }}")}))),
        ("call that is late", call(json!({"url": url("?mode=hang&t={{ secrets.PLAIN }}"), "timeout_s": 1}))),
        ("call nobody answers", call(json!({"url": format!("http://127.0.0.1:{}/{{{{ secrets.PLAIN }}}}", free_port())}))),
        ("call of a user in the address", call(json!({"url": "http://me:{{ secrets.PLAIN }}@127.0.0.1:1/{{ secrets.ODD }}"}))),
        ("call of nonsense", call(json!({"url": "{{ secrets.ODD }}"}))),
        ("call of a host", call(json!({"url": "http://{{ secrets.PLAIN }}.invalid/"}))),
        ("cancelled call", call(json!({"url": url("?mode=hang&t={{ secrets.PLAIN }}"), "timeout_s": 600}))),
    ]
}

fn git(remote: &Remote) -> Vec<(&'static str, Value)> {
    let clone = |url: String, credential: &str| {
        alone("git.clone", json!({"url": url, "credential": credential, "+": {"retry": {"max_attempts": 1}}}))
    };
    let with = |text: &str| remote.url().replacen("://", &format!("://{text}"), 1);
    vec![
        ("clone with a wrong password", clone(remote.url(), "robot:{{ secrets.PLAIN }}")),
        ("clone with an odd password", clone(remote.url(), "{{ secrets.ODD }}")),
        ("clone with lines", clone(remote.url(), "{{ secrets.LINES }}")),
        ("clone of an address with a password", clone(with("robot:{{ secrets.PLAIN }}@"), "")),
        ("clone of what is not there", clone(format!("{}-{{{{ secrets.PLAIN }}}}", remote.url()), "")),
    ]
}

fn waits() -> Vec<(&'static str, Value)> {
    let body = chain(&[("inner", "set", json!({"value": "{{ item }} {{ secrets.PLAIN }} {{ secrets.ODD }}"}))]);
    vec![
        ("approval", alone("approval", json!({"title": "Send {{ secrets.ODD }}?", "details": {"a": "{{ secrets.PLAIN }}"}}))),
        ("signal", alone("wait.signal", json!({"name": "{{ secrets.PLAIN }}"}))),
        ("map", alone("map", json!({"items": ["{{ secrets.ODD }}", "b"], "body": body}))),
        ("respond", alone("respond", json!({"body": {"a": "{{ secrets.ODD }}"}, "headers": {"X-A": "{{ secrets.PLAIN }}"}}))),
        (
            "set",
            alone(
                "set",
                json!({"value": {"{{ secrets.ODD }}": ["{{ secrets.ODD }} and {{ secrets.PLAIN }}", "{{ secrets.LINES }}"]}}),
            ),
        ),
        (
            "large",
            chain(&[
                ("start", "trigger.manual", json!({})),
                (
                    "big",
                    "command",
                    json!({"run": "i=0; while [ $i -lt 6000 ]; do echo \"$i $P $V\"; i=$((i+1)); done", "env": {"P": "{{ secrets.PLAIN }}", "V": "{{ secrets.ODD }}"}}),
                ),
                ("after", "set", json!({"value": "{{ steps.big.output.stdout }}"})),
            ]),
        ),
    ]
}

/// A canary in each parameter of each kind, as a text and in an object: many are refused, at once or when they are used, and say so.
pub(super) async fn every_parameter(forge: &Forge, canaries: &Canaries) -> Vec<(String, Value)> {
    let bases = bases(forge);
    let kinds = forge.owner.get("/node-types").await.expect(200);
    let kinds = kinds["items"].as_array().expect("a list of kinds").clone();
    let mut graphs = Vec::new();
    for kind in kinds.iter().filter(|kind| kind["group"] != "triggers") {
        let name = kind["type"].as_str().expect("a kind");
        let base = bases.get(name).unwrap_or_else(|| panic!("no example has {name}"));
        let fields = kind["params_schema"]["properties"].as_object().expect("a schema");
        let nodes: Vec<(String, Value)> = fields.keys().flat_map(|field| with_canaries(base, field)).collect();
        let graph = side_by_side(name, &nodes, &[]);
        let checked = forge.owner.post("/workflows/validate", json!({"graph": graph})).await.expect(200);
        canaries.absent(name, checked.to_string().as_bytes());
        let refused: Vec<_> =
            checked["problems"].as_array().into_iter().flatten().filter_map(|problem| problem["node_id"].as_str()).collect();
        println!("{name}: {} fields, {} of {} nodes refused when saved", fields.len(), refused.len(), nodes.len());
        graphs.push((name.to_owned(), side_by_side(name, &nodes, &refused)));
    }
    assert!(graphs.len() > 15, "{}", graphs.len());
    graphs
}

fn with_canaries(base: &Value, field: &str) -> Vec<(String, Value)> {
    let values = [
        ("text", json!("x{{ secrets.PLAIN }}")),
        ("whole", json!("{{ secrets.ODD }}")),
        ("fields", json!({"x": "{{ secrets.ODD }}"})),
    ];
    let with = |(how, value): (&str, Value)| {
        let mut params = base.clone();
        params[field] = value;
        (format!("{field}_{how}"), params)
    };
    values.into_iter().map(with).collect()
}

fn side_by_side(kind: &str, nodes: &[(String, Value)], without: &[&str]) -> Value {
    let kept = nodes.iter().filter(|(id, _)| !without.contains(&id.as_str()));
    let (mut boxes, mut edges) = (vec![json!({"id": "start", "type": "trigger.manual"})], Vec::new());
    for (id, params) in kept {
        boxes.push(json!({"id": id, "type": kind, "params": params, "retry": {"max_attempts": 1}, "timeout_s": 5, "on_error": "continue"}));
        edges.push(json!({"source": "start", "target": id}));
    }
    json!({"nodes": boxes, "edges": edges})
}

/// Parameters that fit, by kind: those of the examples, with nobody's hosts.
fn bases(forge: &Forge) -> BTreeMap<String, Value> {
    let mut bases = BTreeMap::new();
    for entry in std::fs::read_dir(root().join("workflows")).expect("the examples").flatten() {
        if entry.path().extension().is_some_and(|ending| ending == "json") {
            let example: Value = serde_json::from_slice(&std::fs::read(entry.path()).expect("a file")).expect("JSON");
            for node in example["graph"]["nodes"].as_array().expect("nodes") {
                let kind = node["type"].as_str().expect("a kind").to_owned();
                bases.entry(kind).or_insert_with(|| node["params"].clone());
            }
        }
    }
    let closed = format!("127.0.0.1:{}", free_port());
    bases.insert("http.request".to_owned(), json!({"url": forge.ledger.url("every"), "timeout_s": 2}));
    bases.insert("git.clone".to_owned(), json!({"url": format!("http://{closed}/x.git")}));
    bases.insert("call".to_owned(), json!({"workflow": "none"}));
    bases.insert("command".to_owned(), json!({"run": "env"}));
    bases
}
