//! Kinds by name: typed nodes behind one table.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde_json::{Map, Value};

use crate::{
    node::{BoxFuture, Context, Node, NodeError, NodeSpec, Outcome},
    params::{ParamsProblem, Schema},
};

/// A registered kind.
#[derive(Clone)]
pub struct Kind {
    /// What the kind says of itself.
    pub spec: NodeSpec,
    /// The schema of its parameters.
    pub params: Arc<Schema>,
    /// The schema of its output.
    pub output_schema: Arc<Value>,
    node: Arc<dyn ErasedNode>,
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kind({})", self.spec.kind)
    }
}

impl Kind {
    /// Runs one attempt with resolved parameters.
    pub fn run<'a>(&'a self, params: Value, cx: &'a Context) -> BoxFuture<'a, Result<Outcome, NodeError>> {
        self.node.run(params, cx)
    }

    /// All that is wrong with parameters that are not resolved yet.
    pub fn check(&self, params: &Map<String, Value>) -> Vec<ParamsProblem> {
        let faults = self.params.check(params, self.spec.scripts);
        if faults.is_empty() { self.node.check(params) } else { faults }
    }
}

/// All kinds, by name and in the order of the palette.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    kinds: Vec<Kind>,
    by_name: BTreeMap<&'static str, usize>,
}

impl Catalog {
    /// Adds a kind. A name that is taken already is replaced, which only tests do on purpose.
    #[must_use]
    pub fn with<N: Node>(mut self, node: N) -> Self {
        let kind = Kind {
            spec: N::SPEC,
            params: Arc::new(Schema::of::<N::Params>()),
            output_schema: Arc::new(N::output_schema()),
            node: Arc::new(node),
        };
        match self.by_name.get(N::SPEC.kind) {
            Some(at) => self.kinds[*at] = kind,
            None => {
                self.by_name.insert(N::SPEC.kind, self.kinds.len());
                self.kinds.push(kind);
            }
        }
        self
    }

    /// The kind of that name.
    pub fn get(&self, kind: &str) -> Option<&Kind> {
        self.by_name.get(kind).map(|at| &self.kinds[*at])
    }

    /// All kinds, in the order of the palette.
    pub fn kinds(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.iter()
    }
}

/// A `Node` whose parameter type is forgotten.
trait ErasedNode: Send + Sync {
    fn check(&self, params: &Map<String, Value>) -> Vec<ParamsProblem>;

    fn run<'a>(&'a self, params: Value, cx: &'a Context) -> BoxFuture<'a, Result<Outcome, NodeError>>;
}

impl<N: Node> ErasedNode for N {
    fn check(&self, params: &Map<String, Value>) -> Vec<ParamsProblem> {
        match serde_json::from_value(Value::Object(params.clone())) {
            Ok(params) => N::check(&params),
            // A trigger's are read before there is anything that a template could stand for.
            Err(fault) if N::SPEC.is_trigger() => {
                vec![ParamsProblem { code: "invalid_parameter", field: String::new(), message: fault.to_string() }]
            }
            // What a template stands for is not known yet, so it may not fit the type.
            Err(_) => Vec::new(),
        }
    }

    fn run<'a>(&'a self, params: Value, cx: &'a Context) -> BoxFuture<'a, Result<Outcome, NodeError>> {
        Box::pin(async move {
            let params = serde_json::from_value(params).map_err(|fault| {
                NodeError::fatal("INVALID_PARAMETER", format!("the resolved parameters do not fit {}: {fault}", N::SPEC.kind))
            })?;
            Node::run(self, params, cx).await
        })
    }
}
