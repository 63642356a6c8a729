//! JSON values as PostgreSQL takes them: in its text form, checked against the type before anything is sent.

use std::{error::Error, fmt};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::BytesMut;
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use flowforge_core::node::NodeError;
use serde_json::Value;
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type, to_sql_checked};

/// The largest integer that every reader of JSON knows exactly.
pub(super) const EXACT: i64 = (1 << 53) - 1;

/// A value in PostgreSQL's text form. Shows itself in no log.
pub(super) struct Bound(pub(super) Option<String>);

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl ToSql for Bound {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let Some(text) = &self.0 else { return Ok(IsNull::Yes) };
        out.extend_from_slice(text.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// The value of the parameter that `label` names, for a parameter of this type.
pub(super) fn bound(value: &Value, kind: &Type, label: &str) -> Result<Bound, NodeError> {
    if holds_nul(value) {
        return Err(misfit(label, "holds U+0000, which PostgreSQL cannot keep".to_owned()));
    }
    let text = text(value, kind).map_err(|wanted| {
        misfit(label, format!("does not fit the type {}: {wanted} is expected, not {}", kind.name(), name_of(value)))
    })?;
    Ok(Bound(text))
}

/// Names the parameter and never its value.
fn misfit(label: &str, fault: String) -> NodeError {
    NodeError::fatal("POSTGRES_VALUE", format!("`{label}` {fault}")).with_details(serde_json::json!({"parameter": label}))
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "this boolean",
        Value::Number(_) => "this number",
        Value::String(_) => "this text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(fields) => fields.iter().any(|(name, field)| name.contains('\0') || holds_nul(field)),
        _ => false,
    }
}

type Wanted = &'static str;

/// The text form; nothing for SQL's null. Else what would fit.
fn text(value: &Value, kind: &Type) -> Result<Option<String>, Wanted> {
    if value.is_null() {
        return Ok(None);
    }
    match kind.kind() {
        Kind::Domain(base) => return text(value, base),
        Kind::Array(item) => return list(value, item).map(Some),
        _ => {}
    }
    let text = match *kind {
        Type::JSON | Type::JSONB => value.to_string(),
        Type::BOOL => boolean(value)?,
        Type::INT2 => integer(value, i16::MIN.into(), i16::MAX.into())?,
        Type::INT4 => integer(value, i32::MIN.into(), i32::MAX.into())?,
        Type::INT8 => integer(value, i64::MIN, i64::MAX)?,
        Type::OID => integer(value, 0, u32::MAX.into())?,
        Type::FLOAT4 => float(value, |number| (number as f32).is_finite())?,
        Type::FLOAT8 => float(value, f64::is_finite)?,
        Type::NUMERIC => numeric(value)?,
        Type::UUID => of_text(value, "a UUID", is_uuid)?,
        Type::BYTEA => bytes(value)?,
        Type::DATE => of_text(value, "a date like 2027-01-31", is_date)?,
        Type::TIMESTAMP => timestamp(value)?,
        Type::TIMESTAMPTZ => of_text(value, "a time like 2027-01-31T09:00:00Z", |text| is_offset(text) || is_local(text))?,
        _ => plain(value)?,
    };
    Ok(Some(text))
}

/// Texts, and whatever else has a text form that the server reads.
fn plain(value: &Value) -> Result<String, Wanted> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => Err("a text"),
    }
}

fn of_text(value: &Value, wanted: Wanted, fits: impl Fn(&str) -> bool) -> Result<String, Wanted> {
    value.as_str().filter(|text| fits(text)).map(str::to_owned).ok_or(wanted)
}

fn boolean(value: &Value) -> Result<String, Wanted> {
    match value {
        Value::Bool(value) => Ok(value.to_string()),
        Value::String(text) if text == "true" || text == "false" => Ok(text.clone()),
        _ => Err("true or false"),
    }
}

fn integer(value: &Value, least: i64, most: i64) -> Result<String, Wanted> {
    let number = match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| (least..=most).contains(number)).map(|number| number.to_string()).ok_or("a whole number in its range")
}

/// JavaScript knows no integers: what it means as one has no fraction and is exact.
fn whole(number: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
    (number.fract() == 0.0 && number.abs() <= EXACT as f64).then_some(number as i64)
}

fn float(value: &Value, fits: impl Fn(f64) -> bool) -> Result<String, Wanted> {
    let wanted = "a number in its range";
    match value {
        Value::Number(number) => number.as_f64().filter(|number| fits(*number)).map(|_| number.to_string()).ok_or(wanted),
        Value::String(text) if matches!(&**text, "NaN" | "Infinity" | "-Infinity") => Ok(text.clone()),
        Value::String(text) => {
            text.trim().parse().ok().filter(|number| fits(*number)).map(|_| text.trim().to_owned()).ok_or(wanted)
        }
        _ => Err(wanted),
    }
}

/// Digits with a point and an exponent, as many as there are.
fn numeric(value: &Value) -> Result<String, Wanted> {
    match value {
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) if matches!(&**text, "NaN" | "Infinity" | "-Infinity") || is_numeric(text.trim()) => {
            Ok(text.trim().to_owned())
        }
        _ => Err("a number"),
    }
}

fn is_numeric(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(fraction) && digits(exponent) && !exponent.is_empty() && !(whole.is_empty() && fraction.is_empty())
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    is_hex && (groups == [8, 4, 4, 4, 12] || groups == [32])
}

