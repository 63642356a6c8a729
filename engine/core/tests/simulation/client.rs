//! Clients: they start runs, repeat what was not answered, and cancel, as through `engine/src/engine.rs`.

use flowforge_core::{StepIx, StepStatus, Timestamp, awaiting::Verdict};

use crate::{
    bug::Bug,
    cover::Rare,
    delta::{Delta, Guard, NewRun},
    messages::{Fate, Op, Order, To},
    owner::{Owner, begun, payload},
    plan::{Awaits, Call, Compiled, Scripted, pool},
    process::Live,
    rng::mix,
    store::{Body, RunRow},
    watcher::Watcher,
    world::{At, Ev, World},
};

/// How long a client waits for an answer, in milliseconds.
const PATIENCE: u64 = 20_000;

/// One try of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Try {
    pub(crate) request: usize,
    number: u32,
}

/// What a client wants.
#[derive(Debug, Clone, Copy)]
enum Wish {
    Start {
        key: Option<u32>,
        /// Whether steps of an earlier run are kept.
        keeps: bool,
    },
    /// To say something to the run that this request has started.
    Tell { of: usize, what: What },
}

/// What is said to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Cancel,
    Pause,
    Resume,
    /// The signal of a step.
    Signal(StepIx),
    /// A decision on a step, as often as it asks.
    Decide(StepIx),
}

#[derive(Clone)]
pub(crate) struct Request {
    compiled: &'static Compiled,
    wish: Wish,
    tries: u32,
    /// Whether a try is under way.
    waits: bool,
    /// The run that was acknowledged.
    pub(crate) run: Option<u32>,
    done: bool,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} after {} tries: {:?}", self.wish, self.tries, self.run)
    }
}

impl Request {
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    fn key(&self) -> Option<u32> {
        match self.wish {
            Wish::Start { key, .. } => key,
            Wish::Tell { .. } => None,
        }
    }
}

impl World {
    /// The clients of a history, and when they come.
    pub(crate) fn people(&mut self) {
        for number in 0..self.swarm.runs {
            let compiled = &pool()[self.rng.below(pool().len() as u64) as usize];
            // Somebody has to know a run that waits for somebody.
            let key = (self.rng.chance(self.swarm.keyed) || compiled.waits_for_others()).then_some(number as u32);
            let at = self.rng.below(30_000);
            let keeps = !compiled.kept.is_empty() && self.rng.chance(self.swarm.keeps);
            let first = self.wish(compiled, Wish::Start { key, keeps }, at);
            if key.is_some() && self.rng.chance(self.swarm.doubled) {
                let later = self.rng.pick(&[0, 1, 50, 5_000, 60_000]) + self.rng.below(10);
                self.wish(compiled, Wish::Start { key, keeps }, at + later);
            }
            self.talk(compiled, first, at);
        }
    }

    /// What is said to a run after it was started.
    fn talk(&mut self, compiled: &'static Compiled, of: usize, at: u64) {
        if self.rng.chance(self.swarm.cancel) {
            let later = self.rng.pick(&[0, 100, 5_000, 30_000, 90_000]) + self.rng.below(1_000);
            self.wish(compiled, Wish::Tell { of, what: What::Cancel }, at + later);
        }
        if self.rng.chance(self.swarm.pauses) {
            let (pause, resume) = (self.rng.below(20_000), self.rng.below(60_000));
            self.wish(compiled, Wish::Tell { of, what: What::Pause }, at + pause);
            self.wish(compiled, Wish::Tell { of, what: What::Resume }, at + pause + resume);
        }
        for (step, _) in compiled.graph.steps() {
            let what = match compiled.script(step).awaits {
                Awaits::Signal => What::Signal(step),
                Awaits::Decision => What::Decide(step),
                Awaits::Nothing | Awaits::Children { .. } => continue,
            };
            let later = self.rng.pick(&[0, 1_000, 10_000, 60_000]);
            let later = later + self.rng.below(5_000);
            self.wish(compiled, Wish::Tell { of, what }, at + later);
        }
    }

