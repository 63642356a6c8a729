//! PostgreSQL's values as JSON.
//!
//! Integers up to 2^53 are numbers, larger ones and every `numeric` are text, so that nothing is rounded; times with a zone are
//! RFC 3339 in UTC, others ISO 8601; bytes are base64. What has no form here is refused before it runs: cast it to text.

use std::{
    error::Error,
    fmt::Write as _,
    net::{Ipv4Addr, Ipv6Addr},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, NaiveDate, TimeDelta};
use serde_json::{Number, Value};
use tokio_postgres::types::{FromSql, Kind, Type};

use super::bind::EXACT;

/// PostgreSQL counts days and microseconds from here.
const EPOCH_DAY: Option<NaiveDate> = NaiveDate::from_ymd_opt(2000, 1, 1);
/// The same, in seconds since 1970.
const EPOCH_S: i64 = 946_684_800;

/// A value as it came.
pub(super) struct Raw<'r>(Option<&'r [u8]>);

impl<'r> FromSql<'r> for Raw<'r> {
    fn from_sql(_: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Whether values of a type have a form here.
pub(super) fn is_readable(kind: &Type) -> bool {
    match kind.kind() {
        Kind::Array(item) => is_readable(item),
        Kind::Domain(base) => is_readable(base),
        Kind::Enum(_) => true,
        _ => reader(kind).is_some(),
    }
}

/// The value, or nothing when its bytes are not what they should be, or stand for what JSON cannot hold.
pub(super) fn value(raw: &Raw<'_>, kind: &Type) -> Option<Value> {
    raw.0.map_or(Some(Value::Null), |bytes| of_bytes(bytes, kind))
}

fn of_bytes(bytes: &[u8], kind: &Type) -> Option<Value> {
    match kind.kind() {
        Kind::Array(item) => array(bytes, item),
        Kind::Domain(base) => of_bytes(bytes, base),
        Kind::Enum(_) => text(bytes),
        _ => reader(kind)?(bytes),
    }
}

type Reader = fn(&[u8]) -> Option<Value>;

fn reader(kind: &Type) -> Option<Reader> {
    Some(match *kind {
        Type::BOOL => |bytes| Some((take::<1>(bytes)? == [1]).into()),
        Type::INT2 => |bytes| Some(i16::from_be_bytes(take(bytes)?).into()),
        Type::INT4 => |bytes| Some(i32::from_be_bytes(take(bytes)?).into()),
        Type::INT8 => |bytes| Some(integer(i64::from_be_bytes(take(bytes)?))),
        Type::OID | Type::XID | Type::CID => |bytes| Some(u32::from_be_bytes(take(bytes)?).into()),
        Type::FLOAT4 => |bytes| Some(short(f32::from_be_bytes(take(bytes)?))),
        Type::FLOAT8 => |bytes| Some(float(f64::from_be_bytes(take(bytes)?))),
        Type::NUMERIC => numeric,
        Type::JSON => |bytes| serde_json::from_slice(bytes).ok(),
        Type::JSONB => |bytes| serde_json::from_slice(bytes.strip_prefix(&[1])?).ok(),
        Type::UUID => uuid,
        Type::BYTEA => |bytes| Some(BASE64_STANDARD.encode(bytes).into()),
        Type::DATE => date,
        Type::TIME => |bytes| Some(time(i64::from_be_bytes(take(bytes)?)).into()),
        Type::TIMETZ => zoned_time,
        Type::TIMESTAMP => |bytes| timestamp(bytes, "%Y-%m-%dT%H:%M:%S%.f"),
        Type::TIMESTAMPTZ => |bytes| timestamp(bytes, "%Y-%m-%dT%H:%M:%S%.fZ"),
        Type::INTERVAL => interval,
        Type::INET | Type::CIDR => network,
        Type::VOID => |_| Some(Value::Null),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::CHAR | Type::XML | Type::UNKNOWN => text,
        _ => return None,
    })
}

fn take<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

/// A big-endian field that begins here.
fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    take(bytes.get(at..at + N)?)
}