/// Base64 as it is put out, or hexadecimal digits after `\x` as PostgreSQL writes them.
fn bytes(value: &Value) -> Result<String, Wanted> {
    let wanted = "base64, or hexadecimal digits after \\x,";
    let text = value.as_str().ok_or(wanted)?;
    if let Some(digits) = text.strip_prefix("\\x") {
        let is_hex = digits.len() % 2 == 0 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        return if is_hex { Ok(text.to_owned()) } else { Err(wanted) };
    }
    let bytes = BASE64_STANDARD.decode(text).map_err(|_| wanted)?;
    Ok(bytes.iter().fold("\\x".to_owned(), |hex, byte| format!("{hex}{byte:02x}")))
}

fn is_endless(text: &str) -> bool {
    matches!(text, "infinity" | "-infinity")
}

fn is_date(text: &str) -> bool {
    is_endless(text) || NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

fn is_offset(text: &str) -> bool {
    DateTime::parse_from_rfc3339(text).is_ok() || DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z").is_ok()
}

fn is_local(text: &str) -> bool {
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    is_date(text) || forms.iter().any(|form| NaiveDateTime::parse_from_str(text, form).is_ok())
}

/// A time with an offset becomes UTC: PostgreSQL would drop the offset and keep the digits.
fn timestamp(value: &Value) -> Result<String, Wanted> {
    let wanted = "a time like 2027-01-31T09:00:00";
    let text = value.as_str().ok_or(wanted)?;
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Ok(time.naive_utc().format("%Y-%m-%d %H:%M:%S%.f").to_string()),
        Err(_) if is_local(text) => Ok(text.to_owned()),
        Err(_) => Err(wanted),
    }
}

/// The text form of an array. Lists in lists are its further dimensions, except where the items are JSON.
fn list(value: &Value, item: &Type) -> Result<String, Wanted> {
    let items = value.as_array().ok_or("a list")?;
    let is_json = matches!(*item, Type::JSON | Type::JSONB);
    let cell = |value: &Value| match value {
        Value::Array(_) if !is_json => list(value, item),
        value => Ok(text(value, item)?
            .map_or_else(|| "NULL".to_owned(), |text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))),
    };
    Ok(format!("{{{}}}", items.iter().map(cell).collect::<Result<Vec<_>, _>>()?.join(",")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fits(value: Value, kind: &Type, expected: &str) {
        assert_eq!(bound(&value, kind, "x").unwrap().0.as_deref(), Some(expected), "{value} {kind}");
    }

    fn misfits(value: Value, kind: &Type) {
        let fault = bound(&value, kind, "values.x").unwrap_err();
        assert_eq!(fault.code, "POSTGRES_VALUE", "{value} {kind}");
        assert!(fault.message.contains("`values.x`") && !fault.message.contains("s3cret"), "{fault}");
    }

    #[test]
    fn values_take_the_form_of_their_type() {
        fits(json!(true), &Type::BOOL, "true");
        fits(json!(3.0), &Type::INT4, "3");
        fits(json!("9007199254740993"), &Type::INT8, "9007199254740993");
        fits(json!("12345678901234567890.123"), &Type::NUMERIC, "12345678901234567890.123");
        fits(json!(1.5e300), &Type::FLOAT8, "1.5e+300");
        fits(json!({"a": [1, null]}), &Type::JSONB, r#"{"a":[1,null]}"#);
        fits(json!("a"), &Type::JSON, r#""a""#);
        fits(json!(5), &Type::TEXT, "5");
        fits(json!("AP8="), &Type::BYTEA, "\\x00ff");
        fits(json!("\\x00Ff"), &Type::BYTEA, "\\x00Ff");
        fits(json!("2027-01-31T09:00:00+02:00"), &Type::TIMESTAMP, "2027-01-31 07:00:00");
        fits(json!("2027-01-31T09:00:00.5Z"), &Type::TIMESTAMPTZ, "2027-01-31T09:00:00.5Z");
        fits(json!("infinity"), &Type::DATE, "infinity");
        fits(json!([[1, null], [3, 4]]), &Type::INT4_ARRAY, r#"{{"1",NULL},{"3","4"}}"#);
        fits(json!(["a\"b\\,{}", "NULL"]), &Type::TEXT_ARRAY, r#"{"a\"b\\,{}","NULL"}"#);
        fits(json!([[1], {"a": 1}]), &Type::JSONB_ARRAY, r#"{"[1]","{\"a\":1}"}"#);
        assert_eq!(bound(&Value::Null, &Type::INT4, "x").unwrap().0, None);
    }

    #[test]
    fn what_does_not_fit_is_named_without_its_value() {
        for (value, kind) in [
            (json!("s3cret"), &Type::INT4),
            (json!(2_147_483_648_u64), &Type::INT4),
            (json!(1.5), &Type::INT8),
            (json!(u64::MAX), &Type::INT8),
            (json!("1e400"), &Type::FLOAT8),
            (json!(1e39), &Type::FLOAT4),
            (json!("1;2"), &Type::NUMERIC),
            (json!("yes"), &Type::BOOL),
            (json!("s3cret"), &Type::UUID),
            (json!("s3cret!"), &Type::BYTEA),
            (json!("now"), &Type::TIMESTAMPTZ),
            (json!("31.1.2027"), &Type::DATE),
            (json!(5), &Type::TIMESTAMP),
            (json!({"a": 1}), &Type::TEXT),
            (json!("{1,2}"), &Type::INT4_ARRAY),
            (json!(["s3cret"]), &Type::INT4_ARRAY),
            (json!("a\0s3cret"), &Type::TEXT),
            (json!({"a\0": ["s3cret"]}), &Type::JSONB),
        ] {
            misfits(value, kind);
        }
    }
}