    fn wish(&mut self, compiled: &'static Compiled, wish: Wish, at: u64) -> usize {
        self.requests.push(Request { compiled, wish, tries: 0, waits: false, run: None, done: false });
        self.later(at, Ev::Client(self.requests.len() - 1));
        self.requests.len() - 1
    }

    /// A client tries its luck with some process.
    pub(crate) fn client(&mut self, request: usize) {
        if self.requests[request].done || self.requests[request].waits {
            return;
        }
        if let Wish::Tell { of, what } = self.requests[request].wish
            && !self.is_time(request, of, what)
        {
            return;
        }
        let worker = self.rng.below(self.processes.len() as u64) as usize;
        if !self.processes[worker].works {
            return self.later(300, Ev::Client(request));
        }
        let key = self.requests[request].key();
        if key.is_some() && self.requests.iter().any(|other| other.waits && other.key() == key) {
            self.cover.sometimes(Rare::RepeatedAtOnce);
        }
        let it = &mut self.requests[request];
        (it.waits, it.tries) = (true, it.tries + 1);
        let of = Try { request, number: it.tries };
        self.later(PATIENCE, Ev::GaveUp(of));
        let wait = self.net();
        self.later(wait, Ev::Accept(self.here(worker), of));
    }

    /// Whether something can be said to a run now; if it never can, the client is content.
    fn is_time(&mut self, request: usize, of: usize, what: What) -> bool {
        let run = self.requests[of].run;
        let row = run.and_then(|run| self.store.run(run));
        let is_over = self.requests[of].done && run.is_none() || row.is_some_and(|row| row.finished.is_some());
        let pauses = self
            .requests
            .iter()
            .any(|other| !other.done && matches!(other.wish, Wish::Tell { of: same, what: What::Pause } if same == of));
        let waits = match what {
            _ if is_over || row.is_none() => !is_over,
            // Whoever paused it lets it go on.
            What::Resume => pauses || !row.is_some_and(|row| row.paused),
            What::Decide(step) => row.and_then(|row| asked(row, step)).is_none(),
            _ => false,
        };
        if waits {
            let wait = self.rng.between(1_000, 6_000);
            self.later(wait, Ev::Client(request));
        }
        // A cancel that comes late is sent all the same.
        let is_late = is_over && !(what == What::Cancel && run.is_some());
        self.requests[request].done |= is_late;
        !waits && !is_late
    }

    fn message(&self, run: u32, what: What) -> Option<Body> {
        let row = self.store.run(run)?;
        Some(match what {
            What::Cancel => Body::Cancel,
            What::Pause => Body::Pause,
            What::Resume => Body::Resume,
            What::Signal(step) => {
                Body::Signal { name: row.compiled.graph.step(step).id.to_string(), payload: payload(row.compiled.node(step)) }
            }
            What::Decide(step) => {
                let attempt = asked(row, step)?;
                let verdict = if mix(self.now).is_multiple_of(3) { Verdict::Rejected } else { Verdict::Approved };
                Body::Decide { step, attempt, verdict, output: payload(row.compiled.node(step)) }
            }
        })
    }

    /// A process takes a request.
    pub(crate) fn accept(&mut self, at: At, of: Try) {
        if self.processes[at.worker].leaving {
            return self.reply_later(of, Err(()));
        }
        match self.requests[of.request].wish {
            Wish::Start { key, keeps } => self.start(at, of, key, keeps),
            Wish::Tell { of: started, what } => {
                let Some(run) = self.requests[started].run else { return };
                match self.message(run, what) {
                    Some(body) => self.ask(at, Op::LookBefore { of, run, body }),
                    None => self.reply_later(of, Err(())),
                }
            }
        }
    }

