//! The first owner, signing in, and what ends it.

use axum::http::StatusCode;
use futures::future::join_all;

use super::{EMAIL, PASSWORD, Place};

#[tokio::test]
async fn the_first_owner_is_made_once_however_many_ask() {
    for place in Place::each().await {
        let auth = place.auth();
        assert!(auth.setup_required().await.unwrap());
        let emails: Vec<_> = (0..6).map(|number| format!("{number}@example.org")).collect();
        let asked = emails.iter().map(|email| auth.create_first_owner(email, PASSWORD, "Race"));
        let made = join_all(asked).await;
        assert_eq!(made.iter().filter(|one| one.is_ok()).count(), 1);
        let lost = made.into_iter().filter_map(Result::err).all(|fault| fault.code() == "already_set_up");
        assert!(lost && !auth.setup_required().await.unwrap() && !place.auth().setup_required().await.unwrap());
    }
}

#[tokio::test]
async fn only_the_right_address_and_password_sign_in() {
    for place in Place::each().await {
        let auth = place.auth();
        place.owner(&auth).await;
        assert!(auth.sign_in(EMAIL, PASSWORD).await.is_ok());
        assert!(auth.sign_in(" ADA@Example.ORG ", PASSWORD).await.is_ok(), "the case of an address does not matter");
        for (email, password) in [(EMAIL, "wrong wrong wrong"), ("nobody@example.org", PASSWORD), (EMAIL, ""), ("", "")] {
            let fault = auth.sign_in(email, password).await.unwrap_err();
            assert_eq!((fault.status(), fault.code()), (StatusCode::UNAUTHORIZED, "invalid_credentials"), "{email} {password}");
        }
        place.sql("UPDATE users SET disabled_at = 1").await;
        assert_eq!(auth.sign_in(EMAIL, PASSWORD).await.unwrap_err().code(), "invalid_credentials");
    }
}

#[tokio::test]
async fn odd_owners_are_refused() {
    let place = Place::open(None).await;
    let auth = place.auth();
    for (email, password, workspace) in [
        ("ada", PASSWORD, "W"),
        ("a@b@c", PASSWORD, "W"),
        ("a b@example.org", PASSWORD, "W"),
        (EMAIL, "short", "W"),
        (EMAIL, &"x".repeat(129), "W"),
        (EMAIL, PASSWORD, "  "),
        (EMAIL, PASSWORD, "W\nX"),
    ] {
        let fault = auth.create_first_owner(email, password, workspace).await.unwrap_err();
        assert_eq!(fault.status(), StatusCode::BAD_REQUEST, "{email} {password} {workspace}");
    }
}

/// Changes that another process makes are seen here within a minute.
#[tokio::test]
async fn rights_are_looked_up_again() {
    for place in Place::each().await {
        let auth = place.auth();
        let token = place.signed_in(&auth).await.access_token;
        assert!(auth.authenticate(&token).await.is_ok());
        place.sql("UPDATE memberships SET role = 'viewer'").await;
        place.pass_ms(31_000);
        assert_eq!(auth.authenticate(&token).await.unwrap().role.as_str(), "viewer");
        place.sql("UPDATE users SET token_version = token_version + 1").await;
        place.pass_ms(31_000);
        assert!(auth.authenticate(&token).await.is_err(), "the password was changed");
    }
}
