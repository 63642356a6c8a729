//! Refresh tokens: each is exchanged once, and who uses an old one ends the session.

use futures::future::join_all;

use super::Place;

#[tokio::test]
async fn a_token_is_exchanged_for_its_successor() {
    for place in Place::each().await {
        let auth = place.auth();
        let mut token = place.signed_in(&auth).await.refresh_token;
        for _ in 0..5 {
            let next = auth.exchange(&token).await.unwrap();
            assert!(auth.authenticate(&next.access_token).await.is_ok());
            assert_ne!(next.refresh_token, token);
            token = next.refresh_token;
            place.pass_ms(60_000);
        }
    }
}

#[tokio::test]
async fn asking_again_at_once_gives_the_same_answer() {
    for place in Place::each().await {
        let auth = place.auth();
        let token = place.signed_in(&auth).await.refresh_token;
        let first = auth.exchange(&token).await.unwrap();
        place.pass_ms(9_000);
        let again = place.auth().exchange(&token).await.unwrap();
        assert_eq!(first.refresh_token, again.refresh_token);
        assert!(auth.exchange(&first.refresh_token).await.is_ok(), "nobody was signed out");
    }
}

#[tokio::test]
async fn many_tabs_asking_at_once_stay_signed_in() {
    for place in Place::each().await {
        let auth = place.auth();
        let token = place.signed_in(&auth).await.refresh_token;
        let answers = join_all((0..50).map(|_| auth.exchange(&token))).await;
        let tokens: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().refresh_token).collect();
        assert!(tokens.iter().all(|one| *one == tokens[0]), "one branch lives");
        assert!(auth.exchange(&tokens[0]).await.is_ok());
    }
}

#[tokio::test]
async fn an_old_token_ends_the_session() {
    for generations in [1, 2] {
        for place in Place::each().await {
            let auth = place.auth();
            let old = place.signed_in(&auth).await.refresh_token;
            let mut newest = auth.exchange(&old).await.unwrap();
            if generations == 2 {
                newest = auth.exchange(&newest.refresh_token).await.unwrap();
            }
            place.pass_ms(11_000);
            assert!(auth.exchange(&old).await.is_err());
            assert!(auth.exchange(&newest.refresh_token).await.is_err(), "the thief's or the owner's, nobody knows");
            assert!(auth.authenticate(&newest.access_token).await.is_err());
        }
    }
}

#[tokio::test]
async fn a_session_ends_when_it_is_signed_out() {
    for place in Place::each().await {
        let (here, elsewhere) = (place.auth(), place.auth());
        let signed_in = place.signed_in(&here).await;
        assert!(elsewhere.authenticate(&signed_in.access_token).await.is_ok());
        here.sign_out(&signed_in.refresh_token).await.unwrap();
        assert!(here.exchange(&signed_in.refresh_token).await.is_err());
        assert!(here.authenticate(&signed_in.access_token).await.is_err(), "at once in this process");
        place.pass_ms(31_000);
        assert!(elsewhere.authenticate(&signed_in.access_token).await.is_err(), "within a minute in the others");
    }
}

#[tokio::test]
async fn a_session_ends_after_thirty_days() {
    let place = Place::open(None).await;
    let auth = place.auth();
    let token = place.signed_in(&auth).await.refresh_token;
    place.pass_ms(29 * 86_400_000);
    let next = auth.exchange(&token).await.unwrap();
    place.pass_ms(86_400_000);
    assert!(auth.exchange(&next.refresh_token).await.is_err());
    assert!(auth.authenticate(&next.access_token).await.is_err());
}

#[tokio::test]
async fn one_kind_of_token_does_not_pass_for_the_other() {
    let place = Place::open(None).await;
    let auth = place.auth();
    let signed_in = place.signed_in(&auth).await;
    assert!(auth.authenticate(&signed_in.refresh_token).await.is_err());
    assert!(auth.exchange(&signed_in.access_token).await.is_err());
    assert!(auth.exchange("").await.is_err());
    assert!(auth.exchange(&signed_in.refresh_token).await.is_ok(), "noise ended nothing");
}