fn text(bytes: &[u8]) -> Option<Value> {
    Some(std::str::from_utf8(bytes).ok()?.into())
}

fn integer(number: i64) -> Value {
    if number.unsigned_abs() <= EXACT.unsigned_abs() { number.into() } else { number.to_string().into() }
}

fn float(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| endless(number.is_nan(), number > 0.0), Value::Number)
}

/// With the few digits that tell it from its neighbours, and not with those of the next larger type.
fn short(number: f32) -> Value {
    number.to_string().parse().map_or_else(|_| endless(true, false), float)
}

fn endless(is_nan: bool, is_positive: bool) -> Value {
    match (is_nan, is_positive) {
        (true, _) => "NaN".into(),
        (false, true) => "Infinity".into(),
        (false, false) => "-Infinity".into(),
    }
}

/// Digits to the base 10,000, the place of the first, the sign, and how many decimals are shown.
fn numeric(bytes: &[u8]) -> Option<Value> {
    let word = |at: usize| field(bytes, at * 2).map(u16::from_be_bytes);
    let (count, weight) = (usize::from(word(0)?), i32::from(field(bytes, 2).map(i16::from_be_bytes)?));
    let (sign, decimals) = (word(2)?, usize::from(word(3)?));
    match sign {
        0xC000 => return Some(endless(true, true)),
        0xD000 => return Some(endless(false, true)),
        0xF000 => return Some(endless(false, false)),
        _ => {}
    }
    let digits = (0..count).map(|at| word(4 + at)).collect::<Option<Vec<u16>>>()?;
    let digit = |place: i32| usize::try_from(weight - place).ok().and_then(|at| digits.get(at)).copied().unwrap_or(0);
    let mut text = String::new();
    for place in (0..=weight).rev() {
        write!(text, "{:04}", digit(place)).ok()?;
    }
    let whole = text.trim_start_matches('0');
    let mut text = format!("{}{}", if sign == 0x4000 { "-" } else { "" }, if whole.is_empty() { "0" } else { whole });
    if decimals > 0 {
        let mut fraction = String::new();
        for place in 1..=i32::try_from(decimals.div_ceil(4)).ok()? {
            write!(fraction, "{:04}", digit(-place)).ok()?;
        }
        text.push('.');
        text.push_str(fraction.get(..decimals)?);
    }
    Some(text.into())
}

fn uuid(bytes: &[u8]) -> Option<Value> {
    let bytes = take::<16>(bytes)?;
    let mut text = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        write!(text, "{byte:02x}").ok()?;
    }
    Some(text.into())
}

fn date(bytes: &[u8]) -> Option<Value> {
    let days = i32::from_be_bytes(take(bytes)?);
    Some(match days {
        i32::MAX => "infinity".into(),
        i32::MIN => "-infinity".into(),
        days => EPOCH_DAY?.checked_add_signed(TimeDelta::days(days.into()))?.format("%Y-%m-%d").to_string().into(),
    })
}

fn timestamp(bytes: &[u8], form: &str) -> Option<Value> {
    let micros = i64::from_be_bytes(take(bytes)?);
    Some(match micros {
        i64::MAX => "infinity".into(),
        i64::MIN => "-infinity".into(),
        micros => {
            let since_1970 = micros.checked_add(EPOCH_S * 1_000_000)?;
            DateTime::from_timestamp_micros(since_1970)?.naive_utc().format(form).to_string().into()
        }
    })
}

