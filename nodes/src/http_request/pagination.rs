//! Lists that come in pages.

use std::collections::BTreeSet;

use flowforge_core::node::NodeError;
use reqwest::{Url, header};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Exchange,
    answer::Answered,
    links::links,
    places::{find, find_mut},
    request::add,
};
use crate::{
    egress::{Call, shown},
    params::{Text, invalid, optional},
};

/// How many pages are read when the author does not say, and the most.
const PAGES: u32 = 100;
const MOST_PAGES: u32 = 1000;
/// How many items are gathered when the author does not say, and the most.
const ITEMS: u32 = 10_000;
const MOST_ITEMS: u32 = 100_000;

/// How to go through the pages of a list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pagination {
    /// How the next page is found.
    next: NextPage,
    /// Where the items of a page are, for example `data.items`; the page itself is the list when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-placeholder" = "data.items"))]
    items: Option<Text>,
    /// How many pages are read at most; 100 when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 1, max = MOST_PAGES), extend("x-placeholder" = "100"))]
    max_pages: Option<u32>,
    /// How many items are gathered at most; 10000 when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 1, max = MOST_ITEMS), extend("x-placeholder" = "10000"))]
    max_items: Option<u32>,
}

/// How the next page is found.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
enum NextPage {
    /// The header `Link` with `rel="next"`, until there is none.
    #[schemars(title = "Link header")]
    Link {},
    /// An address in the page, until there is none.
    #[schemars(title = "Address in the page")]
    NextUrl {
        /// Where it is, for example `links.next`.
        path: Text,
    },
    /// A page's number in the query, until a page is empty or shorter than the others.
    #[schemars(title = "Page number")]
    Page {
        /// The parameter's name, for example `page`.
        param: Text,
        /// The first page's number; 1 when absent.
        #[serde(default, deserialize_with = "optional")]
        start: Option<u64>,
        /// The name of the parameter that says how many items a page has, if it is to be sent.
        #[serde(default, deserialize_with = "optional")]
        #[schemars(extend("x-placeholder" = "per_page"))]
        size_param: Option<Text>,
        /// How many items a page has: a shorter one is the last.
        #[serde(default, deserialize_with = "optional")]
        #[schemars(range(min = 1))]
        size: Option<u64>,
    },
    /// How many items were there before, in the query, until a page is empty or shorter than the others.
    #[schemars(title = "Offset")]
    Offset {
        /// The parameter's name, for example `offset`.
        param: Text,
        /// The first item's number; 0 when absent.
        #[serde(default, deserialize_with = "optional")]
        start: Option<u64>,
        /// The name of the parameter that says how many items a page has, if it is to be sent.
        #[serde(default, deserialize_with = "optional")]
        #[schemars(extend("x-placeholder" = "limit"))]
        size_param: Option<Text>,
        /// How many items a page has: a shorter one is the last.
        #[serde(default, deserialize_with = "optional")]
        #[schemars(range(min = 1))]
        size: Option<u64>,
    },
    /// A value in the page that is sent in the query for the next one, until there is none.
    #[schemars(title = "Cursor")]
    Cursor {
        /// The parameter's name, for example `cursor`.
        param: Text,
        /// Where the value is in the page, for example `meta.next_cursor`, or `data.-1.id` for the last item's.
        path: Text,
    },
}

/// What has been gathered.
#[derive(Default)]
struct Gathered {
    items: Vec<Value>,
    pages: u32,
    /// In bytes, as they came.
    size: usize,
    seen: BTreeSet<Url>,
}

impl Pagination {
    /// Whether the way to the next page can be gone.
    pub(super) fn check(&self) -> Result<(), NodeError> {
        self.next.first().map(drop)
    }

    /// Reads page after page; the output's body is the list of all items.
    pub(super) async fn gather(&self, exchange: &Exchange<'_>, mut call: Call) -> Result<Value, NodeError> {
        let pages = self.max_pages.unwrap_or(PAGES).clamp(1, MOST_PAGES);
        let most = self.max_items.unwrap_or(ITEMS).clamp(1, MOST_ITEMS) as usize;
        for (name, value) in self.next.first()? {
            set(&mut call.url, name, &value.to_string());
        }
        let key = call.headers.get("idempotency-key").cloned();
        let mut gathered = Gathered::default();
        loop {
            // Two pages are two calls, and must not be taken for one that was sent twice.
            if let (Some(key), true) = (key.as_ref().and_then(|key| key.to_str().ok()), gathered.pages > 0) {
                add(&mut call.headers, "idempotency-key", &format!("{key}-{}", gathered.pages + 1))?;
            }
            gathered.seen.insert(call.url.clone());
            let mut page =
                exchange.make(&call, exchange.reading.most - gathered.size).await.map_err(|fault| on(&gathered, fault))?;
            (gathered.size, gathered.pages) = (gathered.size + page.size, gathered.pages + 1);
            let next = self.next.after(&call.url, &page, self.count(&page), gathered.items.len() as u64)?;
            let mut items = self.items_of(&mut page)?;
            let room = most - gathered.items.len();
            let is_cut = items.len() > room;
            items.truncate(room);
            gathered.items.append(&mut items);
            let is_full = gathered.pages == pages || gathered.items.len() == most;
            match next {
                Some(url) if !is_full => lead(&mut call, url, &gathered)?,
                next => return Ok(gathered.output(page, is_cut || next.is_some())),
            }
        }
    }

    fn count(&self, page: &Answered) -> u64 {
        let path = self.items.as_deref().unwrap_or_default();
        let found = if path.is_empty() { Some(&page.body) } else { find(&page.body, path) };
        found.and_then(Value::as_array).map_or(0, |items| items.len() as u64)
    }

