//! Lists that come in pages, from servers that number, link and point.

use axum::{body::Body, http::Response};
use serde_json::{Value, json};

use super::bench;
use crate::testing::server::{Asked, Server, respond};

/// A list of ten numbers, three to a page, in every manner of paging.
fn pages(asked: &Asked) -> Response<Body> {
    let query: Vec<(String, String)> = form_urlencoded::parse(asked.uri.query().unwrap_or("").as_bytes()).into_owned().collect();
    let number = |name: &str| query.iter().find(|(found, _)| found == name).map(|(_, value)| value.parse::<usize>().unwrap());
    let path = asked.uri.path();
    let start = match path {
        "/page" => (number("page").unwrap() - 1) * 3,
        "/link" | "/next" => number("page").unwrap_or(0) * 3,
        "/offset" => number("offset").unwrap(),
        _ => number("cursor").unwrap_or(0),
    };
    let items: Vec<usize> = (start..10.min(start + 3)).collect();
    let next = (start + 3 < 10).then(|| start / 3 + 1);
    let link =
        next.map_or("</first>; rel=\"first\"".into(), |page| format!("</first>; rel=\"first\", <?page={page}>; rel=\"next\""));
    let body = match path {
        "/link" | "/page" => json!(items),
        "/next" => json!({"data": {"items": items}, "links": {"next": next.map(|page| format!("/next?page={page}"))}}),
        "/offset" => json!({"items": items}),
        _ => json!({"items": items, "meta": {"cursor": next.map(|_| start + 3)}}),
    };
    respond(200, &[("content-type", "application/json"), ("link", &link)], body.to_string())
}

