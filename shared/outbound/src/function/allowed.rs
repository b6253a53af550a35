//! The functions that may be targets: a decision of the deployment, for each workspace, and none by default.

use std::collections::BTreeSet;

use sundial_model::WorkspaceId;
use sundial_model::target::FunctionArn;

/// Which functions a workspace may name as targets, in whatever version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetFunctions(BTreeSet<(WorkspaceId, FunctionArn)>);

impl TargetFunctions {
    /// Reads pairs `workspaceId=functionArn`, separated by commas.
    ///
    /// # Errors
    /// Says which of them is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let parse = |pair: &str| {
            let read = pair
                .split_once('=')
                .and_then(|(workspace, arn)| Some((workspace.trim().parse().ok()?, arn.trim().parse().ok()?)));
            read.ok_or_else(|| {
                format!(
                    "must be pairs workspaceId=functionArn without a version, separated by commas; {pair:?} is none"
                )
            })
        };
        pairs.map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Lets a workspace name a function.
    pub fn allow(&mut self, workspace: WorkspaceId, function: FunctionArn) {
        self.0.insert((workspace, function));
    }

    /// Whether a workspace may name a function.
    pub fn allows(&self, workspace: WorkspaceId, function: &FunctionArn) -> bool {
        self.0.contains(&(workspace, function.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(name: &str) -> FunctionArn {
        format!("arn:aws:lambda:us-east-1:123456789012:function:{name}").parse().expect("an ARN")
    }

    #[test]
    fn each_workspace_has_functions_of_its_own() {
        let (one, other, none) = (WorkspaceId::new(), WorkspaceId::new(), TargetFunctions::default());
        let text = format!("{one}={}, {one}={},{other}={},", function("a"), function("b"), function("c"));
        let functions = TargetFunctions::parse(&text).expect("pairs");
        assert!(functions.allows(one, &function("a")) && functions.allows(one, &function("b")));
        assert!(functions.allows(other, &function("c")));
        assert!(!functions.allows(other, &function("a")) && !functions.allows(one, &function("c")));
        assert!(!none.allows(one, &function("a")));
        assert_eq!(TargetFunctions::parse(" "), Ok(none));
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        let workspace = WorkspaceId::new();
        for text in
            [function("a").to_string(), format!("x={}", function("a")), format!("{workspace}={}:live", function("a"))]
        {
            assert!(TargetFunctions::parse(&text).is_err(), "{text}");
        }
    }
}
