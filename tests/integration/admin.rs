//! `sundial admin`: operators make workspaces and keys, and revoke keys, by the command itself.

use serde_json::{Value, json};

use crate::command::{sundial, sundial_in};
use crate::harness::{Api, Cloud, Process};

fn text<'a>(document: &'a Value, field: &str) -> &'a str {
    document[field].as_str().unwrap()
}

/// The status of a call that only needs a key.
async fn status(api: &Api) -> u16 {
    api.send("GET", "/projects", None).await.0
}

#[tokio::test]
async fn a_workspace_is_made_and_its_keys_are_made_listed_and_revoked_over_a_running_cloud() {
    let cloud = Cloud::start().await;
    let folder = cloud.folder().to_str().unwrap();
    let admin = async |arguments: &[&str]| {
        let place = ["--data-dir", folder, "--output", "json"];
        sundial(&[&["admin"], arguments, &place].concat()).await
    };
    let made = admin(&["workspace", "create", "--key-name", "first"]).await.json();
    let fields: Vec<_> = made.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["workspaceId", "apiKey"]);
    let workspace = text(&made, "workspaceId");
    let first = cloud.api.of_workspace(workspace, text(&made, "apiKey"));
    assert_eq!(first.get("/projects").await, json!({ "items": [] }));
    assert_eq!(status(&Api { key: first.key.clone(), ..cloud.api.clone() }).await, 404, "it opens no other");

    let of = ["--workspace", workspace];
    let made = admin(&[&["key", "create", "--name", "nightly import"][..], &of].concat()).await.json();
    let fields: Vec<_> = made.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["keyId", "apiKey"]);
    let second = cloud.api.of_workspace(workspace, text(&made, "apiKey"));
    let list = async || admin(&[&["key", "list"][..], &of].concat()).await;
    let listed = list().await;
    assert!(!listed.out.contains(text(&made, "apiKey")) && !listed.out.contains(&first.key));
    let listed = listed.json();
    assert_eq!((&listed[0]["name"], &listed[1]["name"]), (&json!("first"), &json!("nightly import")));
    assert_eq!((&listed[1]["keyId"], &listed[1]["lastUsedAt"]), (&made["keyId"], &Value::Null));
    assert!(listed[0]["lastUsedAt"].is_string() && listed[0].get("revokedAt").is_none(), "{listed}");
    assert_eq!(status(&second).await, 200);

    let revoke = async |key: &str| admin(&[&["key", "revoke", key][..], &of].concat()).await;
    let revoked = revoke(text(&made, "keyId")).await.json();
    assert!(revoked["revokedAt"].is_string() && revoked["lastUsedAt"].is_string(), "{revoked}");
    assert_eq!((status(&second).await, status(&first).await), (401, 200));
    assert_eq!(revoke(text(&made, "keyId")).await.json(), revoked, "once is enough");
    assert_eq!(list().await.json()[1], revoked);

    // Those of another workspace are none of its.
    let dev_key = sundial(&["admin", "key", "list", "--data-dir", folder, "--output", "json"]).await.json();
    for unknown in ["0123456789abcdef", "nonsense", text(&dev_key[0], "keyId")] {
        let said = revoke(unknown).await;
        assert!(said.code == 1 && said.error.contains("admin key list"), "{said:?}");
    }
    assert_eq!(status(&cloud.api).await, 200);
}

#[tokio::test]
async fn people_get_a_table_with_a_new_key_in_it_once() {
    let cloud = Cloud::start_storage_only().await;
    let folder = cloud.folder().to_str().unwrap();
    let made = sundial(&["admin", "workspace", "create", "--data-dir", folder]).await;
    assert_eq!((made.code, made.out.matches("sundial_").count(), made.error.as_str()), (0, 1, ""), "{made:?}");
    let key = made.out.split_whitespace().find(|word| word.starts_with("sundial_")).unwrap();
    assert!(cloud.dev.clients().store.verify_api_key(key).await.unwrap().is_some());
    // Without a workspace, that of `sundial dev` is meant.
    let made = sundial(&["admin", "key", "create", "--data-dir", folder]).await;
    let key = made.out.split_whitespace().find(|word| word.starts_with("sundial_")).unwrap();
    let key = cloud.dev.clients().store.verify_api_key(key).await.unwrap().unwrap();
    assert_eq!(key.workspace_id, cloud.dev.description().workspace_id);
    let revoked = sundial(&["admin", "key", "revoke", &key.key_id, "--data-dir", folder]).await;
    assert!(revoked.code == 0 && !revoked.out.contains("no other key"), "{revoked:?}");
    let listed = sundial(&["admin", "key", "list", "--data-dir", folder]).await;
    assert_eq!(
        (listed.code, listed.out.matches(&key.key_id).count(), listed.out.matches("sundial_").count()),
        (0, 1, 0)
    );
    assert!(listed.out.contains("never"), "{}", listed.out);
    let dev_key = cloud.dev.description().api_key.split('_').nth(2).unwrap();
    let revoked = sundial(&["admin", "key", "revoke", dev_key, "--data-dir", folder]).await;
    assert!(revoked.code == 0 && revoked.out.contains("no other key"), "{revoked:?}");
}