fn all() -> Value {
    json!([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
}

async fn gathers(server: &Server, path: &str, pagination: Value, count: u32) {
    let output = bench().output(json!({"url": server.url(path), "query": {"q": "x"}, "pagination": pagination})).await.value;
    assert_eq!(
        (&output["body"], &output["pages"], &output["truncated"], &output["status"]),
        (&all(), &json!(count), &json!(false), &json!(200)),
        "{path}"
    );
}

#[tokio::test]
async fn every_manner_of_paging_is_followed_to_its_end() {
    let server = Server::start(pages).await;
    gathers(&server, "/link", json!({"next": {"by": "link"}}), 4).await;
    gathers(&server, "/next", json!({"next": {"by": "next_url", "path": "links.next"}, "items": "data.items"}), 4).await;
    gathers(&server, "/page", json!({"next": {"by": "page", "param": "page"}}), 5).await;
    gathers(&server, "/page", json!({"next": {"by": "page", "param": "page", "size_param": "per_page", "size": 3}}), 4).await;
    gathers(&server, "/offset", json!({"next": {"by": "offset", "param": "offset"}, "items": "items"}), 5).await;
    gathers(&server, "/offset", json!({"next": {"by": "offset", "param": "offset", "size": 3}, "items": "items"}), 4).await;
    gathers(&server, "/cursor", json!({"next": {"by": "cursor", "param": "cursor", "path": "meta.cursor"}, "items": "items"}), 4)
        .await;
    let asked = server.asked();
    assert!(asked.iter().any(|asked| asked.uri.query() == Some("q=x&page=2&per_page=3") || asked.uri.query() == Some("q=x&per_page=3&page=2")));
    assert_eq!(asked.last().unwrap().uri.query(), Some("q=x&cursor=9"), "what was there stays");
}

#[tokio::test]
async fn limits_end_a_list_and_say_so() {
    let server = Server::start(pages).await;
    for (limits, items, count, truncated) in [
        (json!({"max_pages": 2}), 6, 2, true),
        (json!({"max_items": 6}), 6, 2, true),
        (json!({"max_items": 7}), 7, 3, true),
        (json!({"max_items": 10}), 10, 4, false),
        (json!({"max_pages": 4}), 10, 4, false),
    ] {
        let mut pagination = json!({"next": {"by": "link"}});
        pagination.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
        let output = bench().output(json!({"url": server.url("/link"), "pagination": pagination})).await.value;
        let found = (output["body"].as_array().unwrap().len(), &output["pages"], &output["truncated"]);
        assert_eq!(found, (items, &json!(count), &json!(truncated)), "{limits}");
    }
}

#[tokio::test]
async fn all_pages_together_have_one_limit_of_size() {
    let server = Server::start(|asked| {
        let page = asked.uri.query().map_or(0, |query| query.trim_start_matches("page=").parse::<u32>().unwrap());
        let link = format!("<?page={}>; rel=next", page + 1);
        respond(200, &[("link", &link), ("content-type", "application/json")], json!(["x".repeat(400)]).to_string())
    })
    .await;
    let params = json!({"url": server.url("/"), "pagination": {"next": {"by": "link"}}, "max_bytes": 1000});
    bench().fails(params, "RESPONSE_TOO_LARGE", "page 3").await;
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn each_page_is_a_call_of_its_own() {
    let server = Server::start(pages).await;
    let params = json!({"method": "POST", "body": {"a": 1}, "url": server.url("/link"), "pagination": {"next": {"by": "link"}}});
    bench().output(params).await;
    let keys: Vec<_> = server.asked().iter().map(|asked| asked.header("idempotency-key").to_owned()).collect();
    let key = bench().cx.effect_key.to_string();
    assert_eq!(keys, [key.clone(), format!("{key}-2"), format!("{key}-3"), format!("{key}-4")]);
    assert!(server.asked().iter().all(|asked| asked.method == "POST" && asked.body == r#"{"a":1}"#));
}

#[tokio::test]
async fn a_page_on_another_origin_gets_no_credentials() {
    let other = Server::start(|_| respond(200, &[("content-type", "application/json")], "[2]")).await;
    let link = format!("<{}>; rel=next", other.url("/"));
    let server = Server::start(move |_| respond(200, &[("content-type", "application/json"), ("link", &link)], "[1]")).await;
    let params =
        json!({"url": server.url("/"), "auth": {"scheme": "bearer", "token": "t"}, "pagination": {"next": {"by": "link"}}});
    assert_eq!(bench().output(params.clone()).await.value["body"], json!([1, 2]));
    assert_eq!((server.asked()[0].header("authorization"), other.asked()[0].header("authorization")), ("Bearer t", ""));
    assert_eq!(other.asked()[0].header("idempotency-key"), format!("{}-2", bench().cx.effect_key));
    let mut elsewhere = params;
    elsewhere["url"] = server.url("/").replace("127.0.0.1", "localhost").into();
    bench().secret_for("TOKEN", &["localhost"]).fails(elsewhere, "SECRET_HOST_DENIED", "page 2").await;
}

#[tokio::test]
async fn what_is_no_page_is_named() {
    let server = Server::start(|asked| {
        let json = [("content-type", "application/json")];
        match asked.uri.path() {
            "/circle" => respond(200, &[json[0], ("link", "</circle>; rel=next")], "[]"),
            "/object" => respond(200, &json, r#"{"items": {"a": 1}, "cursor": {"x": 1}, "empty": null}"#),
            "/text" => respond(200, &[("content-type", "text/plain")], "hello"),
            "/odd" => respond(200, &[json[0], ("link", "<http://[>; rel=next")], "[]"),
            _ if asked.uri.query().is_some() => respond(503, &[("retry-after", "3")], ""),
            _ => respond(200, &[json[0], ("link", "<?page=2>; rel=next")], "[1]"),
        }
    })
    .await;
    let link = || json!({"next": {"by": "link"}});
    let fails = async |path: &str, pagination: Value, code: &str, words: &str| {
        bench().fails(json!({"url": server.url(path), "pagination": pagination}), code, words).await
    };
    fails("/circle", link(), "PAGINATION_LOOP", "read already").await;
    fails("/text", link(), "INVALID_RESPONSE", "no list").await;
    fails("/odd", link(), "INVALID_RESPONSE", "no address").await;
    fails("/object", json!({"next": {"by": "link"}, "items": "items"}), "INVALID_RESPONSE", "`items`").await;
    fails("/object", json!({"next": {"by": "link"}, "items": "nowhere"}), "INVALID_RESPONSE", "`nowhere`").await;
    let cursor = json!({"next": {"by": "cursor", "param": "c", "path": "cursor"}, "items": "empty"});
    fails("/object", cursor, "INVALID_RESPONSE", "`cursor`").await;
    let fault = fails("/", link(), "HTTP_STATUS", "page 2").await;
    assert_eq!((fault.retryable, fault.retry_after_ms), (true, Some(3000)), "the whole list is tried again");
    for (next, words) in [
        (json!({"by": "page", "param": ""}), "param"),
        (json!({"by": "cursor", "param": "c", "path": ""}), "path"),
        (json!({"by": "page", "param": "p", "size_param": "n"}), "size"),
        (json!({"by": "magic"}), "magic"),
    ] {
        fails("/", json!({"next": next}), "INVALID_PARAMETER", words).await;
    }
    let empty = json!({"next": {"by": "link"}, "items": "empty"});
    let output = bench().output(json!({"url": server.url("/object"), "pagination": empty})).await.value;
    assert_eq!(output["body"], json!([]));
}
