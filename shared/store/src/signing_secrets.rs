//! What a project signs with: calls to its target by one secret, deliveries and notifications by
//! another. Each can be replaced, and what it replaces stays valid for a day, during which both sign.
//!
//! They stand in one item under the project's own id, and are the only secrets that change in place: runs
//! that go on follow them, also after their project was deleted.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sundial_model::secret::SecretText;
use sundial_model::{ProjectId, Timestamp};

use crate::error::StoreError;
use crate::item::{NewItem, Read};
use crate::projects::StoredProject;
use crate::table::{Expect, Write, retry_on_conflict};
use crate::{Store, keys};

/// A secret that was replaced is valid for so much longer.
pub const REPLACED_SECRET_VALID_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// So many replaced secrets are valid at once at most: each adds a signature to every request.
const REPLACED_SECRETS_MAX: usize = 4;

/// What is signed by a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningPurpose {
    /// Calls to the target.
    Calls,
    /// Deliveries and notifications.
    Webhooks,
}

/// What a project signs with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningSecrets {
    calls: Succession,
    webhooks: Succession,
}

/// A secret, and those before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Succession {
    #[serde(with = "exposed")]
    current: SecretText,
    /// Newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    replaced: Vec<Replaced>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Replaced {
    #[serde(with = "exposed")]
    secret: SecretText,
    valid_until: Timestamp,
}

/// What a wish for another secret came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The new secret signs, and so does the one before until then.
    Done {
        /// When it stops.
        previous_valid_until: Timestamp,
    },
    /// So many were replaced lately that another one would end one before its time.
    TooOften {
        /// When the next one can be replaced.
        next_at: Timestamp,
    },
    /// The project is not there any more.
    Gone,
}

impl Succession {
    fn new(current: SecretText) -> Self {
        Self { current, replaced: Vec::new() }
    }

    fn valid_at(&self, now: Timestamp) -> Vec<SecretText> {
        let replaced = self.replaced.iter().filter(|replaced| replaced.valid_until > now);
        [&self.current].into_iter().chain(replaced.map(|replaced| &replaced.secret)).cloned().collect()
    }

    /// Puts another secret in its place.
    fn rotate(&mut self, secret: SecretText, now: Timestamp) -> Rotation {
        self.replaced.retain(|replaced| replaced.valid_until > now);
        if self.replaced.len() >= REPLACED_SECRETS_MAX {
            let next_at = self.replaced.iter().map(|replaced| replaced.valid_until).min().unwrap_or(now);
            return Rotation::TooOften { next_at };
        }
        let valid_until = now + REPLACED_SECRET_VALID_FOR;
        let secret = std::mem::replace(&mut self.current, secret);
        self.replaced.insert(0, Replaced { secret, valid_until });
        Rotation::Done { previous_valid_until: valid_until }
    }
}

impl SigningSecrets {
    /// The first secrets of a project.
    pub fn new(calls: SecretText, webhooks: SecretText) -> Self {
        Self { calls: Succession::new(calls), webhooks: Succession::new(webhooks) }
    }

    /// The secrets that sign at `now`, newest first.
    pub fn valid_at(&self, purpose: SigningPurpose, now: Timestamp) -> Vec<SecretText> {
        match purpose {
            SigningPurpose::Calls => self.calls.valid_at(now),
            SigningPurpose::Webhooks => self.webhooks.valid_at(now),
        }
    }

    fn rotate(&mut self, purpose: SigningPurpose, secret: SecretText, now: Timestamp) -> Rotation {
        match purpose {
            SigningPurpose::Calls => self.calls.rotate(secret, now),
            SigningPurpose::Webhooks => self.webhooks.rotate(secret, now),
        }
    }

    pub(crate) fn put(&self, project: ProjectId, expect: Expect) -> Result<Write, StoreError> {
        Ok(Write::Put(NewItem::new(keys::signing_secrets(project), self)?, expect))
    }
}

