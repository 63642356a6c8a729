//! What nodes stand on, made once per process.

use std::sync::Arc;

use flowforge_core::node::Evaluate;

use crate::javascript::{JavaScript, JavaScriptConfig};

/// What the operator decides.
#[derive(Debug, Clone)]
pub struct ServicesConfig {
    /// How scripts are evaluated.
    pub javascript: JavaScriptConfig,
}

/// What nodes stand on. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Services {
    javascript: Arc<JavaScript>,
}

impl Services {
    /// Prepares everything; processes and connections are made when they are first needed.
    pub fn new(config: ServicesConfig) -> Self {
        Self { javascript: Arc::new(JavaScript::new(config.javascript)) }
    }

    /// What evaluates the JavaScript in templates.
    pub fn evaluator(&self) -> Arc<dyn Evaluate> {
        self.javascript.clone()
    }

    pub(crate) fn javascript(&self) -> Arc<JavaScript> {
        self.javascript.clone()
    }
}
