//! Notes for an author that more than one verb tells, never a verdict.

use vestibule_pipeline::Rule;

/// A note for each configuration key that is given and that no rule is granted.
pub(crate) fn unasked<'k>(rules: &[Rule], keys: impl Iterator<Item = &'k str>) -> impl Iterator<Item = String> {
    let is_granted = |key: &str| {
        rules.iter().any(|rule| rule.manifest.capabilities.configuration.iter().any(|granted| granted == key))
    };
    keys.filter(move |key| !is_granted(key)).map(|key| {
        format!("no rule is granted the configuration key `{key}`: name it in `configuration` of [capabilities]")
    })
}