impl Store {
    /// What a project signs with; it is there as long as a run may need it.
    ///
    /// # Errors
    /// When the table cannot be read, or they are not there.
    pub async fn signing_secrets(&self, project: ProjectId) -> Result<SigningSecrets, StoreError> {
        let read: Option<Read<SigningSecrets>> = self.table.get(&keys::signing_secrets(project)).await?;
        let missing = || StoreError::Corrupt(format!("project {project} has nothing to sign with"));
        read.map(|read| read.value).ok_or_else(missing)
    }

    /// Lets a project sign by another secret from now on. Of two such wishes at the same time one comes after
    /// the other, so that both secrets sign.
    ///
    /// # Errors
    /// When the table cannot be reached. The new secret may sign all the same; the one before does as well.
    pub async fn rotate_secret(
        &self,
        project: &StoredProject,
        purpose: SigningPurpose,
        secret: &SecretText,
        now: Timestamp,
    ) -> Result<Rotation, StoreError> {
        let key = keys::signing_secrets(project.id);
        retry_on_conflict(async || {
            let found = self.project(project.workspace_id, &project.name).await?;
            let Some(current) = found.filter(|found| found.id == project.id) else { return Ok(Rotation::Gone) };
            let read: Option<Read<SigningSecrets>> = self.table.get(&key).await?;
            let Some(Read { value: mut secrets, revision }) = read else { return Ok(Rotation::Gone) };
            let rotation = secrets.rotate(purpose, secret.clone(), now);
            if matches!(rotation, Rotation::Done { .. }) {
                // A project that is deleted meanwhile takes none.
                self.write_effect(vec![secrets.put(project.id, Expect::Revision(revision))?, current.check()]).await?;
            }
            Ok(rotation)
        })
        .await
    }
}

/// Secrets as they are kept: this item is their own place.
mod exposed {
    use serde::{Deserialize, Deserializer, Serializer};
    use sundial_model::secret::SecretText;

    pub(super) fn serialize<S: Serializer>(secret: &SecretText, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.expose())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretText, D::Error> {
        SecretText::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn texts(secrets: &Succession, now: Timestamp) -> Vec<String> {
        secrets.valid_at(now).iter().map(|secret| secret.expose().to_owned()).collect()
    }

    #[test]
    fn a_replaced_secret_is_valid_for_a_day_however_often_it_is_replaced() {
        let (begun, mut secrets) = (Timestamp::from_seconds(1_800_000_000), Succession::new(SecretText::new("0")));
        for number in 1..=REPLACED_SECRETS_MAX {
            let now = begun + HOUR * u32::try_from(number).expect("a small number");
            let previous_valid_until = now + HOUR * 24;
            assert_eq!(
                secrets.rotate(SecretText::new(number.to_string()), now),
                Rotation::Done { previous_valid_until }
            );
        }
        let now = begun + HOUR * 10;
        assert_eq!(texts(&secrets, now), ["4", "3", "2", "1", "0"]);
        let before = secrets.clone();
        assert_eq!(
            secrets.rotate(SecretText::new("5"), now),
            Rotation::TooOften { next_at: begun + HOUR * 25 },
            "one of them would end before its time"
        );
        assert_eq!(secrets, before);
        assert_eq!(texts(&secrets, begun + HOUR * 25), ["4", "3", "2", "1"]);
        assert_eq!(texts(&secrets, begun + HOUR * 100), ["4"]);
        assert!(matches!(secrets.rotate(SecretText::new("5"), begun + HOUR * 25), Rotation::Done { .. }));
        assert_eq!(texts(&secrets, begun + HOUR * 26), ["5", "4", "3", "2"]);
    }

    #[test]
    fn what_is_shown_of_them_is_no_secret() {
        let secrets = SigningSecrets::new(SecretText::new("whsec_one"), SecretText::new("whsec_two"));
        assert!(!format!("{secrets:?}").contains("whsec"));
    }
}
