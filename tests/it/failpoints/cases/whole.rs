//! Cases about what is done with runs as a whole: handled, held back, paused, cancelled, made again.

use flowforge_tests::{chain, graph};
use serde_json::{Value, json};

use super::{super::acts::Act, Case, World, example, node, push};

/// Longer than any case: what only a cancel ends.
const FOR_EVER: &str = "sleep 600";

impl World {
    /// The parameters of a call of the ledger, with options like `?mode=hang`.
    fn calls(&self, place: &str, options: &str) -> Value {
        let url = self.ledger.url(&format!("{{{{ trigger.case }}}}.{place}"));
        json!({"method": "POST", "url": format!("{url}{options}")})
    }
}

impl Case {
    fn asked(self, acts: Vec<Act>) -> Self {
        Self { acts, ..self }
    }

    fn marking(self, marks: &'static [(&'static str, usize)]) -> Self {
        Self { marks, ..self }
    }

    /// Three runs, two of them under one key.
    fn of_two_keys(self) -> Self {
        let run = |key, name| Act::Start(json!({"key": key, "name": name}));
        self.asked(vec![run("a", "a1"), run("a", "a2"), run("b", "b1"), Act::End(3)])
    }

    /// A run that fails calls for another one, which leaves its own mark.
    pub(in super::super) fn on_failure(world: &World) -> Self {
        let url = world.ledger.url("{{ trigger.run.input.case }}.handled");
        let handles = [("start", "trigger.manual", json!({})), ("tell", "http.request", json!({"method": "POST", "url": url}))];
        let broken = [
            ("start", "trigger.manual", json!({})),
            ("mark", "http.request", world.calls("mark", "")),
            ("it", "transform", json!({"code": "throw new Error('no')"})),
        ];
        let mut broken = chain(&broken);
        broken["settings"] = json!({"on_failure": {"workflow": "Handles"}});
        let case = Self { workflows: vec![("Handles", chain(&handles)), ("swept", broken)], ..Self::of(&[], json!({})) };
        case.marking(&[("mark", 1), ("handled", 1)]).asked(vec![Act::Start(json!({})), Act::End(2)])
    }

    /// Of the runs of one key, one is under way.
    pub(in super::super) fn run_limit(world: &World) -> Self {
        let steps = [
            ("start", "trigger.manual", json!({})),
            ("in", "http.request", world.calls("{{ trigger.name }}-in", "")),
            ("out", "http.request", world.calls("{{ trigger.name }}-out", "")),
        ];
        let mut swept = chain(&steps);
        swept["settings"] = json!({"concurrency": {"limit": 1, "key": "{{ trigger.key }}"}});
        let marks = &[("a1-in", 1), ("a1-out", 1), ("a2-in", 1), ("a2-out", 1), ("b1-in", 1), ("b1-out", 1)];
        let case = Self { in_turn: &["a1-in", "a1-out", "a2-in", "a2-out"], at_once: 2, ..Self::of(&[], swept) };
        case.marking(marks).of_two_keys()
    }

    /// Of the steps of one key, one is executed.
    pub(in super::super) fn step_limit(world: &World) -> Self {
        let limit = json!({"concurrency": {"limit": 1, "key": "{{ trigger.key }}"}});
        let mut it = world.calls("{{ trigger.name }}", "?delay_ms=20");
        it["+"] = limit;
        let swept = chain(&[("start", "trigger.manual", json!({})), ("it", "http.request", it)]);
        let case = Self { at_once: 2, ..Self::of(&[], swept) }.passing(&["step-claimed", "report", "reported"]);
        case.marking(&[("a1", 1), ("a2", 1), ("b1", 1)]).of_two_keys()
    }

    /// Paused while it waits and while a step is executed, and resumed each time.
    pub(in super::super) fn pause(world: &World) -> Self {
        let steps = [
            ("start", "trigger.manual", json!({})),
            ("hear", "wait.signal", json!({"name": "go"})),
            ("slow", "http.request", world.calls("slow", "?delay_ms=300")),
            ("mark", "http.request", world.calls("mark", "")),
        ];
        let case = Self::of(&[], chain(&steps)).marking(&[("slow", 1), ("mark", 1)]).passing(&["send", "sent"]);
        case.asked(vec![
            Act::Start(json!({})),
            Act::Begun("hear", 1),
            Act::Pause,
            Act::Answer,
            Act::Ended("hear"),
            Act::None("slow"),
            Act::Ask("resume"),
            Act::Begun("slow", 1),
            Act::Pause,
            Act::Ended("slow"),
            Act::Ask("resume"),
            Act::End(1),
        ])
    }

    /// Cancelled while its owner executes a step.
    pub(in super::super) fn cancel_step(world: &World) -> Self {
        Self::cancelled(world, ("http.request", world.calls("it", "?mode=hang"))).passing(&["send", "sent"])
    }

    /// Cancelled while a worker executes a dispatched step.
    pub(in super::super) fn cancel_dispatched(world: &World) -> Self {
        Self::cancelled(world, ("command", json!({"run": FOR_EVER}))).passing(&["send", "sent", "step-claimed"])
    }

    fn cancelled(world: &World, (kind, params): (&str, Value)) -> Self {
        let steps = [
            ("start", "trigger.manual", json!({})),
            ("before", "http.request", world.calls("before", "")),
            ("it", kind, params),
            ("after", "http.request", world.calls("after", "")),
        ];
        let acts = vec![Act::Start(json!({})), Act::Begun("it", 1), Act::Ask("cancel"), Act::End(1)];
        Self::of(&[], chain(&steps)).marking(&[("before", 1)]).asked(acts)
    }

    /// Cancelled while the runs that it has started for a list and for a call are executing steps, of both lanes.
    pub(in super::super) fn cancel_children(world: &World) -> Self {
        let hangs = world.calls("it", "?mode=hang");
        let called = chain(&[("start", "trigger.manual", json!({})), ("it", "command", json!({"run": FOR_EVER}))]);
        let body = chain(&[("it", "http.request", hangs)]);
        let steps = [
            ("start", "trigger.manual", json!({})),
            ("before", "http.request", world.calls("before", "")),
            ("each", "map", json!({"items": [1, 2], "max_parallel": 2, "body": body})),
            ("call", "call", json!({"workflow": "Called", "input": {}})),
            ("after", "http.request", world.calls("after", "")),
        ];
        let swept = graph(&steps, "start -> before; before -> each; before -> call; each -> after; call -> after");
        let case = Self { workflows: vec![("Called", called), ("swept", swept)], samples: 3, ..Self::of(&[], json!({})) };
        let acts = vec![Act::Start(json!({})), Act::Begun("it", 3), Act::Ask("cancel"), Act::End(1)];
        case.marking(&[("before", 1)]).asked(acts).passing(&["call", "called", "send", "sent"])
    }

    /// Fails, and is made again on a mended version: what had completed before is kept.
    pub(in super::super) fn rerun(world: &World) -> Self {
        let version = |code: &str| {
            let mut version = example("map.json");
            world.put_behind(&mut version, "sum", "mark");
            node(&mut version, "sum")["params"] = json!({"code": code});
            let body = &mut node(&mut version, "each")["params"]["body"];
            push(body, "nodes", json!({"id": "mark", "type": "http.request", "params": world.calls("item-{{ index }}", "")}));
            push(body, "edges", json!({"source": "line", "target": "mark"}));
            version
        };
        let case = Self { mended: Some(version("return input.length")), ..Self::of(&[], version("throw new Error('no')")) };
        let acts = vec![Act::Start(json!({})), Act::End(1), Act::Rerun, Act::End(2)];
        let case = case.marking(&[("item-0", 1), ("item-1", 1), ("item-2", 1), ("mark", 1)]);
        Self { at_once: 3, ..case }.asked(acts).passing(&["call", "called", "gather"])
    }
}
