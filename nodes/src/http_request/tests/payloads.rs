//! What is sent, byte for byte.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{answering, bench};
use crate::testing::server::Asked;

async fn sends(params: Value) -> Asked {
    let server = answering(200, &[], "").await;
    let mut whole = json!({"method": "POST", "url": server.url("/x")});
    whole.as_object_mut().unwrap().extend(params.as_object().unwrap().clone());
    bench().output(whole).await;
    server.asked().remove(0)
}

async fn sent(payload: Value) -> (String, Vec<u8>) {
    let asked = sends(json!({"payload": payload})).await;
    (asked.header("content-type").to_owned(), asked.body.to_vec())
}

#[tokio::test]
async fn a_query_repeats_what_is_given_as_a_list() {
    let asked = sends(json!({"query": {"tag": ["a b", "ü", 3], "one": "1", "none": []}})).await;
    assert_eq!(asked.uri.query(), Some("one=1&tag=a+b&tag=%C3%BC&tag=3"));
}

#[tokio::test]
async fn json_and_texts_and_bytes_are_sent_as_they_are() {
    let json = sent(json!({"type": "json", "value": "a text"})).await;
    assert_eq!(json, ("application/json".to_owned(), b"\"a text\"".to_vec()));
    let text = sent(json!({"type": "text", "text": "<a/>", "content_type": "application/xml"})).await;
    assert_eq!(text, ("application/xml".to_owned(), b"<a/>".to_vec()));
    assert_eq!(sent(json!({"type": "text"})).await.0, "text/plain; charset=utf-8");
    let bytes = [0, 159, 146, 150, 13, 10];
    let binary = sent(json!({"type": "binary", "base64": BASE64_STANDARD.encode(bytes)})).await;
    assert_eq!(binary, ("application/octet-stream".to_owned(), bytes.to_vec()));
    let asked = sends(json!({"payload": {"type": "binary", "base64": ""}, "headers": {"Content-Type": "image/png"}})).await;
    assert_eq!((asked.header("content-type"), asked.body.len()), ("image/png", 0), "the author's word counts");
}

#[tokio::test]
async fn a_form_is_percent_encoded() {
    let (kind, body) = sent(json!({"type": "form", "fields": {"name": "A & B\r\n=ü", "tag": ["x", 2, true]}})).await;
    assert_eq!(kind, "application/x-www-form-urlencoded");
    assert_eq!(String::from_utf8(body).unwrap(), "name=A+%26+B%0D%0A%3D%C3%BC&tag=x&tag=2&tag=true");
}

#[tokio::test]
async fn a_form_with_files_is_the_same_in_each_attempt() {
    let payload = json!({"type": "multipart", "parts": [
        {"name": "title", "text": "Hello\r\nthere"},
        {"name": "file", "base64": "iVBORwA=", "filename": "a \"b\"\r\nX: y.png", "content_type": "image/png"},
        {"name": "csv\r\nX-Evil: 1", "text": "a,b", "filename": "a.csv"},
    ]});
    let (kind, body) = sent(payload.clone()).await;
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    let expected = [
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nHello\r\nthere\r\n").into_bytes(),
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a %22b%22%0D%0AX: y.png\"\r\n")
            .into_bytes(),
        b"Content-Type: image/png\r\n\r\n\x89PNG\0\r\n".to_vec(),
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"csv%0D%0AX-Evil: 1\"; filename=\"a.csv\"\r\n")
            .into_bytes(),
        b"Content-Type: application/octet-stream\r\n\r\na,b\r\n".to_vec(),
        format!("--{boundary}--\r\n").into_bytes(),
    ];
    assert_eq!(String::from_utf8_lossy(&body), String::from_utf8_lossy(&expected.concat()));
    assert_eq!(sent(payload).await.1, body);
}

#[tokio::test]
async fn no_part_can_end_the_form() {
    let key = bench().cx.effect_key.to_string();
    let text = format!("\r\n--{key}--\r\n--{key}-x--\r\n");
    let (kind, body) = sent(json!({"type": "multipart", "parts": [{"name": "a", "text": text}]})).await;
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    assert!(!text.contains(boundary) && String::from_utf8(body).unwrap().ends_with(&format!("--{boundary}--\r\n")), "{boundary}");
}

