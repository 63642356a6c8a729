//! Node kinds for tests: what they do is counted in a `World` that outlives the engine.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use flowforge_core::{
    Awaiting, Catalog,
    awaiting::{Approval, ChildSource, Children, OnItemError},
    node::{Await, Context, Group, Lane, Node, NodeError, NodeSpec, Outcome, Stream, Wake},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::secrets::{Tell, TellThere};

/// What steps have done to the outside, by effect key.
#[derive(Clone, Default)]
pub(crate) struct World {
    calls: Arc<Mutex<BTreeMap<String, u32>>>,
    /// How many calls are under way, and the most that ever were.
    under_way: Arc<Mutex<(u32, u32)>>,
    begun: Arc<Notify>,
    /// What steps were given, in the order in which they were.
    pub(crate) told: Arc<Mutex<Vec<Value>>>,
    pub(crate) gate: Arc<Notify>,
}

impl World {
    /// Counts a call and says which one it is, from 1.
    pub(crate) fn call(&self, key: &str) -> u32 {
        let mut calls = self.calls.lock().unwrap();
        let count = calls.entry(key.to_owned()).or_default();
        *count += 1;
        self.begun.notify_one();
        *count
    }

    /// Takes note that a call takes its time.
    async fn take(&self, ms: u64) {
        {
            let mut under_way = self.under_way.lock().unwrap();
            under_way.0 += 1;
            under_way.1 = under_way.1.max(under_way.0);
        }
        tokio::time::sleep(Duration::from_millis(ms)).await;
        self.under_way.lock().unwrap().0 -= 1;
    }

    /// The most calls that took their time at once.
    pub(crate) fn most_at_once(&self) -> u32 {
        self.under_way.lock().unwrap().1
    }

    /// Waits until there were so many calls in all.
    pub(crate) async fn called(&self, times: u32) {
        while self.calls().iter().sum::<u32>() < times {
            self.begun.notified().await;
        }
    }

    /// Forgets every call, so that the next one is the first again.
    pub(crate) fn reset(&self) {
        self.calls.lock().unwrap().clear();
    }

    /// How often one effect was called.
    pub(crate) fn calls_of(&self, key: &str) -> u32 {
        self.calls.lock().unwrap().get(key).copied().unwrap_or_default()
    }

    /// How often each effect was called.
    pub(crate) fn calls(&self) -> Vec<u32> {
        self.calls.lock().unwrap().values().copied().collect()
    }
}

pub(crate) fn catalog(world: &World) -> Catalog {
    Catalog::default()
        .with(Manual)
        .with(Set)
        .with(Effect(world.clone()))
        .with(Think(world.clone()))
        .with(Job(world.clone()))
        .with(Flaky(world.clone()))
        .with(Nap)
        .with(Doze(world.clone()))
        .with(crate::quota::Starve)
        .with(crate::quota::StarveThere)
        .with(Panics)
        .with(Deep)
        .with(Spawn)
        .with(Listen)
        .with(Ask)
        .with(Respond)
        .with(Length)
        .with(Grow)
        .with(Hand(world.clone()))
        .with(Tell(world.clone()))
        .with(TellThere(world.clone()))
        .with(crate::money::Pay(world.clone()))
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Nothing {}

pub(crate) struct Manual;

impl Node for Manual {
    const SPEC: NodeSpec = NodeSpec { kind: "trigger.manual", group: Group::Triggers, pure: true, ..NodeSpec::BASE };
    type Params = Nothing;

    async fn run(&self, _params: Nothing, cx: &Context) -> Result<Outcome, NodeError> {
        Ok(Outcome::pass(cx, None))
    }
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct SetParams {
    value: Value,
}

struct Set;

impl Node for Set {
    const SPEC: NodeSpec = NodeSpec { kind: "set", pure: true, ..NodeSpec::BASE };
    type Params = SetParams;

    async fn run(&self, params: SetParams, _cx: &Context) -> Result<Outcome, NodeError> {
        Ok(Outcome::done(params.value))
    }
}

#[derive(Deserialize, JsonSchema)]
struct EffectParams {
    /// Wait at the gate before answering, on the first call only.
    #[serde(default)]
    hang: bool,
    /// Take so long, and answer with nothing but what follows from the input.
    #[serde(default)]
    ms: Option<u64>,
}

impl EffectParams {
    async fn answer(&self, world: &World, cx: &Context) -> Value {
        let call = world.call(&cx.effect_key);
        if self.hang && call == 1 {
            world.gate.notified().await;
        }
        match self.ms {
            None => json!({ "call": call }),
            Some(ms) => {
                world.take(ms).await;
                digest(cx)
            }
        }
    }
}

/// What follows from a step's place and input, in a few bytes. PostgreSQL does not keep the order of fields.
fn digest(cx: &Context) -> Value {
    fn of_text(text: &str) -> u32 {
        text.bytes().fold(7, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)))
    }
    fn of(value: &Value) -> u32 {
        match value {
            Value::Object(fields) => {
                fields.iter().fold(3, |hash, (key, field)| hash.wrapping_add(of_text(key).wrapping_mul(of(field) | 1)))
            }
            other => of_text(&other.to_string()),
        }
    }
    json!(of_text(cx.node.as_str()).wrapping_mul(31).wrapping_add(of(&cx.input)))
}

