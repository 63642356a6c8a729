//! Which branches may be pushed to, by the operator's word.

use std::str::FromStr;

use globset::{Glob, GlobSet, GlobSetBuilder};

/// The operator's list of branches: patterns separated by commas, for example `flowforge/*,release-*`. Without one the authors of
/// workflows decide.
#[derive(Debug, Clone, Default)]
pub struct PushPolicy(Option<GlobSet>);

/// A list that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPushPolicy(String);

impl FromStr for PushPolicy {
    type Err = InvalidPushPolicy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let listed: Vec<_> = text.split(',').map(str::trim).filter(|pattern| !pattern.is_empty()).collect();
        Ok(Self(patterns(&listed).map_err(InvalidPushPolicy)?))
    }
}

impl PushPolicy {
    /// Whether the operator allows a branch; nothing when the operator has no list.
    pub(crate) fn allows(&self, branch: &str) -> Option<bool> {
        self.0.as_ref().map(|listed| listed.is_match(branch))
    }
}

/// The patterns as one; nothing for an empty list.
pub(crate) fn patterns(listed: &[&str]) -> Result<Option<GlobSet>, String> {
    let mut set = GlobSetBuilder::new();
    for pattern in listed {
        set.add(Glob::new(pattern).map_err(|fault| format!("`{pattern}` is no pattern: {fault}"))?);
    }
    let set = set.build().map_err(|fault| fault.to_string())?;
    Ok((!listed.is_empty()).then_some(set))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_allows_what_it_names_and_no_list_says_nothing() {
        let listed: PushPolicy = " flowforge/*, release-* ,".parse().unwrap();
        assert_eq!(["flowforge/a/b", "release-1", "main"].map(|name| listed.allows(name)), [Some(true), Some(true), Some(false)]);
        assert_eq!("".parse::<PushPolicy>().unwrap().allows("main"), None);
        assert!("a[".parse::<PushPolicy>().is_err());
    }
}