/// Microseconds since midnight.
fn time(micros: i64) -> String {
    let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
    let fraction = if rest == 0 { String::new() } else { format!(".{rest:06}").trim_end_matches('0').to_owned() };
    format!("{:02}:{:02}:{:02}{fraction}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

fn zoned_time(bytes: &[u8]) -> Option<Value> {
    let (micros, west) = (i64::from_be_bytes(field(bytes, 0)?), i32::from_be_bytes(field(bytes, 8)?));
    let minutes = west.abs() / 60;
    let sign = if west > 0 { '-' } else { '+' };
    Some(format!("{}{sign}{:02}:{:02}", time(micros), minutes / 60, minutes % 60).into())
}

/// ISO 8601, for example `P1Y2M3DT4H5M6.5S`; each part has a sign of its own.
fn interval(bytes: &[u8]) -> Option<Value> {
    let micros = i64::from_be_bytes(field(bytes, 0)?);
    let (days, months) = (i32::from_be_bytes(field(bytes, 8)?), i32::from_be_bytes(field(bytes, 12)?));
    let mut text = String::from("P");
    let mut part = |number: i64, unit: char| if number == 0 { Ok(()) } else { write!(text, "{number}{unit}") };
    part((months / 12).into(), 'Y').and_then(|()| part((months % 12).into(), 'M')).and_then(|()| part(days.into(), 'D')).ok()?;
    if micros != 0 {
        let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
        text.push('T');
        let mut part = |number: i64, unit: char| if number == 0 { Ok(()) } else { write!(text, "{number}{unit}") };
        part(seconds / 3_600, 'H').and_then(|()| part(seconds / 60 % 60, 'M')).ok()?;
        if seconds % 60 != 0 || rest != 0 {
            let sign = if micros < 0 { "-" } else { "" };
            let fraction = if rest == 0 { String::new() } else { format!(".{:06}", rest.abs()).trim_end_matches('0').to_owned() };
            write!(text, "{sign}{}{fraction}S", (seconds % 60).abs()).ok()?;
        }
    }
    Some(if text == "P" { "PT0S".into() } else { text.into() })
}

/// An address, with the length of its network unless that is the whole address.
fn network(bytes: &[u8]) -> Option<Value> {
    let [_, bits, is_cidr, _] = field::<4>(bytes, 0)?;
    let (address, full) = match bytes.get(4..)? {
        rest if rest.len() == 4 => (Ipv4Addr::from(take::<4>(rest)?).to_string(), 32),
        rest => (Ipv6Addr::from(take::<16>(rest)?).to_string(), 128),
    };
    Some(if is_cidr == 1 || bits != full { format!("{address}/{bits}").into() } else { address.into() })
}

/// The number of dimensions, a flag, the type, the size of each dimension, and the items.
fn array(bytes: &[u8], item: &Type) -> Option<Value> {
    let number = |at: usize| field(bytes, at).map(i32::from_be_bytes);
    let dimensions = usize::try_from(number(0)?).ok().filter(|dimensions| *dimensions <= 6)?;
    let sizes = (0..dimensions).map(|at| usize::try_from(number(12 + at * 8)?).ok()).collect::<Option<Vec<_>>>()?;
    let mut rest = bytes.get(12 + dimensions * 8..)?;
    let list = if sizes.is_empty() { Value::Array(Vec::new()) } else { nested(&mut rest, &sizes, item)? };
    rest.is_empty().then_some(list)
}

fn nested(rest: &mut &[u8], sizes: &[usize], item: &Type) -> Option<Value> {
    let [size, inner @ ..] = sizes else { return cell(rest, item) };
    // What is claimed is not believed: every item takes at least its length.
    (*size <= rest.len()).then_some(())?;
    (0..*size).map(|_| nested(rest, inner, item)).collect::<Option<Vec<_>>>().map(Value::Array)
}

fn cell(rest: &mut &[u8], item: &Type) -> Option<Value> {
    let length = i32::from_be_bytes(field(rest, 0)?);
    *rest = rest.get(4..)?;
    let Ok(length) = usize::try_from(length) else { return Some(Value::Null) };
    let bytes = rest.get(..length)?;
    *rest = rest.get(length..)?;
    of_bytes(bytes, item)
}