struct Effect(World);

impl Node for Effect {
    const SPEC: NodeSpec = NodeSpec { kind: "effect", ..NodeSpec::BASE };
    type Params = EffectParams;

    async fn run(&self, params: EffectParams, cx: &Context) -> Result<Outcome, NodeError> {
        Ok(Outcome::done(params.answer(&self.0, cx).await))
    }
}

/// Counts like an effect, and says of itself that it has none.
struct Think(World);

impl Node for Think {
    const SPEC: NodeSpec = NodeSpec { kind: "think", pure: true, ..NodeSpec::BASE };
    type Params = EffectParams;

    async fn run(&self, params: EffectParams, cx: &Context) -> Result<Outcome, NodeError> {
        Ok(Outcome::done(params.answer(&self.0, cx).await))
    }
}

struct Job(World);

impl Node for Job {
    const SPEC: NodeSpec = NodeSpec { kind: "job", lane: Lane::Dispatched, ..NodeSpec::BASE };
    type Params = EffectParams;

    async fn run(&self, params: EffectParams, cx: &Context) -> Result<Outcome, NodeError> {
        for n in 1..=3 {
            cx.log.line(Stream::Stdout, format!("line {n}")).await;
        }
        Ok(Outcome::done(params.answer(&self.0, cx).await))
    }
}

#[derive(Deserialize, JsonSchema)]
struct FlakyParams {
    fails: u32,
    #[serde(default)]
    fatal: bool,
    /// Answer with nothing but what follows from the input.
    #[serde(default)]
    digest: bool,
}

struct Flaky(World);

impl Node for Flaky {
    const SPEC: NodeSpec = NodeSpec { kind: "flaky", ..NodeSpec::BASE };
    type Params = FlakyParams;

