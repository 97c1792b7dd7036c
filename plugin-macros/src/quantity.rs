//! Times and sizes as attributes have them: `"250ms"`, `"16 MiB"`.

use std::time::Duration;

use syn::{Expr, ExprLit, Lit};

use crate::errors;

/// The units of a time, in milliseconds.
const TIMES: &[(&str, u64)] = &[("ms", 1), ("s", 1000), ("min", 60 * 1000), ("h", 60 * 60 * 1000)];

/// The units of a size, in bytes.
const SIZES: &[(&str, u64)] = &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// The longest timeout in milliseconds: the wire counts microseconds in 64 bits.
const MAX_MILLIS: u64 = u64::MAX / 1000;

/// How long the calls of a method take at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timeout {
    After(Duration),
    /// As long as they do, whatever the interface says.
    Never,
}

/// The timeout of an interface.
pub(crate) fn interface_timeout(value: &Expr) -> syn::Result<Duration> {
    match method_timeout(value)? {
        Timeout::After(timeout) => Ok(timeout),
        Timeout::Never => Err(syn::Error::new_spanned(value, errors::INTERFACE_WITHOUT_TIMEOUT)),
    }
}

/// The timeout of a method.
pub(crate) fn method_timeout(value: &Expr) -> syn::Result<Timeout> {
    let error = |text| Err(syn::Error::new_spanned(value, text));
    let Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) = value else { return error(errors::TIME) };
    let text = literal.value();
    if text == "none" {
        return Ok(Timeout::Never);
    }
    match parse(&text, TIMES) {
        None => error(errors::TIME),
        Some(0) => error(errors::NO_TIME),
        Some(millis) if millis > MAX_MILLIS => error(errors::LONG_TIME),
        Some(millis) => Ok(Timeout::After(Duration::from_millis(millis))),
    }
}

/// The size of a message in bytes.
pub(crate) fn size(value: &Expr) -> syn::Result<u32> {
    let error = |text| Err(syn::Error::new_spanned(value, text));
    let bytes = match value {
        Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) => parse(&literal.value(), SIZES),
        Expr::Lit(ExprLit { lit: Lit::Int(literal), .. }) => Some(literal.base10_parse().unwrap_or(u64::MAX)),
        _ => None,
    };
    match bytes {
        None => error(errors::SIZE),
        Some(0) => error(errors::NO_SIZE),
        Some(bytes) => u32::try_from(bytes).or_else(|_| error(errors::LARGE_SIZE)),
    }
}

/// A whole number and its unit, with or without a space between them, in the smallest unit. What is too
/// large becomes the largest number, which no limit allows.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    (!number.is_empty()).then(|| number.parse().unwrap_or(u64::MAX).saturating_mul(*factor))
}

#[cfg(test)]
mod tests {
    use syn::parse_str;

    use super::*;

    #[track_caller]
    fn reads(text: &str) -> Result<Timeout, String> {
        method_timeout(&parse_str(text).unwrap()).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn measures(text: &str) -> Result<u32, String> {
        size(&parse_str(text).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn times_have_a_unit() {
        for (text, millis) in [
            (r#""1ms""#, 1),
            (r#""250 ms""#, 250),
            (r#""5s""#, 5_000),
            (r#""2min""#, 120_000),
            (r#""3 h""#, 10_800_000),
            (r#""18446744073709551ms""#, u64::MAX / 1000),
        ] {
            assert_eq!(reads(text), Ok(Timeout::After(Duration::from_millis(millis))), "{text}");
        }
        assert_eq!(reads(r#""none""#), Ok(Timeout::Never));
    }

    #[test]
    fn other_times_are_refused() {
        for text in [
            r#""""#,
            r#""5""#,
            r#""s""#,
            r#""1.5s""#,
            r#""-5s""#,
            r#""5  s""#,
            r#"" 5s""#,
            r#""5S""#,
            "5",
            "T",
        ] {
            assert_eq!(reads(text), Err(errors::TIME.to_owned()), "{text}");
        }
        assert_eq!(reads(r#""0s""#), Err(errors::NO_TIME.to_owned()));
        for text in [r#""18446744073709552ms""#, r#""99999999999999999999999h""#] {
            assert_eq!(reads(text), Err(errors::LONG_TIME.to_owned()), "{text}");
        }
    }

    #[test]
    fn sizes_have_a_unit_or_are_numbers() {
        for (text, bytes) in [
            (r#""7B""#, 7),
            (r#""64 KiB""#, 64 << 10),
            (r#""16MiB""#, 16 << 20),
            (r#""3 GiB""#, 3 << 30),
            ("65_536", 65_536),
            ("4294967295", u32::MAX),
        ] {
            assert_eq!(measures(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn other_sizes_are_refused() {
        for text in [r#""""#, r#""16""#, r#""16 MB""#, r#""1.5 MiB""#, r#""none""#, "1.5", "-1", "T"] {
            assert_eq!(measures(text), Err(errors::SIZE.to_owned()), "{text}");
        }
        for text in [r#""0 B""#, "0"] {
            assert_eq!(measures(text), Err(errors::NO_SIZE.to_owned()), "{text}");
        }
        for text in [r#""4 GiB""#, "4294967296", r#""99999999999999999999 GiB""#] {
            assert_eq!(measures(text), Err(errors::LARGE_SIZE.to_owned()), "{text}");
        }
    }
}