    fn start(&mut self, at: At, of: Try, key: Option<u32>, keeps: bool) {
        let compiled = self.requests[of.request].compiled;
        let run = self.ticket(compiled);
        let deadline_at = compiled.plan.timeout_s.map(|s| self.guess(at.worker) + s as i64 * 1_000);
        let new = NewRun { compiled, owner: None, key, deadline_at, parent: None };
        if keeps {
            self.cover.sometimes(Rare::Kept);
            self.ghosts[run as usize].kept = compiled.kept.iter().map(|kept| kept.step).collect();
            let delta = begun(run, new, Timestamp(self.guess(at.worker)), self.bug);
            return self.submit(at, Order { delta, to: To::Start { of, run }, shared_id: 0 });
        }
        if self.rng.chance(self.swarm.remote) || !self.is_trusted(at.worker) {
            let delta = Delta::of_run(run, Guard::New(new), 0);
            return self.submit(at, Order { delta, to: To::Start { of, run }, shared_id: 0 });
        }
        let new = NewRun { owner: Some(self.processes[at.worker].identity), ..new };
        let token = self.token();
        let mut owner = Owner::create(self, at, run, token, new);
        owner.request = Some(of);
        let live = Live { run, token, owner: Some(Box::new(owner)), bell: false, reading: false, recovers: None };
        self.processes[at.worker].live.push(live);
        let wait = self.rng.below(20);
        self.later(wait, Ev::Prepared(at, run, token));
    }

    /// A run that nobody owns yet was created, or not.
    pub(crate) fn start_answered(&mut self, at: At, of: Try, run: u32, fate: Fate) {
        match fate {
            Fate::Written => {
                self.push(at, crate::world::Hint::Run(run));
                self.reply_later(of, Ok(run));
            }
            Fate::Fenced => {
                if let Some(answer) = self.conflicted(at, Some(of)) {
                    self.reply_later(of, answer);
                }
            }
            Fate::Failed => self.reply_later(of, Err(())),
        }
    }

    /// A run was not created because there is one: the answer, unless it has to be looked for.
    pub(crate) fn conflicted(&mut self, at: At, of: Option<Try>) -> Option<Result<u32, ()>> {
        let of = of?;
        if self.bug == Bug::ConflictIgnored {
            return Some(Ok(self.ghosts.len() as u32 - 1));
        }
        let Some(key) = self.requests[of.request].key() else { return Some(Err(())) };
        self.ask(at, Op::Lookup { of, key });
        None
    }

    pub(crate) fn found_key(&mut self, of: Try, found: Result<Option<u32>, ()>) {
        if matches!(found, Ok(Some(_))) {
            self.cover.sometimes(Rare::Repeated);
        }
        self.reply_later(of, found.and_then(|run| run.ok_or(())));
    }

    pub(crate) fn looked(&mut self, at: At, of: Try, run: u32, body: Body, open: Result<bool, ()>) {
        match open {
            Ok(true) => self.ask(at, Op::Send { of, run, body }),
            Ok(false) => self.reply_later(of, Ok(run)),
            Err(()) => self.reply_later(of, Err(())),
        }
    }

    /// A message is in the inbox, or it is not known.
    pub(crate) fn sent(&mut self, at: At, of: Try, run: u32, sent: Result<(), ()>) {
        if sent.is_ok() {
            let ghost = &self.ghosts[run as usize];
            let rare = match (ghost.finished, ghost.holder) {
                (Some(_), _) => Some(Rare::CancelLate),
                (None, None) => Some(Rare::CalledWhileParked),
                _ => None,
            };
            rare.into_iter().for_each(|rare| self.cover.sometimes(rare));
            // That needs no room: a run that is not owned is taken up at once.
            self.own(at, run);
        }
        self.say(|world| format!("{:?} of run {run}: {sent:?}", world.requests[of.request].wish));
        self.reply_later(of, sent.map(|()| run));
    }

    pub(crate) fn reply_later(&mut self, of: Try, answer: Result<u32, ()>) {
        let wait = self.net();
        self.later(wait, Ev::Reply(of, answer));
    }

