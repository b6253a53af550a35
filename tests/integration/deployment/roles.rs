//! What the roles allow: what the embedded cloud allows its functions, and what AWS does in a function's name.
//!
//! The embedded cloud refuses everything else, so each other test is one of whether the roles are enough; whether they
//! are more than enough says [`super::journey`].

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sundial_devstack::usage_roles::Resource;
use sundial_devstack::{HOSTED_FUNCTIONS, HostedFunction};

use super::resolve::{Parameters, texts};
use super::template::Template;

const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/0198c5a0-0000-7000-8000-000000000002";
const TARGETS: &str = concat!(
    "arn:aws:lambda:us-east-1:123456789012:function:prices,",
    "arn:aws:lambda:us-east-1:123456789012:function:stock"
);
const SINK: &str = "arn:aws:s3:::my-bucket/*";

/// Parameters with which everything is there that a deployment may do without.
fn everything() -> [(&'static str, &'static str); 5] {
    [
        ("KmsKeyArn", KEY),
        ("TargetFunctionArns", TARGETS),
        ("SinkBucketObjects", SINK),
        ("VpcSubnetIds", "subnet-0a,subnet-0b"),
        ("VpcSecurityGroupIds", "sg-0a"),
    ]
}

/// An action, what it is done to, and on which condition.
type Permission = (String, String, Value);

/// What the role of a function allows.
fn role(parameters: &Parameters<'_>, function: &str) -> Vec<Permission> {
    permissions(parameters, function, "Allow")
}

/// What it allows or denies.
fn permissions(parameters: &Parameters<'_>, function: &str, effect: &str) -> Vec<Permission> {
    let template = parameters.template;
    let role = template.properties(template.functions()[function])["Role"]["Fn::GetAtt"][0].as_str().unwrap();
    let role = parameters.properties(role).unwrap();
    let inline = role["Policies"].as_array().unwrap().iter().map(|policy| policy["PolicyDocument"].clone());
    let managed = texts(role.get("ManagedPolicyArns").unwrap_or(&json!([]))).into_iter();
    let managed = managed.map(|name| parameters.properties(&name).unwrap()["PolicyDocument"].clone());
    inline.chain(managed).flat_map(|document| statements(&document, effect)).collect()
}

fn statements(document: &Value, effect: &str) -> Vec<Permission> {
    let of_statement = |statement: &Value| {
        let (actions, resources) = (texts(&statement["Action"]), texts(&statement["Resource"]));
        let condition = statement["Condition"].clone();
        let pairs = actions.into_iter().flat_map(move |action| {
            let condition = condition.clone();
            resources.clone().into_iter().map(move |resource| (action.clone(), resource, condition.clone()))
        });
        pairs.collect::<Vec<_>>()
    };
    let all = document["Statement"].as_array().unwrap().iter();
    all.filter(|statement| statement["Effect"] == effect).flat_map(of_statement).collect()
}

fn service(permission: &Permission) -> &str {
    permission.0.split_once(':').unwrap().0
}

/// What the embedded cloud allows a function, in the words of the template.
fn hosted_role(function: &HostedFunction) -> BTreeSet<(String, String)> {
    let mut role = BTreeSet::new();
    for (action, resource) in function.role {
        let resources = match resource {
            Resource::Table => vec!["Table.Arn".to_owned()],
            Resource::WakeIndex => vec!["Table.Arn/index/wake".to_owned()],
            Resource::Bus => vec!["Bus.Arn".to_owned()],
            Resource::ResultsBucket => vec!["ResultsBucket.Arn".to_owned()],
            Resource::Results => vec!["ResultsBucket.Arn/*".to_owned()],
            // Each with its versions and aliases.
            Resource::TargetFunctions => {
                TARGETS.split(',').flat_map(|arn| [arn.to_owned(), format!("{arn}:*")]).collect()
            }
        };
        role.extend(resources.into_iter().map(|resource| ((*action).to_owned(), resource)));
    }
    role
}

#[test]
fn no_function_of_ours_is_a_target_whatever_is_allowed() {
    let template = Template::read();
    let parameters = template.parameters(&everything());
    let denied: BTreeSet<_> = permissions(&parameters, "payload-executor", "Deny")
        .into_iter()
        .map(|(action, resource, condition)| {
            assert_eq!((action.as_str(), condition), ("lambda:InvokeFunction", Value::Null));
            resource.rsplit_once(':').unwrap().1.to_owned()
        })
        .collect();
    let name = |resource: &str| parameters.properties(resource).unwrap()["FunctionName"].as_str().unwrap().to_owned();
    let ours = template.functions().values().map(|resource| format!("{}*", name(resource))).collect();
    assert_eq!(denied, ours);
}