    fn items_of(&self, page: &mut Answered) -> Result<Vec<Value>, NodeError> {
        let path = self.items.as_deref().unwrap_or_default();
        let found = if path.is_empty() { Some(&mut page.body) } else { find_mut(&mut page.body, path) };
        match found.map(Value::take) {
            Some(Value::Array(items)) => Ok(items),
            // Several servers write an empty list so.
            Some(Value::Null) => Ok(Vec::new()),
            _ => {
                let place = if path.is_empty() { "the page".to_owned() } else { format!("`{path}`") };
                let message = format!("{} answered a page in which {place} is no list; correct `items`", shown(&page.url));
                Err(NodeError::fatal("INVALID_RESPONSE", message))
            }
        }
    }
}

impl Gathered {
    fn output(self, mut last: Answered, truncated: bool) -> Value {
        (last.body, last.is_base64) = (Value::Array(self.items), false);
        let mut output = last.output();
        output["pages"] = self.pages.into();
        output["truncated"] = truncated.into();
        output
    }
}

/// A failure says at which page.
fn on(gathered: &Gathered, mut fault: NodeError) -> NodeError {
    if gathered.pages > 0 {
        fault.message = format!("page {}: {}", gathered.pages + 1, fault.message);
    }
    fault
}

/// Turns to the next page. A page on another origin is told no credentials, as with a redirect.
fn lead(call: &mut Call, url: Url, gathered: &Gathered) -> Result<(), NodeError> {
    if gathered.seen.contains(&url) {
        let message = format!("{} leads back to a page that was read already", shown(&call.url));
        return Err(NodeError::fatal("PAGINATION_LOOP", message));
    }
    call.lead_to(url)
}

impl NextPage {
    /// What the first page's address has in its query.
    fn first(&self) -> Result<Vec<(&str, u64)>, NodeError> {
        let (param, start, size_param, size) = match self {
            Self::Link {} => return Ok(Vec::new()),
            Self::NextUrl { path } => return named("path", path).map(|()| Vec::new()),
            Self::Cursor { param, path } => return named("param", param).and(named("path", path)).map(|()| Vec::new()),
            Self::Page { param, start, size_param, size } => (param, start.unwrap_or(1), size_param, size),
            Self::Offset { param, start, size_param, size } => (param, start.unwrap_or(0), size_param, size),
        };
        named("param", param)?;
        let size = match (size_param, size) {
            (Some(name), Some(size)) => Some((&**name, *size)),
            (Some(_), None) => return Err(invalid("`size_param` needs `size`, the number of items of a page")),
            (None, _) => None,
        };
        Ok([(&**param, start)].into_iter().chain(size).collect())
    }

    /// The next page's address, from this page, its number of items, and that of all before it.
    fn after(&self, url: &Url, page: &Answered, count: u64, before: u64) -> Result<Option<Url>, NodeError> {
        let is_last = |size: &Option<u64>| count == 0 || size.is_some_and(|size| count < size);
        let with = |param: &str, value: &str| {
            let mut next = url.clone();
            set(&mut next, param, value);
            Ok(Some(next))
        };
        match self {
            Self::Link {} => linked(page),
            Self::NextUrl { path } => match text_at(&page.body, path)? {
                Some(next) => joined(page, &next).map(Some),
                None => Ok(None),
            },
            Self::Cursor { param, path } => match text_at(&page.body, path)? {
                Some(cursor) => with(param, &cursor),
                None => Ok(None),
            },
            Self::Page { size, .. } | Self::Offset { size, .. } if is_last(size) => Ok(None),
            Self::Page { param, .. } => {
                let number = number_in(url, param).ok_or_else(|| invalid("the page's number is too large"))?;
                with(param, &(number + 1).to_string())
            }
            Self::Offset { param, start, .. } => with(param, &(start.unwrap_or(0) + before + count).to_string()),
        }
    }
}

fn named(name: &str, text: &Text) -> Result<(), NodeError> {
    if text.is_empty() { Err(invalid(format!("`pagination.next.{name}` is empty"))) } else { Ok(()) }
}

/// Puts a parameter into a query in place of those of its name.
fn set(url: &mut Url, param: &str, value: &str) {
    let others: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| name != param)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.query_pairs_mut().clear().extend_pairs(others).append_pair(param, value);
}

fn number_in(url: &Url, param: &str) -> Option<u64> {
    url.query_pairs().find(|(name, _)| name == param)?.1.parse().ok().filter(|number| *number < u64::MAX)
}

/// An address or a cursor; `null`, nothing, an empty text and `false` say that there is no further page.
fn text_at(body: &Value, path: &str) -> Result<Option<String>, NodeError> {
    match find(body, path) {
        None | Some(Value::Null | Value::Bool(false)) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(NodeError::fatal("INVALID_RESPONSE", format!("`{path}` of the page is neither a text nor a number"))),
    }
}

fn joined(page: &Answered, next: &str) -> Result<Url, NodeError> {
    let odd = |_| NodeError::fatal("INVALID_RESPONSE", format!("{} names a next page that is no address", shown(&page.url)));
    page.url.join(next).map_err(odd)
}

/// The address of `Link: <…>; rel="next"` (RFC 8288).
fn linked(page: &Answered) -> Result<Option<Url>, NodeError> {
    let values = page.headers.get_all(header::LINK).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(links).find(|(_, is_next)| *is_next).map(|(target, _)| joined(page, target)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_takes_the_place_of_its_name_only() {
        let mut url = Url::parse("http://h/?a=1&page=9&b=%20&page=7").unwrap();
        set(&mut url, "page", "2");
        assert_eq!(url.as_str(), "http://h/?a=1&b=+&page=2");
    }
}
