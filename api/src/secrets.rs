//! The secrets that `{{ secrets.NAME }}` stands for: environment variables `FLOWFORGE_SECRET_<NAME>`, read at start.

use std::{collections::HashMap, fmt};

use flowforge_core::template::Secrets;

const PREFIX: &str = "FLOWFORGE_SECRET_";

/// Secrets by name. Never printed.
#[derive(Clone, Default)]
pub(crate) struct EnvironmentSecrets(HashMap<String, String>);

impl EnvironmentSecrets {
    /// Collects them.
    pub(crate) fn collect(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let named = |(name, value): (String, String)| Some((name.strip_prefix(PREFIX)?.to_owned(), value));
        Self(variables.into_iter().filter_map(named).filter(|(name, _)| !name.is_empty()).collect())
    }
}

impl fmt::Debug for EnvironmentSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Secrets for EnvironmentSecrets {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_by_its_name_and_not_printed() {
        let variables = [("FLOWFORGE_SECRET_TOKEN", "hush"), ("FLOWFORGE_SECRET_", "x"), ("HOME", "/root")];
        let secrets = EnvironmentSecrets::collect(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(secrets.get("TOKEN").as_deref(), Some("hush"));
        assert_eq!((secrets.get("HOME"), secrets.get("")), (None, None));
        assert_eq!(format!("{secrets:?}"), r#"{"TOKEN"}"#);
    }
}
