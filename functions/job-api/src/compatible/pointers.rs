//! Fields at fault are named as the client knows them.

use sundial_model::InvalidFields;

/// A name of the other face, and what the client calls it.
pub(super) type Renamed = (&'static str, &'static str);

/// What a document said in the clients' words: its fields at fault, and which of its names became others.
#[derive(Debug, Default)]
pub(super) struct Translation {
    pub(super) errors: InvalidFields,
    pub(super) renamed: Vec<Renamed>,
}

impl Translation {
    /// Nothing of it is at fault.
    pub(super) fn check(self) -> Result<(), InvalidFields> {
        self.errors.into_result()
    }
}

/// Gives the pointers of fields at fault the names that the client has sent.
pub(super) fn rename(errors: InvalidFields, renamed: &[Renamed]) -> InvalidFields {
    let InvalidFields(mut errors) = errors;
    for error in &mut errors {
        for (ours, theirs) in renamed {
            let rest = error.pointer.strip_prefix(&format!("/{ours}"));
            if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with('/')) {
                error.pointer = format!("/{theirs}{rest}");
                break;
            }
        }
    }
    InvalidFields(errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_become_others() {
        let errors = |pointers: [&str; 3]| {
            let mut errors = InvalidFields::default();
            pointers.iter().for_each(|pointer| errors.push(*pointer, "is wrong"));
            errors
        };
        let renamed = rename(
            errors(["/apiName", "/authSession/id", "/apiNames"]),
            &[("apiName", "api"), ("authSession", "auth_session")],
        );
        assert_eq!(renamed, errors(["/api", "/auth_session/id", "/apiNames"]));
    }
}
