//! The buckets that may be written with Sundial's own role: a decision of the deployment, for each
//! workspace, and none by default.

use std::collections::BTreeSet;

use sundial_model::WorkspaceId;
use sundial_model::sink::BucketName;

/// Which buckets a workspace may name as a sink without keys of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkBuckets(BTreeSet<(WorkspaceId, String)>);

impl SinkBuckets {
    /// Reads pairs `workspaceId=bucket`, separated by commas.
    ///
    /// # Errors
    /// Says which of them is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let parse = |pair: &str| {
            let read = pair.split_once('=').and_then(|(workspace, bucket)| {
                let bucket: BucketName = bucket.trim().parse().ok()?;
                Some((workspace.trim().parse().ok()?, bucket.as_str().to_owned()))
            });
            read.ok_or_else(|| format!("must be pairs workspaceId=bucket, separated by commas; {pair:?} is none"))
        };
        pairs.map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Lets a workspace name a bucket.
    pub fn allow(&mut self, workspace: WorkspaceId, bucket: &BucketName) {
        self.0.insert((workspace, bucket.as_str().to_owned()));
    }

    /// Whether a workspace may name a bucket.
    pub fn allows(&self, workspace: WorkspaceId, bucket: &BucketName) -> bool {
        self.0.contains(&(workspace, bucket.as_str().to_owned()))
    }

    /// Whether any workspace may name this one.
    pub(crate) fn names(&self, bucket: &str) -> bool {
        self.0.iter().any(|(_, named)| named == bucket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(name: &str) -> BucketName {
        name.parse().expect("a bucket")
    }

    #[test]
    fn each_workspace_has_buckets_of_its_own() {
        let (one, other) = (WorkspaceId::new(), WorkspaceId::new());
        let buckets = SinkBuckets::parse(&format!("{one}=abc, {one}=def,{other}=ghi,")).expect("pairs");
        assert!(buckets.allows(one, &bucket("abc")) && buckets.allows(one, &bucket("def")));
        assert!(buckets.allows(other, &bucket("ghi")));
        assert!(!buckets.allows(other, &bucket("abc")) && !buckets.allows(one, &bucket("ghi")));
        assert_eq!(SinkBuckets::parse(" "), Ok(SinkBuckets::default()));
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        for text in
            ["abc", "=abc", "x=abc", &format!("{}=No", WorkspaceId::new()), &format!("{}=*", WorkspaceId::new())]
        {
            assert!(SinkBuckets::parse(text).is_err(), "{text}");
        }
    }
}