    /// The answer reaches the client, if it still waits for it.
    pub(crate) fn reply(&mut self, of: Try, answer: Result<u32, ()>) {
        let request = &self.requests[of.request];
        if !request.waits || request.tries != of.number {
            return;
        }
        let Ok(run) = answer else { return self.not_answered(of.request) };
        let (wish, faulty) = (request.wish, self.faulty());
        // A decision is asked for again when the step is repeated; a pause may come late and twice.
        let once = !matches!(wish, Wish::Tell { what: What::Decide(_) | What::Resume, .. });
        self.requests[of.request].waits = false;
        self.requests[of.request].done = once;
        if !once {
            self.later(2_000, Ev::Client(of.request));
        }
        if matches!(wish, Wish::Start { .. }) {
            self.started(of.request, run, faulty);
        }
    }

    /// Someone was told that a run exists.
    fn started(&mut self, request: usize, run: u32, faulty: bool) {
        self.say(|_| format!("run {run} is acknowledged"));
        self.requests[request].run = Some(run);
        if self.store.run(run).is_none() {
            return self.check(crate::ghost::broken("D13", format!("run {run} is acknowledged and does not exist")));
        }
        self.ghosts[run as usize].acked = true;
        let key = self.requests[request].key();
        let others = self.requests.iter().filter(|other| key.is_some() && other.key() == key);
        if let Some(other) = others.filter_map(|other| other.run).find(|other| *other != run) {
            let text = format!("key {key:?} was answered with run {run} and with run {other}");
            return self.check(crate::ghost::broken("D4", text));
        }
        if self.rng.chance(self.swarm.watchers) {
            self.watchers.push(Watcher::new(run));
            self.later(u64::from(faulty), Ev::Watch(self.watchers.len() - 1));
        }
    }

    pub(crate) fn gave_up(&mut self, of: Try) {
        let request = &self.requests[of.request];
        if request.waits && request.tries == of.number {
            self.not_answered(of.request);
        }
    }

    /// What can be repeated is; the rest stays unknown.
    fn not_answered(&mut self, at: usize) {
        let request = &mut self.requests[at];
        request.waits = false;
        let repeats = request.key().is_some() || matches!(request.wish, Wish::Tell { .. });
        if !repeats {
            request.done = true;
            return;
        }
        if request.key().and_then(|key| self.store.run_of_key(key)).is_some() {
            self.cover.sometimes(Rare::UnknownStart);
        }
        let wait = self.rng.between(100, 3_000);
        self.later(wait, Ev::Client(at));
    }

    /// What is sent with every effect of a step.
    pub(crate) fn effect_key(&self, run: u32, call: Call) -> u64 {
        let attempt = if self.bug == Bug::KeyOfAttempt { call.attempt } else { 0 };
        mix(u64::from(run) << 40 | u64::from(call.step.0) << 8 | u64::from(attempt))
    }

    /// An effect leaves for the world outside, and may be late.
    pub(crate) fn effect_begins(&mut self, run: u32, claim: u64, again: bool) {
        if again {
            self.cover.sometimes(Rare::RepeatedEffect);
        }
        if self.fault(self.swarm.late_effect) {
            let wait = self.rng.below(3 * crate::swarm::LEASE);
            self.later(wait, Ev::Effect(run, claim));
        }
    }

    /// Whether a call kills its worker, which it does some time later.
    pub(crate) fn kills(&mut self, at: At, run: u32, script: &Scripted, call: Call) -> bool {
        if !self.swarm.deadly || script.kills == 0 {
            return false;
        }
        let before = self.kills.iter().filter(|killed| **killed == (run, call.step)).count();
        if before >= script.kills as usize {
            return false;
        }
        self.kills.push((run, call.step));
        let wait = self.rng.between(1, script.work_ms);
        self.later(wait, Ev::Killed(at));
        true
    }
}

/// The attempt of a step that asks for a decision.
fn asked(row: &RunRow, step: StepIx) -> Option<u32> {
    let asks = |attempt: &&crate::store::StepRow| attempt.step == step && attempt.status == StepStatus::Waiting;
    row.steps.iter().find(asks).filter(|attempt| attempt.awaiting.is_some()).map(|attempt| attempt.attempt)
}
