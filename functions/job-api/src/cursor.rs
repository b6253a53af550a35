//! Cursors: opaque, versioned, and bound to the list they were made for.
//!
//! A cursor holds a position and a digest of it and of its list: workspace, path and filters. Whatever was
//! cut off, changed, or made for another list is told from one of ours, by every version and build of this
//! function. It is no secret and no proof of anything: who may read a list is decided by the key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use sundial_model::WorkspaceId;

/// Another form of cursors, or of the positions in them, gets another one.
const VERSION: u8 = 2;
/// A cursor has so many characters at most.
pub(crate) const CURSOR_LENGTH_MAX: usize = 512;
/// And a position so many, all of them visible ASCII: no name, id or time has others.
const POSITION_LENGTH_MAX: usize = 256;
/// What is kept of a digest: nobody meets another one by accident.
const DIGEST_BYTES: usize = 16;

/// The list that cursors go with.
pub(crate) struct List(Sha256);

impl List {
    /// The list at a path of a workspace, as far as these filters let it be seen.
    pub(crate) fn new(workspace: WorkspaceId, path: &str, filters: &[&Option<String>]) -> Self {
        // As JSON, so that no two lists are written alike.
        let name = serde_json::json!([VERSION, workspace, path, filters]);
        Self(Sha256::new_with_prefix(name.to_string()))
    }

    fn digest(&self, position: &[u8]) -> [u8; DIGEST_BYTES] {
        let whole = self.0.clone().chain_update(position).finalize();
        std::array::from_fn(|index| whole[index])
    }

    /// The cursor that goes on after a position.
    pub(crate) fn cursor(&self, position: &str) -> String {
        let digest = self.digest(position.as_bytes());
        URL_SAFE_NO_PAD.encode([&[VERSION], digest.as_slice(), position.as_bytes()].concat())
    }

    /// The position in a cursor, if it is one of this list. Anybody can make one up: so it is of a bounded length
    /// and plain, and whoever looks for it in the table reads it as what it should be.
    pub(crate) fn position(&self, cursor: &str) -> Option<String> {
        if cursor.len() > CURSOR_LENGTH_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (digest, position) = bytes.strip_prefix(&[VERSION])?.split_at_checked(DIGEST_BYTES)?;
        let is_plain = (1..=POSITION_LENGTH_MAX).contains(&position.len()) && position.iter().all(u8::is_ascii_graphic);
        let position = (is_plain && digest == self.digest(position)).then(|| position.to_vec())?;
        String::from_utf8(position).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(path: &str, tag: &str) -> List {
        List::new(WorkspaceId(uuid::Uuid::nil()), path, &[&None, &Some(tag.to_owned())])
    }

    #[test]
    fn a_cursor_is_the_same_in_every_build() {
        // Clients keep cursors over deployments: should this change, so must the version.
        assert_eq!(list("/projects/shop/jobs", "a:b").cursor("nightly"), "ApXnQWEykJkGJR1_fjv5E_RuaWdodGx5");
    }

    proptest! {
        #[test]
        fn a_cursor_leads_to_its_position_in_its_list_and_in_no_other(
            position in "[!-~]{1,256}", path in "/[a-z]{1,20}", tag in "[a-z]{1,5}:[a-z]{0,5}",
        ) {
            let cursor = list(&path, &tag).cursor(&position);
            prop_assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
            prop_assert_eq!(list(&path, &tag).position(&cursor), Some(position));
            let other = List::new(WorkspaceId::new(), &path, &[&None, &Some(tag.clone())]);
            let swapped = List::new(WorkspaceId(uuid::Uuid::nil()), &path, &[&Some(tag.clone()), &None]);
            for elsewhere in [list(&format!("{path}/"), &tag), list(&path, &format!("{tag}x")), other, swapped] {
                prop_assert_eq!(elsewhere.position(&cursor), None);
            }
        }

        #[test]
        fn a_cursor_that_was_changed_is_none(
            position in "[a-z0-9#:.-]{1,60}", place in any::<prop::sample::Index>(), by in 1_u8..=255, cut in 1_usize..40,
        ) {
            let cursor = list("/jobs", "a:b").cursor(&position);
            let mut bytes = URL_SAFE_NO_PAD.decode(&cursor).expect("ours");
            bytes[place.index(cursor.len() * 3 / 4)] ^= by;
            prop_assert_eq!(list("/jobs", "a:b").position(&URL_SAFE_NO_PAD.encode(bytes)), None);
            prop_assert_eq!(list("/jobs", "a:b").position(&cursor[..cursor.len().saturating_sub(cut)]), None);
            prop_assert_eq!(list("/jobs", "a:b").position(&format!("{cursor}A")), None);
        }

        #[test]
        fn a_position_that_no_list_has_is_none_whoever_made_the_cursor(
            position in prop_oneof![Just(String::new()), "[!-~]{257,400}", "[!-~]{0,100}[^!-~][!-~]{0,100}"],
        ) {
            let cursor = list("/jobs", "a:b").cursor(&position);
            prop_assert_eq!(list("/jobs", "a:b").position(&cursor), None);
        }

        #[test]
        fn random_text_is_no_cursor(text in "\\PC{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(list("/jobs", "a:b").position(&text), None);
            prop_assert_eq!(list("/jobs", "a:b").position(&URL_SAFE_NO_PAD.encode(bytes)), None);
        }
    }
}
