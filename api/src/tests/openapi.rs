//! The description of the API is kept in the repository: the web app's client is generated from it.

use std::collections::BTreeSet;

use expect_test::expect_file;

use crate::router;

/// `UPDATE_EXPECT=1 cargo test -p flowforge-api openapi` writes it anew.
#[test]
fn the_kept_description_is_the_served_one() {
    expect_file!["../../openapi.json"].assert_eq(router::document_json());
}

#[test]
fn every_route_is_described() {
    let document = serde_json::to_value(router::document()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut ids = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(operation["summary"].is_string(), "{method} {path} has no doc comment");
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{method} {path} has another's id");
            assert!(operation["tags"].is_array(), "{method} {path} has no tag");
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let described = schema["description"].is_string() || name.starts_with("List_");
        assert!(described, "{name} has no doc comment");
    }
}
