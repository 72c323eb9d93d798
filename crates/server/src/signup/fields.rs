//! What is asked at signup beside address and password: Auth0 Lock's `additionalSignUpFields` (L-1 to L-9), as settings.
//!
//! Functions cannot stand in a settings file: in place of a validator there is a longest length, in place of loaded options
//! a list.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Invalid, root_text};

/// A field of the signup form. It is checked when the settings are read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawField")]
pub struct SignupField {
    name: String,
    label: String,
    hint: String,
    kind: FieldKind,
    options: Vec<FieldOption>,
    prefill: String,
    value: String,
    required: bool,
    longest: usize,
    storage: Storage,
}

/// How a field looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// A line of text.
    #[default]
    Text,
    /// One of several options.
    Select,
    /// Yes or no; stored as `"true"` or `"false"`.
    Checkbox,
    /// Not shown: a value that is stored with every signup.
    Hidden,
}

/// Where a field's value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Storage {
    /// Into `user_metadata`, under the field's name.
    #[default]
    UserMetadata,
    /// To the root of the profile: `given_name`, `family_name`, `name`, `nickname`, `picture`.
    Root,
}

/// An option of a `select`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldOption {
    /// What is shown.
    pub label: String,
    /// What is stored.
    pub value: String,
}

/// Why a field cannot be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidField {
    /// Its name is not one.
    #[error(
        "`{0}` cannot be the name of a signup field: use letters, digits and `_`, and not `email`, `username` or `password`"
    )]
    Name(String),
    /// It has no placeholder.
    #[error("signup field `{0}` needs a `placeholder`")]
    Placeholder(String),
    /// It has no options, or empty ones.
    #[error("signup field `{0}` needs `options` with a label and a value each")]
    Options(String),
    /// It has options, but is no `select`.
    #[error("signup field `{0}` has `options`, but is no `select`")]
    NoSelect(String),
    /// It is hidden and has no value, or the other way round.
    #[error("signup field `{0}`: a hidden field needs a `value`, and only a hidden field may have one")]
    Value(String),
    /// It cannot be stored at the root.
    #[error(
        "signup field `{0}` cannot have `storage = \"root\"`: only given_name, family_name, name, nickname and picture can"
    )]
    Root(String),
}

/// A field as it is written down, with Lock's names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawField {
    name: String,
    #[serde(default)]
    placeholder: String,
    #[serde(default)]
    hint: String,
    #[serde(default, rename = "type")]
    kind: FieldKind,
    #[serde(default)]
    options: Vec<FieldOption>,
    #[serde(default)]
    prefill: String,
    #[serde(default)]
    value: String,
    required: Option<bool>,
    longest: Option<usize>,
    #[serde(default)]
    storage: Storage,
}

impl TryFrom<RawField> for SignupField {
    type Error = InvalidField;

    fn try_from(raw: RawField) -> Result<Self, InvalidField> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_taken = ["email", "username", "password"].contains(&raw.name.as_str());
        if raw.name.is_empty() || raw.name.len() > super::LONGEST_NAME || !raw.name.chars().all(is_name) || is_taken {
            return Err(InvalidField::Name(raw.name));
        }
        let is_hidden = raw.kind == FieldKind::Hidden;
        let has_options = raw.options.iter().all(|option| !option.label.is_empty() && !option.value.is_empty());
        match raw.kind {
            _ if is_hidden == raw.value.is_empty() => Err(InvalidField::Value(raw.name)),
            _ if !is_hidden && raw.placeholder.trim().is_empty() => Err(InvalidField::Placeholder(raw.name)),
            FieldKind::Select if raw.options.is_empty() || !has_options => Err(InvalidField::Options(raw.name)),
            FieldKind::Text | FieldKind::Checkbox | FieldKind::Hidden if !raw.options.is_empty() => {
                Err(InvalidField::NoSelect(raw.name))
            }
            _ if raw.storage == Storage::Root && super::longest_root(&raw.name).is_none() => {
                Err(InvalidField::Root(raw.name))
            }
            FieldKind::Text | FieldKind::Select | FieldKind::Checkbox | FieldKind::Hidden => Ok(Self::checked(raw)),
        }
    }
}

impl SignupField {
    /// What the form calls the field of this name; none of the form's own fields begins so.
    pub(crate) const PREFIX: &str = "field-";

    fn checked(raw: RawField) -> Self {
        let most = match raw.storage {
            Storage::Root => super::longest_root(&raw.name).unwrap_or(super::LONGEST_VALUE),
            Storage::UserMetadata => super::LONGEST_VALUE,
        };
        Self {
            required: raw.required.unwrap_or(raw.kind != FieldKind::Checkbox), // L-7: required, unless told otherwise.
            longest: raw.longest.unwrap_or(most).min(most),
            name: raw.name,
            label: raw.placeholder,
            hint: raw.hint,
            kind: raw.kind,
            options: raw.options,
            prefill: raw.prefill,
            value: raw.value,
            storage: raw.storage,
        }
    }

    /// Its name in the form.
    pub(crate) fn id(&self) -> String {
        [Self::PREFIX, &self.name].concat()
    }

    /// Whether the form does not show it.
    pub(crate) fn is_hidden(&self) -> bool {
        self.kind == FieldKind::Hidden
    }

    /// For the form, with what was typed; `None` the first time.
    pub(crate) fn shown(&self, typed: Option<&str>) -> ShownField<'_> {
        ShownField {
            id: self.id(),
            label: &self.label,
            hint: &self.hint,
            kind: self.kind,
            options: &self.options,
            value: typed.unwrap_or(&self.prefill).to_owned(),
            required: self.required,
            longest: self.longest,
        }
    }

    /// Puts what was typed where it is to be stored.
    pub(crate) fn store(
        &self,
        typed: &str,
        profile: &mut Map<String, Value>,
        metadata: &mut Map<String, Value>,
    ) -> Result<(), Invalid> {
        let invalid = |message: &str| Invalid { field: self.id(), message: format!("{message}: {}", self.label) };
        let value = match self.kind {
            FieldKind::Hidden => self.value.as_str(),
            FieldKind::Checkbox if typed == "true" => typed,
            FieldKind::Checkbox if self.required => return Err(invalid("This has to be ticked")),
            FieldKind::Checkbox => "false",
            FieldKind::Text | FieldKind::Select if typed.trim().is_empty() => {
                return if self.required { Err(invalid("This is needed")) } else { Ok(()) };
            }
            FieldKind::Select if !self.options.iter().any(|option| option.value == typed) => {
                return Err(invalid("Choose one of the options"));
            }
            FieldKind::Text if typed.chars().count() > self.longest => {
                return Err(invalid(&format!("Use at most {} characters", self.longest)));
            }
            FieldKind::Text | FieldKind::Select => typed,
        };
        match self.storage {
            Storage::Root => {
                root_text(&self.name, value).map_err(|error| invalid(&error.message))?;
                profile.insert(self.name.clone(), value.into());
            }
            Storage::UserMetadata => {
                metadata.insert(self.name.clone(), value.into());
            }
        }
        Ok(())
    }
}

/// A field as the form shows it.
pub(crate) struct ShownField<'a> {
    pub(crate) id: String,
    pub(crate) label: &'a str,
    pub(crate) hint: &'a str,
    pub(crate) kind: FieldKind,
    pub(crate) options: &'a [FieldOption],
    pub(crate) value: String,
    pub(crate) required: bool,
    pub(crate) longest: usize,
}