#[tokio::test]
async fn the_data_of_a_cloud_that_is_stopped_is_opened_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let (process, _) = Process::start(folder.path()).await;
    process.kill();
    let admin = async |arguments: &[&str]| {
        sundial(&[&["admin"], arguments, &["--data-dir", path, "--output", "json"]].concat()).await.json()
    };
    let made = admin(&["workspace", "create"]).await;
    let other = admin(&["key", "create", "--workspace", text(&made, "workspaceId")]).await;
    admin(&["key", "revoke", text(&other, "keyId"), "--workspace", text(&made, "workspaceId")]).await;
    let (process, api) = Process::start(folder.path()).await;
    let workspace = text(&made, "workspaceId");
    assert_eq!(status(&api.of_workspace(workspace, text(&made, "apiKey"))).await, 200);
    assert_eq!(status(&api.of_workspace(workspace, text(&other, "apiKey"))).await, 401);
    drop(process);
}

#[tokio::test]
async fn the_table_of_a_deployment_is_reached_as_the_aws_command_line_would() {
    let cloud = Cloud::start().await;
    let description = cloud.dev.description();
    let variables = [
        ("AWS_ENDPOINT_URL_DYNAMODB", description.dynamodb_url.as_str()),
        ("AWS_ACCESS_KEY_ID", "operator"),
        ("AWS_SECRET_ACCESS_KEY", "operators-secret"),
        ("AWS_REGION", description.region.as_str()),
    ];
    let create = ["admin", "workspace", "create", "--output", "json", "--table"];
    let made = sundial_in(&[&create[..], &[&description.table_name]].concat(), &variables).await.json();
    let api = cloud.api.of_workspace(text(&made, "workspaceId"), text(&made, "apiKey"));
    assert_eq!(status(&api).await, 200);
    for (table, variables, advice) in
        [(description.table_name.as_str(), &variables[..3], "AWS_REGION"), ("another", &variables, "the table's name")]
    {
        let said = sundial_in(&[&create[..], &[table]].concat(), variables).await;
        assert!(said.code == 1 && said.out.is_empty() && said.error.contains(advice), "{said:?}");
        assert!(!said.error.contains("operators-secret"), "{said:?}");
    }
    let said = sundial_in(&["admin", "key", "list", "--table", &description.table_name], &variables).await;
    assert!(said.code == 1 && said.error.contains("--workspace"), "{said:?}");
}

#[tokio::test]
async fn what_cannot_be_done_is_said_with_what_to_do_and_changes_nothing() {
    let cloud = Cloud::start_storage_only().await;
    let folder = cloud.folder().to_str().unwrap();
    let nowhere = tempfile::tempdir().unwrap();
    let missing = nowhere.path().join("missing");
    let stranger = "0198c5a0-0000-7000-8000-000000000001";
    let long_name = "x".repeat(101);
    for (arguments, code, advice) in [
        (vec!["workspace", "create", "--data-dir", missing.to_str().unwrap()], 1, "sundial dev"),
        (vec!["key", "create", "--workspace", stranger, "--data-dir", folder], 1, "workspace create"),
        (vec!["key", "list", "--workspace", stranger, "--data-dir", folder], 1, "workspace create"),
        (vec!["key", "list", "--workspace", "shop", "--data-dir", folder], 2, "--workspace"),
        (vec!["key", "create", "--name", &long_name, "--data-dir", folder], 2, "1 to 100 characters"),
        (vec!["key", "revoke", "--data-dir", folder], 2, "KEY_ID"),
        (vec!["workspace", "create", "--data-dir", folder, "--table", "t"], 2, "--table"),
    ] {
        let said = sundial(&[&["admin"][..], &arguments].concat()).await;
        assert!(said.code == code && said.out.is_empty() && said.error.contains(advice), "{arguments:?}: {said:?}");
    }
    assert!(!missing.exists());
    let keys = cloud.dev.clients().store.api_keys(cloud.dev.description().workspace_id).await.unwrap();
    assert_eq!(keys.len(), 1);
}
