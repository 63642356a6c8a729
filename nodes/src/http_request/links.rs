//! The header `Link` (RFC 8288).

/// The targets of a header, and whether each is the next page.
pub(super) fn links(value: &str) -> Vec<(&str, bool)> {
    let mut found = Vec::new();
    let mut rest = value;
    while let Some((target, params)) = rest.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        let end = end_of_link(params);
        found.push((target, is_next(&params[..end])));
        rest = &params[end..];
    }
    found
}

/// Where a link's parameters end: at a comma that is not in quotes.
fn end_of_link(params: &str) -> usize {
    let mut is_quoted = false;
    let ends = params.char_indices().find(|(_, c)| {
        is_quoted ^= *c == '"';
        *c == ',' && !is_quoted
    });
    ends.map_or(params.len(), |(at, _)| at)
}

fn is_next(params: &str) -> bool {
    let pairs = params.split(';').filter_map(|param| param.split_once('='));
    let mut rels =
        pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("rel")).map(|(_, value)| value.trim().trim_matches('"'));
    rels.next().is_some_and(|rel| rel.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("next")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_headers_are_read_as_they_are_written() {
        let next = |value| links(value).into_iter().find(|(_, is_next)| *is_next).map(|(target, _)| target);
        assert_eq!(next(r#"<https://h/?a=1,2>; rel="prev", <https://h/?p=2>; rel="next""#), Some("https://h/?p=2"));
        assert_eq!(next(r#"<?p=2>; title="a, b; rel=\"next\""; rel=last"#), None);
        assert_eq!(next("</p2>;REL=Next"), Some("/p2"));
        assert_eq!(next(r#"</p2>; rel="last next""#), Some("/p2"));
        assert_eq!(next(r#"</p2>; rel="nextish""#), None);
        for odd in ["", "<", "<a", ">;rel=next", "rel=next", "<a>", "<a>; rel", "<>"] {
            assert_eq!(next(odd), None, "{odd}");
        }
    }
}
