//! What does a tag make of a scalar? As go-yaml v2: `!!binary` is decoded, numbers and the like must be
//! what they are said to be, and any other tag makes a text.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use super::Value;
use super::scalar::{Scalar, is_timestamp, resolve};

/// The value of a scalar with a tag, or what is wrong with it.
pub(super) fn tagged<'a>(text: Cow<'a, str>, tag: &str) -> Result<Value<'a>, String> {
    let wanted = tag.strip_prefix("tag:yaml.org,2002:").unwrap_or_default();
    if wanted == "binary" {
        let decoder = GeneralPurpose::new(
            &STANDARD,
            GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
        );
        let written: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        return match decoder.decode(written) {
            Ok(bytes) => Ok(Value::Text(
                String::from_utf8_lossy(&bytes).into_owned().into(),
            )),
            Err(_) => Err("!!binary value contains invalid base64 data".to_owned()),
        };
    }
    if !matches!(wanted, "int" | "float" | "bool" | "null" | "timestamp") {
        return Ok(Value::Text(text));
    }
    let found = resolve(&text);
    let scalar = match (wanted, found) {
        ("int", Some(Scalar::Int(_) | Scalar::Unsigned(_)))
        | ("bool", Some(Scalar::Bool(_)))
        | ("null", Some(Scalar::Null))
        | ("float", Some(Scalar::Float(_) | Scalar::Whole(_))) => found,
        ("float", Some(Scalar::Int(value))) => Some(Scalar::whole(value as f64)),
        ("timestamp", None) if is_timestamp(&text) => {
            return Ok(Value::Text(text));
        }
        _ => None,
    };
    match scalar {
        Some(scalar) => Ok(Value::Read(Box::new((scalar, text.into())))),
        None => Err(format!("cannot decode `{text}` as a !!{wanted}")),
    }
}