    async fn run(&self, params: FlakyParams, cx: &Context) -> Result<Outcome, NodeError> {
        match self.0.call(&cx.effect_key) {
            call if call > params.fails && params.digest => Ok(Outcome::done(digest(cx))),
            call if call > params.fails => Ok(Outcome::done(json!({ "call": call }))),
            call if params.fatal => Err(NodeError::fatal("BROKEN", format!("call {call} cannot work"))),
            call => Err(NodeError::retry("NETWORK_ERROR", format!("call {call} did not get through"))),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
struct NapParams {
    ms: u64,
}

struct Nap;

impl Node for Nap {
    const SPEC: NodeSpec = NodeSpec { kind: "nap", pure: true, ..NodeSpec::BASE };
    type Params = NapParams;

    async fn run(&self, params: NapParams, cx: &Context) -> Result<Outcome, NodeError> {
        match cx.woken {
            Some(_) => Ok(Outcome::pass(cx, None)),
            None => Ok(Outcome::Sleep(Wake::After(Duration::from_millis(params.ms)))),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
struct DeepParams {
    levels: u32,
    #[serde(default, rename = "note")]
    _note: Value,
    /// Fail with it instead of putting it out.
    #[serde(default)]
    fail: bool,
}

struct Deep;

impl Node for Deep {
    const SPEC: NodeSpec = NodeSpec { kind: "deep", pure: true, ..NodeSpec::BASE };
    type Params = DeepParams;

    async fn run(&self, params: DeepParams, _cx: &Context) -> Result<Outcome, NodeError> {
        let value = (0..params.levels).fold(Value::Null, |inner, _| json!([inner]));
        if params.fail { Err(NodeError::fatal("BROKEN", "").with_details(value)) } else { Ok(Outcome::done(value)) }
    }
}

/// Sleeps a few times in the lane.
struct Doze(World);

impl Node for Doze {
    const SPEC: NodeSpec = NodeSpec { kind: "doze", lane: Lane::Dispatched, ..NodeSpec::BASE };
    type Params = NapParams;

    async fn run(&self, params: NapParams, cx: &Context) -> Result<Outcome, NodeError> {
        let call = self.0.call(&cx.effect_key);
        cx.log.line(Stream::Stdout, format!("call {call}")).await;
        match (cx.woken, call) {
            (None, 1) | (Some(_), 2..4) => Ok(Outcome::Sleep(Wake::After(Duration::from_millis(params.ms)))),
            (Some(_), 4) => Ok(Outcome::done(json!({ "call": call }))),
            _ => Err(NodeError::fatal("CALLED_WRONGLY", format!("call {call}, woken: {:?}", cx.woken))),
        }
    }
}

struct Panics;

impl Node for Panics {
    const SPEC: NodeSpec = NodeSpec { kind: "panics", ..NodeSpec::BASE };
    type Params = Nothing;

    async fn run(&self, _params: Nothing, _cx: &Context) -> Result<Outcome, NodeError> {
        panic!("a node that breaks")
    }
}

#[derive(Deserialize, JsonSchema)]
struct SpawnParams {
    items: Vec<Value>,
    #[serde(default, rename = "body")]
    _body: Option<Value>,
    #[serde(default)]
    workflow: Option<String>,
    #[serde(default)]
    max_parallel: Option<u32>,
    #[serde(default)]
    on_item_error: OnItemError,
    #[serde(default)]
    single: bool,
}

/// Starts runs, as a map or a call does.
struct Spawn;

impl Node for Spawn {
    const SPEC: NodeSpec = NodeSpec { kind: "spawn", body: Some("body"), ..NodeSpec::BASE };
    type Params = SpawnParams;

    async fn run(&self, params: SpawnParams, _cx: &Context) -> Result<Outcome, NodeError> {
        let SpawnParams { items, workflow, max_parallel, on_item_error, single, .. } = params;
        let source = workflow.map_or(ChildSource::Body, |workflow| ChildSource::Workflow { workflow, version: None });
        let max_parallel = max_parallel.unwrap_or(10);
        let what =
            Awaiting::Children(Children { items, source, max_parallel, on_item_error, single, pages: Vec::new(), outer: None });
        Ok(Outcome::Await(Await { what, until: None }))
    }
}

#[derive(Deserialize, JsonSchema)]
struct ListenParams {
    name: String,
    #[serde(default)]
    ms: Option<u64>,
}

struct Listen;

impl Node for Listen {
    const SPEC: NodeSpec = NodeSpec { kind: "listen", ports: &["out", "timeout"], ..NodeSpec::BASE };
    type Params = ListenParams;

    async fn run(&self, params: ListenParams, cx: &Context) -> Result<Outcome, NodeError> {
        if cx.woken.is_some() {
            return Ok(Outcome::on_port(Value::Null, "timeout"));
        }
        let until = params.ms.map(|ms| Wake::After(Duration::from_millis(ms)));
        Ok(Outcome::Await(Await { what: Awaiting::Signal { name: params.name }, until }))
    }
}

#[derive(Deserialize, JsonSchema)]
struct AskParams {
    #[serde(default)]
    approvers: Vec<String>,
    #[serde(default)]
    ms: Option<u64>,
}

struct Ask;

impl Node for Ask {
    const SPEC: NodeSpec = NodeSpec { kind: "ask", ports: &["approved", "rejected", "timeout"], ..NodeSpec::BASE };
    type Params = AskParams;

    async fn run(&self, params: AskParams, cx: &Context) -> Result<Outcome, NodeError> {
        if cx.woken.is_some() {
            return Ok(Outcome::on_port(Value::Null, "timeout"));
        }
        let approval = Approval { title: "Go on?".to_owned(), details: json!({"b": 1, "a": 2.0}), approvers: params.approvers };
        let until = params.ms.map(|ms| Wake::After(Duration::from_millis(ms)));
        Ok(Outcome::Await(Await { what: Awaiting::Approval(approval), until }))
    }
}

struct Respond;

impl Node for Respond {
    const SPEC: NodeSpec = NodeSpec { kind: "respond", pure: true, responds: true, ..NodeSpec::BASE };
    type Params = SetParams;

    async fn run(&self, params: SetParams, _cx: &Context) -> Result<Outcome, NodeError> {
        Ok(Outcome::done(json!({ "status": 200, "headers": {}, "body": params.value })))
    }
}

#[derive(Deserialize, JsonSchema)]
struct GrowParams {
    bytes: usize,
}

/// Puts out a text of so many bytes, as JSON.
struct Grow;

impl Node for Grow {
    const SPEC: NodeSpec = NodeSpec { kind: "grow", pure: true, ..NodeSpec::BASE };
    type Params = GrowParams;

    async fn run(&self, params: GrowParams, _cx: &Context) -> Result<Outcome, NodeError> {
        Ok(Outcome::done("x".repeat(params.bytes - 2)))
    }
}

/// Hands its input on as it came, from the lane.
struct Hand(World);

impl Node for Hand {
    const SPEC: NodeSpec = NodeSpec { kind: "hand", lane: Lane::Dispatched, ..NodeSpec::BASE };
    type Params = EffectParams;

    async fn run(&self, params: EffectParams, cx: &Context) -> Result<Outcome, NodeError> {
        params.answer(&self.0, cx).await;
        Ok(Outcome::pass(cx, None))
    }
}

/// How many bytes its input has.
struct Length;

impl Node for Length {
    const SPEC: NodeSpec = NodeSpec { kind: "length", pure: true, ..NodeSpec::BASE };
    type Params = Nothing;

    async fn run(&self, _params: Nothing, cx: &Context) -> Result<Outcome, NodeError> {
        Ok(Outcome::done(cx.input.to_string().len()))
    }
}