#[tokio::test]
async fn a_server_reads_the_form_as_it_was_meant() {
    let payload =
        json!({"type": "multipart", "parts": [{"name": "a", "text": 1}, {"name": "f", "base64": "AAEC", "filename": "f.bin"}]});
    let asked = sends(json!({"payload": payload, "headers": {"Content-Type": "text/plain"}})).await;
    assert!(asked.header("content-type").starts_with("multipart/form-data; boundary="), "only that type fits");
    let mut request = axum::http::Request::builder().header("content-type", asked.header("content-type"));
    request = request.method("POST");
    let request = request.body(axum::body::Body::from(asked.body)).unwrap();
    let mut form = <axum::extract::Multipart as axum::extract::FromRequest<()>>::from_request(request, &()).await.unwrap();
    let first = form.next_field().await.unwrap().unwrap();
    assert_eq!((first.name(), first.file_name()), (Some("a"), None));
    assert_eq!(first.text().await.unwrap(), "1");
    let second = form.next_field().await.unwrap().unwrap();
    assert_eq!((second.name(), second.file_name()), (Some("f"), Some("f.bin")));
    assert_eq!(second.bytes().await.unwrap().as_ref(), [0, 1, 2]);
    assert!(form.next_field().await.unwrap().is_none());
}

#[test]
fn what_cannot_be_sent_is_told_when_it_is_saved() {
    let catalog = crate::catalog(&crate::testing::services());
    let kind = catalog.get("http.request").unwrap();
    for (params, field) in [
        (json!({"url": "http://h/a\nb"}), "url"),
        (json!({"url": "ftp://h/"}), "url"),
        (json!({"url": "h"}), "url"),
        (json!({"url": "http://h/", "body": {}, "payload": {"type": "json", "value": 1}}), "payload"),
        (json!({"url": "http://h/", "pagination": {"next": {"by": "page", "param": "p", "size_param": "n"}}}), "pagination"),
        (json!({"url": "http://h/", "pagination": {"next": {"by": "nothing"}}}), "pagination.next.by"),
        (json!({"url": "http://h/", "auth": {"scheme": "oauth2", "token_url": "https://h/"}}), "auth.client_id"),
        (json!({"url": "http://h/", "max_bytes": 0}), "max_bytes"),
    ] {
        let problems = kind.check(params.as_object().unwrap());
        assert!(problems.iter().any(|problem| problem.field == field), "{params}: {problems:?}");
    }
    for params in [
        json!({"url": "{{ trigger.url }}"}),
        json!({"url": "https://{{ trigger.host }}:{{ trigger.port }}/"}),
        json!({"url": "{{ trigger.url }}", "payload": "{{ trigger.payload }}", "query": {"a": ["b", "{{ x }}"]}, "auth": null}),
        json!({"url": "https://h/", "auth": {"scheme": "oauth2", "token_url": "https://h/", "client_id": "a", "client_secret": "b"}}),
        json!({"url": "https://h/", "pagination": {"next": {"by": "link"}, "items": ""}, "ok_statuses": ["2xx", 404]}),
        json!({"url": "https://h/", "payload": {"type": "multipart", "parts": [{"name": "a", "base64": "eA=="}]}}),
    ] {
        let problems = kind.check(params.as_object().unwrap());
        assert!(problems.is_empty(), "{params}: {problems:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_named() {
    for (params, words) in [
        (json!({"body": "x", "payload": {"type": "text", "text": "y"}}), "beside `body`"),
        (json!({"payload": {"type": "binary", "base64": "?"}}), "base64"),
        (json!({"payload": {"type": "text", "text": "", "content_type": "a/b\r\nX: y"}}), "media type"),
        (json!({"payload": {"type": "text", "text": "", "content_type": "nonsense"}}), "media type"),
        (json!({"payload": {"type": "multipart", "parts": [{"name": "a"}]}}), "`a` needs"),
        (json!({"payload": {"type": "multipart", "parts": [{"name": "a", "text": "x", "base64": "eA=="}]}}), "both"),
        (json!({"payload": {"type": "multipart", "parts": [{"name": "a", "text": {}}]}}), "object"),
        (
            json!({"payload": {"type": "multipart", "parts": [{"name": "a", "text": "", "content_type": "a/b\nc: d"}]}}),
            "media type",
        ),
        (json!({"payload": {"type": "form", "fields": {"a": {"b": 1}}}}), "object"),
        (json!({"query": {"a": {"b": 1}}}), "object"),
        (json!({"query": {"a": [["b"]]}}), "array"),
        (json!({"payload": {"type": "carrier-pigeon"}}), "carrier-pigeon"),
    ] {
        let mut whole = json!({"method": "POST", "url": "http://127.0.0.1:9/"});
        whole.as_object_mut().unwrap().extend(params.as_object().unwrap().clone());
        bench().fails(whole, "INVALID_PARAMETER", words).await;
    }
}
