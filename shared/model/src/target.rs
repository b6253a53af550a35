//! How a project's APIs are called.

use deserr::Deserr;
use serde::{Deserialize, Serialize};

use crate::invalid::InvalidFields;
use crate::secret::{HasSecrets, SecretPlace};
use crate::text::checked_text;

pub use crate::headers::{Headers, is_reserved_header};
pub use crate::http_url::{BaseUrl, HttpUrl};

/// What a target gets and gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Deserr, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[deserr(error = InvalidFields, rename_all = camelCase)]
pub enum TargetFormat {
    /// An object around parameters and result.
    #[default]
    Envelope,
    /// Just the parameters, just the result.
    Plain,
}

fn is_function_arn(text: &str) -> bool {
    let of_function_name = |name: &str| {
        (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let of_region =
        |region: &str| !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match text.split(':').collect::<Vec<_>>().as_slice() {
        ["arn", partition, "lambda", region, account, "function", name] => {
            partition.starts_with("aws")
                && of_region(partition)
                && of_region(region)
                && (account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()))
                && of_function_name(name)
        }
        _ => false,
    }
}

checked_text!(
    /// The ARN of a Lambda function, without a version or an alias.
    FunctionArn, is_function_arn,
    "must be the ARN of a Lambda function such as arn:aws:lambda:eu-central-1:123456789012:function:prices, without a \
     version or an alias"
);

impl FunctionArn {
    /// The region that the function is in.
    pub fn region(&self) -> &str {
        self.as_str().split(':').nth(3).unwrap_or_default()
    }
}

fn is_qualifier(text: &str) -> bool {
    text == "$LATEST"
        || ((1..=128).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')))
}

checked_text!(
    /// A version or an alias of a Lambda function.
    Qualifier, is_qualifier,
    "must be a version or an alias: 1 to 128 characters out of A-Z a-z 0-9 _ -, or $LATEST"
);

/// How a project's APIs are called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Deserr, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[deserr(error = InvalidFields, tag = "type", rename_all = camelCase, deny_unknown_fields)]
pub enum Target {
    /// By `POST {baseUrl}/{apiName}`.
    #[deserr(rename_all = camelCase)]
    #[schema(rename_all = "camelCase")]
    Http {
        /// What the API's name is appended to.
        base_url: BaseUrl,
        /// Sent with every call.
        #[serde(default, skip_serializing_if = "Headers::is_empty")]
        #[deserr(default)]
        headers: Headers,
        /// The shape of requests and answers.
        #[serde(default)]
        #[deserr(default)]
        format: TargetFormat,
    },
    /// By invoking one function, with the same envelope for every API.
    #[deserr(rename_all = camelCase)]
    #[schema(rename_all = "camelCase")]
    Lambda {
        /// The function; the deployment says which ones may be targets.
        function_arn: FunctionArn,
        /// A version or an alias of it; what it is now when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[deserr(default)]
        qualifier: Option<Qualifier>,
    },
}

impl Target {
    /// Who is called: scheme, host and port, or a function, whatever its version.
    pub fn origin(&self) -> String {
        match self {
            Self::Http { base_url, .. } => base_url.origin(),
            Self::Lambda { function_arn, .. } => function_arn.to_string(),
        }
    }

    /// The shape of requests and answers: a function takes envelopes.
    pub fn format(&self) -> TargetFormat {
        match self {
            Self::Http { format, .. } => *format,
            Self::Lambda { .. } => TargetFormat::Envelope,
        }
    }
}

impl HasSecrets for Target {
    fn secret_places(&mut self) -> Vec<SecretPlace<'_>> {
        let destination = format!("target {}", self.origin());
        match self {
            Self::Http { headers, .. } => headers.secret_places("/target/headers", &destination),
            Self::Lambda { .. } => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_named_by_its_whole_arn_and_nothing_more() {
        for good in [
            "arn:aws:lambda:eu-central-1:123456789012:function:prices",
            "arn:aws-cn:lambda:cn-north-1:123456789012:function:a_B-9",
        ] {
            assert!(good.parse::<FunctionArn>().is_ok(), "{good}");
        }
        for bad in [
            "prices",
            "123456789012:function:prices",
            "arn:aws:lambda:eu-central-1:123456789012:function:prices:live",
            "arn:aws:lambda:eu-central-1:12345678901:function:prices",
            "arn:aws:lambda:eu-central-1:123456789012:function:",
            "arn:aws:lambda:eu-central-1:123456789012:function:a/b",
            "arn:aws:lambda::123456789012:function:prices",
            "arn:aws:s3:eu-central-1:123456789012:function:prices",
        ] {
            assert!(bad.parse::<FunctionArn>().is_err(), "{bad}");
        }
        let arn: FunctionArn = "arn:aws:lambda:eu-central-1:123456789012:function:prices".parse().expect("an ARN");
        assert_eq!(arn.region(), "eu-central-1");
        assert!("$LATEST".parse::<Qualifier>().is_ok() && "live-2".parse::<Qualifier>().is_ok());
        assert!("$OTHER".parse::<Qualifier>().is_err() && "".parse::<Qualifier>().is_err());
    }
}
