//! The parameters of a request, each at most once (RFC 6749 §3.1, §3.2).

use std::collections::BTreeMap;

use http::{HeaderMap, header};
use serde_json::{Map, Value};

use crate::error::Refused;

/// The longest value of one parameter, in bytes.
const LONGEST_VALUE: usize = 8 * 1024;
/// The most parameters a request has.
const MOST: usize = 64;

/// Parameters by name. An empty value counts as absent (RFC 6749 §3.1).
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameters {
    values: BTreeMap<String, String>,
    repeated: Option<String>,
    is_excessive: bool,
    has_nul: bool,
}

impl Parameters {
    /// Reads `application/x-www-form-urlencoded` text, of a query or a body.
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        let mut parameters = Self::default();
        for (name, value) in url::form_urlencoded::parse(encoded) {
            parameters.has_nul |= name.contains('\0') || value.contains('\0');
            parameters.is_excessive |= value.len() > LONGEST_VALUE || parameters.values.len() >= MOST;
            if value.is_empty() || parameters.is_excessive {
                continue;
            }
            let name = name.into_owned();
            if parameters.values.insert(name.clone(), value.into_owned()).is_some() {
                parameters.repeated = Some(name);
            }
        }
        parameters
    }

    /// Reads a body: a form, or a JSON object of texts, which Auth0's clients send (G-8).
    ///
    /// # Errors
    /// `invalid_request` for anything else.
    pub(crate) fn of_body(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refused> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/x-www-form-urlencoded" => Ok(Self::parse(body)),
            "application/json" => Self::of_json(body),
            _ => Err(Refused::invalid_request("The body must be application/x-www-form-urlencoded")),
        }
    }

    fn of_json(body: &[u8]) -> Result<Self, Refused> {
        let invalid = || Refused::invalid_request("The body must be a JSON object of strings");
        let object = vestibule_pipeline::json::parse(body).map_err(|_| invalid())?;
        let mut parameters = Self::default();
        for (name, value) in object.as_object().ok_or_else(invalid)? {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Null => continue,
                Value::Bool(_) | Value::Array(_) | Value::Object(_) => return Err(invalid()),
            };
            parameters.is_excessive |= text.len() > LONGEST_VALUE || parameters.values.len() >= MOST;
            if !text.is_empty() && !parameters.is_excessive {
                parameters.values.insert(name.clone(), text);
            }
        }
        Ok(parameters)
    }

    /// Those of them that rules may see; each endpoint has a list of its own (DESIGN §2).
    pub(crate) fn only(&self, names: &[&str]) -> Map<String, Value> {
        let mut object = self.to_object();
        object.retain(|name, _| names.contains(&name.as_str()));
        object
    }

    /// A parameter's value.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A parameter that has to be there.
    ///
    /// # Errors
    /// `invalid_request`, naming it.
    pub(crate) fn require(&self, name: &str) -> Result<&str, Refused> {
        self.get(name).ok_or_else(|| Refused::invalid_request(format!("Missing required parameter: {name}")))
    }

    /// Whether this one came more than once.
    pub(crate) fn is_repeated(&self, name: &str) -> bool {
        self.repeated.as_deref() == Some(name)
    }

    /// How large they are together, decoded, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.values.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// That they are text: no parameter has a NUL (RFC 6749 appendix A), and PostgreSQL looks nothing up by one.
    ///
    /// # Errors
    /// `invalid_request`.
    pub(crate) fn check_text(&self) -> Result<(), Refused> {
        if self.has_nul { Err(Refused::invalid_request("A parameter has a NUL in it")) } else { Ok(()) }
    }

    /// That no parameter came twice, none is too long, and all are text.
    ///
    /// # Errors
    /// `invalid_request`, naming the one that came twice.
    pub(crate) fn check(&self) -> Result<(), Refused> {
        self.check_text()?;
        match &self.repeated {
            Some(name) => Err(Refused::invalid_request(format!("Repeated parameter: {}", name.escape_debug()))),
            None if self.is_excessive => Err(Refused::invalid_request("Too many parameters, or too long ones")),
            None => Ok(()),
        }
    }

    /// All of them, as `context.request.query` and `.body` have them; the pipeline takes credentials out.
    pub(crate) fn to_object(&self) -> Map<String, Value> {
        self.values.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect()
    }
}

/// A list of words separated by spaces, each once, in order.
pub(crate) fn words(text: Option<&str>) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.unwrap_or_default().split_ascii_whitespace() {
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_parameter_is_refused_and_an_empty_one_is_absent() {
        let parameters = Parameters::parse(b"a=1&b=&a=2");
        assert!(parameters.check().is_err() && parameters.is_repeated("a"));
        assert_eq!(Parameters::parse(b"a=1&b=").get("b"), None);
        assert_eq!(Parameters::parse(b"a=1&b=").check(), Ok(()));
    }

    #[test]
    fn a_nul_is_in_no_parameter() {
        for encoded in [&b"a=%00"[..], b"%00=a", b"a=1&b=x%00y"] {
            assert!(Parameters::parse(encoded).check_text().is_err());
            assert!(Parameters::parse(encoded).check().is_err());
        }
        assert_eq!(Parameters::parse(b"a=%01").check(), Ok(()));
    }

    #[test]
    fn a_request_has_bounds() {
        let long = format!("a={}", "x".repeat(LONGEST_VALUE + 1));
        assert!(Parameters::parse(long.as_bytes()).check().is_err());
        let many: String = (0..100).map(|at| format!("p{at}=1&")).collect();
        assert!(Parameters::parse(many.as_bytes()).check().is_err());
    }
}