#[test]
fn a_role_allows_what_the_embedded_cloud_allows_and_nothing_else() {
    let template = Template::read();
    for function in &HOSTED_FUNCTIONS {
        let mut allowed = BTreeSet::new();
        for permission in role(&template.parameters(&everything()), function.name) {
            let (action, resource, condition) = permission.clone();
            if resource == SINK {
                // Of the sinks, which are not counted on the laptop. `own_role_sinks.rs` has that they are written.
                assert_eq!((function.name, action.as_str()), ("payload-executor", "s3:PutObject"));
                assert_eq!(condition, json!({ "StringEquals": { "s3:ResourceAccount": "123456789012" } }));
            } else if ["dynamodb", "events", "lambda", "s3"].contains(&service(&permission)) {
                assert_eq!(condition, Value::Null, "{action}");
                allowed.insert((action, resource));
            }
        }
        assert_eq!(allowed, hosted_role(function), "{}", function.name);
    }
}

#[test]
fn lambda_may_write_a_functions_own_log_and_what_it_failed_on_and_nothing_else() {
    let template = Template::read();
    for function in HOSTED_FUNCTIONS.iter().map(|function| function.name) {
        let deployed = template.properties(template.functions()[function]);
        let log = deployed["LoggingConfig"]["LogGroup"]["Ref"].as_str().unwrap();
        let mut expected: BTreeSet<_> = ["logs:CreateLogStream", "logs:PutLogEvents"]
            .map(|action| (action.to_owned(), format!("{log}.Arn")))
            .into();
        let on_failure = &deployed["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"];
        if let Some(queue) = on_failure[0].as_str() {
            expected.insert(("sqs:SendMessage".to_owned(), format!("{queue}.Arn")));
        }
        let allowed = role(&template.parameters(&[]), function).into_iter();
        let allowed = allowed.filter(|permission| ["logs", "sqs"].contains(&service(permission)));
        assert_eq!(
            allowed.map(|(action, resource, _)| (action, resource)).collect::<BTreeSet<_>>(),
            expected,
            "{function}"
        );
    }
}

#[test]
fn a_key_is_used_through_the_services_that_need_it_and_just_as_they_need_it() {
    let template = Template::read();
    for function in HOSTED_FUNCTIONS.iter().map(|function| function.name) {
        let (mut needed, mut allowed) = (BTreeSet::new(), BTreeSet::new());
        for permission in role(&template.parameters(&everything()), function) {
            let (action, resource, condition) = &permission;
            if service(&permission) == "kms" {
                assert_eq!(resource, KEY);
                let services = texts(&condition["StringEquals"]["kms:ViaService"]);
                allowed.extend(services.into_iter().map(|service| (action.clone(), service)));
            }
            let through = |service: &str| format!("{service}.us-east-1.amazonaws.com");
            // DynamoDB encrypts by a key of the table's own, which it has decrypted; an upload in parts reads, too.
            let actions = match (service(&permission), action.as_str()) {
                ("dynamodb", _) | ("s3", "s3:GetObject") => vec!["kms:Decrypt"],
                ("s3", "s3:PutObject") if resource != SINK => vec!["kms:Decrypt", "kms:GenerateDataKey"],
                ("sqs", _) => vec!["kms:Decrypt", "kms:GenerateDataKey"],
                _ => Vec::new(),
            };
            needed.extend(actions.into_iter().map(|action| (action.to_owned(), through(service(&permission)))));
        }
        assert_eq!(allowed, needed, "{function}");
    }
}

#[test]
fn nothing_is_allowed_to_everything_but_what_knows_no_resources_and_that_just_in_a_vpc() {
    let template = Template::read();
    let code_is_kept_out = json!("true");
    for function in HOSTED_FUNCTIONS.iter().map(|function| function.name) {
        for (action, resource, condition) in role(&template.parameters(&everything()), function) {
            assert!(!action.contains('*'), "{function}: {action}");
            if action.starts_with("ec2:") {
                assert_eq!(function, "payload-executor");
                assert_eq!(condition["Null"]["lambda:SourceFunctionArn"], code_is_kept_out, "{action}");
            }
            if !action.starts_with("ec2:Describe") {
                let named = resource.trim_end_matches(['*', '/', ':']);
                assert!(!named.is_empty() && !named.contains('*'), "{function}: {action} on {resource}");
            }
        }
        let of_options = role(&template.parameters(&[]), function).into_iter();
        let of_options: Vec<_> =
            of_options.filter(|permission| ["ec2", "kms", "lambda"].contains(&service(permission))).collect();
        assert!(of_options.is_empty(), "{function}: {of_options:?}");
    }
}

#[test]
fn just_the_function_that_calls_targets_is_in_the_vpc_when_there_is_one() {
    let template = Template::read();
    for (function, name) in template.functions() {
        let in_vpc = template.parameters(&everything()).properties(name).unwrap();
        let expected = (function == "payload-executor")
            .then(|| json!({ "SubnetIds": ["subnet-0a", "subnet-0b"], "SecurityGroupIds": ["sg-0a"] }));
        assert_eq!(in_vpc.get("VpcConfig"), expected.as_ref(), "{function}");
        assert_eq!(template.parameters(&[]).properties(name).unwrap().get("VpcConfig"), None, "{function}");
    }
    assert!(template.parameters(&[]).properties("VpcAccess").is_none());
}
